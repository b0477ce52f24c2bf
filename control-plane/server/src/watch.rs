//! The watch stream of one subscriber.
//!
//! ```text
//! open ─▶ heartbeat (where the server stands) ─▶ catch up from the store ─▶ follow
//! follow: a line that fits the position ─▶ sent as it is
//!         a gap, or lines lost          ─▶ catch up from the store
//!         the fleet moved               ─▶ the spec, when the target is another one
//!         every half second             ─▶ heartbeat
//! ```
//!
//! Everything goes through a bounded queue to the connection; while it is full nothing is read, so a
//! slow subscriber loses broadcast lines and catches up later, however far behind it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tidegate_control_api::{
    Event, Heartbeat, NodeKind, PurgeEvent, PurgeTarget, WatchQuery, paths,
};
use tidegate_control_store::micros_now;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::access::Caller;
use crate::app::App;
use crate::faults::Refusal;
use crate::feed::{
    Channel, Fleet, Line, Look, OPS_PER_LINE_MAX, PURGES_MAX, Reader, Text, line, table_event,
};

/// How often the server says that it is there. Freshness of tables at the edges depends on it.
const HEARTBEAT_MS: u64 = 500;
/// Lines that wait for one connection.
const QUEUE_MAX: usize = 64;

/// What a stream wants to end by: its client is gone, or the server stops.
struct Gone;

/// Where one subscriber stands.
struct Position {
    app: App,
    node: String,
    kind: NodeKind,
    reader: Reader,
    out: mpsc::Sender<Bytes>,
    fleet: watch::Receiver<Fleet>,
    hash: String,
    purges: u64,
    tables: BTreeMap<Arc<str>, u64>,
}

/// Follows the fleet: one JSON object a line.
#[utoipa::path(get, path = "/v1/watch", tag = "nodes", params(WatchQuery),
    responses((status = 200, description = "lines of JSON, endless", content_type = "application/x-ndjson")))]
pub(crate) async fn watch(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<WatchQuery>,
) -> Result<Response, Refusal> {
    if caller.role.is_node() {
        caller.speaks_for(&query.node)?;
    }
    let (out, queue) = mpsc::channel(QUEUE_MAX);
    // Subscribed before the first read of the store: what happens in between is not lost.
    let lines = app.feed.lines();
    let position = Position::new(&app, &caller, query, out);
    tokio::spawn(serve(position, caller, lines));
    let body = stream::unfold(queue, async |mut queue: mpsc::Receiver<Bytes>| {
        let bytes = queue.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), queue))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(paths::NDJSON));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn serve(mut position: Position, caller: Caller, lines: broadcast::Receiver<Line>) {
    let app = position.app.clone();
    let node = position.node.clone();
    let id = caller.role.is_node().then(|| app.stream_open(&node));
    app.metrics.streams.inc();
    if position.purges_begin().await.is_err() {
        return app.metrics.streams.dec();
    }
    if caller.role.is_node()
        && let Err(error) = app.store.node_seen(&node, position.kind, position.purges).await
    {
        tracing::error!(%error, node, "node cannot be recorded");
    }
    tracing::info!(node, caller = caller.name, "subscriber came");
    let (stop, out) = (app.stop.clone(), position.out.clone());
    tokio::select! {
        () = stop.cancelled() => {}
        () = out.closed() => {}
        _ = position.follow(lines) => {}
    }
    app.metrics.streams.dec();
    tracing::info!(node, "subscriber went");
    if id.is_some_and(|id| app.stream_close(&node, id))
        && let Err(error) = app.store.node_away(&node, micros_now()).await
    {
        tracing::error!(%error, node, "node cannot be recorded as away");
    }
}

impl Position {
    fn new(app: &App, caller: &Caller, query: WatchQuery, out: mpsc::Sender<Bytes>) -> Self {
        let fleet = app.feed.fleet();
        let head = fleet.borrow().heads.purge;
        let tables = query.table_positions();
        let kind = match caller.role {
            tidegate_control_api::Role::Service => NodeKind::Service,
            _ => query.kind,
        };
        Self {
            reader: match (caller.role.is_node(), kind) {
                (true, NodeKind::Edge) => Reader::Edge,
                (true, NodeKind::Service) => Reader::Service,
                (false, _) => Reader::Person,
            },
            app: app.clone(),
            node: query.node,
            kind,
            out,
            fleet,
            hash: query.hash,
            // An empty cache has nothing to purge: it begins where the server stands.
            purges: query.from.unwrap_or(head),
            tables: tables.into_iter().map(|(name, seq)| (name.into(), seq)).collect(),
        }
    }

    async fn follow(&mut self, mut lines: broadcast::Receiver<Line>) -> Result<(), Gone> {
        self.heartbeat(self.purges).await?;
        self.catch_up().await?;
        let mut tick = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                received = lines.recv() => match received {
                    Ok(line) => self.line(line).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.app.metrics.resyncs.inc();
                        self.catch_up().await?;
                    }
                    Err(broadcast::error::RecvError::Closed) => return Err(Gone),
                },
                moved = self.fleet.changed() => {
                    moved.map_err(|_| Gone)?;
                    self.spec().await?;
                }
                _ = tick.tick() => {
                    let head = self.fleet.borrow().heads.purge;
                    self.heartbeat(head).await?;
                }
            }
        }
    }

    /// Sends a line when it is the next one of its sequence.
    async fn line(&mut self, line: Line) -> Result<(), Gone> {
        let position = match &line.channel {
            Channel::Purges => Some(self.purges),
            Channel::Table(table) => self.tables.get(table).copied(),
        };
        let Some(position) = position else { return Ok(()) };
        match line.text {
            Text::Encoded(text) if line.from == position => {
                self.send(text).await?;
                self.advance(&line.channel, line.to);
                Ok(())
            }
            Text::Encoded(_) if line.to <= position => Ok(()),
            Text::Encoded(_) | Text::Look(Look::WhereYouAre) => self.read(&line.channel).await,
            Text::Look(Look::FromTheBase) => {
                self.advance(&line.channel, 0);
                self.read(&line.channel).await
            }
        }
    }

    fn advance(&mut self, channel: &Channel, to: u64) {
        match channel {
            Channel::Purges => self.purges = to,
            Channel::Table(table) => _ = self.tables.insert(table.clone(), to),
        }
    }

    async fn read(&mut self, channel: &Channel) -> Result<(), Gone> {
        match channel {
            Channel::Purges => self.read_purges().await,
            Channel::Table(table) => self.read_table(table.clone()).await,
        }
    }

    /// Purges first: content must not be served that should be gone.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        self.read_purges().await?;
        self.spec().await?;
        let tables: Vec<_> = self.tables.keys().cloned().collect();
        for table in tables {
            self.read_table(table).await?;
        }
        Ok(())
    }

    async fn read_purges(&mut self) -> Result<(), Gone> {
        loop {
            let store = &self.app.store;
            let purges = store.purges_after(self.purges, PURGES_MAX).await.map_err(failed)?;
            let Some(first) = purges.first() else { return Ok(()) };
            // The log does not reach back so far: whatever it was, it is covered by everything.
            if first.seq > self.purges + 1 {
                let all = everything(first.seq - 1);
                self.send(line(&Event::Purge(all))).await?;
            }
            for purge in purges {
                let seq = purge.seq;
                self.send(line(&Event::Purge(purge))).await?;
                self.purges = seq;
            }
        }
    }

    /// A position beyond the newest purge comes from another database. It must not be written down
    /// as what the node has carried out of this one's.
    async fn purges_begin(&mut self) -> Result<(), Gone> {
        let head = self.app.store.heads().await.map_err(failed)?.purge;
        self.purges = self.purges.min(head);
        Ok(())
    }

    async fn read_table(&mut self, table: Arc<str>) -> Result<(), Gone> {
        loop {
            let after = self.tables.get(&table).copied().unwrap_or(0);
            let store = &self.app.store;
            let page = store.table_after(&table, after, OPS_PER_LINE_MAX).await.map_err(failed)?;
            if page.ops.is_empty() && page.base.is_none() && (!page.reset || after == 0) {
                return Ok(());
            }
            let event = table_event(&table, page);
            let seq = event.seq;
            self.send(line(&Event::Table(event))).await?;
            self.tables.insert(table.clone(), seq);
            if seq == 0 {
                return Ok(());
            }
        }
    }

    /// The spec, when the node is to run another one than it has.
    async fn spec(&mut self) -> Result<(), Gone> {
        let target = self.fleet.borrow_and_update().target(&self.node, self.kind);
        let Some(target) = target else { return Ok(()) };
        let spec = self.app.feed.spec_line(target, self.reader).await.map_err(failed)?;
        if spec.hash != self.hash {
            self.hash = spec.hash;
            self.send(spec.text).await?;
        }
        Ok(())
    }

    async fn heartbeat(&mut self, purge_seq: u64) -> Result<(), Gone> {
        let (target, tables) = {
            let fleet = self.fleet.borrow();
            let heads = &fleet.heads.tables;
            let own = self.tables.keys();
            let head = |name: &Arc<str>| heads.get(&**name).copied().unwrap_or_default();
            let tables = own.map(|name| (name.to_string(), head(name))).collect();
            (fleet.target(&self.node, self.kind), tables)
        };
        let spec = match target {
            Some(target) => {
                let spec = self.app.feed.spec_line(target, self.reader).await.map_err(failed)?;
                Some((spec.revision, spec.hash))
            }
            None => None,
        };
        let (revision, hash) = spec.unzip();
        let beat = Heartbeat { at: micros_now(), revision, hash, purge_seq, tables };
        self.send(line(&Event::Heartbeat(beat))).await
    }

    async fn send(&self, text: Bytes) -> Result<(), Gone> {
        self.app.metrics.lines.inc();
        self.out.send(text).await.map_err(|_| Gone)
    }
}

fn everything(seq: u64) -> PurgeEvent {
    PurgeEvent { seq, at: micros_now(), targets: vec![PurgeTarget::All(true)], soft: true }
}

/// The subscriber reconnects and resumes where it stands.
fn failed(error: tidegate_control_store::StoreError) -> Gone {
    tracing::error!(%error, "stream ended: the store failed");
    Gone
}
