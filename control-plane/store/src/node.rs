//! Nodes: when they were heard of, what they acknowledged, what they say they run.

use tidegate_control_api::{Ack, Beat, NodeKind, Phase, Problem};
use tidegate_sql::{Tx, from_row, params, statements};

use crate::audit::{self, AuditNew};
use crate::{Result, Store, StoreError, counter, micros_now};

/// A node that was not heard of for so long is not live, in milliseconds.
pub const LIVE_MS_MAX: u64 = 6_000;

statements! {
    pub(crate) STATEMENTS:
    NODE_SEEN = "INSERT INTO node (node, kind, seen_at, away, purge_seq) VALUES ($1, $2, $3, 0, $4)
         ON CONFLICT (node) DO UPDATE SET kind = excluded.kind, seen_at = excluded.seen_at, away = 0";
    NODE_PURGED = "UPDATE node SET purge_seq = $2, seen_at = $3 WHERE node = $1 AND purge_seq < $2";
    NODE_CAUGHT_UP = "UPDATE node SET purge_seq = $2 WHERE node = $1";
    NODE_AWAY = "UPDATE node SET away = 1 WHERE node = $1 AND seen_at <= $2";
    NODE_ACKED = "UPDATE node SET acked = $2, phase = $3, ack_hash = $4, problems = $5, seen_at = $6
         WHERE node = $1 AND (acked IS NULL OR acked <= $2)";
    NODE_BEAT = "UPDATE node SET beat = $2, seen_at = $3, beat_at = $3, away = 0 WHERE node = $1";
    NODE_DROP = "DELETE FROM node WHERE node = $1";
    NODES_PURGED = "SELECT node, seen_at, away, purge_seq FROM node WHERE kind = 'edge' ORDER BY node";
    NODES_LIST = "SELECT node, kind, seen_at, away, purge_seq, acked, phase, ack_hash, problems, beat,
         beat_at FROM node ORDER BY node";
}

/// A node as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRow {
    /// Its name.
    pub node: String,
    /// What it is.
    pub kind: NodeKind,
    /// When it was last heard of.
    pub seen_at: u64,
    /// Whether its stream ended since.
    pub away: bool,
    /// The last purge it carried out.
    pub purge_seq: u64,
    /// The revision of its last acknowledgement.
    pub acked: Option<u64>,
    /// How far that got.
    pub phase: Option<Phase>,
    /// The hash in it.
    pub ack_hash: Option<String>,
    /// The problems in it.
    pub problems: Vec<Problem>,
    /// Its last heartbeat.
    pub beat: Beat,
    /// When that came.
    pub beat_at: u64,
}

/// How far an edge is with purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgePurged {
    /// Its name.
    pub node: String,
    /// When it was last heard of.
    pub seen_at: u64,
    /// Whether its stream ended since.
    pub away: bool,
    /// The last purge it carried out.
    pub purge_seq: u64,
}

from_row!(EdgePurged { node, seen_at, away, purge_seq });

struct Row {
    node: String,
    kind: String,
    seen_at: u64,
    away: bool,
    purge_seq: u64,
    acked: Option<u64>,
    phase: Option<String>,
    ack_hash: Option<String>,
    problems: Option<String>,
    beat: Option<String>,
    beat_at: u64,
}

from_row!(Row {
    node,
    kind,
    seen_at,
    away,
    purge_seq,
    acked,
    phase,
    ack_hash,
    problems,
    beat,
    beat_at
});

impl NodeRow {
    /// Whether it was heard of lately and its stream is there.
    pub fn is_live(&self, now: u64) -> bool {
        is_live(self.away, self.seen_at, now)
    }
}

impl EdgePurged {
    /// Whether it was heard of lately and its stream is there.
    pub fn is_live(&self, now: u64) -> bool {
        is_live(self.away, self.seen_at, now)
    }
}

fn is_live(away: bool, seen_at: u64, now: u64) -> bool {
    !away && now.saturating_sub(seen_at) <= LIVE_MS_MAX * 1_000
}

impl Store {
    /// A node opened its stream, having carried out purges up to `purge_seq`.
    pub async fn node_seen(&self, node: &str, kind: NodeKind, purge_seq: u64) -> Result<()> {
        let node = node.to_owned();
        self.db
            .write(async move |tx| {
                let at = micros_now();
                tx.exec(&NODE_SEEN, params![&node, kind.as_str(), at, purge_seq]).await?;
                tx.exec(&NODE_CAUGHT_UP, params![&node, purge_seq]).await?;
                Ok(())
            })
            .await
    }

    /// A node's stream ended, and nothing was heard of it after `since`.
    pub async fn node_away(&self, node: &str, since: u64) -> Result<()> {
        let node = node.to_owned();
        let announce = self.announce();
        self.db
            .write(async move |tx| {
                tx.exec(&NODE_AWAY, params![&node, since]).await?;
                announce(tx);
                Ok(())
            })
            .await
    }

    /// A node acknowledged a revision.
    pub async fn node_ack(&self, node: &str, ack: Ack) -> Result<()> {
        let node = node.to_owned();
        let announce = self.announce();
        self.db
            .write(async move |tx| {
                acked(tx, &node, &ack).await?;
                announce(tx);
                Ok(())
            })
            .await
    }

    /// A node says what it runs.
    pub async fn node_beat(&self, node: &str, beat: Beat) -> Result<()> {
        let node = node.to_owned();
        self.db
            .write(async move |tx| {
                let text = serde_json::to_string(&beat).unwrap_or_default();
                known(tx.exec(&NODE_BEAT, params![&node, text, micros_now()]).await?, &node)
            })
            .await
    }

    /// A node carried out every purge up to `seq`; one that says more than there is speaks of
    /// another database.
    pub async fn node_purged(&self, node: &str, seq: u64) -> Result<()> {
        let node = node.to_owned();
        let announce = self.announce();
        self.db
            .write(async move |tx| {
                let seq = seq.min(counter::current(tx, counter::PURGE).await?);
                tx.exec(&NODE_PURGED, params![&node, seq, micros_now()]).await?;
                announce(tx);
                Ok(())
            })
            .await
    }

    /// Forgets a node that is gone for good.
    pub async fn node_drop(&self, node: &str, actor: &str) -> Result<()> {
        let (node, actor) = (node.to_owned(), actor.to_owned());
        self.db
            .write(async move |tx| {
                known(tx.exec(&NODE_DROP, params![&node]).await?, &node)?;
                audit::append(tx, &AuditNew::ok(&actor, "node.drop", node.as_str())).await
            })
            .await
    }

    /// How far each edge is with purges. Asked often while a purge is waited for, so it reads no more
    /// than it needs.
    pub async fn edges_purged(&self) -> Result<Vec<EdgePurged>> {
        self.db.read(async |tx| Ok(tx.rows(&NODES_PURGED, params![]).await?)).await
    }

    /// All nodes by name.
    pub async fn nodes(&self) -> Result<Vec<NodeRow>> {
        let rows: Vec<Row> = self
            .db
            .read(async |tx| Ok::<_, StoreError>(tx.rows(&NODES_LIST, params![]).await?))
            .await?;
        Ok(rows.into_iter().map(Row::node).collect())
    }
}

async fn acked(tx: &mut Tx, node: &str, ack: &Ack) -> Result<()> {
    let problems = serde_json::to_string(&ack.problems).unwrap_or_default();
    let (phase, at) = (ack.phase.as_str(), micros_now());
    let params = params![node, ack.revision, phase, &ack.hash, problems, at];
    tx.exec(&NODE_ACKED, params).await?;
    if matches!(ack.phase, Phase::Rejected | Phase::Reverted) {
        let first = ack.problems.first().map(ToString::to_string).unwrap_or_default();
        let subject = format!("revision {}", ack.revision);
        let entry = AuditNew::refused(node, "node.ack", subject, phase)
            .detail(serde_json::json!({ "problem": first }));
        audit::append(tx, &entry).await?;
    }
    Ok(())
}

fn known(rows: u64, node: &str) -> Result<()> {
    if rows == 0 { Err(StoreError::NotFound(format!("node {node:?}"))) } else { Ok(()) }
}

impl Row {
    /// What cannot be read any more (an older program wrote it) is left out: the next report is near.
    fn node(self) -> NodeRow {
        let problems = self.problems.and_then(|text| serde_json::from_str(&text).ok());
        let beat = self.beat.and_then(|text| serde_json::from_str(&text).ok());
        NodeRow {
            node: self.node,
            kind: NodeKind::parse(&self.kind).unwrap_or_default(),
            seen_at: self.seen_at,
            away: self.away,
            purge_seq: self.purge_seq,
            acked: self.acked,
            phase: self.phase.as_deref().and_then(Phase::parse),
            ack_hash: self.ack_hash,
            problems: problems.unwrap_or_default(),
            beat: beat.unwrap_or_default(),
            beat_at: self.beat_at,
        }
    }
}
