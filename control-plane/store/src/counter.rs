//! Sequences: a row each, locked by the transaction that takes the next number.

use std::collections::BTreeMap;

use tidegate_control_api::TableHead;
use tidegate_sql::{Tx, params, statements};

use crate::{Result, Store};

statements! {
    pub(crate) STATEMENTS:
    COUNTER_ADD = "INSERT INTO counter (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value RETURNING value";
    COUNTER_BACK = "UPDATE counter SET value = value - 1 WHERE name = $1";
    COUNTERS_LIST = "SELECT name, value FROM counter";
    COUNTER_FIND = "SELECT value FROM counter WHERE name = $1";
}

pub(crate) const REVISION: &str = "revision";
pub(crate) const ROLLOUT: &str = "rollout";
pub(crate) const PURGE: &str = "purge";
pub(crate) const AUDIT: &str = "audit";
const TABLE_PREFIX: &str = "table:";
const GENERATION_PREFIX: &str = "generation:";

/// Where every sequence stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// The newest revision, 0 for none.
    pub revision: u64,
    /// Grows with every step of a rollout.
    pub rollout: u64,
    /// The last purge.
    pub purge: u64,
    /// Each table's generation and last operation.
    pub tables: BTreeMap<String, TableHead>,
}

impl Store {
    /// Where every sequence stands now.
    pub async fn heads(&self) -> Result<Heads> {
        self.db.read(async |tx| heads(tx).await).await
    }
}

async fn heads(tx: &mut Tx) -> Result<Heads> {
    let mut heads = Heads::default();
    for (name, value) in tx.rows::<(String, u64)>(&COUNTERS_LIST, params![]).await? {
        match name.as_str() {
            REVISION => heads.revision = value,
            ROLLOUT => heads.rollout = value,
            PURGE => heads.purge = value,
            other => {
                if let Some(table) = other.strip_prefix(TABLE_PREFIX) {
                    heads.tables.entry(table.to_owned()).or_default().seq = value;
                } else if let Some(table) = other.strip_prefix(GENERATION_PREFIX) {
                    heads.tables.entry(table.to_owned()).or_default().generation = value;
                }
            }
        }
    }
    Ok(heads)
}

pub(crate) fn table(name: &str) -> String {
    format!("{TABLE_PREFIX}{name}")
}

pub(crate) fn generation(name: &str) -> String {
    format!("{GENERATION_PREFIX}{name}")
}

/// Adds `n` and locks the row until the commit: numbers become visible in their order.
pub(crate) async fn advance(tx: &mut Tx, name: &str, n: u64) -> Result<u64> {
    let (value,) = tx.one::<(u64,)>(&COUNTER_ADD, params![name, n]).await?;
    Ok(value)
}

/// The last number given out, 0 before the first.
pub(crate) async fn current(tx: &mut Tx, name: &str) -> Result<u64> {
    let found = tx.opt::<(u64,)>(&COUNTER_FIND, params![name]).await?;
    Ok(found.map_or(0, |(value,)| value))
}

/// Gives back the number that this transaction took last.
pub(crate) async fn advance_back(tx: &mut Tx, name: &str) -> Result<()> {
    tx.exec(&COUNTER_BACK, params![name]).await?;
    Ok(())
}
