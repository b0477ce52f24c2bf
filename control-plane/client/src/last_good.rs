//! The last specs that this node ran, on disk.
//!
//! One file a spec: `<serial>-<revision>.<mark>`. The serial grows with each file, so the newest is
//! known even when a new control plane counts its revisions from 1 again. The mark is part of the
//! name: confirming is one atomic rename. The first line is the SHA-256 of the rest.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ClientError, Result, durable};

/// Confirmed specs that are kept.
const KEPT: usize = 3;

/// Whether a spec is known to work here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// It was about to be used, or was used for less than the health window.
    Trying,
    /// It ran well.
    Confirmed,
}

/// A spec as it was pushed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its revision.
    pub revision: u64,
    /// The hash that came with it.
    pub hash: String,
    /// JSON, with secrets.
    pub spec: String,
}

/// The folder of them.
#[derive(Debug)]
pub struct LastGood {
    folder: PathBuf,
}

#[derive(Clone, Debug)]
struct Entry {
    serial: u64,
    mark: Mark,
    path: PathBuf,
}

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { revision, hash, .. } = self;
        f.debug_struct("Saved")
            .field("revision", revision)
            .field("hash", hash)
            .finish_non_exhaustive()
    }
}

impl LastGood {
    /// Opens the folder, making it when missing.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| ClientError::file(folder, e))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// What to start from, best first: confirmed ones from the newest to the oldest, then those
    /// that were only tried. Files that do not match their checksum are left out.
    pub fn load(&self) -> Vec<(Saved, Mark)> {
        let mut entries = self.entries();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.mark, entry.serial)));
        entries.iter().filter_map(|entry| Some((read(&entry.path)?, entry.mark))).collect()
    }

    /// Writes a spec down before it is used. Durable when it returns.
    pub fn trying(&self, saved: &Saved) -> Result<()> {
        let entries = self.entries();
        let serial = entries.iter().map(|entry| entry.serial).max().unwrap_or(0) + 1;
        let path = self.folder.join(format!("{serial:010}-{}.trying", saved.revision));
        let body = serde_json::to_vec(saved).unwrap_or_default();
        let sum = format!("{}\n", hex(&body));
        durable::write(&path, &[sum.as_bytes(), &body]).map_err(|e| ClientError::file(&path, e))?;
        let older = entries.iter().filter(|entry| entry.mark == Mark::Trying);
        older.for_each(|entry| _ = fs::remove_file(&entry.path));
        Ok(())
    }

    /// Marks the spec that is being tried as confirmed. Durable when it returns.
    pub fn confirm(&self) -> Result<()> {
        let entries = self.entries();
        let trying = entries.iter().filter(|entry| entry.mark == Mark::Trying);
        let Some(newest) = trying.max_by_key(|entry| entry.serial) else { return Ok(()) };
        let path = newest.path.with_extension("confirmed");
        durable::rename(&newest.path, &path).map_err(|e| ClientError::file(&path, e))?;
        self.trim();
        Ok(())
    }

    /// Forgets the spec that is being tried: it was refused or taken back.
    pub fn abandon(&self) {
        let entries = self.entries();
        let trying = entries.iter().filter(|entry| entry.mark == Mark::Trying);
        trying.for_each(|entry| _ = fs::remove_file(&entry.path));
    }

    fn trim(&self) {
        let mut confirmed = self.entries();
        confirmed.retain(|entry| entry.mark == Mark::Confirmed);
        confirmed.sort_by_key(|entry| std::cmp::Reverse(entry.serial));
        confirmed.iter().skip(KEPT).for_each(|entry| _ = fs::remove_file(&entry.path));
    }

    fn entries(&self) -> Vec<Entry> {
        let Ok(files) = fs::read_dir(&self.folder) else { return Vec::new() };
        files.filter_map(|file| entry(file.ok()?.path())).collect()
    }
}

fn entry(path: PathBuf) -> Option<Entry> {
    let mark = match path.extension()?.to_str()? {
        "trying" => Mark::Trying,
        "confirmed" => Mark::Confirmed,
        _ => return None,
    };
    let serial = path.file_stem()?.to_str()?.split_once('-')?.0.parse().ok()?;
    Some(Entry { serial, mark, path })
}

fn read(path: &Path) -> Option<Saved> {
    let bytes = fs::read(path).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (sum, body) = (&bytes[..end], &bytes[end + 1..]);
    if sum != hex(body).as_bytes() {
        tracing::warn!(path = %path.display(), "stored spec does not match its checksum, left out");
        return None;
    }
    serde_json::from_slice(body).ok()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
