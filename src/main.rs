//! `tidegate`: the composition root. It reads the command line and calls into the parts.

mod admin;
mod anomalies;
mod cli;
mod limits;
mod plugin;
mod programs;
mod sign;
mod supervise;
mod up;
mod verbs;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let asked = cli::parse(verbs::VERBS, std::env::args().skip(1).collect());
    let outcome = match asked {
        Ok(cli::Asked::Help(text)) => {
            return say(&text);
        }
        Ok(cli::Asked::Run(verb, args)) => (verb.run)(args),
        Err(error) => Err(error),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("tidegate: {error:#}");
        ExitCode::FAILURE
    })
}

/// Writes to standard output; a reader that has closed it is no error.
pub(crate) fn say(text: &str) -> ExitCode {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
