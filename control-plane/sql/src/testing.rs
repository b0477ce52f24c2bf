//! What tests of SQL need: a fresh database on each engine.
//!
//! PostgreSQL comes from `TIDEGATE_TEST_POSTGRES` (a `postgres://` address), or, where a server is
//! installed, from a private one that lives as long as the test process. With `CI` set the
//! variable must be there: a test then fails instead of being left out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::tx::Engine;
use crate::{Db, Options, Result, Statement, Tx};

/// The variable that names a PostgreSQL server for tests.
pub const POSTGRES_VARIABLE: &str = "TIDEGATE_TEST_POSTGRES";

const START_SECONDS_MAX: u64 = 60;

/// The shell lives on our standard input: when this process ends, however it ends, `cat` ends, and
/// the server goes down with its folder. PostgreSQL refuses to run as root.
const SERVER: &str = r#"
exec 3<&0 </dev/null
$OWN "$DIR" && cd "$DIR" || exit 1
$AS "$BIN/initdb" -D "$DIR/data" -A trust -U postgres --no-sync >"$DIR/initdb.log" 2>&1 || exit 1
$AS "$BIN/postgres" -D "$DIR/data" -k "$DIR" -p 5432 -c listen_addresses= -c fsync=off \
    -c max_connections=200 >"$DIR/log" 2>&1 3<&- &
PG=$!
cat <&3 >/dev/null
kill -INT "$(head -1 "$DIR/data/postmaster.pid")"; wait $PG; rm -rf "$DIR"
"#;

/// A fresh, migrated database; the SQLite file goes away with it.
pub struct TestDb {
    /// The open database.
    pub db: Db,
    /// The address it was opened by.
    pub address: String,
    _folder: Option<tempfile::TempDir>,
}

/// One fresh database on each engine that this machine has.
///
/// # Panics
/// When an engine that must be there is not, or the migrations fail.
pub async fn engines(options: &Options) -> Vec<TestDb> {
    let mut all = vec![lite(options).await];
    all.extend(postgres(options).await);
    all
}

/// A fresh SQLite database in a folder of its own.
///
/// # Panics
/// When it cannot be opened or migrated.
#[allow(clippy::expect_used, reason = "test support: a panic is the report")]
pub async fn lite(options: &Options) -> TestDb {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = format!("sqlite:{}", folder.path().join("test.db").display());
    let db = Db::open(&address, options).await.expect("a fresh sqlite database");
    TestDb { db, address, _folder: Some(folder) }
}

/// A fresh PostgreSQL database, or none when this machine has no server and `CI` is not set.
///
/// # Panics
/// When `CI` is set without a server, or the database cannot be made.
#[allow(clippy::expect_used, reason = "test support: a panic is the report")]
pub async fn postgres(options: &Options) -> Option<TestDb> {
    let server = postgres_url()?;
    let name = format!("t{:016x}", getrandom::u64().expect("random"));
    let admin: tokio_postgres::Config = server.parse().expect("a postgres address");
    let (client, connection) = admin.connect(tokio_postgres::NoTls).await.expect("connect");
    let running = tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("create database");
    drop(client);
    let _ = running.await;
    let address = with_database(&server, &name);
    let db = Db::open(&address, options).await.expect("a fresh postgres database");
    Some(TestDb { db, address, _folder: None })
}

/// Prepares every statement on `db`; the names and errors of those that the engine refuses.
pub async fn prepare_all(db: &Db, statements: &'static [&'static Statement]) -> Vec<String> {
    let outcome: Result<Vec<String>> = db
        .write(async move |tx| {
            let mut refused = Vec::new();
            for statement in statements {
                if let Err(error) = prepare(tx, statement).await {
                    refused.push(error.to_string());
                    break; // PostgreSQL ends the transaction with the first error
                }
            }
            Ok(refused)
        })
        .await;
    outcome.unwrap_or_else(|error| vec![error.to_string()])
}

async fn prepare(tx: &mut Tx, statement: &Statement) -> Result<()> {
    match &mut tx.engine {
        Engine::Lite(tx) => tx.prepare(statement),
        Engine::Pg(tx) => tx.prepare(statement).await,
    }
}

/// The server to test on.
///
/// # Panics
/// When `CI` is set and `TIDEGATE_TEST_POSTGRES` is not.
pub fn postgres_url() -> Option<String> {
    if let Ok(url) = std::env::var(POSTGRES_VARIABLE) {
        return Some(url);
    }
    assert!(std::env::var_os("CI").is_none(), "{POSTGRES_VARIABLE} must be set when CI is set");
    static PRIVATE: OnceLock<Option<String>> = OnceLock::new();
    PRIVATE.get_or_init(private_server).clone()
}

#[allow(clippy::expect_used, reason = "test support: a panic is the report")]
fn private_server() -> Option<String> {
    let Some(bin) = installed() else {
        let text = "no PostgreSQL here: the PostgreSQL half of this test did NOT run\n";
        let _ = std::io::stderr().write_all(text.as_bytes());
        return None;
    };
    let folder = tempfile::Builder::new().prefix("tg-pg").tempdir_in("/tmp").expect("a folder");
    let folder = folder.keep();
    let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
    let (own, run_as) = if root { ("chown postgres", "runuser -u postgres --") } else { (":", "") };
    let mut child = Command::new("sh")
        .args(["-c", SERVER])
        .env("OWN", own)
        .env("AS", run_as)
        .env("DIR", &folder)
        .env("BIN", &bin)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    // Kept open for the life of the process.
    std::mem::forget(child.stdin.take());
    std::thread::spawn(move || child.wait());
    wait_ready(&folder);
    Some(format!("postgres://postgres@{}/postgres", encoded(&folder)))
}

fn wait_ready(folder: &Path) {
    let until = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    loop {
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        if log.contains("ready to accept connections") {
            return;
        }
        assert!(Instant::now() < until, "private PostgreSQL did not start: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut all: Vec<_> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    all.sort();
    all.pop()
}

fn encoded(path: &Path) -> String {
    path.display().to_string().replace('/', "%2F")
}

fn with_database(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').map_or((server, None), |(b, q)| (b, Some(q)));
    let scheme = base.find("://").map_or(0, |at| at + 3);
    let path = base[scheme..].find('/').map_or(base.len(), |at| scheme + at);
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    format!("{}/{name}{query}", &base[..path])
}
