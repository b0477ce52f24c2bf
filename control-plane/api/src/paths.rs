//! Where everything is.

/// Liveness; the only path that answers without credentials.
pub const HEALTHZ: &str = "/healthz";
/// Prometheus text.
pub const METRICS: &str = "/metrics";
/// The OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";
/// The fleet spec: `GET`, `PUT`.
pub const SPEC: &str = "/v1/spec";
/// Checks a spec and changes nothing: `POST`.
pub const SPEC_VALIDATE: &str = "/v1/spec/validate";
/// What a spec would change: `POST`.
pub const SPEC_DIFF: &str = "/v1/spec/diff";
/// History, newest first: `GET`.
pub const REVISIONS: &str = "/v1/revisions";
/// One revision with its spec: `GET`.
pub const REVISION: &str = "/v1/revisions/{revision}";
/// Makes an old revision's spec a new revision: `POST`.
pub const ROLLBACK: &str = "/v1/revisions/{revision}/rollback";
/// The way of the newest revision through the fleet: `GET`.
pub const ROLLOUT: &str = "/v1/rollout";
/// Sends the rollout's revision to everybody now: `POST`.
pub const ROLLOUT_PROMOTE: &str = "/v1/rollout/promote";
/// Stops the rollout and takes the canary nodes back: `POST`.
pub const ROLLOUT_ABORT: &str = "/v1/rollout/abort";
/// The stream: `GET`, see [`WatchQuery`](crate::WatchQuery).
pub const WATCH: &str = "/v1/watch";
/// Who runs what: `GET`.
pub const NODES: &str = "/v1/nodes";
/// Forgets a node that is gone for good: `DELETE`.
pub const NODE: &str = "/v1/nodes/{node}";
/// A node says how far a revision got: `POST` of [`Ack`](crate::Ack).
pub const NODE_ACKS: &str = "/v1/nodes/{node}/acks";
/// A node says what it runs: `POST` of [`Beat`](crate::Beat).
pub const NODE_HEARTBEAT: &str = "/v1/nodes/{node}/heartbeat";
/// A node has carried out purges: `POST` of [`PurgeAck`](crate::PurgeAck).
pub const NODE_PURGES: &str = "/v1/nodes/{node}/purges";
/// Content by its hash: `PUT`, `GET`, `HEAD`.
pub const BLOB: &str = "/v1/blobs/{sha256}";
/// Versions of plugin modules: `GET`, `POST` of [`PluginNew`](crate::PluginNew).
pub const PLUGINS: &str = "/v1/plugins";
/// Appends operations to a table: `POST` of [`TableOps`](crate::TableOps).
pub const TABLE_OPS: &str = "/v1/tables/{table}/ops";
/// Replaces a table's base: `PUT` of [`TableBase`](crate::TableBase).
pub const TABLE_BASE: &str = "/v1/tables/{table}/base";
/// Generation and sequence of a table: `GET`.
pub const TABLE: &str = "/v1/tables/{table}";
/// Removes content from every edge's cache: `POST` of [`Purge`](crate::Purge).
pub const PURGES: &str = "/v1/purges";
/// What has become of a purge: `GET`.
pub const PURGE: &str = "/v1/purges/{seq}";
/// Nodes report and ask about limits that they share: `POST`, binary.
pub const COUNTERS: &str = "/v1/counters";
/// The keys most in demand under shared limits, and what was decided: `GET`.
pub const LIMITS: &str = "/v1/limits";
/// Clients and routes that stand out: `GET`, here and on the admin address of a node.
pub const ANOMALIES: &str = "/v1/anomalies";
/// Envoy's rate limit service: `POST`, gRPC.
pub const RLS: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/// Every change and refusal: `GET`.
pub const AUDIT: &str = "/v1/audit";
/// Named tokens with a role: `GET`, `POST`.
pub const TOKENS: &str = "/v1/tokens";
/// Ends a token: `DELETE`.
pub const TOKEN: &str = "/v1/tokens/{name}";

/// Makes an invitation for a node: `POST`.
pub const ENROLMENTS: &str = "/v1/enrolments";
/// A node hands in its invitation and gets a token of its own: `POST`.
pub const ENROL: &str = "/v1/enrol";

/// Media type of the watch stream.
pub const NDJSON: &str = "application/x-ndjson";
/// Media type of a fault, RFC 9457.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A path with its `{parameters}` filled in, in order; each value is percent-encoded.
pub fn fill(path: &str, values: &[&str]) -> String {
    let mut out = String::with_capacity(path.len() + 32);
    let mut values = values.iter();
    for segment in path.split('/').skip(1) {
        out.push('/');
        let value = if segment.starts_with('{') { values.next() } else { None };
        match value {
            Some(value) => encode_into(value, &mut out),
            None => out.push_str(segment),
        }
    }
    out
}

/// Percent-encodes everything but the unreserved characters of RFC 3986 section 2.3.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    encode_into(text, &mut out);
    out
}

fn encode_into(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
            continue;
        }
        out.push('%');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}
