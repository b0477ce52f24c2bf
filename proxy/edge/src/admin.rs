//! The admin pages of a node, for its operator and for Prometheus.
//!
//! | path | what |
//! |---|---|
//! | `GET /live` | 200 while the process runs |
//! | `GET /ready` | 200 when a configuration is in force and the node is not draining |
//! | `GET /metrics` | Prometheus text |
//! | `GET /status` | revision, hash, connection to the control plane, cache, link tables (JSON) |
//! | `GET /config` | the configuration in force, without secrets (JSON) |
//! | `GET /v1/limits?top=20` | what each limit decided, and the keys denied most, by their hash (JSON) |
//! | `GET /explain?url=URL` | what the cache knows of a URL and why (JSON) |
//! | `GET /v1/anomalies` | clients and routes that stand out (JSON); `?limit=NAME&value=KEY` asks for one client |
//! | `POST /warm` | `{"urls":["..."],"segments":3}`: fetches them into the cache, and what playlists among them name |
//! | `POST /purge` | `{"targets":[{"url":"..."}],"soft":false}` on this node only |
//!
//! They are meant for a loopback or management address: there is no login.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_cache::{Key, RequestDirectives, Target, explain};
use tidegate_control_client::api::PurgeTarget;
use tidegate_http::{FieldList, Fields, Scheme, problem};
use tidegate_telemetry::{Counter, Gauge, prometheus_text};
use tokio::net::TcpListener;

use crate::{Edge, limit};

/// The largest request body taken.
const BODY_BYTES_MAX: usize = 1 << 20;

type Answer = Response<Full<Bytes>>;

/// Serves the admin pages until the listener's task is dropped.
pub(crate) async fn serve(edge: Arc<Edge>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let edge = edge.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(edge.clone(), request));
            // A client that goes away in the middle of its own question is no news.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn handle(edge: Arc<Edge>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(match (request.method(), path.as_str()) {
        (&Method::GET, "/live") => text(200, "alive\n".into()),
        (&Method::GET, "/ready") => ready(&edge),
        (&Method::GET, "/metrics") => text(200, metrics(&edge)),
        (&Method::GET, "/status") => json(200, &status(&edge)),
        (&Method::GET, "/config") => json(200, &edge.node.running.load().snapshot.describe()),
        (&Method::GET, "/v1/limits") => {
            json(200, &limit::tally::page(&edge, request.uri().query().unwrap_or("")))
        }
        (&Method::GET, "/explain") => explained(&edge, request.uri().query().unwrap_or("")),
        (&Method::GET, "/v1/anomalies") => {
            let query = request.uri().query().unwrap_or("");
            json(200, &edge.anomalies(query))
        }
        (&Method::POST, "/purge") => purge(&edge, request).await,
        (&Method::POST, "/warm") => warm(&edge, request).await,
        _ => fault(404, "there is no such admin page"),
    })
}

fn ready(edge: &Edge) -> Answer {
    if edge.is_draining() {
        return text(503, "draining\n".into());
    }
    match edge.node.running.load().snapshot.revision {
        0 => text(503, "no configuration yet\n".into()),
        revision => text(200, format!("ready, revision {revision}\n")),
    }
}

/// Totals of the store as they were last counted.
static EVICTED: AtomicU64 = AtomicU64::new(0);
static CORRUPT: AtomicU64 = AtomicU64::new(0);

/// Brings a counter up to a total that the store keeps by itself.
fn catch_up(counter: Counter, counted: &AtomicU64, total: u64) {
    counter.add(total.saturating_sub(counted.fetch_max(total, Relaxed)));
}

/// The Prometheus text, with the figures that are read when somebody asks.
pub(crate) fn metrics(edge: &Edge) -> String {
    let node = &edge.node;
    let stats = node.store.stats();
    Gauge::CacheBytes.set(stats.bytes as i64);
    Gauge::CacheObjects.set(stats.keys as i64);
    Gauge::CacheFillsOpen.set(stats.fills as i64);
    let disk = node.store.disk_stats().unwrap_or_default();
    Gauge::CacheDiskOn.set(disk.on.into());
    Gauge::CacheDiskBytes.set(disk.bytes as i64);
    Gauge::CacheDiskObjects.set(disk.keys as i64);
    catch_up(Counter::CacheEvictions, &EVICTED, stats.evicted_total);
    catch_up(Counter::CacheDiskCorrupt, &CORRUPT, disk.corrupt_total);
    limit::tally::measure(edge);
    let tables = node.link_tables.all();
    Gauge::LinkEntries.set(tables.iter().map(|(_, table)| table.state().hot_links as i64).sum());
    prometheus_text()
}

fn status(edge: &Edge) -> Value {
    let node = &edge.node;
    let running = node.running.load();
    let stats = node.store.stats();
    let tables: Vec<_> = node
        .link_tables
        .all()
        .into_iter()
        .map(|(name, table)| {
            let state = table.state();
            json!({
                "table": name, "generation": state.generation, "seq": state.seq,
                "filter_codes": state.codes, "filter_bytes": state.filter_bytes,
                "delta_codes": state.delta_codes, "hot_links": state.hot_links,
            })
        })
        .collect();
    let plugins: Vec<_> = node
        .plugins
        .plugins()
        .into_iter()
        .map(|plugin| {
            json!({
                "name": plugin.name, "sha256": plugin.sha256, "traps": plugin.traps,
                "last_trap": plugin.last_trap, "memory_bytes": plugin.memory_bytes,
                "state": format!("{:?}", plugin.state).to_lowercase(),
            })
        })
        .collect();
    let lists: Vec<_> = running
        .snapshot
        .lists
        .iter()
        .map(|(name, list)| {
            let kind = list.kind().as_str();
            json!({
                "name": &**name, "kind": kind, "entries": list.entries(), "bytes": list.bytes(),
            })
        })
        .collect();
    json!({
        "node": node.name,
        "version": env!("CARGO_PKG_VERSION"),
        "revision": running.snapshot.revision,
        "hash": running.snapshot.hash,
        "draining": edge.is_draining(),
        "control_plane": edge.control_plane_status(),
        "missing_keys": running.snapshot.missing_keys,
        "cache": {
            "keys": stats.keys, "bytes": stats.bytes, "bytes_max": stats.bytes_max,
            "fills": stats.fills, "stored_total": stats.stored_total,
            "evicted_total": stats.evicted_total, "purged_total": stats.purged_total,
        },
        "link_tables": tables,
        "plugins": plugins,
        "lists": lists,
    })
}

/// What the cache would do with `GET url`, and the sums behind it.
fn explained(edge: &Edge, query: &str) -> Answer {
    let Some(url) = query.strip_prefix("url=").and_then(tidegate_http::percent_decode) else {
        return fault(400, "say which: /explain?url=http://host/path");
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return fault(400, "the url needs a scheme: /explain?url=http://host/path");
    };
    let (authority, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let target = if target.is_empty() { "/" } else { target };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (authority, None),
    };
    let host = host.to_ascii_lowercase();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    json(200, &explain_target(edge, scheme, (&host, port), path, query))
}

fn explain_target(
    edge: &Edge,
    scheme: Scheme,
    (host, port): (&str, Option<u16>),
    path: &str,
    query: Option<&str>,
) -> Value {
    let running = edge.node.running.load();
    let fields = FieldList::new();
    let snapshot = &running.snapshot;
    let found = snapshot.router.find(host, tidegate_http::Method::Get, path, &fields);
    let Some(found) = found else { return json!({ "route": null, "cache": "no route takes it" }) };
    let route = snapshot.route(found.route);
    let Some(policy) = &route.cache else {
        return json!({ "route": &*route.name, "cache": "off for this route" });
    };
    let target = Target { scheme, host, port, path, query, fields: &fields };
    let key = Key::of(edge.node.store.seed(), policy, &target);
    let now_ms = edge.node.clock.now().unix_us / 1000;
    let directives = RequestDirectives::default();
    let variants: Vec<_> = edge
        .node
        .store
        .variants(&key)
        .iter()
        .map(|object| {
            let sums = explain(object.meta(), &directives, object.stale_from_ms(), now_ms);
            json!({
                "status": sums.status,
                "variant": sums.variant,
                "bytes": object.length(),
                "etag": object.fields().first("etag").map(String::from_utf8_lossy),
                "verdict": format!("{:?}", sums.evaluation.verdict),
                "reason": sums.evaluation.reason.as_str(),
                "age_ms": sums.evaluation.age_ms,
                "fresh_for_ms": sums.evaluation.fresh_for_ms,
                "freshness_lifetime_s": sums.lifetime.seconds,
                "lifetime_source": sums.lifetime.source.as_str(),
                "apparent_age_ms": sums.apparent_age_ms,
                "response_delay_ms": sums.response_delay_ms,
                "corrected_initial_age_ms": sums.corrected_initial_age_ms,
                "resident_ms": sums.resident_ms,
                "stale_while_revalidate_s": sums.stale_windows_s.0,
                "stale_if_error_s": sums.stale_windows_s.1,
            })
        })
        .collect();
    json!({
        "route": &*route.name,
        "key": Key::readable(policy, &target),
        "url": target.url(policy),
        "variants": variants,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurgeRequest {
    targets: Vec<PurgeTarget>,
    #[serde(default)]
    soft: bool,
}

async fn purge(edge: &Edge, request: Request<Incoming>) -> Answer {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let Ok(body) = body.map(http_body_util::Collected::to_bytes) else {
        return fault(413, "the body is larger than a mebibyte, or did not arrive");
    };
    match serde_json::from_slice::<PurgeRequest>(&body) {
        Ok(purge) => {
            purge.targets.iter().for_each(|target| edge.purge(target, purge.soft));
            json(200, &json!({ "purged": purge.targets.len() }))
        }
        Err(error) => fault(422, &error.to_string()),
    }
}

/// Warming runs here, on the one thread beside the workers: it leaves them alone.
async fn warm(edge: &Arc<Edge>, request: Request<Incoming>) -> Answer {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let Ok(body) = body.map(http_body_util::Collected::to_bytes) else {
        return fault(413, "the body is larger than a mebibyte, or did not arrive");
    };
    match serde_json::from_slice(&body) {
        Ok(wish) => json(200, &json!(crate::media::warm(edge, wish).await)),
        Err(error) => fault(422, &error.to_string()),
    }
}

// === answers ===

fn text(status: u16, body: String) -> Answer {
    answer(status, "text/plain; charset=utf-8", body.into())
}

fn json(status: u16, body: &Value) -> Answer {
    answer(status, "application/json", format!("{body:#}\n").into())
}

fn fault(status: u16, detail: &str) -> Answer {
    let body = problem(status, "", tidegate_http::reason_phrase(status), detail, &[]);
    answer(status, problem::CONTENT_TYPE, body.into())
}

fn answer(status: u16, media_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    answer
}

/// Binds the admin address, unless another process has given its socket of it.
pub(crate) async fn bind(
    address: SocketAddr,
    given: Option<std::net::TcpListener>,
) -> std::io::Result<(SocketAddr, TcpListener)> {
    let is_it = |socket: &std::net::TcpListener| {
        socket.local_addr().is_ok_and(|bound| bound == address || address.port() == 0)
    };
    let listener = match given.filter(is_it) {
        Some(socket) => TcpListener::from_std(socket)?,
        None => TcpListener::bind(address).await?,
    };
    Ok((listener.local_addr()?, listener))
}
