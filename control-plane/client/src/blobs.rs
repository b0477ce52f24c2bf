//! Blobs by hash: fetched once, verified, kept on disk.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tidegate_control_api::paths;

use crate::transport::headers;
use crate::{Client, ClientError, Result, durable};

/// Most bytes of one blob.
const BLOB_BYTES_MAX: u64 = 512 << 20;

/// A cache of blobs in a folder, filled from the control plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    client: Client,
    folder: PathBuf,
}

impl Blobs {
    /// A cache in `folder`, made when missing.
    pub fn open(client: Client, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| ClientError::file(folder, e))?;
        Ok(Self { client, folder: folder.to_owned() })
    }

    /// The file with these bytes, from the cache or from the control plane. Its bytes have the hash:
    /// a file that was damaged on disk is fetched again.
    pub async fn file(&self, sha256: &str) -> Result<PathBuf> {
        let path = self.folder.join(sha256);
        if is_hash(sha256) && fs::read(&path).is_ok_and(|bytes| sum(&bytes) == sha256) {
            return Ok(path);
        }
        self.fetch(sha256, &path).await?;
        Ok(path)
    }

    /// The bytes with this hash.
    pub async fn bytes(&self, sha256: &str) -> Result<Bytes> {
        let path = self.file(sha256).await?;
        fs::read(&path).map(Bytes::from).map_err(|e| ClientError::file(&path, e))
    }

    /// Removes every blob but these.
    pub fn keep_only(&self, wanted: &[&str]) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            if name.to_str().is_some_and(|name| is_hash(name) && !wanted.contains(&name)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    async fn fetch(&self, sha256: &str, path: &Path) -> Result<()> {
        if !is_hash(sha256) {
            return Err(ClientError::BlobCorrupt(sha256.to_owned()));
        }
        let part = self.folder.join(format!(".{sha256}-{:08x}", getrandom::u32().unwrap_or(0)));
        let fetched = self.download(sha256, &part).await;
        let placed = fetched
            .and_then(|()| durable::rename(&part, path).map_err(|e| ClientError::file(path, e)));
        if placed.is_err() {
            let _ = fs::remove_file(&part);
        }
        placed
    }

    async fn download(&self, sha256: &str, part: &Path) -> Result<()> {
        let failed = |e| ClientError::file(part, e);
        let transport = &self.client.transport;
        let url = paths::fill(paths::BLOB, &[sha256]);
        let response = transport.send(Method::GET, &url, headers(&[]), Bytes::new()).await?;
        let mut body = response.into_body();
        let mut file = fs::File::create(part).map_err(failed)?;
        let (mut hash, mut count) = (Sha256::new(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| transport.unreachable(e))?;
            let Ok(data) = frame.into_data() else { continue };
            count += data.len() as u64;
            if count > BLOB_BYTES_MAX {
                return Err(ClientError::BlobCorrupt(sha256.to_owned()));
            }
            hash.update(&data);
            file.write_all(&data).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        let found = hex(&hash.finalize());
        if found == sha256 { Ok(()) } else { Err(ClientError::BlobCorrupt(sha256.to_owned())) }
    }
}

fn sum(bytes: &[u8]) -> String {
    tidegate_spec::canonical::sha256_hex(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
