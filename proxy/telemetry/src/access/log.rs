//! The writer: lines are rendered where the request ends and written by a thread of its own.
//!
//! LIFECYCLE. A request's thread renders into one of a few buffers, chosen by thread, under a lock
//! that only the writer ever contends, and only for the length of a swap. The writer wakes every
//! [`WRITE_INTERVAL_MS`] or when a buffer is half full, takes the full buffers away and writes them.
//! A line that finds no room is dropped and counted. Dropping the last handle writes what is left.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use super::{AccessRecord, AccessSettings, AccessTarget, render};
use crate::Counter;

/// The access log. Cheap to clone; the last clone to go stops the writer.
#[derive(Clone, Default)]
pub struct AccessLog {
    inner: Option<Arc<Handle>>,
}

struct Handle {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

struct Queue {
    buffers: [Buffer; BUFFERS],
    buffer_bytes_max: usize,
    sample_one_in: u32,
    seen: AtomicU32,
    reopen: AtomicBool,
    stop: AtomicBool,
    /// Rounds the writer was asked for and rounds it has finished.
    asked: AtomicU64,
    done: Mutex<u64>,
    finished: std::sync::Condvar,
}

#[derive(Default)]
#[repr(align(128))]
struct Buffer(Mutex<Vec<u8>>);

const BUFFERS: usize = 16;
/// After so many rounds the writer looks whether its file is still where it was.
const ROUNDS_A_LOOK: u32 = 10;
/// How long a line may wait for the writer.
const WRITE_INTERVAL_MS: u64 = 100;
/// A line longer than this needs no guess: the texts in it are bounded.
const LINE_BYTES_TYPICAL: usize = 512;

impl AccessLog {
    /// A log that is off.
    pub const fn off() -> Self {
        Self { inner: None }
    }

    /// Opens the target and starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn start(settings: &AccessSettings) -> io::Result<Self> {
        let output = Output::open(&settings.target)?;
        let queue = Arc::new(Queue::new(settings));
        let (shared, target) = (Arc::clone(&queue), settings.target.clone());
        let writer = thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_until_stopped(&shared, &target, output))?;
        Ok(Self { inner: Some(Arc::new(Handle { queue, writer: Some(writer) })) })
    }

    /// Whether records are written at all: ask before gathering what only the log needs.
    #[inline]
    pub const fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Writes a record, or leaves it out by sampling, or drops it when the queue is full.
    #[inline]
    pub fn write(&self, record: &AccessRecord<'_>) {
        if let Some(handle) = &self.inner {
            handle.write(record);
        }
    }

    /// Opens the file anew before the next line, for log rotation.
    pub fn reopen(&self) {
        if let Some(handle) = &self.inner {
            handle.queue.reopen.store(true, Ordering::Release);
            handle.wake();
        }
    }

    /// Waits until everything written before is with the target.
    pub fn flush(&self) {
        let Some(handle) = &self.inner else { return };
        let round = handle.queue.asked.fetch_add(1, Ordering::AcqRel) + 1;
        handle.wake();
        let mut done = lock(&handle.queue.done);
        while *done < round {
            done = handle.queue.finished.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Handle {
    fn write(&self, record: &AccessRecord<'_>) {
        let queue = &self.queue;
        if !queue.samples(record) {
            return;
        }
        let mut buffer = lock(&queue.buffers[buffer_of_thread()].0);
        let before = buffer.len();
        if before + LINE_BYTES_TYPICAL > queue.buffer_bytes_max {
            return Counter::AccessRecordsDropped.inc();
        }
        render::line(record, queue.sample_one_in, &mut buffer);
        let half = queue.buffer_bytes_max / 2;
        let passed_half = before < half && buffer.len() >= half;
        drop(buffer);
        Counter::AccessRecordsWritten.inc();
        if passed_half {
            self.wake();
        }
    }

    fn wake(&self) {
        self.writer.as_ref().map(JoinHandle::thread).map(Thread::unpark);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to say.
            let _ = writer.join();
        }
    }
}

impl Queue {
    fn new(settings: &AccessSettings) -> Self {
        Self {
            buffers: Default::default(),
            buffer_bytes_max: settings.buffer_bytes_max,
            sample_one_in: settings.sample_one_in.max(1),
            seen: AtomicU32::new(0),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            done: Mutex::new(0),
            finished: std::sync::Condvar::new(),
        }
    }

    fn samples(&self, record: &AccessRecord<'_>) -> bool {
        self.sample_one_in == 1
            || record.is_remarkable()
            || self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.sample_one_in)
    }
}

/// Threads are dealt out to the buffers in turn.
fn buffer_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % BUFFERS;
    }
    MINE.with(|mine| *mine)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// The writer's side.

enum Output {
    Stdout(io::Stdout),
    File(File),
}

impl Output {
    fn open(target: &AccessTarget) -> io::Result<Self> {
        Ok(match target {
            AccessTarget::Stdout => Self::Stdout(io::stdout()),
            AccessTarget::File(path) => {
                Self::File(OpenOptions::new().create(true).append(true).open(path)?)
            }
        })
    }

    /// Whether the file at the target's path is another one, or gone.
    fn was_moved(&self, target: &AccessTarget) -> bool {
        let (Self::File(file), AccessTarget::File(path)) = (self, target) else { return false };
        let place = |data: fs::Metadata| (data.dev(), data.ino());
        file.metadata().ok().map(place) != fs::metadata(path).ok().map(place)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.lock().write_all(bytes).and_then(|()| out.flush()),
            Self::File(file) => file.write_all(bytes),
        }
    }
}

fn write_until_stopped(queue: &Queue, target: &AccessTarget, mut output: Output) {
    let mut taken = Vec::new();
    for round_at in (0..ROUNDS_A_LOOK).cycle() {
        // Read before the buffers are emptied: what was asked for by then is in them.
        let (stop, round) =
            (queue.stop.load(Ordering::Acquire), queue.asked.load(Ordering::Acquire));
        let looks = round_at == 0 && output.was_moved(target);
        if queue.reopen.swap(false, Ordering::AcqRel) || looks {
            match Output::open(target) {
                Ok(fresh) => output = fresh,
                Err(_) => Counter::AccessWriteErrors.inc(),
            }
        }
        for buffer in &queue.buffers {
            std::mem::swap(&mut *lock(&buffer.0), &mut taken);
            if !taken.is_empty() && output.write_all(&taken).is_err() {
                Counter::AccessWriteErrors.inc();
            }
            taken.clear();
        }
        *lock(&queue.done) = round;
        queue.finished.notify_all();
        if stop {
            return;
        }
        thread::park_timeout(Duration::from_millis(WRITE_INTERVAL_MS));
    }
}
