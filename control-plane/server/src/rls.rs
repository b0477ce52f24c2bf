//! Envoy's rate limit service v3: `ShouldRateLimit`, so that Envoys count with the same counters.
//!
//! `domain` names a limit of the spec, or a site, whose limits are meant then. A descriptor is counted
//! under a limit when it has an entry for every part of the limit's key, by the part's word (`api_key`,
//! `header:x-tenant`, `path`; `remote_address` for `client_ip`). The key is the one that edges count
//! under, so Envoys and edges share it. An override in a descriptor takes the place of the limit's rate.
//!
//! One call a request: no stream, no compression. The messages are written out below as
//! `envoy/service/ratelimit/v3/rls.proto` and `envoy/extensions/common/ratelimit/v3/ratelimit.proto`
//! have them, cut down to the fields that are read.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use http_body_util::{BodyExt, Full};
use prost::Message;
use tidegate_limit::global::{Shared, Terms};
use tidegate_limit::{KeyPart, Rule, Secret};
use tidegate_snapshot::{Snapshot, compile};

use crate::app::App;

/// The length before a gRPC message, and whether it is compressed.
const PREFIX_BYTES: usize = 5;
const INVALID_ARGUMENT: u16 = 3;
const UNIMPLEMENTED: u16 = 12;
const INTERNAL: u16 = 13;

#[derive(Clone, PartialEq, Message)]
struct RateLimitRequest {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<Descriptor>,
    #[prost(uint32, tag = "3")]
    hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<DescriptorEntry>,
    #[prost(message, optional, tag = "2")]
    limit: Option<RateLimitOverride>,
    #[prost(message, optional, tag = "3")]
    hits_addend: Option<UInt64Value>,
}

#[derive(Clone, PartialEq, Message)]
struct DescriptorEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct RateLimitOverride {
    #[prost(uint32, tag = "1")]
    requests_per_unit: u32,
    #[prost(enumeration = "Unit", tag = "2")]
    unit: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct UInt64Value {
    #[prost(uint64, tag = "1")]
    value: u64,
}

#[derive(Clone, PartialEq, Message)]
struct RateLimitResponse {
    #[prost(enumeration = "Code", tag = "1")]
    overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    statuses: Vec<DescriptorStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct DescriptorStatus {
    #[prost(enumeration = "Code", tag = "1")]
    code: i32,
    #[prost(message, optional, tag = "2")]
    current_limit: Option<RateLimit>,
    #[prost(uint32, tag = "3")]
    limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    duration_until_reset: Option<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct RateLimit {
    #[prost(uint32, tag = "1")]
    requests_per_unit: u32,
    #[prost(enumeration = "Unit", tag = "2")]
    unit: i32,
    #[prost(string, tag = "3")]
    name: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum Unit {
    Unknown = 0,
    Second = 1,
    Minute = 2,
    Hour = 3,
    Day = 4,
    Month = 5,
    Year = 6,
    Week = 7,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum Code {
    Unknown = 0,
    Ok = 1,
    OverLimit = 2,
}

/// The limits of the newest spec, compiled once a revision.
#[derive(Default)]
pub(crate) struct Compiled(Mutex<Option<Arc<Snapshot>>>);

/// One limit under which a descriptor is counted.
struct Counted {
    descriptor: usize,
    name: String,
    shared: Shared,
    hits: u32,
}

/// `ShouldRateLimit`.
pub(crate) async fn should_rate_limit(State(app): State<App>, body: Bytes) -> Response {
    if body.first() == Some(&1) {
        return failed(UNIMPLEMENTED, "messages are not compressed here");
    }
    let message = body.get(PREFIX_BYTES..).filter(|_| body[0] == 0);
    let Some(Ok(request)) = message.map(RateLimitRequest::decode) else {
        return failed(INVALID_ARGUMENT, "not one plain message of type RateLimitRequest");
    };
    match snapshot(&app).await {
        Ok(snapshot) => answered(&decide(&app, &snapshot, &request)),
        Err(detail) => failed(INTERNAL, &detail),
    }
}

/// The newest spec, compiled.
pub(crate) async fn snapshot(app: &App) -> Result<Arc<Snapshot>, String> {
    let revision = app.feed.fleet().borrow().heads.revision;
    let kept = || app.compiled.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(snapshot) = kept().as_ref().filter(|snapshot| snapshot.revision == revision) {
        return Ok(snapshot.clone());
    }
    let last = app.store.revision_last().await.map_err(|error| error.to_string())?;
    let spec = last.map(|last| last.spec).unwrap_or_default();
    let snapshot = compile(&spec, revision).map_err(|problems| format!("{problems:?}"))?;
    let snapshot = Arc::new(snapshot);
    *kept() = Some(snapshot.clone());
    Ok(snapshot)
}

/// All limits are asked before any is charged.
fn decide(app: &App, snapshot: &Snapshot, request: &RateLimitRequest) -> RateLimitResponse {
    let counted = counted(app, snapshot, request);
    let take = |counted: &Counted, hits| {
        app.counters.take(counted.shared.key.0, counted.shared.terms, hits)
    };
    let passes = counted.iter().all(|counted| take(counted, 0).left >= counted.hits);
    let ok = |_| DescriptorStatus { code: Code::Ok as i32, ..DescriptorStatus::default() };
    let mut statuses: Vec<DescriptorStatus> = (0..request.descriptors.len()).map(ok).collect();
    let mut over = false;
    for counted in &counted {
        let answer = take(counted, if passes { counted.hits } else { 0 });
        let denied =
            if passes { answer.granted < counted.hits } else { answer.left < counted.hits };
        over |= denied;
        let status = &mut statuses[counted.descriptor];
        let tighter = status.current_limit.is_none() || answer.left < status.limit_remaining;
        if denied || tighter {
            let code = if denied { Code::OverLimit } else { Code::Ok };
            *status = self::status(counted, code, answer.left, answer.wait_us);
        }
    }
    let code = if over { Code::OverLimit } else { Code::Ok };
    RateLimitResponse { overall_code: code as i32, statuses }
}

fn status(counted: &Counted, code: Code, left: u32, wait_us: u32) -> DescriptorStatus {
    let Terms { emission_ns, burst, left_ms, .. } = counted.shared.terms;
    let wait_ns = match code {
        Code::OverLimit => u64::from(wait_us) * 1_000,
        _ if left_ms > 0 => u64::from(left_ms) * 1_000_000,
        _ => emission_ns.saturating_mul(u64::from(burst.saturating_sub(left))),
    };
    let (requests_per_unit, unit) = per_unit(emission_ns);
    DescriptorStatus {
        code: code as i32,
        current_limit: Some(RateLimit {
            requests_per_unit,
            unit: unit as i32,
            name: counted.name.clone(),
        }),
        limit_remaining: left,
        duration_until_reset: Some(Span {
            seconds: (wait_ns / 1_000_000_000) as i64,
            nanos: (wait_ns % 1_000_000_000) as i32,
        }),
    }
}

/// The shortest unit in which the rate is a whole number.
fn per_unit(emission_ns: u64) -> (u32, Unit) {
    let units = [
        (Unit::Second, 1_000_000_000_u64),
        (Unit::Minute, 60_000_000_000),
        (Unit::Hour, 3_600_000_000_000),
        (Unit::Day, 86_400_000_000_000),
    ];
    let emission_ns = emission_ns.max(1);
    let found = units.iter().find(|(_, ns)| *ns >= emission_ns).unwrap_or(&units[3]);
    ((found.1 / emission_ns).max(1) as u32, found.0)
}

fn counted(app: &App, snapshot: &Snapshot, request: &RateLimitRequest) -> Vec<Counted> {
    let secret = Secret::new(app.counters.secret());
    let now_us = tidegate_control_store::micros_now();
    let mut counted = Vec::new();
    for (at, descriptor) in request.descriptors.iter().enumerate() {
        let hits = match descriptor.hits_addend {
            Some(hits) => u32::try_from(hits.value).unwrap_or(u32::MAX),
            None => request.hits_addend.max(1),
        };
        for rule in limits(snapshot, &request.domain) {
            let Some(values) = values(rule, descriptor) else { continue };
            let Some(key) = rule.key_of(&secret, &values) else { continue };
            let Some(mut shared) = rule.shared_always(key, now_us) else { continue };
            if let Some(terms) = descriptor.limit.as_ref().and_then(overridden) {
                shared.terms = terms;
            }
            counted.push(Counted { descriptor: at, name: rule.name().to_owned(), shared, hits });
        }
    }
    counted
}

fn limits<'s>(snapshot: &'s Snapshot, domain: &str) -> Vec<&'s Rule> {
    if let Some(rule) = snapshot.limits.iter().find(|rule| rule.name() == domain) {
        return vec![rule];
    }
    let of_site = |route: &&tidegate_snapshot::Route| &*snapshot.site(route.site).name == domain;
    let mut places: Vec<_> =
        snapshot.routes.iter().filter(of_site).flat_map(|route| route.limits.iter()).collect();
    places.sort_unstable_by_key(|index| index.0);
    places.dedup();
    places.into_iter().map(|index| &snapshot[*index]).collect()
}

/// The values of the limit's key, when the descriptor has them all.
fn values<'d>(rule: &Rule, descriptor: &'d Descriptor) -> Option<Vec<&'d str>> {
    let value = |part: &KeyPart| {
        let word = part.to_string();
        let named = |entry: &&DescriptorEntry| {
            entry.key == word
                || (matches!(part, KeyPart::ClientIp { .. }) && entry.key == "remote_address")
        };
        let found = descriptor.entries.iter().find(named).map(|entry| entry.value.as_str());
        match part {
            KeyPart::Constant(_) => found.or(Some("")),
            KeyPart::ClientIp { .. } => found.filter(|text| text.parse::<IpAddr>().is_ok()),
            _ => found,
        }
    };
    rule.key_parts().iter().map(value).collect()
}

fn overridden(limit: &RateLimitOverride) -> Option<Terms> {
    let unit_ns = match limit.unit() {
        Unit::Unknown => return None,
        Unit::Second => 1_000_000_000,
        Unit::Minute => 60_000_000_000,
        Unit::Hour => 3_600_000_000_000,
        Unit::Day => 86_400_000_000_000,
        Unit::Week => 7 * 86_400_000_000_000,
        Unit::Month => 30 * 86_400_000_000_000,
        Unit::Year => 365 * 86_400_000_000_000_u64,
    };
    let burst = limit.requests_per_unit.max(1);
    let emission_ns = (unit_ns / u64::from(burst)).max(1);
    Some(Terms { emission_ns, burst, left_ms: 0, near: 0 })
}

// === gRPC over HTTP/2 ===

fn answered(message: &RateLimitResponse) -> Response {
    let mut framed = vec![0; PREFIX_BYTES];
    framed[1..].copy_from_slice(&(message.encoded_len() as u32).to_be_bytes());
    framed.extend(message.encode_to_vec());
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from(framed)).with_trailers(async { Some(Ok(trailers)) });
    grpc(Body::new(body))
}

fn failed(status: u16, detail: &str) -> Response {
    let mut response = grpc(Body::empty());
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from(status));
    if let Ok(detail) = HeaderValue::from_str(&tidegate_control_api::paths::encode(detail)) {
        headers.insert(HeaderName::from_static("grpc-message"), detail);
    }
    response
}

fn grpc(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
