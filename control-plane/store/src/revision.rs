//! Revisions: immutable, numbered, hashed.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_control_api::{Problem, Revision, RolloutNew};
use tidegate_spec::Spec;
use tidegate_sql::{Tx, from_row, params, statements};

use crate::audit::{self, AuditNew};
use crate::{Result, Seal, Store, StoreError, counter, micros_now, rollout, secret};

/// Revisions on one page.
const PAGE_MAX: u32 = 200;

statements! {
    pub(crate) STATEMENTS:
    REVISION_ADD = "INSERT INTO revision (revision, hash, author, message, at, rollback_of, spec)
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    REVISION_FIND = "SELECT revision, hash, author, message, at, rollback_of, spec
         FROM revision WHERE revision = $1";
    REVISION_LAST = "SELECT revision, hash, author, message, at, rollback_of, spec
         FROM revision ORDER BY revision DESC LIMIT 1";
    REVISION_PAGE = "SELECT revision, hash, author, message, at, rollback_of FROM revision
         WHERE revision < $1 ORDER BY revision DESC LIMIT $2";
}

/// A revision with its spec.
#[derive(Clone, Debug)]
pub struct StoredRevision {
    /// Number, hash, author and so on.
    pub info: Revision,
    /// As it was written: generated keys are not in it, written ones are.
    pub spec: Spec,
}

/// A revision to be made.
#[derive(Clone, Debug)]
pub struct RevisionNew {
    /// The spec, valid.
    pub spec: Spec,
    /// Who makes it.
    pub author: String,
    /// Why.
    pub message: String,
    /// The revision it was made from: refused when that is not the newest any more. `None` skips
    /// the check, `Some(0)` means that there must be none yet.
    pub expect: Option<u64>,
    /// The revision whose spec this is.
    pub rollback_of: Option<u64>,
    /// How it is to go out.
    pub rollout: RolloutNew,
    /// Whether it may take the place of a rollout that is under way, as taking one back does.
    pub supersede: bool,
}

struct Row {
    revision: u64,
    hash: String,
    author: String,
    message: String,
    at: u64,
    rollback_of: Option<u64>,
}

from_row!(Row { revision, hash, author, message, at, rollback_of });

struct Full {
    revision: u64,
    hash: String,
    author: String,
    message: String,
    at: u64,
    rollback_of: Option<u64>,
    spec: String,
}

from_row!(Full { revision, hash, author, message, at, rollback_of, spec });

impl RevisionNew {
    /// A revision for everybody at once, whatever is there.
    pub fn new(spec: Spec, author: &str, message: &str) -> Self {
        Self {
            spec,
            author: author.to_owned(),
            message: message.to_owned(),
            expect: None,
            rollback_of: None,
            rollout: RolloutNew::default(),
            supersede: false,
        }
    }
}

impl StoredRevision {
    /// The spec as people see it: secrets replaced by [`secret::REDACTED`].
    pub fn redacted(&self) -> Value {
        secret::redacted(&self.spec)
    }
}

impl Store {
    /// The newest revision.
    pub async fn revision_last(&self) -> Result<Option<StoredRevision>> {
        let seal = Arc::clone(&self.seal);
        self.db.read(async move |tx| last(tx, &seal).await).await
    }

    /// One revision.
    pub async fn revision(&self, revision: u64) -> Result<StoredRevision> {
        let seal = Arc::clone(&self.seal);
        self.db.read(async move |tx| find(tx, &seal, revision).await).await
    }

    /// Revisions older than `before` (0 for the newest), newest first.
    pub async fn revisions(&self, before: u64, limit: u32) -> Result<Vec<Revision>> {
        let before = if before == 0 { u64::MAX } else { before };
        let limit = limit.clamp(1, PAGE_MAX);
        let rows: Vec<Row> = self
            .db
            .read(async move |tx| {
                Ok::<_, StoreError>(tx.rows(&REVISION_PAGE, params![before, limit]).await?)
            })
            .await?;
        Ok(rows.into_iter().map(Row::info).collect())
    }

    /// Puts the secrets back that stand as [`secret::REDACTED`] in what a person sent.
    pub async fn secrets_restored(&self, spec: &mut Spec) -> Result<Vec<Problem>> {
        let before = self.revision_last().await?;
        Ok(secret::restore(spec, before.as_ref().map(|last| &last.spec)))
    }

    /// Makes a revision. The flag is false when the newest one is that spec already.
    pub async fn revision_put(&self, new: RevisionNew) -> Result<(Revision, bool)> {
        let (announce, seal) = (self.announce(), Arc::clone(&self.seal));
        self.db
            .write(async move |tx| {
                let made = put(tx, &seal, &new).await?;
                announce(tx);
                Ok(made)
            })
            .await
    }
}

async fn put(tx: &mut Tx, seal: &Seal, new: &RevisionNew) -> Result<(Revision, bool)> {
    // Taking the number first locks the sequence: what is read below cannot change any more. When
    // no revision is made after all, the error or the reset below gives the number back.
    let revision = counter::advance(tx, counter::REVISION, 1).await?;
    let before = last(tx, seal).await?;
    let current = before.as_ref().map(|last| last.info.revision);
    if new.expect.is_some_and(|expect| expect != current.unwrap_or(0)) {
        return Err(StoreError::Stale { current });
    }
    if !new.supersede {
        rollout::none_running(tx).await?;
    }
    let filled = secret::materialise(tx, seal, &new.spec).await?;
    let hash = filled.hash();
    if let Some(before) = before.filter(|before| before.info.hash == hash) {
        counter::advance_back(tx, counter::REVISION).await?;
        return Ok((before.info, false));
    }
    let info = Revision {
        revision,
        hash,
        author: new.author.clone(),
        message: new.message.clone(),
        at: micros_now(),
        rollback_of: new.rollback_of,
    };
    insert(tx, seal, &info, &new.spec).await?;
    rollout::start(tx, revision, current, &new.rollout).await?;
    audit::append(tx, &entry(&info, current)).await?;
    Ok((info, true))
}

fn entry(info: &Revision, before: Option<u64>) -> AuditNew {
    let action = if info.rollback_of.is_some() { "spec.rollback" } else { "spec.put" };
    AuditNew::ok(&info.author, action, format!("revision {}", info.revision)).detail(json!({
        "hash": info.hash, "message": info.message, "before": before, "rollback_of": info.rollback_of,
    }))
}

async fn insert(tx: &mut Tx, seal: &Seal, info: &Revision, spec: &Spec) -> Result<()> {
    let text = tidegate_spec::canonical::json(&spec.to_json());
    let text = seal.close_text(&place(info.revision), &text)?;
    let Revision { revision, hash, author, message, at, rollback_of } = info;
    let params = params![*revision, hash, author, message, *at, *rollback_of, text];
    tx.exec(&REVISION_ADD, params).await?;
    Ok(())
}

pub(crate) async fn last(tx: &mut Tx, seal: &Seal) -> Result<Option<StoredRevision>> {
    tx.opt::<Full>(&REVISION_LAST, params![]).await?.map(|row| row.stored(seal)).transpose()
}

pub(crate) async fn find(tx: &mut Tx, seal: &Seal, revision: u64) -> Result<StoredRevision> {
    let row = tx.opt::<Full>(&REVISION_FIND, params![revision]).await?;
    row.ok_or_else(|| StoreError::NotFound(format!("revision {revision}")))?.stored(seal)
}

fn place(revision: u64) -> String {
    format!("revision {revision}")
}

impl Row {
    fn info(self) -> Revision {
        let Self { revision, hash, author, message, at, rollback_of } = self;
        Revision { revision, hash, author, message, at, rollback_of }
    }
}

impl Full {
    fn stored(self, seal: &Seal) -> Result<StoredRevision> {
        let Self { revision, hash, author, message, at, rollback_of, spec } = self;
        let spec = seal.open_text(&place(revision), &spec)?;
        let spec = serde_json::from_str(&spec)
            .map_err(|e| StoreError::corrupt(format!("revision {revision}"), e))?;
        Ok(StoredRevision {
            info: Revision { revision, hash, author, message, at, rollback_of },
            spec,
        })
    }
}
