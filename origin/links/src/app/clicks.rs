//! Clicks come in batches, at least once each; every one is counted once.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use tidegate_origin_kit::{Fault, Micros};
use tidegate_sql::Tx;
use url::Url;
use utoipa::ToSchema;

use super::App;
use crate::settings::DEFAULT_DOMAIN;
use crate::store::{self, Bucket, Click, Part};

/// Clicks of one batch.
pub(crate) const BATCH_CLICKS_MAX: usize = 1000;
/// Characters of a referrer's host, of a country, of a class of devices.
const VALUE_CHARS_MAX: usize = 100;
const HOUR_US: Micros = 3_600_000_000;
const HOURS_OF_DAY: i64 = 24;

/// Clicks as an edge reports them.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// The edge's name; together with `seq` it names a click.
    pub(crate) edge: String,
    /// At most 1000.
    pub(crate) events: Vec<ClickEvent>,
}

/// One click.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(crate) struct ClickEvent {
    /// Number of the click at this edge, never used again.
    pub(crate) seq: i64,
    /// The code.
    pub(crate) code: String,
    /// The domain's name; `default` when absent.
    #[serde(default)]
    pub(crate) domain: Option<String>,
    /// Unix time in microseconds.
    pub(crate) at_us: i64,
    /// `Referer` as it came; only its host is kept.
    #[serde(default)]
    pub(crate) referer: Option<String>,
    /// A class such as `phone`, `desktop`, `bot`.
    #[serde(default)]
    pub(crate) ua_class: Option<String>,
    /// Whether it looked like a program.
    #[serde(default)]
    pub(crate) bot: bool,
    /// ISO 3166-1 alpha-2.
    #[serde(default)]
    pub(crate) country: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Accepted {
    /// Clicks counted now.
    pub(crate) accepted: u64,
    /// Clicks that were counted before.
    pub(crate) duplicates: u64,
}

impl App {
    /// Counts a batch; once this returns, it is counted for good.
    pub(crate) async fn count(&self, batch: Batch) -> Result<Accepted, Fault> {
        check(&batch)?;
        let edge = batch.edge;
        let clicks: Vec<Click> = batch.events.iter().map(click).collect();
        let total = clicks.len() as u64;
        let accepted = self.db.write(async move |tx: &mut Tx| {
            let fresh = keep(tx, &edge, &clicks).await?;
            add_up(tx, &fresh).await?;
            Ok::<_, Fault>(fresh.len() as u64)
        });
        let accepted = accepted.await?;
        self.figures.clicks.with_label_values(&["accepted"]).inc_by(accepted);
        self.figures.clicks.with_label_values(&["duplicate"]).inc_by(total - accepted);
        Ok(Accepted { accepted, duplicates: total - accepted })
    }
}

fn check(batch: &Batch) -> Result<(), Fault> {
    if batch.edge.is_empty() || batch.edge.len() > VALUE_CHARS_MAX {
        return Err(Fault::invalid(
            "/edge",
            "length",
            format!("edge is 1 to {VALUE_CHARS_MAX} bytes"),
        ));
    }
    if batch.events.len() > BATCH_CLICKS_MAX {
        return Err(Fault::invalid(
            "/events",
            "length",
            format!("at most {BATCH_CLICKS_MAX} events"),
        ));
    }
    Ok(())
}

async fn keep<'a>(tx: &mut Tx, edge: &str, clicks: &'a [Click]) -> Result<Vec<&'a Click>, Fault> {
    let mut fresh = Vec::with_capacity(clicks.len());
    let mut seen = HashSet::new();
    for click in clicks {
        if seen.insert(click.seq) && store::click_add(tx, edge, click).await? {
            fresh.push(click);
        }
    }
    Ok(fresh)
}

type Of<'a> = (&'a str, &'a str);

/// Sums are written in the order of their keys, so that two batches never wait for each other in a circle.
async fn add_up(tx: &mut Tx, clicks: &[&Click]) -> Result<(), Fault> {
    let mut hours: BTreeMap<(Of<'_>, i64, bool), i64> = BTreeMap::new();
    let mut parts: BTreeMap<(Of<'_>, i64, Part, &str, bool), i64> = BTreeMap::new();
    for click in clicks {
        let (of, hour) =
            ((click.code.as_str(), click.domain.as_str()), click.at.div_euclid(HOUR_US));
        *hours.entry((of, hour, click.bot)).or_default() += 1;
        for (part, value) in values(click) {
            *parts
                .entry((of, hour.div_euclid(HOURS_OF_DAY), part, value, click.bot))
                .or_default() += 1;
        }
    }
    for (((code, domain), hour, bot), clicks) in hours {
        store::hour_add(tx, code, domain, &Bucket { hour, bot, clicks }).await?;
    }
    for ((of, day, part, value, bot), clicks) in parts {
        store::part_add(tx, of, day, (part, value), bot, clicks).await?;
    }
    Ok(())
}

fn values(click: &Click) -> [(Part, &str); 3] {
    [
        (Part::Referrer, &click.referrer),
        (Part::Country, &click.country),
        (Part::Device, &click.device),
    ]
}

fn click(event: &ClickEvent) -> Click {
    Click {
        seq: event.seq,
        code: cut(&event.code),
        domain: event.domain.as_deref().map_or_else(|| DEFAULT_DOMAIN.to_owned(), cut),
        at: event.at_us,
        bot: event.bot,
        referrer: event.referer.as_deref().map(referrer_host).unwrap_or_default(),
        country: event.country.as_deref().map(cut).unwrap_or_default(),
        device: event.ua_class.as_deref().map(cut).unwrap_or_default(),
    }
}

/// The host alone: paths and queries of other sites can name people.
fn referrer_host(text: &str) -> String {
    Url::parse(text).ok().and_then(|url| url.host_str().map(cut)).unwrap_or_default()
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(VALUE_CHARS_MAX).collect()
}
