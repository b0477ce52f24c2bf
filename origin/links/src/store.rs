//! The only place with SQL of the links: statements and what rows become.

mod clicks;
mod links;

use tidegate_origin_kit::store::{Database, MIGRATION_001};
use tidegate_sql::{Migration, Statement};

pub(crate) use clicks::{Bucket, Click, Part, Span, click_add, hour_add, hours, part_add, parts};
pub(crate) use links::{
    Filter, changed_since, counter_take, insert, live_codes, live_count, load, page, tags_replace,
    update, visit,
};

/// What the links keep: one file on SQLite, one schema on PostgreSQL.
pub const DATABASE: Database = Database {
    name: "links",
    migrations: &[MIGRATION_001, Migration::new("links_001", include_str!("store/001_links.sql"))],
    statements: STATEMENTS,
};

static STATEMENTS: &[&Statement] = &[
    &links::LINK_ADD,
    &links::LINK_FIND,
    &links::LINK_SET,
    &links::LINK_VISIT,
    &links::LINK_PAGE,
    &links::LINK_CHANGED,
    &links::LINK_CODES,
    &links::LINK_COUNT,
    &links::TAG_ADD,
    &links::TAG_CLEAR,
    &links::COUNTER_TAKE,
    &clicks::CLICK_ADD,
    &clicks::HOUR_ADD,
    &clicks::PART_ADD,
    &clicks::HOURS,
    &clicks::PARTS,
];
