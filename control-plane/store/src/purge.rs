//! Purges in their sequence.

use tidegate_control_api::{Purge, PurgeEvent};
use tidegate_sql::{from_row, params, statements};

use crate::audit::{self, AuditNew};
use crate::{Result, Store, StoreError, counter, micros_now};

/// Targets of one purge.
const TARGETS_MAX: usize = 1_000;
/// Purges kept for nodes that come back; who was away longer is told to purge everything softly.
const KEPT_MAX: u64 = 100_000;

statements! {
    pub(crate) STATEMENTS:
    PURGE_ADD = "INSERT INTO purge (seq, at, author, targets, soft) VALUES ($1, $2, $3, $4, $5)";
    PURGES_AFTER = "SELECT seq, at, targets, soft FROM purge WHERE seq > $1 ORDER BY seq LIMIT $2";
    PURGES_TRIM = "DELETE FROM purge WHERE seq <= $1";
}

struct Row {
    seq: u64,
    at: u64,
    targets: String,
    soft: bool,
}

from_row!(Row { seq, at, targets, soft });

impl Store {
    /// Writes a purge down; its place in the sequence.
    pub async fn purge_add(&self, purge: &Purge, author: &str) -> Result<u64> {
        if purge.targets.is_empty() || purge.targets.len() > TARGETS_MAX {
            let text =
                format!("a purge has 1 to {TARGETS_MAX} targets, not {}", purge.targets.len());
            return Err(StoreError::Refused(text));
        }
        let targets = serde_json::to_string(&purge.targets).unwrap_or_default();
        let (author, soft) = (author.to_owned(), purge.soft);
        let announce = self.announce();
        self.db
            .write(async move |tx| {
                let seq = counter::advance(tx, counter::PURGE, 1).await?;
                tx.exec(&PURGE_ADD, params![seq, micros_now(), &author, &targets, soft]).await?;
                tx.exec(&PURGES_TRIM, params![seq.saturating_sub(KEPT_MAX)]).await?;
                let detail = serde_json::from_str(&targets).unwrap_or_default();
                let entry = AuditNew::ok(&author, "purge", format!("purge {seq}")).detail(detail);
                audit::append(tx, &entry).await?;
                announce(tx);
                Ok(seq)
            })
            .await
    }

    /// Purges after `after` in order, at most `limit`.
    pub async fn purges_after(&self, after: u64, limit: usize) -> Result<Vec<PurgeEvent>> {
        let rows: Vec<Row> = self
            .db
            .read(async move |tx| {
                Ok::<_, StoreError>(tx.rows(&PURGES_AFTER, params![after, limit]).await?)
            })
            .await?;
        rows.into_iter().map(Row::event).collect()
    }
}

impl Row {
    fn event(self) -> Result<PurgeEvent> {
        let targets = serde_json::from_str(&self.targets)
            .map_err(|e| StoreError::corrupt(format!("purge {}", self.seq), e))?;
        Ok(PurgeEvent { seq: self.seq, at: self.at, targets, soft: self.soft })
    }
}
