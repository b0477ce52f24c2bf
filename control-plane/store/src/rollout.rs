//! The newest rollout: which nodes are to run the newest revision.

use tidegate_control_api::{Rollout, RolloutNew, RolloutState};
use tidegate_sql::{Tx, from_row, params, statements};

use crate::audit::{self, AuditNew};
use crate::{Result, Store, StoreError, counter, micros_now};

statements! {
    pub(crate) STATEMENTS:
    ROLLOUT_ADD = "INSERT INTO rollout (revision, base, state, wave, plan, nodes, reason, since)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    ROLLOUT_LAST = "SELECT revision, base, state, wave, plan, nodes, reason, since
         FROM rollout ORDER BY revision DESC LIMIT 1";
    ROLLOUT_STEP = "UPDATE rollout SET state = $3, wave = $4, nodes = $5, reason = $6, since = $7
         WHERE revision = $1 AND wave = $2 AND state = 'running'";
    ROLLOUT_NOTE = "UPDATE rollout SET reason = $3
         WHERE revision = $1 AND wave = $2 AND state = 'running' AND reason <> $3";
    ROLLOUT_RUNNING = "SELECT revision FROM rollout WHERE state = 'running'";
    ROLLOUT_SUPERSEDE = "UPDATE rollout SET state = 'reverted' WHERE state = 'running'";
}

/// One step of a rollout. It happens only when the rollout still stands where it was seen.
#[derive(Clone, Debug)]
pub struct RolloutStep {
    /// The rollout's revision.
    pub revision: u64,
    /// The wave it was seen at.
    pub from_wave: usize,
    /// What it becomes.
    pub state: RolloutState,
    /// The wave it goes to.
    pub wave: usize,
    /// The nodes that are to run the revision.
    pub nodes: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
}

struct Row {
    revision: u64,
    base: Option<u64>,
    state: String,
    wave: usize,
    plan: String,
    nodes: String,
    reason: String,
    since: u64,
}

from_row!(Row { revision, base, state, wave, plan, nodes, reason, since });

impl Store {
    /// The newest rollout.
    pub async fn rollout(&self) -> Result<Option<Rollout>> {
        self.db.read(async |tx| last(tx).await).await
    }

    /// Takes a step; false when somebody else took one meanwhile.
    pub async fn rollout_step(&self, step: RolloutStep) -> Result<bool> {
        let announce = self.announce();
        self.db
            .write(async move |tx| {
                let taken = take(tx, &step).await?;
                announce(tx);
                Ok(taken)
            })
            .await
    }

    /// Writes down what the rollout waits for.
    pub async fn rollout_note(&self, revision: u64, wave: usize, reason: String) -> Result<()> {
        self.db
            .write(async move |tx| {
                tx.exec(&ROLLOUT_NOTE, params![revision, wave, &reason]).await?;
                Ok(())
            })
            .await
    }
}

async fn take(tx: &mut Tx, step: &RolloutStep) -> Result<bool> {
    let nodes = serde_json::to_string(&step.nodes).unwrap_or_default();
    let (revision, from, state) = (step.revision, step.from_wave, step.state.as_str());
    let params = params![revision, from, state, step.wave, nodes, &step.reason, micros_now()];
    if tx.exec(&ROLLOUT_STEP, params).await? == 0 {
        return Ok(false);
    }
    counter::advance(tx, counter::ROLLOUT, 1).await?;
    let subject = format!("revision {revision} wave {}", step.wave);
    let entry = AuditNew::ok(&step.actor, "rollout.step", subject)
        .detail(serde_json::json!({ "state": state, "reason": step.reason }));
    audit::append(tx, &entry).await?;
    Ok(true)
}

pub(crate) async fn last(tx: &mut Tx) -> Result<Option<Rollout>> {
    tx.opt::<Row>(&ROLLOUT_LAST, params![]).await?.map(Row::rollout).transpose()
}

pub(crate) async fn none_running(tx: &mut Tx) -> Result<()> {
    match tx.opt::<(u64,)>(&ROLLOUT_RUNNING, params![]).await? {
        Some((revision,)) => Err(StoreError::RolloutRunning(revision)),
        None => Ok(()),
    }
}

/// Without waves, or as the first revision of all, it is everybody's at once.
pub(crate) async fn start(
    tx: &mut Tx,
    revision: u64,
    base: Option<u64>,
    plan: &RolloutNew,
) -> Result<()> {
    tx.exec(&ROLLOUT_SUPERSEDE, params![]).await?;
    let at_once = plan.waves.is_empty() || base.is_none();
    let state = if at_once { RolloutState::Done } else { RolloutState::Running };
    let text = serde_json::to_string(plan).unwrap_or_default();
    let params = params![revision, base, state.as_str(), 0u64, text, "[]", "", micros_now()];
    tx.exec(&ROLLOUT_ADD, params).await?;
    counter::advance(tx, counter::ROLLOUT, 1).await?;
    Ok(())
}

impl Row {
    fn rollout(self) -> Result<Rollout> {
        let failed = |e: &dyn ToString| {
            StoreError::corrupt(format!("rollout {}", self.revision), e.to_string())
        };
        Ok(Rollout {
            revision: self.revision,
            base: self.base,
            state: RolloutState::parse(&self.state).ok_or_else(|| failed(&self.state))?,
            wave: self.wave,
            plan: serde_json::from_str(&self.plan).map_err(|e| failed(&e))?,
            nodes: serde_json::from_str(&self.nodes).map_err(|e| failed(&e))?,
            reason: self.reason.clone(),
            since: self.since,
        })
    }
}
