//! The audit log: every change and every refusal, append-only, each entry's hash over the last.

use serde_json::Value;
use sha2::{Digest, Sha256};
use tidegate_control_api::AuditEntry;
use tidegate_sql::{Tx, from_row, params, statements};

use crate::{Result, Store, counter, micros_now};

/// Entries on one page.
const PAGE_MAX: u32 = 500;

statements! {
    pub(crate) STATEMENTS:
    AUDIT_ADD = "INSERT INTO audit (seq, at, actor, action, subject, outcome, detail, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    AUDIT_HASH = "SELECT hash FROM audit WHERE seq = $1";
    AUDIT_PAGE = "SELECT seq, at, actor, action, subject, outcome, detail, hash FROM audit
         WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
    AUDIT_AFTER = "SELECT seq, at, actor, action, subject, outcome, detail, hash FROM audit
         WHERE seq > $1 ORDER BY seq LIMIT $2";
}

/// An entry to be written.
#[derive(Clone, Debug)]
pub struct AuditNew {
    /// The token's name, or `-`.
    pub actor: String,
    /// What was done or tried.
    pub action: &'static str,
    /// To what.
    pub subject: String,
    /// `ok`, or why not.
    pub outcome: String,
    /// More; no secrets.
    pub detail: Value,
}

struct Row {
    seq: u64,
    at: u64,
    actor: String,
    action: String,
    subject: String,
    outcome: String,
    detail: String,
    hash: String,
}

from_row!(Row { seq, at, actor, action, subject, outcome, detail, hash });

impl AuditNew {
    /// An entry about something that was done.
    pub fn ok(actor: &str, action: &'static str, subject: impl Into<String>) -> Self {
        Self {
            actor: actor.to_owned(),
            action,
            subject: subject.into(),
            outcome: "ok".to_owned(),
            detail: Value::Null,
        }
    }

    /// An entry about something that was refused.
    pub fn refused(
        actor: &str,
        action: &'static str,
        subject: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { outcome: why.into(), ..Self::ok(actor, action, subject) }
    }

    /// The same with more to say.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

impl Store {
    /// Writes one entry in a transaction of its own; what changes something writes its entry in the
    /// change's transaction.
    pub async fn audit_add(&self, entry: AuditNew) -> Result<()> {
        self.db.write(async move |tx| append(tx, &entry).await).await
    }

    /// Entries older than `before` (0 for the newest), newest first.
    pub async fn audit_page(&self, before: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        let before = if before == 0 { u64::MAX } else { before };
        let limit = limit.clamp(1, PAGE_MAX);
        let rows: Vec<Row> = self
            .db
            .read(async move |tx| {
                Ok::<_, crate::StoreError>(tx.rows(&AUDIT_PAGE, params![before, limit]).await?)
            })
            .await?;
        Ok(rows.into_iter().map(Row::entry).collect())
    }

    /// Whether every hash follows from the one before and no number is missing.
    pub async fn audit_verify(&self) -> Result<bool> {
        let (mut seq, mut hash) = (0, String::new());
        loop {
            let rows = self.audit_after(seq).await?;
            if rows.is_empty() {
                return Ok(true);
            }
            for row in rows {
                if row.seq != seq + 1 || row.hash != row.computed(&hash) {
                    return Ok(false);
                }
                (seq, hash) = (row.seq, row.hash);
            }
        }
    }

    async fn audit_after(&self, seq: u64) -> Result<Vec<Row>> {
        self.db.read(async move |tx| Ok(tx.rows(&AUDIT_AFTER, params![seq, PAGE_MAX]).await?)).await
    }
}

pub(crate) async fn append(tx: &mut Tx, entry: &AuditNew) -> Result<()> {
    let seq = counter::advance(tx, counter::AUDIT, 1).await?;
    let before = tx.opt::<(String,)>(&AUDIT_HASH, params![seq - 1]).await?;
    let mut row = Row {
        seq,
        at: micros_now(),
        actor: entry.actor.clone(),
        action: entry.action.to_owned(),
        subject: entry.subject.clone(),
        outcome: entry.outcome.clone(),
        detail: entry.detail.to_string(),
        hash: String::new(),
    };
    row.hash = row.computed(before.as_ref().map_or("", |(hash,)| hash));
    let Row { seq, at, actor, action, subject, outcome, detail, hash } = row;
    tx.exec(&AUDIT_ADD, params![seq, at, actor, action, subject, outcome, detail, hash]).await?;
    Ok(())
}

impl Row {
    /// Lengths go in too, so that bytes cannot move from one field to the next.
    fn computed(&self, before: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.seq.to_be_bytes());
        hash.update(self.at.to_be_bytes());
        let texts = [&self.actor, &self.action, &self.subject, &self.outcome, &self.detail];
        for text in texts.into_iter().map(String::as_str).chain([before]) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hex(&hash.finalize())
    }

    fn entry(self) -> AuditEntry {
        AuditEntry {
            seq: self.seq,
            at: self.at,
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            outcome: self.outcome,
            detail: serde_json::from_str(&self.detail).unwrap_or(Value::Null),
            hash: self.hash,
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
