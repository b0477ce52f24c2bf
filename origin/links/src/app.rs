//! The use cases: each one function, each with one write transaction.

mod analytics;
mod bulk;
mod change;
mod clicks;
mod codes;
mod create;
mod read;
mod secret;
mod table;

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounterVec;
use tidegate_origin_kit::pages::Cursors;
use tidegate_origin_kit::settings::Typed;
use tidegate_origin_kit::{Clock, Cx, Fault};
use tidegate_sql::Db;

use crate::announce::Announcer;
use crate::settings::{Domain, LinksSettings};

pub(crate) use analytics::{Analytics, Wanted};
pub(crate) use bulk::{Bulk, Outcome};
pub(crate) use change::Patch;
pub(crate) use clicks::{Accepted, Batch};
pub(crate) use codes::Codes;
pub(crate) use create::{Created, NewLink};
pub(crate) use secret::Hashing;
pub(crate) use table::keep_base;

/// How long an answer waits for the log.
pub(crate) const ANNOUNCE_PATIENCE: Duration = Duration::from_secs(3);

/// Everything the use cases work with; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) settings: Typed<LinksSettings>,
    pub(crate) announcer: Announcer,
    pub(crate) codes: Codes,
    pub(crate) cursors: Cursors,
    pub(crate) figures: Figures,
    pub(crate) hashing: Hashing,
}

/// What the links count.
pub(crate) struct Figures {
    /// `links_resolve_requests_total{form,outcome}`: asked by an edge or a visitor.
    pub(crate) resolved: IntCounterVec,
    /// `links_changes_total{change}`.
    pub(crate) changes: IntCounterVec,
    /// `links_clicks_total{outcome}`.
    pub(crate) clicks: IntCounterVec,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The domain called `name`, for a request that names one.
    pub(crate) fn known<'a>(
        settings: &'a LinksSettings,
        name: &'a str,
    ) -> Result<Domain<'a>, Fault> {
        settings.domain(name).ok_or(Fault::NotFound("domain"))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Figures {
    pub(crate) fn new(cx: &Cx) -> Self {
        let counters = |name, help, labels| cx.metrics.counters(name, help, labels);
        Self {
            resolved: counters(
                "links_resolve_requests_total",
                "codes asked for, by an edge (resolve) or by a visitor (visit)",
                &["form", "outcome"],
            ),
            changes: counters("links_changes_total", "links created and changed", &["change"]),
            clicks: counters("links_clicks_total", "clicks reported", &["outcome"]),
        }
    }
}
