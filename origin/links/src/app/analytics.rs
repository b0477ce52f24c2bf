//! What is known of a link's clicks.

use serde::{Deserialize, Serialize};
use tidegate_origin_kit::{Fault, Moment};
use tidegate_sql::Tx;
use utoipa::{IntoParams, ToSchema};

use super::App;
use crate::settings::Domain;
use crate::store::{self, Bucket, Part, Span};

const HOUR_US: i64 = 3_600_000_000;
const HOURS_OF_DAY: i64 = 24;
/// Days that an answer covers where the request names no span.
const DAYS: i64 = 30;
/// Days of the longest span.
const DAYS_MAX: i64 = 400;
/// Days up to which the series is by hour.
const HOURLY_DAYS_MAX: i64 = 7;
/// Values of a break-down.
const VALUES_MAX: u32 = 20;

/// The span and the kind of clicks asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The domain's name; `default` when absent.
    pub(crate) domain: Option<String>,
    /// Begin of the span; 30 days before its end when absent.
    #[param(value_type = Option<String>)]
    pub(crate) from: Option<Moment>,
    /// End of the span; now when absent.
    #[param(value_type = Option<String>)]
    pub(crate) to: Option<Moment>,
    /// Whether programs are part of the break-downs.
    #[serde(default)]
    pub(crate) bots: bool,
}

/// The clicks of a link.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Analytics {
    /// The code.
    pub(crate) code: String,
    /// Clicks of people in the span.
    pub(crate) clicks: i64,
    /// Clicks of programs in the span.
    pub(crate) bots: i64,
    /// The share of programs, 0 to 1.
    pub(crate) bot_share: f64,
    /// Seconds between two points of the series.
    pub(crate) step: i64,
    /// Points with at least one click, in order.
    pub(crate) series: Vec<Point>,
    /// Hosts that visitors came from; empty for none.
    pub(crate) referrers: Vec<Count>,
    /// Countries; empty where unknown.
    pub(crate) countries: Vec<Count>,
    /// Classes of devices; empty where unknown.
    pub(crate) devices: Vec<Count>,
}

/// One point of the series.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Point {
    /// Its begin.
    pub(crate) at: Moment,
    /// Clicks of people.
    pub(crate) clicks: i64,
    /// Clicks of programs.
    pub(crate) bots: i64,
}

/// How often a value came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Count {
    /// The value.
    pub(crate) value: String,
    /// Clicks.
    pub(crate) clicks: i64,
}

impl App {
    /// The clicks of a link within a span.
    pub(crate) async fn analytics(
        &self,
        domain: Domain<'_>,
        code: &str,
        wanted: &Wanted,
    ) -> Result<Analytics, Fault> {
        let link = self.find(domain, code).await?.ok_or(Fault::NotFound("link"))?;
        let span = hours_of(wanted, self.clock.now())?;
        let (bots, key) = (wanted.bots, (link.code.clone(), link.domain));
        let found =
            self.db.read(async move |tx: &mut Tx| gather(tx, &key.0, &key.1, span, bots).await);
        let (buckets, values) = found.await.map_err(Fault::from)?;
        Ok(present(link.code, span, &buckets, values))
    }
}

type Values = [Vec<(String, i64)>; 3];

async fn gather(
    tx: &mut Tx,
    code: &str,
    domain: &str,
    span: Span,
    bots: bool,
) -> tidegate_sql::Result<(Vec<Bucket>, Values)> {
    let buckets = store::hours(tx, code, domain, span).await?;
    let until = (span.until + HOURS_OF_DAY - 1).div_euclid(HOURS_OF_DAY);
    let days = Span { from: span.from.div_euclid(HOURS_OF_DAY), until };
    let of = (code, domain);
    let referrers = store::parts(tx, of, Part::Referrer, days, bots, VALUES_MAX).await?;
    let countries = store::parts(tx, of, Part::Country, days, bots, VALUES_MAX).await?;
    let devices = store::parts(tx, of, Part::Device, days, bots, VALUES_MAX).await?;
    Ok((buckets, [referrers, countries, devices]))
}

/// The span in whole hours that contain it.
fn hours_of(wanted: &Wanted, now: i64) -> Result<Span, Fault> {
    let until = wanted.to.map_or(now + 1, |m| m.0);
    let from = wanted.from.map_or(until - DAYS * HOURS_OF_DAY * HOUR_US, |m| m.0);
    if from >= until || until - from > DAYS_MAX * HOURS_OF_DAY * HOUR_US {
        let text = format!("from lies before to, by at most {DAYS_MAX} days");
        return Err(Fault::invalid("from", "range", text));
    }
    Ok(Span { from: from.div_euclid(HOUR_US), until: (until + HOUR_US - 1).div_euclid(HOUR_US) })
}

fn present(code: String, span: Span, buckets: &[Bucket], values: Values) -> Analytics {
    let daily = span.until - span.from > HOURLY_DAYS_MAX * HOURS_OF_DAY;
    let step = if daily { HOURS_OF_DAY } else { 1 };
    let sum = |bot| buckets.iter().filter(|b| b.bot == bot).map(|b| b.clicks).sum::<i64>();
    let (clicks, bots) = (sum(false), sum(true));
    let [referrers, countries, devices] = values.map(counts);
    #[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
    let bot_share = if clicks + bots == 0 { 0.0 } else { bots as f64 / (clicks + bots) as f64 };
    let series = series(buckets, step);
    Analytics {
        code,
        clicks,
        bots,
        bot_share,
        step: step * 3600,
        series,
        referrers,
        countries,
        devices,
    }
}

fn series(buckets: &[Bucket], step: i64) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for bucket in buckets {
        let at = Moment((bucket.hour - bucket.hour.rem_euclid(step)) * HOUR_US);
        if points.last().is_none_or(|last| last.at != at) {
            points.push(Point { at, clicks: 0, bots: 0 });
        }
        if let Some(last) = points.last_mut() {
            let sum = if bucket.bot { &mut last.bots } else { &mut last.clicks };
            *sum += bucket.clicks;
        }
    }
    points
}

fn counts(values: Vec<(String, i64)>) -> Vec<Count> {
    values.into_iter().map(|(value, clicks)| Count { value, clicks }).collect()
}
