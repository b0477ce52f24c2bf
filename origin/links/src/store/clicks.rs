//! Rows of clicks and their sums.

use tidegate_origin_kit::Micros;
use tidegate_sql::{Result, Tx, from_row, params, statements};

statements! {
    STATEMENTS:
    CLICK_ADD = "INSERT INTO click (edge, seq, code, domain, at, bot, referrer, country, device) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (edge, seq) DO NOTHING";
    HOUR_ADD = "INSERT INTO click_hour (code, domain, hour, bot, clicks) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (code, domain, hour, bot) DO UPDATE SET clicks = click_hour.clicks + excluded.clicks";
    PART_ADD = "INSERT INTO click_part (code, domain, day, part, value, bot, clicks) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (code, domain, day, part, value, bot) \
        DO UPDATE SET clicks = click_part.clicks + excluded.clicks";
    HOURS = "SELECT hour, bot, clicks FROM click_hour WHERE code = $1 AND domain = $2 AND hour >= $3 AND hour < $4 \
        ORDER BY hour, bot";
    PARTS = "SELECT value, CAST(SUM(clicks) AS BIGINT) AS n FROM click_part WHERE code = $1 AND domain = $2 AND part = $3 \
        AND day >= $4 AND day < $5 AND bot <= $6 GROUP BY value ORDER BY n DESC, value LIMIT $7";
}

/// One click as an edge saw it.
#[derive(Debug, Clone)]
pub(crate) struct Click {
    pub(crate) seq: i64,
    pub(crate) code: String,
    pub(crate) domain: String,
    pub(crate) at: Micros,
    pub(crate) bot: bool,
    pub(crate) referrer: String,
    pub(crate) country: String,
    pub(crate) device: String,
}

/// The clicks of one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) bot: bool,
    pub(crate) clicks: i64,
}

from_row!(Bucket { hour, bot, clicks });

/// What clicks are broken down by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Referrer,
    Country,
    Device,
}

/// A span of time, `from` included and `until` not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Part {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Referrer => "referrer",
            Self::Country => "country",
            Self::Device => "device",
        }
    }
}

/// Keeps a click; `false` when this (edge, number) was kept before.
pub(crate) async fn click_add(tx: &mut Tx, edge: &str, click: &Click) -> Result<bool> {
    let values = params![
        edge,
        click.seq,
        &click.code,
        &click.domain,
        click.at,
        click.bot,
        &click.referrer,
        &click.country,
        &click.device,
    ];
    Ok(tx.exec(&CLICK_ADD, values).await? == 1)
}

/// Adds to the sum of an hour.
pub(crate) async fn hour_add(tx: &mut Tx, code: &str, domain: &str, bucket: &Bucket) -> Result<()> {
    let values = params![code, domain, bucket.hour, bucket.bot, bucket.clicks];
    tx.exec(&HOUR_ADD, values).await.map(drop)
}

/// Adds to the sum of one value of a part on a day (days since 1970).
pub(crate) async fn part_add(
    tx: &mut Tx,
    (code, domain): (&str, &str),
    day: i64,
    (part, value): (Part, &str),
    bot: bool,
    clicks: i64,
) -> Result<()> {
    let values = params![code, domain, day, part.word(), value, bot, clicks];
    tx.exec(&PART_ADD, values).await.map(drop)
}

/// The sums of a link, in hours since 1970.
pub(crate) async fn hours(
    tx: &mut Tx,
    code: &str,
    domain: &str,
    span: Span,
) -> Result<Vec<Bucket>> {
    tx.rows(&HOURS, params![code, domain, span.from, span.until]).await
}

/// The most frequent values of a part, in days since 1970.
pub(crate) async fn parts(
    tx: &mut Tx,
    (code, domain): (&str, &str),
    part: Part,
    span: Span,
    bots: bool,
    rows: u32,
) -> Result<Vec<(String, i64)>> {
    let values = params![code, domain, part.word(), span.from, span.until, bots, rows];
    tx.rows(&PARTS, values).await
}
