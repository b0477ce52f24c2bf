//! Whether a module gets on with the host: every callback in the situations that a proxy brings about.

use std::{sync::Arc, time::Duration};

use super::{FakeExchange, WorkbenchError};
use crate::{
    Chain, Exchange, Host, HostConfig, LogLevel, LogSink, Map, OnFailure, Plugin, PluginConfig,
    PluginState, RequestContext, Verdict,
};

/// How long a failed instance may take to be replaced.
const RECOVERY_MS_MAX: u32 = 2_000;
/// How long a module is given to tick.
const TICKS_MS: u64 = 150;
/// Requests that are open at the same time.
const OPEN: usize = 50;

/// What came of a module.
#[derive(Clone, Debug)]
pub struct Conformance {
    /// Why it does not load; `None` when it does.
    pub refused: Option<String>,
    /// Each situation, with what went wrong in it.
    pub situations: Vec<Situation>,
}

/// One situation.
#[derive(Clone, Debug)]
pub struct Situation {
    /// What happened to the module.
    pub name: &'static str,
    /// What went wrong: a callback that failed, or a request that was kept.
    pub problem: Option<String>,
}

impl Conformance {
    /// Whether the module works in every situation.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.refused.is_none() && self.situations.iter().all(|one| one.problem.is_none())
    }
}

type Act = fn(&Chain);

const SITUATIONS: [(&str, Act); 12] = [
    ("GET without a body", |chain| walk(chain, "GET", "/", &[], &[])),
    ("HEAD, answered 404", |chain| finish(chain, "HEAD", "/missing", 404)),
    ("POST with a body in one piece", |chain| walk(chain, "POST", "/form", &[b"a=1&b=2"], &[])),
    ("POST with a body in pieces", |chain| {
        walk(chain, "POST", "/form", &[b"{\"a\":", b" 1, \"b\"", b": 2}"], &[]);
    }),
    ("a response with a body in pieces", |chain| {
        walk(chain, "GET", "/page", &[], &[b"<html>", b"hello", b"</html>"]);
    }),
    ("bodies and trailers both ways", trailers),
    ("a response of 500", |chain| finish(chain, "GET", "/broken", 500)),
    ("many and long fields", fields),
    ("odd bytes in path and fields", odd),
    ("the client goes away", |chain| {
        let mut exchange = FakeExchange::ordinary();
        let mut context = chain.begin();
        let _ = context.on_request_headers(&mut exchange, false);
    }),
    ("requests open at the same time", interleaved),
    ("timers", |_| std::thread::sleep(Duration::from_millis(TICKS_MS))),
];

/// Log lines are the module's own business.
struct Silence;

impl LogSink for Silence {
    fn line(&self, _plugin: &str, _level: LogLevel, _text: &str) {}
}

/// Brings a module into every situation.
///
/// # Errors
/// When the host does not start.
pub fn conform(module: &[u8], configuration: &[u8]) -> Result<Conformance, WorkbenchError> {
    let host =
        Host::new(HostConfig { log_sink: Some(Arc::new(Silence)), ..HostConfig::default() })?;
    let mut config = PluginConfig::new("examined", module);
    config.configuration = configuration.to_vec();
    config.on_failure = OnFailure::Closed;
    config.limits.traps_max = u32::MAX;
    config.limits.pause_ms_max = 10;
    let plugin = match host.load(config) {
        Ok(plugin) => plugin,
        Err(error) => {
            let refused = Some(error.to_string());
            return Ok(Conformance { refused, situations: Vec::new() });
        }
    };
    let chain = Chain::new(vec![plugin.clone()]);
    let situations = SITUATIONS.map(|(name, act)| {
        recover(&plugin);
        let before = plugin.status().traps;
        act(&chain);
        Situation { name, problem: problem(&plugin, before) }
    });
    Ok(Conformance { refused: None, situations: situations.into() })
}

/// Waits until the instance that failed has a successor.
fn recover(plugin: &Plugin) {
    for _ in 0..RECOVERY_MS_MAX {
        if plugin.status().state == PluginState::Running {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn problem(plugin: &Plugin, before: u64) -> Option<String> {
    let status = plugin.status();
    if status.traps > before {
        return status.last_trap;
    }
    (status.streams > 0).then(|| format!("{} requests were kept", status.streams))
}

/// Takes a request and its response through the module, body piece by body piece.
fn walk(chain: &Chain, method: &str, path: &str, up: &[&[u8]], down: &[&[u8]]) {
    let mut exchange = FakeExchange::ordinary();
    exchange.set_field(Map::RequestHeaders, ":method", method.as_bytes());
    exchange.set_field(Map::RequestHeaders, ":path", path.as_bytes());
    let mut context = chain.begin();
    let verdict = context.on_request_headers(&mut exchange, up.is_empty());
    let answered = matches!(verdict, Verdict::Answer(_));
    if !answered {
        request_body(&mut context, &mut exchange, up, true);
    }
    response(&mut context, &mut exchange, 200, down, true);
    context.finish(&mut exchange);
}

fn request_body(
    context: &mut RequestContext,
    exchange: &mut FakeExchange,
    pieces: &[&[u8]],
    ends: bool,
) {
    for (at, piece) in pieces.iter().enumerate() {
        exchange.request_body.extend_from_slice(piece);
        let last = ends && at + 1 == pieces.len();
        if context.on_request_body(exchange, last) == Verdict::Continue {
            exchange.request_body.clear();
        }
    }
}

fn response(
    context: &mut RequestContext,
    exchange: &mut FakeExchange,
    status: u16,
    pieces: &[&[u8]],
    ends: bool,
) {
    exchange.answered(status);
    exchange.set_field(Map::ResponseHeaders, "content-type", b"text/html");
    if matches!(context.on_response_headers(exchange, pieces.is_empty()), Verdict::Answer(_)) {
        return;
    }
    for (at, piece) in pieces.iter().enumerate() {
        exchange.response_body.extend_from_slice(piece);
        let last = ends && at + 1 == pieces.len();
        if context.on_response_body(exchange, last) == Verdict::Continue {
            exchange.response_body.clear();
        }
    }
}

fn finish(chain: &Chain, method: &str, path: &str, status: u16) {
    let mut exchange = FakeExchange::ordinary();
    exchange.set_field(Map::RequestHeaders, ":method", method.as_bytes());
    exchange.set_field(Map::RequestHeaders, ":path", path.as_bytes());
    let mut context = chain.begin();
    let _ = context.on_request_headers(&mut exchange, true);
    response(&mut context, &mut exchange, status, &[], true);
    context.finish(&mut exchange);
}

fn trailers(chain: &Chain) {
    let mut exchange = FakeExchange::ordinary();
    let mut context = chain.begin();
    let _ = context.on_request_headers(&mut exchange, false);
    request_body(&mut context, &mut exchange, &[b"body"], false);
    exchange.open(Map::RequestTrailers);
    exchange.add_field(Map::RequestTrailers, "x-sum", b"1");
    let _ = context.on_request_trailers(&mut exchange);
    response(&mut context, &mut exchange, 200, &[b"body"], false);
    exchange.open(Map::ResponseTrailers);
    exchange.add_field(Map::ResponseTrailers, "x-sum", b"2");
    let _ = context.on_response_trailers(&mut exchange);
    context.finish(&mut exchange);
}

fn fields(chain: &Chain) {
    let mut exchange = FakeExchange::ordinary();
    for n in 0..100 {
        exchange.add_field(Map::RequestHeaders, &format!("x-field-{n}"), &[b'v'; 200]);
    }
    exchange.add_field(Map::RequestHeaders, "cookie", &[b'c'; 8_000]);
    let mut context = chain.begin();
    let _ = context.on_request_headers(&mut exchange, true);
    response(&mut context, &mut exchange, 200, &[], true);
    context.finish(&mut exchange);
}

fn odd(chain: &Chain) {
    let mut exchange = FakeExchange::ordinary();
    exchange.set_field(Map::RequestHeaders, ":path", b"/%00/%ff?%zz=%c3%28&&==;");
    exchange.set_field(Map::RequestHeaders, "user-agent", b"\xff\xfe\x80");
    exchange.set_field(Map::RequestHeaders, "cookie", b"");
    exchange.remove_field(Map::RequestHeaders, ":authority");
    let mut context = chain.begin();
    let _ = context.on_request_headers(&mut exchange, true);
    response(&mut context, &mut exchange, 200, &[], true);
    context.finish(&mut exchange);
}

fn interleaved(chain: &Chain) {
    let mut open: Vec<_> = (0..OPEN)
        .map(|_| {
            let mut exchange = FakeExchange::ordinary();
            let mut context = chain.begin();
            let _ = context.on_request_headers(&mut exchange, true);
            (context, exchange)
        })
        .collect();
    while !open.is_empty() {
        // Neither in the order in which they came nor in reverse.
        let (mut context, mut exchange) = open.swap_remove(open.len() / 3);
        response(&mut context, &mut exchange, 200, &[], true);
        context.finish(&mut exchange);
    }
}
