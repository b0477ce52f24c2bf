//! Keys of keysets and of certificates: made here for `generate: true`, filled in for nodes, never shown to people.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tidegate_control_api::Problem;
use tidegate_spec::{Secret, Spec};
use tidegate_sql::{Tx, params, statements};

use crate::{Result, Seal, Store, StoreError, micros_now};

/// What stands where a secret is when a person reads the spec. Sent back unchanged, it means "the
/// secret that is there already". Valid base64url, so that the reader lets it through.
pub const REDACTED: &str = "redacted";

const SECRET_BYTES: usize = 32;

statements! {
    pub(crate) STATEMENTS:
    SECRETS_LIST = "SELECT keyset, key_id, secret FROM secret";
    SECRET_ADD = "INSERT INTO secret (keyset, key_id, secret, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (keyset, key_id) DO NOTHING";
}

type Secrets = HashMap<(String, String), Vec<u8>>;

impl Store {
    /// The spec with every `generate: true` filled in, as nodes get it. Keys that do not exist yet
    /// are made up for this call alone; [`Store::revision_put`] makes them for good.
    pub async fn spec_filled(&self, spec: &Spec) -> Result<Spec> {
        let secrets = self.secrets().await?;
        let mut spec = spec.clone();
        fill(&mut spec, &secrets)?;
        Ok(spec)
    }

    async fn secrets(&self) -> Result<Secrets> {
        let seal = Arc::clone(&self.seal);
        self.db.read(async move |tx| secrets(tx, &seal).await).await
    }
}

/// Makes what is missing for good, and gives the filled spec.
pub(crate) async fn materialise(tx: &mut Tx, seal: &Seal, spec: &Spec) -> Result<Spec> {
    for keyset in &spec.keysets {
        for key in keyset.keys.iter().filter(|key| key.generate) {
            let made = seal.close(&place(&keyset.name, &key.id), &random()?)?;
            let at = micros_now();
            tx.exec(&SECRET_ADD, params![&keyset.name, &key.id, made, at]).await?;
        }
    }
    let secrets = secrets(tx, seal).await?;
    let mut filled = spec.clone();
    fill(&mut filled, &secrets)?;
    Ok(filled)
}

async fn secrets(tx: &mut Tx, seal: &Seal) -> Result<Secrets> {
    let rows = tx.rows::<(String, String, Vec<u8>)>(&SECRETS_LIST, params![]).await?;
    let open = |(keyset, id, sealed): (String, String, Vec<u8>)| {
        let secret = seal.open(&place(&keyset, &id), &sealed)?;
        Ok(((keyset, id), secret))
    };
    rows.into_iter().map(open).collect()
}

fn place(keyset: &str, key_id: &str) -> String {
    format!("key {keyset:?} {key_id:?}")
}

fn fill(spec: &mut Spec, secrets: &Secrets) -> Result<()> {
    for keyset in &mut spec.keysets {
        for key in keyset.keys.iter_mut().filter(|key| key.generate) {
            let known = secrets.get(&(keyset.name.clone(), key.id.clone()));
            key.secret = Some(Secret::new(known.cloned().map_or_else(random, Ok)?));
            key.generate = false;
        }
    }
    Ok(())
}

/// Puts back the secrets that a person could not see; a problem for each that is not known.
pub(crate) fn restore(spec: &mut Spec, before: Option<&Spec>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let hidden = URL_SAFE_NO_PAD.decode(REDACTED).unwrap_or_default();
    for (k, keyset) in spec.keysets.iter_mut().enumerate() {
        for (i, key) in keyset.keys.iter_mut().enumerate() {
            if key.secret.as_ref().is_none_or(|secret| secret.expose() != hidden) {
                continue;
            }
            match before.and_then(|before| find(before, &keyset.name, &key.id)) {
                Some(secret) => key.secret = Some(secret.clone()),
                None => {
                    let path = format!("keysets[{k}].keys[{i}].secret");
                    let hint = "write the secret itself, or `generate: true`";
                    problems.push(unknown(path).hint(hint));
                }
            }
        }
    }
    for (c, certificate) in spec.certificates.iter_mut().enumerate() {
        if certificate.key.as_ref().is_none_or(|key| key.expose() != REDACTED) {
            continue;
        }
        let known = before.and_then(|before| {
            let all = &before.certificates;
            all.iter().find(|other| other.name == certificate.name)?.key.as_ref()
        });
        match known {
            Some(key) => certificate.key = Some(key.clone()),
            None => {
                let path = format!("certificates[{c}].key");
                problems.push(unknown(path).hint("write the key itself, or `key_file`"));
            }
        }
    }
    problems
}

fn find<'s>(spec: &'s Spec, keyset: &str, id: &str) -> Option<&'s Secret> {
    let keyset = spec.keysets.iter().find(|other| other.name == keyset)?;
    keyset.keys.iter().find(|key| key.id == id)?.secret.as_ref()
}

fn unknown(path: String) -> Problem {
    let message = format!("{REDACTED:?} stands for a secret that is already here, and none is");
    Problem::new(path, message)
}

/// The spec as people see it.
pub(crate) fn redacted(spec: &Spec) -> Value {
    let mut json = spec.to_json();
    let keysets = json.get_mut("keysets").and_then(Value::as_array_mut);
    for keyset in keysets.into_iter().flatten() {
        let keys = keyset.get_mut("keys").and_then(Value::as_array_mut);
        for key in keys.into_iter().flatten() {
            if let Some(secret) = key.get_mut("secret") {
                *secret = REDACTED.into();
            }
        }
    }
    let certificates = json.get_mut("certificates").and_then(Value::as_array_mut);
    for certificate in certificates.into_iter().flatten() {
        if let Some(key) = certificate.get_mut("key") {
            *key = REDACTED.into();
        }
    }
    json
}

fn random() -> Result<Vec<u8>> {
    let mut bytes = vec![0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Refused(format!("no randomness: {e}")))?;
    Ok(bytes)
}
