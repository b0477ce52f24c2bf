//! The one thread that writes.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tidegate_cache::Key;

use super::Disk;
use super::index::Line;
use super::record::{self, Header};
use super::segment;
use crate::object::Object;

/// What the thread is asked to do.
pub(super) enum Task {
    Write(Arc<Object>),
    Forget(Key),
}

/// What waits to be written, bounded in bytes.
pub(super) struct Backlog {
    bytes_max: u64,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<(Task, u64)>,
    bytes: u64,
    busy: bool,
    closed: bool,
}

/// The segment that is being written.
struct Open {
    id: u32,
    file: Arc<File>,
    bytes: u64,
    lines: Vec<Line>,
}

struct Writer {
    disk: Arc<Disk>,
    open: Open,
    /// Records that are not in the file yet, and their lines.
    buffer: Vec<u8>,
    pending: Vec<Line>,
}

/// What is written at once.
const BATCH_BYTES: u64 = 1 << 20;
/// The part of a new segment that what was used in the oldest one may take.
const MOVED_SHARE: u64 = 4;

/// Starts the thread with a new segment. It ends when the backlog is closed.
pub(super) fn start(disk: Arc<Disk>, next: u32) -> io::Result<JoinHandle<()>> {
    let open = Open::create(&disk, next)?;
    let writer = Writer { disk, open, buffer: Vec::new(), pending: Vec::new() };
    std::thread::Builder::new().name("disk-tier".into()).spawn(move || writer.run())
}

impl Backlog {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, queue: Mutex::default(), changed: Condvar::new() }
    }

    /// Takes a task unless too much waits.
    pub(super) fn push(&self, task: Task, bytes: u64) -> bool {
        let mut queue = self.queue();
        if queue.bytes + bytes > self.bytes_max || queue.closed {
            return false;
        }
        queue.bytes += bytes;
        self.put(&mut queue, task, bytes);
        true
    }

    pub(super) fn push_always(&self, task: Task) {
        self.put(&mut self.queue(), task, 0);
    }

    /// Waits until nothing waits.
    pub(super) fn flush(&self) {
        let mut queue = self.queue();
        while !queue.closed && (queue.busy || !queue.tasks.is_empty()) {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        let queue = self.queue();
        !queue.busy && queue.tasks.is_empty()
    }

    pub(super) fn close(&self) {
        self.queue().closed = true;
        self.changed.notify_all();
    }

    /// The next tasks, as many as are written at once; `None` once closed and empty.
    fn next(&self) -> Option<Vec<Task>> {
        let mut queue = self.queue();
        queue.busy = false;
        if queue.tasks.is_empty() {
            self.changed.notify_all();
        }
        while queue.tasks.is_empty() && !queue.closed {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let batch = queue.batch();
        queue.busy = !batch.is_empty();
        queue.busy.then_some(batch)
    }

    fn put(&self, queue: &mut Queue, task: Task, bytes: u64) {
        queue.tasks.push_back((task, bytes));
        // Otherwise the thread is awake, or has been woken.
        if queue.tasks.len() == 1 {
            self.changed.notify_all();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn batch(&mut self) -> Vec<Task> {
        let (mut batch, mut taken) = (Vec::new(), 0);
        while taken < BATCH_BYTES
            && let Some((task, bytes)) = self.tasks.pop_front()
        {
            self.bytes -= bytes;
            taken += bytes;
            batch.push(task);
        }
        batch
    }
}

impl Open {
    fn create(disk: &Disk, id: u32) -> io::Result<Self> {
        let path = segment::path(&disk.dir, id);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let file = Arc::new(file);
        disk.index.add_segment(id, Arc::clone(&file), 0);
        Ok(Self { id, file, bytes: 0, lines: Vec::new() })
    }

    /// Whether so many bytes in so many records still fit, and the index after them.
    fn has_room(&self, bytes: usize, records: usize, segment_bytes: u64) -> bool {
        let lines = (self.lines.len() + records) * segment::LINE_BYTES;
        self.bytes + (bytes + lines) as u64 + segment::TRAILER_BYTES as u64 <= segment_bytes
    }
}

impl Writer {
    fn run(mut self) {
        let disk = Arc::clone(&self.disk);
        while let Some(tasks) = disk.backlog.next() {
            if !disk.on.load(Relaxed) {
                continue;
            }
            if let Err(error) = self.perform(&tasks) {
                disk.turn_off("write", &error);
            }
        }
        if disk.on.load(Relaxed) {
            let _ = self.seal();
        }
    }

    fn perform(&mut self, tasks: &[Task]) -> io::Result<()> {
        for task in tasks {
            let start = self.buffer.len();
            let header = match task {
                Task::Write(object) => record::write_object(object, &mut self.buffer),
                Task::Forget(key) => record::write_gone(*key, &mut self.buffer),
            };
            self.add(&header, start)?;
        }
        self.commit()?;
        let written = tasks.iter().filter(|task| matches!(task, Task::Write(_))).count();
        self.disk.written.fetch_add(written as u64, Relaxed);
        Ok(())
    }

    /// Takes in the record that begins at `start` of the buffer, in the next segment when this one is full.
    fn add(&mut self, header: &Header, start: usize) -> io::Result<()> {
        let records = self.pending.len() + 1;
        let mut at = self.open.bytes + start as u64;
        if !self.open.has_room(self.buffer.len(), records, self.disk.segment_bytes) {
            let record = self.buffer.split_off(start);
            self.commit()?;
            self.seal()?;
            self.evict()?;
            at = self.open.bytes + self.buffer.len() as u64;
            self.buffer.extend_from_slice(&record);
        }
        self.pending.push(Line::of(header, at));
        Ok(())
    }

    /// Writes what is in the buffer; only then the index knows it.
    fn commit(&mut self) -> io::Result<()> {
        let open = &mut self.open;
        open.file.write_all_at(&self.buffer, open.bytes)?;
        open.bytes += self.buffer.len() as u64;
        self.disk.index.apply(open.id, &self.pending, open.bytes);
        open.lines.append(&mut self.pending);
        self.buffer.clear();
        Ok(())
    }

    fn seal(&mut self) -> io::Result<()> {
        let Open { id, file, bytes, lines } = &self.open;
        segment::write_lines(file, *bytes, lines)?;
        self.disk.index.apply(*id, &[], file.metadata()?.len());
        Ok(())
    }

    /// Begins a new segment, in place of the oldest when the capacity is reached.
    fn evict(&mut self) -> io::Result<()> {
        let next = self.open.id + 1;
        let mut moved = Vec::new();
        while self.disk.index.bytes() + self.disk.segment_bytes > self.disk.bytes_max {
            let Some((id, file)) = self.disk.index.oldest() else { break };
            let lines = segment::read_lines(&file)?.unwrap_or_default();
            moved.extend(self.used(id, &file, &lines)?);
            let dropped = self.disk.index.drop_segment(id, &lines);
            self.disk.evicted.fetch_add(dropped, Relaxed);
            fs::remove_file(segment::path(&self.disk.dir, id))?;
        }
        self.open = Open::create(&self.disk, next)?;
        for record in moved {
            let Some(header) = record::check(&record) else { continue };
            self.pending.push(Line::of(&header, self.buffer.len() as u64));
            self.buffer.extend_from_slice(&record);
        }
        self.commit()
    }

    /// The records of a segment that were used, up to a share of a segment.
    fn used(&self, id: u32, file: &File, lines: &[Line]) -> io::Result<Vec<Vec<u8>>> {
        let mut room = self.disk.segment_bytes / MOVED_SHARE;
        let mut used = Vec::new();
        for line in lines.iter().rev().filter(|line| self.disk.index.is_used(id, line)) {
            let Some(left) = room.checked_sub(u64::from(line.length)) else { break };
            room = left;
            let mut record = vec![0; line.length as usize];
            file.read_exact_at(&mut record, u64::from(line.offset))?;
            used.push(record);
        }
        Ok(used)
    }
}
