//! An access log taken through two versions of a plugin.

use std::{
    io::BufRead,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Deserialize;
use tidegate_list::List;

use super::{FakeExchange, WorkbenchError};
use crate::{
    Chain, Clock, Exchange, Host, HostConfig, LogLevel, LogSink, Map, PluginConfig, Verdict,
};

/// Differences that a report names one by one.
const DIFFERENCES_MAX: usize = 1_000;

/// Lists by name.
pub type NamedLists = [(Arc<str>, Arc<List>)];

/// A module with its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Version<'v> {
    /// WebAssembly binary.
    pub module: &'v [u8],
    /// As in a specification, JSON as a rule.
    pub configuration: &'v [u8],
}

/// What came of a log.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Requests read.
    pub requests: u64,
    /// Lines that are no request.
    pub unreadable: u64,
    /// Requests that the old and the new version answer themselves.
    pub answered: [u64; 2],
    /// Callbacks that failed, in the old and the new version.
    pub failures: [u64; 2],
    /// Requests that the versions decide differently.
    pub different: u64,
    /// The first of those.
    pub differences: Vec<Difference>,
}

/// A request that the versions decide differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Line of the log, from 1.
    pub line: u64,
    /// Method, host and path.
    pub request: String,
    /// What the old version does.
    pub old: String,
    /// What the new version does.
    pub new: String,
}

/// A line of the access log, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    time_us: u64,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    phase: String,
    method: String,
    #[serde(default)]
    scheme: String,
    #[serde(default)]
    host: String,
    path: String,
    #[serde(default)]
    client: String,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    referer: String,
}

fn ok() -> u16 {
    200
}

/// Takes the requests of an access log (JSON lines) through both versions, each in a host of its own
/// whose clock follows the log; both ask the same lists. Upstreams answer no call, bodies are not in a log: rules that judge
/// by them see none.
///
/// # Errors
/// When the log cannot be read, or a version does not load.
pub fn replay(
    old: Version<'_>,
    new: Version<'_>,
    lists: &NamedLists,
    log: impl BufRead,
) -> Result<Replay, WorkbenchError> {
    let clock = Arc::new(AtomicU64::new(0));
    let stages = [Stage::new(old, lists, &clock)?, Stage::new(new, lists, &clock)?];
    let mut replay = Replay::default();
    for (number, line) in log.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let Ok(line) = serde_json::from_str::<Line>(&line) else {
            replay.unreadable += 1;
            continue;
        };
        replay.requests += 1;
        clock.fetch_max(line.time_us.saturating_mul(1_000), Ordering::Relaxed);
        let [old, new] = [0, 1].map(|version| {
            let (decision, answered) = stages[version].decide(&line);
            replay.answered[version] += u64::from(answered);
            decision
        });
        if old != new {
            replay.different += 1;
            if replay.differences.len() < DIFFERENCES_MAX {
                let request = format!("{} {}{}", line.method, line.host, line.path);
                replay.differences.push(Difference { line: number as u64 + 1, request, old, new });
            }
        }
    }
    replay.failures = [0, 1].map(|version| stages[version].failures());
    Ok(replay)
}

/// A version, ready.
struct Stage {
    chain: Chain,
    _host: Arc<Host>,
}

/// Lines of replayed requests are nobody's.
struct Silence;

impl LogSink for Silence {
    fn line(&self, _plugin: &str, _level: LogLevel, _text: &str) {}
}

impl Stage {
    fn new(
        version: Version<'_>,
        lists: &NamedLists,
        clock: &Arc<AtomicU64>,
    ) -> Result<Self, WorkbenchError> {
        let host = Host::new(HostConfig {
            clock: Clock::Frozen(clock.clone()),
            random_seed: Some(1),
            log_sink: Some(Arc::new(Silence)),
            ..HostConfig::default()
        })?;
        host.set_lists(lists.iter().cloned());
        let mut config = PluginConfig::new("plugin", version.module);
        config.configuration = version.configuration.to_vec();
        config.limits.traps_max = u32::MAX;
        let chain = Chain::new(vec![host.load(config)?]);
        Ok(Self { chain, _host: host })
    }

    fn failures(&self) -> u64 {
        self.chain.plugins().iter().map(|plugin| plugin.status().traps).sum()
    }

    /// What becomes of a request, and whether it is answered here.
    fn decide(&self, line: &Line) -> (String, bool) {
        let mut exchange = request(line);
        let mut context = self.chain.begin();
        let verdict = context.on_request_headers(&mut exchange, true);
        let (mut decision, answered) = match &verdict {
            Verdict::Continue => ("passes".to_owned(), None),
            Verdict::Pause => ("waits".to_owned(), None),
            Verdict::Answer(answer) => (format!("answers {}", answer.status), Some(answer.status)),
        };
        // What the origin said is known only of requests that got there.
        let origin = if line.phase == "plugin" { 200 } else { line.status.max(200) };
        exchange.answered(answered.unwrap_or(origin));
        let _ = context.on_response_headers(&mut exchange, true);
        let mut labels: Vec<String> = context
            .labels()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        labels.sort();
        for label in labels {
            decision = decision + ", " + &label;
        }
        context.finish(&mut exchange);
        (decision, answered.is_some())
    }
}

fn request(line: &Line) -> FakeExchange {
    let mut exchange = FakeExchange::new(&line.method, &line.path);
    let mut set = |name: &str, value: &str| {
        if !value.is_empty() {
            exchange.set_field(Map::RequestHeaders, name, value.as_bytes());
        }
    };
    set(":authority", &line.host);
    set(":scheme", &line.scheme);
    set("user-agent", &line.user_agent);
    set("referer", &line.referer);
    let client = match line.client.contains(':') {
        true => format!("[{}]:40000", line.client),
        false => format!("{}:40000", line.client),
    };
    exchange.knows("source.address", &client);
    exchange
}
