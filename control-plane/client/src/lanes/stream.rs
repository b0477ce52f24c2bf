//! Holds the stream and hands out its lines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http::header::ACCEPT;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tidegate_control_api::{Event, Heartbeat, SpecEvent, paths};

use super::shared::Shared;
use super::{Lanes, TableMessage};
use crate::backoff::Backoff;
use crate::lines::Lines;
use crate::transport::headers;
use crate::{ClientError, Result, Saved};

/// The server sends a heartbeat every half second: after this silence the connection is dead.
const SILENCE_MS_MAX: u64 = 5_000;

pub(crate) async fn run(shared: Arc<Shared>, lanes: Lanes) {
    let mut backoff = Backoff::default();
    loop {
        let ended = tokio::select! {
            ended = follow(&shared, &lanes, &mut backoff) => ended,
            () = shared.resync.notified() => Ok(()),
        };
        shared.connected.send_replace(false);
        let pause = backoff.next();
        let address = shared.client.address();
        match ended {
            Ok(()) => {
                tracing::info!(address, ?pause, "control plane stream ended, connecting anew")
            }
            Err(error) => tracing::warn!(%error, ?pause, "control plane stream lost"),
        }
        tokio::time::sleep(pause).await;
    }
}

/// One connection, until it ends.
async fn follow(shared: &Shared, lanes: &Lanes, backoff: &mut Backoff) -> Result<()> {
    let transport = &shared.client.transport;
    let accept = headers(&[(ACCEPT, paths::NDJSON)]);
    let path = shared.watch_path();
    let response = transport.send(Method::GET, &path, accept, Bytes::new()).await?;
    let mut body = response.into_body();
    let mut lines = Lines::default();
    let mut begins = true;
    while let Some(chunk) = next_chunk(shared, &mut body).await? {
        if !lines.push(&chunk) {
            return Err(transport.protocol("a line of the stream is too long"));
        }
        while let Some(line) = lines.next() {
            if hand_out(shared, lanes, &line, &mut begins).await? {
                backoff.reset();
                shared.connected.send_if_modified(|connected| !std::mem::replace(connected, true));
            }
        }
    }
    Ok(())
}

async fn next_chunk(shared: &Shared, body: &mut Incoming) -> Result<Option<Bytes>> {
    let transport = &shared.client.transport;
    loop {
        let frame = tokio::time::timeout(Duration::from_millis(SILENCE_MS_MAX), body.frame());
        match frame.await {
            Err(elapsed) => return Err(transport.unreachable(elapsed)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(transport.unreachable(error)),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Gives a line to its lane; false for a line that this program does not know.
async fn hand_out(shared: &Shared, lanes: &Lanes, line: &[u8], begins: &mut bool) -> Result<bool> {
    if line.is_empty() {
        return Ok(false);
    }
    shared.freshness.heard();
    let event = match serde_json::from_slice::<Event>(line) {
        Ok(event) => event,
        Err(error) if is_unknown_kind(line) => {
            tracing::debug!(%error, "line of a kind that this version does not know, left out");
            return Ok(false);
        }
        Err(error) => return Err(shared.client.transport.protocol(format!("stream: {error}"))),
    };
    let gone = || ClientError::Unreachable {
        address: shared.client.address().to_owned(),
        source: "the subscription is shutting down".into(),
    };
    match event {
        Event::Spec(SpecEvent { revision, hash, spec }) => {
            let spec = String::from(Box::<str>::from(spec));
            lanes.spec.send_replace(Some(Saved { revision, hash, spec }));
        }
        Event::Table(event) => {
            lanes.table.send(TableMessage::Event(event)).await.map_err(|_| gone())?;
        }
        Event::Purge(purge) => lanes.purge.send(purge).await.map_err(|_| gone())?,
        Event::Heartbeat(heartbeat) => {
            shared.purge_heard(heartbeat.purge_seq, std::mem::take(begins));
            heard(lanes, heartbeat).await;
        }
    }
    Ok(true)
}

async fn heard(lanes: &Lanes, heartbeat: Heartbeat) {
    let arrived = Instant::now();
    for (table, head) in heartbeat.tables {
        let _ = lanes.table.send(TableMessage::Head { table, head, arrived }).await;
    }
}

fn is_unknown_kind(line: &[u8]) -> bool {
    const KNOWN: [&str; 4] = ["spec", "table", "purge", "heartbeat"];
    let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
    object.is_ok_and(|object| object.keys().all(|key| !KNOWN.contains(&key.as_str())))
}
