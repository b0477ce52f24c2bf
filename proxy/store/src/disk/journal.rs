//! The purges that responses on disk have yet to meet, kept beside them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, BufMut as _, Bytes};

use super::codec;
use crate::purge::{PURGES_MAX, Purge, PurgeKind};
use crate::tier::PurgeRecord;

/// A file of purges, each behind its length and checksum.
pub(super) struct Journal {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    records: usize,
}

/// The file is written anew when it has this many times the purges that a store remembers.
const REWRITE_AT: usize = PURGES_MAX * 4;

impl Journal {
    /// Opens the file, without what the end of an earlier process cut off.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let records = read(path)?;
        let file = rewrite(path, &records)?;
        let state = Mutex::new(State { file, records: records.len() });
        Ok(Self { path: path.to_path_buf(), state })
    }

    /// Adds a purge. When it returns, a process that dies has it at its next start.
    pub(super) fn append(&self, purge: &Purge, kind: PurgeKind, generation: u64) -> io::Result<()> {
        let mut state = self.state();
        let mut bytes = Vec::new();
        write(purge, kind, generation, &mut bytes);
        state.file.write_all(&bytes)?;
        state.records += 1;
        if state.records > REWRITE_AT {
            let records = newest(read(&self.path)?);
            state.file = rewrite(&self.path, &records)?;
            state.records = records.len();
        }
        Ok(())
    }

    /// Every purge, oldest first.
    pub(super) fn read(&self) -> Vec<PurgeRecord> {
        let _state = self.state();
        read(&self.path).map(newest).unwrap_or_else(|_| vec![everything(u64::MAX >> 1)])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn everything(generation: u64) -> PurgeRecord {
    PurgeRecord { purge: Purge::Everything, kind: PurgeKind::Hard, generation }
}

/// As many as a store remembers; those that are left out are covered by a purge of everything before them.
fn newest(mut records: Vec<PurgeRecord>) -> Vec<PurgeRecord> {
    let Some(surplus) = records.len().checked_sub(PURGES_MAX).filter(|n| *n > 0) else {
        return records;
    };
    let floor = records[surplus - 1].generation;
    records.drain(..surplus);
    records.insert(0, everything(floor));
    records
}

fn write(purge: &Purge, kind: PurgeKind, generation: u64, out: &mut Vec<u8>) {
    let mut payload = Vec::new();
    codec::write_purge(purge, kind, generation, &mut payload);
    out.put_u32_le(payload.len() as u32);
    out.put_u32_le(crc32fast::hash(&payload));
    out.extend_from_slice(&payload);
}

fn read(path: &Path) -> io::Result<Vec<PurgeRecord>> {
    let mut bytes: Bytes = match fs::read(path) {
        Ok(bytes) => bytes.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(std::iter::from_fn(|| next(&mut bytes)).collect())
}

/// The next whole record. One that is not was being written when the process died: its purge had not returned.
fn next(bytes: &mut Bytes) -> Option<PurgeRecord> {
    let length = bytes.try_get_u32_le().ok()? as usize;
    let crc = bytes.try_get_u32_le().ok()?;
    let mut payload = (length <= bytes.len()).then(|| bytes.split_to(length))?;
    if crc32fast::hash(&payload) != crc {
        return None;
    }
    let (purge, kind, generation) = codec::read_purge(&mut payload)?;
    Some(PurgeRecord { purge, kind, generation })
}

/// Puts a new file in the place of the old one in one step, and gives it for appending.
fn rewrite(path: &Path, records: &[PurgeRecord]) -> io::Result<File> {
    let mut bytes = Vec::new();
    for record in records {
        write(&record.purge, record.kind, record.generation, &mut bytes);
    }
    let new = path.with_extension("new");
    fs::write(&new, &bytes)?;
    fs::rename(&new, path)?;
    File::options().append(true).open(path)
}
