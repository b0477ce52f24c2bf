//! Runs cases.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

use super::{
    WorkbenchError,
    cases::{Answer, Case, Cases, Expect, Step},
    fake::FakeExchange,
};
use crate::{
    CallError, CallFuture, Chain, Clock, Dispatcher, Host, HostConfig, HttpAnswer, HttpCall,
    LocalResponse, LogLevel, LogSink, Map, MetricValue, OnFailure, PluginConfig, RequestContext,
    Verdict, compiler::Compiler, host::spawn_clock,
};

/// Nanoseconds since the Unix epoch at which every case begins: 2027-01-15.
const START_NS: u64 = 1_800_000_000_000_000_000;
/// Seed of every case.
const SEED: u64 = 1;

/// Results of a file.
#[derive(Debug, Default)]
pub struct Report {
    /// Each case, in order.
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// Whether every case passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.problems.is_empty())
    }
}

/// Result of a case.
#[derive(Debug, Default)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// What was not as expected; empty when it passed.
    pub problems: Vec<String>,
    /// What the plugin logged.
    pub logs: Vec<String>,
    /// Instructions of the dearest request.
    pub fuel: u64,
}

/// Runs a file of cases over a module. Each case gets a fresh plugin, a clock that stands still and
/// the same random numbers.
///
/// # Errors
/// When the file cannot be read, or the host does not start. A plugin that does not load is a problem
/// of its case.
pub fn run_cases(module: &[u8], text: &str) -> Result<Report, WorkbenchError> {
    let cases: Cases =
        toml::from_str(text).map_err(|error| WorkbenchError::Cases(error.to_string()))?;
    if cases.cases.is_empty() {
        return Err(WorkbenchError::Cases("there is no [[case]]".into()));
    }
    let config = HostConfig { fuel: true, ..HostConfig::default() };
    let compiler = Compiler::new(&config, true)?;
    spawn_clock(compiler.engine.weak(), Duration::from_micros(config.epoch_us), None)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::default();
    for case in &cases.cases {
        let bench = Bench::new(&compiler, &runtime)?;
        report.cases.push(bench.run(module, &cases, case));
    }
    Ok(report)
}

/// The world of one case.
struct Bench<'a> {
    host: Arc<Host>,
    runtime: &'a Runtime,
    clock: Arc<AtomicU64>,
    script: Arc<Script>,
    lines: Arc<Lines>,
}

/// Answers of upstreams, and the calls that were made.
#[derive(Default)]
struct Script {
    answers: Mutex<BTreeMap<String, Answer>>,
    calls: Mutex<Vec<String>>,
}

impl Dispatcher for Script {
    fn knows(&self, upstream: &str) -> bool {
        lock(&self.answers).contains_key(upstream)
    }

    fn call(&self, call: HttpCall) -> CallFuture {
        let field =
            |name| String::from_utf8_lossy(call.field(name).unwrap_or_default()).into_owned();
        let line = format!("{} {} {}", call.upstream, field(":method"), field(":path"));
        lock(&self.calls).push(line);
        let answer = lock(&self.answers).get(&call.upstream).cloned();
        Box::pin(async move {
            let answer = answer.ok_or(CallError::UnknownUpstream(call.upstream))?;
            let fields =
                answer.headers.into_iter().map(|(name, value)| (name.into(), value.into()));
            let (fields, body) = (fields.collect(), answer.body.into_bytes());
            Ok(HttpAnswer { status: answer.status, fields, body, trailers: Vec::new() })
        })
    }
}

/// Log lines.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, _plugin: &str, level: LogLevel, text: &str) {
        lock(&self.0).push(format!("{level:?}: {text}"));
    }
}

impl<'a> Bench<'a> {
    fn new(compiler: &Arc<Compiler>, runtime: &'a Runtime) -> Result<Self, WorkbenchError> {
        let clock = Arc::new(AtomicU64::new(START_NS));
        let (script, lines) = (Arc::new(Script::default()), Arc::new(Lines::default()));
        let config = HostConfig {
            clock: Clock::Frozen(clock.clone()),
            random_seed: Some(SEED),
            fuel: true,
            dispatcher: script.clone(),
            log_sink: Some(lines.clone()),
            ..HostConfig::default()
        };
        let host = runtime.block_on(async { Host::on(compiler.clone(), config) })?;
        Ok(Self { host, runtime, clock, script, lines })
    }

    fn run(&self, module: &[u8], cases: &Cases, case: &Case) -> CaseReport {
        let mut report = CaseReport { name: case.name.clone(), ..CaseReport::default() };
        let mut lists = Vec::new();
        for (name, list) in &cases.lists {
            match list.list() {
                Ok(list) => lists.push((name, Arc::new(list))),
                Err(error) => report.problems.push(format!("list {name}: {error}")),
            }
        }
        self.host.set_lists(lists);
        let mut config = PluginConfig::new("plugin", module);
        config.configuration = case.config.as_ref().unwrap_or(&cases.config).clone().into_bytes();
        config.root_id.clone_from(&cases.root_id);
        config.on_failure = OnFailure::Closed;
        match (self.host.load(config), &case.load_error) {
            (Ok(_), Some(wanted)) => {
                report
                    .problems
                    .push(format!("it loads, but {wanted:?} was expected to keep it from that"));
            }
            (Ok(plugin), None) => {
                let chain = Chain::new(vec![plugin]);
                self.steps(&chain, case, &mut report);
            }
            (Err(error), Some(wanted)) if error.to_string().contains(wanted) => {}
            (Err(error), _) => report.problems.push(format!("it does not load: {error}")),
        }
        report.logs.append(&mut lock(&self.lines.0));
        report
    }

    fn steps(&self, chain: &Chain, case: &Case, report: &mut CaseReport) {
        for (number, step) in case.steps.iter().enumerate() {
            self.clock.fetch_add(step.after_ms.saturating_mul(1_000_000), Ordering::Relaxed);
            for time in 1..=step.times {
                let before = fuel(chain);
                let mut problems = Vec::new();
                self.step(chain, step, &mut problems, &mut report.logs);
                let fuel = fuel(chain).saturating_sub(before);
                report.fuel = report.fuel.max(fuel);
                if let Some(most) = step.expect.fuel_max.filter(|most| fuel > *most) {
                    problems
                        .push(format!("it took {fuel} instructions, at most {most} were expected"));
                }
                let place = format!("step {} ({}), time {time}", number + 1, step.request);
                report.problems.extend(problems.into_iter().map(|text| format!("{place}: {text}")));
            }
        }
    }

    fn step(&self, chain: &Chain, step: &Step, problems: &mut Vec<String>, logs: &mut Vec<String>) {
        *lock(&self.script.answers) = step.answers.clone();
        lock(&self.script.calls).clear();
        let mut exchange = request(step);
        let mut context = chain.begin();
        let answer = self.runtime.block_on(walk(&mut context, &mut exchange, step));
        check_exchange(&step.expect, step, &exchange, answer.as_ref(), problems);
        let labels: BTreeMap<String, String> = context
            .labels()
            .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
            .collect();
        context.finish(&mut exchange);
        compare("label", &step.expect.labels, |name| labels.get(name).cloned(), problems);
        let lines = mem::take(&mut *lock(&self.lines.0));
        for wanted in &step.expect.logs {
            if !lines.iter().any(|line| line.contains(wanted)) {
                problems.push(format!("no log line contains {wanted:?}"));
            }
        }
        logs.extend(lines);
        self.check_metrics(&step.expect, problems);
        let calls = lock(&self.script.calls);
        if let Some(wanted) = step.expect.calls.as_ref().filter(|wanted| **wanted != *calls) {
            problems.push(format!("calls were {calls:?}, expected {wanted:?}"));
        }
    }

    fn check_metrics(&self, expect: &Expect, problems: &mut Vec<String>) {
        let samples = self.host.metrics();
        for (name, wanted) in &expect.metrics {
            let family = format!("tidegate_plugin_{name}");
            let sample = samples.iter().find(|sample| sample.name == family);
            let value = match sample.map(|sample| &sample.value) {
                Some(MetricValue::Counter(value)) => i64::try_from(*value).unwrap_or(i64::MAX),
                Some(MetricValue::Gauge(value)) => *value,
                Some(MetricValue::Histogram { count, .. }) => {
                    i64::try_from(*count).unwrap_or(i64::MAX)
                }
                None => {
                    problems.push(format!("there is no metric {name}"));
                    continue;
                }
            };
            if value != *wanted {
                problems.push(format!("metric {name} is {value}, expected {wanted}"));
            }
        }
    }
}

fn fuel(chain: &Chain) -> u64 {
    chain.plugins().iter().map(|plugin| plugin.fuel()).sum()
}

fn request(step: &Step) -> FakeExchange {
    let (method, target) = step.request.split_once(' ').unwrap_or(("GET", &step.request));
    let mut exchange = FakeExchange::new(method, target);
    for (name, value) in &step.headers {
        let name = name.to_ascii_lowercase();
        crate::Exchange::set_field(&mut exchange, Map::RequestHeaders, &name, value.as_bytes());
    }
    let client = step.client.as_deref().unwrap_or("192.0.2.1");
    let address =
        if client.contains(':') { format!("[{client}]:40000") } else { format!("{client}:40000") };
    exchange.knows("source.address", &address);
    step.properties.iter().for_each(|(path, value)| exchange.knows(path, value));
    exchange
}

/// Takes a request through the chain and the origin; answers what the plugin answered itself.
async fn walk(
    context: &mut RequestContext,
    exchange: &mut FakeExchange,
    step: &Step,
) -> Option<LocalResponse> {
    let answer = forth(context, exchange, step).await;
    let status = answer.as_ref().map_or(step.response, |answer| answer.status);
    exchange.answered(status);
    for (name, value) in &step.response_headers {
        crate::Exchange::set_field(exchange, Map::ResponseHeaders, name, value.as_bytes());
    }
    let verdict = context.on_response_headers(exchange, true);
    let late = settle(context, exchange, verdict).await;
    answer.or(late)
}

async fn forth(
    context: &mut RequestContext,
    exchange: &mut FakeExchange,
    step: &Step,
) -> Option<LocalResponse> {
    let verdict = context.on_request_headers(exchange, step.body.is_none());
    let answer = settle(context, exchange, verdict).await;
    let Some(body) = step.body.as_ref().filter(|_| answer.is_none()) else { return answer };
    exchange.request_body = body.clone().into_bytes();
    let verdict = context.on_request_body(exchange, true);
    settle(context, exchange, verdict).await
}

async fn settle(
    context: &mut RequestContext,
    exchange: &mut FakeExchange,
    mut verdict: Verdict,
) -> Option<LocalResponse> {
    if verdict == Verdict::Pause {
        verdict = context.resume(exchange).await;
    }
    match verdict {
        Verdict::Answer(answer) => Some(answer),
        Verdict::Continue | Verdict::Pause => None,
    }
}

fn check_exchange(
    expect: &Expect,
    step: &Step,
    exchange: &FakeExchange,
    answer: Option<&LocalResponse>,
    problems: &mut Vec<String>,
) {
    let status = answer.map_or(step.response, |answer| answer.status);
    if let Some(wanted) = expect.status.filter(|wanted| *wanted != status) {
        problems.push(format!("status is {status}, expected {wanted}"));
    }
    if let Some(wanted) = expect.answered.filter(|wanted| *wanted != answer.is_some()) {
        let word = if wanted { "did not answer" } else { "answered" };
        problems.push(format!("the plugin {word} the request itself"));
    }
    let body = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
    if let Some(wanted) = &expect.body
        && !body.as_deref().unwrap_or_default().contains(wanted)
    {
        problems.push(format!("the body is {body:?} and does not contain {wanted:?}"));
    }
    let request_body = String::from_utf8_lossy(&exchange.request_body);
    if let Some(wanted) = expect.request_body.as_ref().filter(|wanted| **wanted != request_body) {
        problems.push(format!("the origin sees the body {request_body:?}, expected {wanted:?}"));
    }
    let of_answer = |name: &str| {
        let fields = answer.into_iter().flat_map(|answer| &answer.fields);
        let mut values = fields.filter(|(known, _)| known == name.as_bytes());
        values.next().map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    compare("field of the answer", &expect.answer_headers, of_answer, problems);
    let of_request = |name: &str| exchange.text(Map::RequestHeaders, name);
    compare("field of the request", &expect.request_headers, of_request, problems);
    let of_response = |name: &str| exchange.text(Map::ResponseHeaders, name);
    compare("field of the response", &expect.response_headers, of_response, problems);
}

/// Compares named texts; an empty one means absent.
fn compare(
    what: &str,
    wanted: &BTreeMap<String, String>,
    found: impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) {
    for (name, wanted) in wanted {
        let found = found(name).unwrap_or_default();
        if found != *wanted {
            problems.push(format!("{what} {name} is {found:?}, expected {wanted:?}"));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
