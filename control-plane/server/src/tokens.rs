//! Tokens: those from files and settings here, those made by an admin in the store.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tidegate_control_api::Role;
use tidegate_control_store::Store;

use crate::access::Caller;
use crate::config::{ServerConfig, StaticToken};

const SECRET_BYTES: usize = 32;

/// All tokens, by the hash of their secret: what is compared is never the secret itself.
pub(crate) struct Tokens {
    fixed: HashMap<[u8; 32], Caller>,
    store: Store,
}

impl Tokens {
    pub(crate) fn open(config: &ServerConfig, store: Store) -> io::Result<Self> {
        let mut tokens = Self { fixed: HashMap::new(), store };
        for (name, role) in FILES {
            let own = config.token_file.as_deref().filter(|_| role == Role::Admin);
            let path = own.map_or_else(|| file_name(&config.data_dir, role), Path::to_owned);
            let secret = read_or_make(&path)?;
            tokens.add(&StaticToken { name: name.to_owned(), role, secret });
        }
        config.tokens.iter().for_each(|token| tokens.add(token));
        Ok(tokens)
    }

    pub(crate) fn add(&mut self, token: &StaticToken) {
        let caller = Caller { name: token.name.clone(), role: token.role, node: None };
        self.fixed.insert(digest(&token.secret), caller);
    }

    /// Whoever has this secret.
    pub(crate) async fn find(
        &self,
        secret: &str,
    ) -> tidegate_control_store::Result<Option<Caller>> {
        if let Some(caller) = self.fixed.get(&digest(secret)) {
            return Ok(Some(caller.clone()));
        }
        let found = self.store.token_find(secret).await?;
        Ok(found.map(|token| Caller { name: token.name, role: token.role, node: token.node }))
    }
}

const FILES: [(&str, Role); 3] =
    [("root", Role::Admin), ("node", Role::Node), ("service", Role::Service)];

/// The token that a server with this data folder made for a role: admin, node or service.
pub fn token_read(data_dir: &Path, role: Role) -> io::Result<String> {
    fs::read_to_string(file_name(data_dir, role)).map(|text| text.trim().to_owned())
}

pub(crate) fn random_secret() -> io::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("tg_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn file_name(data_dir: &Path, role: Role) -> std::path::PathBuf {
    let name =
        FILES.iter().find(|(_, other)| *other == role).map_or(role.as_str(), |(name, _)| name);
    data_dir.join(format!("{name}.token"))
}

/// A secret in a file that only its owner reads; made when the file is missing.
pub(crate) fn read_or_make(path: &Path) -> io::Result<String> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => fs::remove_file(path).map_err(named)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(named(error)),
    }
    let secret = random_secret()?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(named)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).map_err(named)?;
    tracing::info!(path = %path.display(), "secret made");
    Ok(secret)
}

pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
