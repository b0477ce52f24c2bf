//! Blobs by their hash: plugin modules, bases of tables. A folder, one file a blob.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tidegate_control_api::BlobRef;

use crate::audit::hex;
use crate::{Result, Store, StoreError};

/// Most bytes of one blob.
pub const BLOB_BYTES_MAX: u64 = 512 << 20;

#[derive(Clone)]
pub(crate) struct Folder(Arc<PathBuf>);

/// A blob that is coming in. Dropped unfinished, it leaves nothing behind.
pub struct BlobUpload {
    file: Option<File>,
    temporary: PathBuf,
    folder: Folder,
    hash: Sha256,
    bytes: u64,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|e| io_error(path, e))?;
        Ok(Self(Arc::new(path.to_owned())))
    }

    fn path(&self, sha256: &str) -> Option<PathBuf> {
        is_hash(sha256).then(|| self.0.join(&sha256[..2]).join(sha256))
    }
}

impl Store {
    /// Where a blob is and how large, when it is here. Anything but a hash is not here.
    pub fn blob_path(&self, sha256: &str) -> Option<(PathBuf, u64)> {
        let path = self.blobs.path(sha256)?;
        let meta = fs::metadata(&path).ok()?;
        Some((path, meta.len()))
    }

    /// Begins to take a blob in.
    pub fn blob_upload(&self) -> Result<BlobUpload> {
        let random = getrandom::u64().unwrap_or_default();
        let temporary = self.blobs.0.join(format!(".upload-{random:016x}"));
        let file = File::create(&temporary).map_err(|e| io_error(&temporary, e))?;
        Ok(BlobUpload {
            file: Some(file),
            temporary,
            folder: self.blobs.clone(),
            hash: Sha256::new(),
            bytes: 0,
        })
    }
}

impl BlobUpload {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        if self.bytes > BLOB_BYTES_MAX {
            return Err(StoreError::Refused(format!("a blob has at most {BLOB_BYTES_MAX} bytes")));
        }
        self.hash.update(bytes);
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(|e| io_error(&self.temporary, e))
    }

    /// Makes the blob visible when it is the one that `sha256` names.
    pub fn finish(mut self, sha256: &str) -> Result<BlobRef> {
        let found = hex(&self.hash.finalize_reset());
        if found != sha256 {
            return Err(StoreError::Refused(format!(
                "the bytes have the hash {found}, not {sha256}"
            )));
        }
        let path = self.folder.path(sha256).ok_or_else(|| StoreError::NotFound(sha256.into()))?;
        self.place(&path).map_err(|e| io_error(&path, e))?;
        Ok(BlobRef { sha256: found, bytes: self.bytes })
    }

    fn place(&mut self, path: &Path) -> std::io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder)?;
        fs::rename(&self.temporary, path)?;
        File::open(folder)?.sync_all()
    }
}

impl Drop for BlobUpload {
    fn drop(&mut self) {
        // After `place` there is nothing under this name any more.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn io_error(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { path: path.display().to_string(), source }
}
