//! Child processes that are started again when they die.
//!
//! Each child's output goes to its own log file. A child is told to end with SIGTERM and notices
//! the death of its parent by the end of its standard input, so none outlives `tidegate up`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    process::{Child, ChildStdin, Command},
    sync::watch,
};

/// The pause before the first restart; it doubles with each further one.
const RESTART_PAUSE_MS_MIN: u64 = 200;
/// The longest pause between restarts.
const RESTART_PAUSE_MS_MAX: u64 = 5_000;
/// A child that lived this long is in good health again: the pause starts from the bottom.
const STABLE_AFTER_S: u64 = 30;
/// How long children may take to end by themselves.
const STOP_MS_MAX: u64 = 10_000;

/// A child to keep running.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) log: PathBuf,
}

/// Keeps `program` running until `stop` becomes true; says when it died and is started again.
pub(crate) async fn supervise(program: Program, mut stop: watch::Receiver<bool>) {
    let mut pause_ms = RESTART_PAUSE_MS_MIN;
    while !*stop.borrow() {
        let started = Instant::now();
        let ended = match spawn(&program) {
            Ok(mut child) => {
                // Held here, because waiting for a child closes the input that is still in it.
                let input = child.stdin.take();
                tokio::select! {
                    status = child.wait() => status.map(|status| status.to_string()),
                    _ = stop.changed() => return end(&mut child, input).await,
                }
            }
            Err(error) => Err(error),
        };
        let why = ended.unwrap_or_else(|error| error.to_string());
        if started.elapsed() > Duration::from_secs(STABLE_AFTER_S) {
            pause_ms = RESTART_PAUSE_MS_MIN;
        }
        eprintln!(
            "{} died ({why}); starting it again in {pause_ms} ms; log: {}",
            program.name,
            program.log.display()
        );
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
            _ = stop.changed() => return,
        }
        pause_ms = (pause_ms * 2).min(RESTART_PAUSE_MS_MAX);
    }
}

fn spawn(program: &Program) -> io::Result<Child> {
    let log = open_log(&program.log)?;
    Command::new(std::env::current_exe()?)
        .args(&program.arguments)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
}

fn open_log(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options().create(true).append(true).open(path)
}

/// Closing the child's standard input asks it to end; what does not obey is killed.
async fn end(child: &mut Child, input: Option<ChildStdin>) {
    drop(input);
    if tokio::time::timeout(Duration::from_millis(STOP_MS_MAX), child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
