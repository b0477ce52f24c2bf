//! Rows of links.

use tidegate_origin_kit::Micros;
use tidegate_sql::{Error, FromRow, Result, Row, Tx, params, statements};

use crate::model::link::{Extra, Link, State};

statements! {
    STATEMENTS:
    LINK_ADD = "INSERT INTO link (code, domain, version, state, target, status, valid_since, expires_at, visits_max, \
        visits, unlisted, owner, created_at, updated_at, extra, search) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
        ON CONFLICT (code, domain) DO NOTHING";
    LINK_FIND = "SELECT code, domain, version, state, target, status, valid_since, expires_at, visits_max, visits, \
        unlisted, owner, created_at, updated_at, extra FROM link WHERE code = $1 AND domain = $2";
    LINK_SET = "UPDATE link SET version = $1, state = $2, target = $3, status = $4, valid_since = $5, expires_at = $6, \
        visits_max = $7, updated_at = $8, extra = $9, search = $10 \
        WHERE code = $11 AND domain = $12 AND version = $13";
    LINK_VISIT = "UPDATE link SET visits = visits + 1 WHERE code = $1 AND domain = $2 AND visits < visits_max";
    LINK_PAGE = "SELECT code, domain, version, state, target, status, valid_since, expires_at, visits_max, visits, \
        unlisted, owner, created_at, updated_at, extra FROM link \
        WHERE domain = $1 AND (created_at, code) < ($2, $3) \
        AND ((state = $4) OR ($4 = '' AND state <> 'deleted')) \
        AND ($5 = '' OR search LIKE $5 ESCAPE '\\') \
        AND ($6 = '' OR EXISTS (SELECT 1 FROM link_tag AS t WHERE t.code = link.code AND t.domain = link.domain AND t.tag = $6)) \
        ORDER BY created_at DESC, code DESC LIMIT $7";
    LINK_CHANGED = "SELECT code, domain, version FROM link WHERE updated_at >= $1";
    LINK_CODES = "SELECT code, domain FROM link WHERE (code, domain) > ($1, $2) AND state <> 'deleted' \
        ORDER BY code, domain LIMIT $3";
    LINK_COUNT = "SELECT COUNT(*) FROM link WHERE state <> 'deleted'";
    TAG_ADD = "INSERT INTO link_tag (code, domain, tag) VALUES ($1, $2, $3) ON CONFLICT (code, domain, tag) DO NOTHING";
    TAG_CLEAR = "DELETE FROM link_tag WHERE code = $1 AND domain = $2";
    COUNTER_TAKE = "INSERT INTO link_counter (domain, next) VALUES ($1, $2) \
        ON CONFLICT (domain) DO UPDATE SET next = link_counter.next + $3 RETURNING next";
}

/// What a list is narrowed to; an empty text narrows nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) domain: String,
    pub(crate) state: String,
    /// Looked for anywhere in code, target, title and tags.
    pub(crate) text: String,
    pub(crate) tag: String,
}

/// Adds a link and its tags; `false` when the code was given before.
pub(crate) async fn insert(tx: &mut Tx, link: &Link) -> Result<bool> {
    let values = params![
        &link.code,
        &link.domain,
        link.version,
        link.state.word(),
        &link.target,
        link.status,
        link.valid_since,
        link.expires_at,
        link.visits_max,
        link.visits,
        link.unlisted,
        &link.owner,
        link.created_at,
        link.updated_at,
        extra_text(link),
        link.search_text(),
    ];
    let added = tx.exec(&LINK_ADD, values).await? == 1;
    if added {
        tags_add(tx, link).await?;
    }
    Ok(added)
}

/// The link of a code, in whatever state.
pub(crate) async fn load(tx: &mut Tx, domain: &str, code: &str) -> Result<Option<Link>> {
    tx.opt(&LINK_FIND, params![code, domain]).await
}

/// Writes a changed link over the version before it; `false` when that is no longer what is stored.
pub(crate) async fn update(tx: &mut Tx, link: &Link) -> Result<bool> {
    let values = params![
        link.version,
        link.state.word(),
        &link.target,
        link.status,
        link.valid_since,
        link.expires_at,
        link.visits_max,
        link.updated_at,
        extra_text(link),
        link.search_text(),
        &link.code,
        &link.domain,
        link.version - 1,
    ];
    Ok(tx.exec(&LINK_SET, values).await? == 1)
}

/// Puts the link's tags in the place of what was there.
pub(crate) async fn tags_replace(tx: &mut Tx, link: &Link) -> Result<()> {
    tx.exec(&TAG_CLEAR, params![&link.code, &link.domain]).await?;
    tags_add(tx, link).await
}

/// Uses up one visit; `false` when none is left.
pub(crate) async fn visit(tx: &mut Tx, domain: &str, code: &str) -> Result<bool> {
    Ok(tx.exec(&LINK_VISIT, params![code, domain]).await? == 1)
}

/// Up to `rows` links, newest first, after the link (`at`, `code`).
pub(crate) async fn page(
    tx: &mut Tx,
    filter: &Filter,
    (at, code): (Micros, String),
    rows: u32,
) -> Result<Vec<Link>> {
    let text = like(&filter.text);
    let values = params![&filter.domain, at, code, &filter.state, text, &filter.tag, rows];
    tx.rows(&LINK_PAGE, values).await
}

/// Domain, code and version of what changed since `since`.
pub(crate) async fn changed_since(
    tx: &mut Tx,
    since: Micros,
) -> Result<Vec<(String, String, i64)>> {
    tx.rows(&LINK_CHANGED, params![since]).await
}

/// Up to `rows` codes that are not deleted, with their domains, after the one given.
pub(crate) async fn live_codes(
    tx: &mut Tx,
    (code, domain): &(String, String),
    rows: u32,
) -> Result<Vec<(String, String)>> {
    tx.rows(&LINK_CODES, params![code, domain, rows]).await
}

/// How many codes are not deleted.
pub(crate) async fn live_count(tx: &mut Tx) -> Result<u64> {
    let (count,) = tx.one::<(u64,)>(&LINK_COUNT, &[]).await?;
    Ok(count)
}

/// Takes `count` numbers of a domain for this process; the first of them.
pub(crate) async fn counter_take(tx: &mut Tx, domain: &str, count: u64) -> Result<u64> {
    let (next,) = tx.one::<(u64,)>(&COUNTER_TAKE, params![domain, count, count]).await?;
    Ok(next.saturating_sub(count))
}

async fn tags_add(tx: &mut Tx, link: &Link) -> Result<()> {
    for tag in &link.extra.tags {
        tx.exec(&TAG_ADD, params![&link.code, &link.domain, tag]).await?;
    }
    Ok(())
}

fn like(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

fn extra_text(link: &Link) -> String {
    serde_json::to_string(&link.extra).unwrap_or_default()
}

impl FromRow for Link {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let state: String = row.col(3)?;
        let extra: String = row.col(14)?;
        Ok(Self {
            code: row.col(0)?,
            domain: row.col(1)?,
            version: row.col(2)?,
            state: State::from_word(&state).ok_or_else(|| unreadable(3, &state))?,
            target: row.col(4)?,
            status: row.col(5)?,
            valid_since: row.col(6)?,
            expires_at: row.col(7)?,
            visits_max: row.col(8)?,
            visits: row.col(9)?,
            unlisted: row.col(10)?,
            owner: row.col(11)?,
            created_at: row.col(12)?,
            updated_at: row.col(13)?,
            extra: serde_json::from_str::<Extra>(&extra).map_err(|e| unreadable(14, e))?,
        })
    }
}

fn unreadable(index: usize, source: impl std::fmt::Display) -> Error {
    Error::Column { index, detail: source.to_string() }
}
