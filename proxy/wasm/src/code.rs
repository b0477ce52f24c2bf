//! Compiled code: made once, kept in a folder under the digest of the module and the engine.
#![allow(unsafe_code, reason = "wasmtime trusts the compiled code that it loads")]

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use crate::HostError;

/// Length of the digest in front of the code.
const DIGEST_BYTES: usize = 32;

/// The folder of compiled code.
#[derive(Debug)]
pub(crate) struct CodeCache {
    folder: PathBuf,
}

impl CodeCache {
    /// Opens the folder; makes it, for this user alone, when it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, HostError> {
        let failed = |source| HostError::CodeCache { path: folder.display().to_string(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The code of a module, or `None` when it has to be compiled.
    pub(crate) fn load(&self, engine: &Engine, sha256: &str) -> Option<Module> {
        let path = self.path(engine, sha256);
        let ours = fs::metadata(&self.folder).ok()?.uid() == fs::metadata(&path).ok()?.uid();
        let bytes = fs::read(&path).ok()?;
        let (digest, code) = bytes.split_at_checked(DIGEST_BYTES)?;
        if !ours || Sha256::digest(code).as_slice() != digest {
            return None;
        }
        // SAFETY: the file lies in a folder that only this user can write, it belongs to the same
        // user, it is whole by its digest, and only `store` below writes here, from
        // `Module::serialize` of an engine with the same settings (they are part of the name).
        unsafe { Module::deserialize(engine, code) }.ok()
    }

    /// Keeps the code of a module. Failing to is no fault: the next start compiles again.
    pub(crate) fn store(&self, engine: &Engine, sha256: &str, module: &Module) {
        if let Err(error) = self.write(engine, sha256, module) {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot keep compiled plugin");
        }
    }

    fn write(&self, engine: &Engine, sha256: &str, module: &Module) -> Result<(), String> {
        let code = module.serialize().map_err(|error| error.to_string())?;
        let path = self.path(engine, sha256);
        let draft = path.with_extension(format!("draft-{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft);
        let mut file = file.map_err(|error| error.to_string())?;
        let written = file.write_all(&Sha256::digest(&code)).and_then(|()| file.write_all(&code));
        written.and_then(|()| fs::rename(&draft, &path)).map_err(|error| error.to_string())
    }

    fn path(&self, engine: &Engine, sha256: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.folder.join(format!("{sha256}-{:016x}.cwasm", hasher.finish()))
    }
}
