//! SQLite: one writer thread that commits in groups, some reader threads.
//!
//! The writer takes what waits in its queue, opens one transaction, runs each closure in a
//! savepoint, commits once and only then answers. So a group costs one fsync, and `BEGIN IMMEDIATE`
//! removes the upgrade from read to write that ignores `busy_timeout` (SQLITE_BUSY_SNAPSHOT).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Statement as Prepared};
use tokio::sync::oneshot;

use crate::row::Inner;
use crate::tx::Engine;
use crate::{Error, FromRow, Options, Result, Row, Statement, Synchronous, Tx, Val};

/// Closures in one commit: more couples the latency of too many requests.
const GROUP_MAX: usize = 128;
/// How long a group may run before it commits, in microseconds.
const GROUP_MICROS_MAX: u64 = 2_000;
/// How long another process may hold the file's lock, in milliseconds.
const BUSY_MS_MAX: u64 = 5_000;
const PREPARED_MAX: usize = 256;

type Answer = Box<dyn FnOnce(std::result::Result<(), Arc<str>>) + Send>;
type Write = Box<dyn FnOnce(&mut Tx) -> Option<Answer> + Send>;
type Read = Box<dyn FnOnce(&mut Tx) + Send>;

/// An open SQLite file. Dropping it lets the threads finish what is queued.
pub struct Lite {
    writer: Sender<Write>,
    readers: Sender<Read>,
}

pub(crate) struct LiteTx {
    connection: Connection,
    /// Why no transaction could be opened: then no statement may run, it would commit by itself.
    refusal: Option<String>,
}

impl Lite {
    pub(crate) fn open(path: &Path, options: &Options) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| open_error(path, e))?;
        }
        let first = connect(path, options.synchronous).map_err(|e| open_error(path, e))?;
        let writer = start_writer(first);
        let (readers, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..options.readers.max(1) {
            let connection = connect(path, options.synchronous)
                .and_then(|c| c.pragma_update(None, "query_only", true).map(|()| c))
                .map_err(|e| open_error(path, e))?;
            let queue = Arc::clone(&queue);
            thread::spawn(move || read_loop(connection, &queue));
        }
        Ok(Self { writer, readers })
    }

    pub(crate) async fn write<T, E, F>(&self, f: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: AsyncFn(&mut Tx) -> std::result::Result<T, E> + Send + Sync + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Write = Box::new(move |tx| match block_on(run(&f, tx)) {
            Ok(value) => Some(Box::new(move |commit: std::result::Result<(), Arc<str>>| {
                let commit = commit.map(|()| value);
                let _ = reply.send(commit.map_err(|e| Error::Commit(e.to_string()).into()));
            }) as Answer),
            Err(error) => {
                let _ = reply.send(Err(error));
                None
            }
        });
        self.writer.send(work).map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Panicked)?
    }

    pub(crate) async fn read<T, E, F>(&self, f: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: AsyncFnOnce(&mut Tx) -> std::result::Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Read = Box::new(move |tx| {
            let _ = reply.send(block_on(f(tx)));
        });
        self.readers.send(work).map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Panicked)?
    }
}

async fn run<T, E, F>(f: &F, tx: &mut Tx) -> std::result::Result<T, E>
where
    E: From<Error>,
    F: AsyncFn(&mut Tx) -> std::result::Result<T, E>,
{
    let value = f(tx).await?;
    tx.flush().await?;
    Ok(value)
}

fn start_writer(connection: Connection) -> Sender<Write> {
    let (writer, queue) = channel();
    thread::spawn(move || {
        let mut tx = Tx::new(Engine::Lite(LiteTx { connection, refusal: None }));
        while let Ok(first) = queue.recv() {
            group(&mut tx, first, &queue);
        }
    });
    writer
}

/// One commit: the first closure and whatever else waits, within the two limits of a group.
fn group(tx: &mut Tx, first: Write, queue: &Receiver<Write>) {
    if let Err(error) = lite(tx).batch("BEGIN IMMEDIATE") {
        tracing::error!(%error, "the database cannot be written");
        return refuse(tx, first, &error.to_string());
    }
    let until = Instant::now() + Duration::from_micros(GROUP_MICROS_MAX);
    let mut answers = Vec::new();
    let mut after = Vec::new();
    let mut next = Some(first);
    let mut count = 0;
    while let Some(work) = next {
        if let Some(answer) = in_savepoint(tx, work) {
            answers.push(answer);
            after.append(&mut tx.after());
        }
        tx.reset();
        count += 1;
        // A full disk or an I/O error may have rolled back everything: stop, the commit will say so.
        let open = !lite(tx).connection.is_autocommit();
        next = (open && count < GROUP_MAX && Instant::now() < until)
            .then(|| queue.try_recv().ok())
            .flatten();
    }
    let commit = lite(tx).batch("COMMIT").map_err(|e| Arc::<str>::from(e.to_string()));
    if commit.is_err() {
        let _ = lite(tx).batch("ROLLBACK");
    } else {
        after.into_iter().for_each(|f| f());
    }
    answers.into_iter().for_each(|answer| answer(commit.clone()));
}

/// Only the closure can answer its caller, so it runs once more: against statements that all fail.
fn refuse(tx: &mut Tx, work: Write, text: &str) {
    lite(tx).refusal = Some(text.to_owned());
    if let Ok(Some(answer)) = catch_unwind(AssertUnwindSafe(|| work(tx))) {
        answer(Err(text.into()));
    }
    lite(tx).refusal = None;
    tx.reset();
}

fn in_savepoint(tx: &mut Tx, work: Write) -> Option<Answer> {
    if lite(tx).batch("SAVEPOINT closure").is_err() {
        return None;
    }
    let answer = catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or(None);
    let end =
        if answer.is_some() { "RELEASE closure" } else { "ROLLBACK TO closure; RELEASE closure" };
    let ended = lite(tx).batch(end);
    ended.ok().and(answer)
}

fn lite(tx: &mut Tx) -> &mut LiteTx {
    match &mut tx.engine {
        Engine::Lite(lite) => lite,
        Engine::Pg(_) => unreachable!("the writer thread made this transaction for SQLite"),
    }
}

fn read_loop(connection: Connection, queue: &Mutex<Receiver<Read>>) {
    let mut tx = Tx::new(Engine::Lite(LiteTx { connection, refusal: None }));
    loop {
        let work = {
            let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            // A thread that waits holds the lock: the others wait for the lock instead.
            match queue.recv_timeout(Duration::from_secs(3_600)) {
                Ok(work) => work,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        };
        let _ = lite(&mut tx).batch("BEGIN");
        let _ = catch_unwind(AssertUnwindSafe(|| work(&mut tx)));
        let _ = lite(&mut tx).batch("ROLLBACK");
        tx.reset();
    }
}

fn connect(path: &Path, synchronous: Synchronous) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "mmap_size", 256 << 20)?;
    connection.pragma_update(
        None,
        "synchronous",
        match synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        },
    )?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    Ok(connection)
}

impl LiteTx {
    pub(crate) fn rows<R: FromRow>(
        &mut self,
        statement: &Statement,
        params: &[Val<'_>],
    ) -> Result<Vec<R>> {
        self.allowed(statement.name())?;
        let failed = |e| engine_error(statement.name(), e);
        let mut prepared = self.connection.prepare_cached(&statement.lite()).map_err(failed)?;
        bind(&mut prepared, statement.name(), params)?;
        let mut rows = prepared.raw_query();
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            out.push(R::from_row(&Row(Inner::Lite(row)))?);
        }
        Ok(out)
    }

    pub(crate) fn exec(&mut self, statement: &Statement, params: &[Val<'_>]) -> Result<u64> {
        self.allowed(statement.name())?;
        let failed = |e| engine_error(statement.name(), e);
        let mut prepared = self.connection.prepare_cached(&statement.lite()).map_err(failed)?;
        bind(&mut prepared, statement.name(), params)?;
        if prepared.column_count() == 0 {
            return prepared.raw_execute().map(|n| n as u64).map_err(failed);
        }
        // With RETURNING the rows must be stepped through for the statement to finish.
        let mut rows = prepared.raw_query();
        let mut count = 0;
        while rows.next().map_err(failed)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn script(&mut self, name: &'static str, text: &str) -> Result<()> {
        self.allowed(name)?;
        self.connection.execute_batch(text).map_err(|e| engine_error(name, e))
    }

    pub(crate) fn prepare(&mut self, statement: &Statement) -> Result<()> {
        let prepared = self.connection.prepare(&statement.lite());
        prepared.map(drop).map_err(|e| engine_error(statement.name(), e))
    }

    fn allowed(&self, statement: &'static str) -> Result<()> {
        let Some(detail) = self.refusal.clone() else { return Ok(()) };
        Err(Error::Conflict { statement, detail })
    }

    fn batch(&mut self, text: &str) -> rusqlite::Result<()> {
        self.connection.execute_batch(text)
    }
}

/// In SQLite `$2` is a *name*, numbered by first appearance; the number in it is what counts here.
fn bind(prepared: &mut Prepared<'_>, name: &'static str, params: &[Val<'_>]) -> Result<()> {
    let failed = |e| engine_error(name, e);
    for index in 1..=prepared.parameter_count() {
        let number = prepared
            .parameter_name(index)
            .and_then(|name| name.strip_prefix('$'))
            .and_then(|digits| digits.parse::<usize>().ok())
            .unwrap_or(index);
        let value = params
            .get(number.wrapping_sub(1))
            .ok_or_else(|| failed(rusqlite::Error::InvalidParameterCount(params.len(), number)))?;
        prepared.raw_bind_parameter(index, value).map_err(failed)?;
    }
    Ok(())
}

fn engine_error(statement: &'static str, error: rusqlite::Error) -> Error {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let Some(code) = error.sqlite_error().copied() else {
        return Error::Engine { statement, source: error.into() };
    };
    let detail = error.to_string();
    match code.code {
        ErrorCode::ConstraintViolation => match code.extended_code {
            SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY => {
                Error::Unique { statement, detail }
            }
            _ => Error::Constraint { statement, detail },
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Error::Conflict { statement, detail }
        }
        _ => Error::Engine { statement, source: error.into() },
    }
}

fn open_error(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::open(&format!("sqlite:{}", path.display()), source)
}

/// Drives a closure whose futures never pend, on the thread that owns the connection. A closure
/// that awaits anything but its [`Tx`] would spin here: it is refused instead.
fn block_on<F: Future>(f: F) -> F::Output {
    let mut f = pin!(f);
    match f.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a database closure awaited something else than its transaction"),
    }
}
