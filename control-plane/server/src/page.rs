//! The page at `/`: nodes, revisions, the rollout. Rendered here, refreshed by htmx.

use askama::Template;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use tidegate_control_api::{Node, NodeList, Revision, Rollout};

use crate::app::App;
use crate::faults::Refusal;
use crate::nodes::nodes;

/// The page.
pub(crate) const ROOT: &str = "/";
/// Its changing part.
pub(crate) const FLEET: &str = "/ui/fleet";
/// The script that refreshes it.
pub(crate) const SCRIPT: &str = "/ui/htmx.min.js";

const REVISIONS: u32 = 15;

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    fleet: Fleet,
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct Fleet {
    list: NodeList,
    revisions: Vec<Revision>,
    rollout: Option<Rollout>,
    now: u64,
}

pub(crate) async fn root(State(app): State<App>) -> Result<impl IntoResponse, Refusal> {
    let page = Page { fleet: state(&app).await? };
    render(&page)
}

pub(crate) async fn fleet(State(app): State<App>) -> Result<impl IntoResponse, Refusal> {
    render(&state(&app).await?)
}

pub(crate) async fn script() -> impl IntoResponse {
    const HTMX: &str = include_str!("../templates/htmx.min.js");
    let headers = [(CONTENT_TYPE, "text/javascript"), (CACHE_CONTROL, "private, max-age=86400")];
    (headers, HTMX)
}

async fn state(app: &App) -> Result<Fleet, Refusal> {
    Ok(Fleet {
        list: nodes(app).await?,
        revisions: app.store.revisions(0, REVISIONS).await?,
        rollout: app.store.rollout().await?,
        now: tidegate_control_store::micros_now(),
    })
}

fn render(template: &impl Template) -> Result<Html<String>, Refusal> {
    let text = template.render();
    text.map(Html).map_err(|e| Refusal::new(500, "page", "the page cannot be shown", e.to_string()))
}

impl Fleet {
    fn healthy(&self) -> usize {
        self.list.nodes.iter().filter(|node| node.healthy).count()
    }

    fn state(&self, node: &Node) -> &'static str {
        match node {
            Node { live: false, .. } => "away",
            Node { healthy: true, .. } => "healthy",
            Node { drift: true, .. } => "drift",
            _ => "changing",
        }
    }

    fn stat(&self, node: &Node, name: &str) -> String {
        node.beat.stats.get(name).map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
    }

    /// `3 s`, `5 min`: how long ago, in the largest unit that is not zero.
    fn ago(&self, at: &u64) -> String {
        let seconds = self.now.saturating_sub(*at) / 1_000_000;
        match seconds {
            0..60 => format!("{seconds} s"),
            60..3_600 => format!("{} min", seconds / 60),
            3_600..86_400 => format!("{} h", seconds / 3_600),
            _ => format!("{} d", seconds / 86_400),
        }
    }

    fn short<'h>(&self, hash: &'h str) -> &'h str {
        hash.get(..12).unwrap_or(hash)
    }
}
