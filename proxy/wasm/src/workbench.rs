//! What plugin authors use on their own machine: test cases, inspection, cost, and a first plugin.
//!
//! Everything runs in process over the very host that the edge runs, with a clock that stands still,
//! seeded random numbers and fuel counted, so that a case gives the same result everywhere.

use std::time::Instant;

use crate::{Chain, Host, HostConfig, HostError, LoadError, PluginConfig, Verdict};

mod cases;
mod conform;
mod fake;
mod inspect;
mod replay;
mod run;
mod suite;
mod template;

pub use conform::{Conformance, Situation, conform};
pub use inspect::{Inspection, inspect};
pub use replay::{Difference, NamedLists, Replay, Version, replay};
pub use run::{CaseReport, Report, run_cases};
pub use suite::{Question, abi_module, abi_questions, abi_suite};
pub use template::template;

pub(crate) use fake::FakeExchange;

/// Why the workbench could not do its work; a failed case is no error.
#[derive(Debug, thiserror::Error)]
pub enum WorkbenchError {
    /// The file of cases cannot be read as such.
    #[error("the cases cannot be read: {0}")]
    Cases(String),
    /// The host did not start.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The plugin was refused.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Something the operating system refused.
    #[error("cannot run: {0}")]
    Io(#[from] std::io::Error),
    /// Not a module.
    #[error("the module cannot be read: {0}")]
    Module(String),
    /// The plugin does not do what the measurement needs.
    #[error("cannot measure: {0}")]
    Bench(String),
}

/// Cost of a plugin over an ordinary request that it lets pass.
#[derive(Clone, Copy, Debug)]
pub struct BenchReport {
    /// Nanoseconds of one request, host and module together, best of some rounds.
    pub ns: u64,
    /// Instructions of one request, as the engine counts them; the same on every machine.
    pub fuel: u64,
    /// Linear memory of one instance in bytes.
    pub memory_bytes: u64,
    /// Nanoseconds that compiling took.
    pub compile_ns: u64,
}

/// Requests of one round of [`bench`].
const ROUND: u32 = 20_000;
/// Rounds of [`bench`].
const ROUNDS: u32 = 5;

/// Measures what a plugin costs.
///
/// # Errors
/// When the plugin does not load, or does not let the request pass.
pub fn bench(module: &[u8], configuration: &[u8]) -> Result<BenchReport, WorkbenchError> {
    let (chain, host, compile_ns) = prepare(module, configuration, false)?;
    let mut ns = u64::MAX;
    for _ in 0..ROUNDS {
        ns = ns.min(round(&chain, ROUND)?);
    }
    let memory_bytes = host.plugins().first().map_or(0, |plugin| plugin.memory_bytes / 2);
    let (counted, _host, _) = prepare(module, configuration, true)?;
    round(&counted, 1)?;
    let before = fuel(&counted);
    round(&counted, 100)?;
    Ok(BenchReport { ns, fuel: (fuel(&counted) - before) / 100, memory_bytes, compile_ns })
}

fn prepare(
    module: &[u8],
    configuration: &[u8],
    fuel: bool,
) -> Result<(Chain, std::sync::Arc<Host>, u64), WorkbenchError> {
    let host = Host::new(HostConfig { fuel, ..HostConfig::default() })?;
    let mut config = PluginConfig::new("measured", module);
    config.configuration = configuration.to_vec();
    let start = Instant::now();
    let plugin = host.load(config)?;
    let compile_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok((Chain::new(vec![plugin]), host, compile_ns))
}

fn fuel(chain: &Chain) -> u64 {
    chain.plugins().iter().map(|plugin| plugin.fuel()).sum()
}

/// Nanoseconds of one request.
fn round(chain: &Chain, requests: u32) -> Result<u64, WorkbenchError> {
    let mut exchange = FakeExchange::ordinary();
    let start = Instant::now();
    for _ in 0..requests {
        let mut context = chain.begin();
        let verdict = context.on_request_headers(&mut exchange, true);
        if verdict != Verdict::Continue {
            return Err(WorkbenchError::Bench(format!("the plugin answered {verdict:?}")));
        }
        context.on_response_headers(&mut exchange, true);
        context.finish(&mut exchange);
    }
    let ns = start.elapsed().as_nanos() / u128::from(requests);
    Ok(u64::try_from(ns).unwrap_or(u64::MAX))
}
