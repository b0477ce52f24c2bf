//! Keysets.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidegate_sign::{Algorithm, KeyError, Keyset, KeysetOptions};
use tidegate_spec::{Key, KeyMaterial};

use super::Compiler;
use crate::material::Material;

impl Compiler<'_> {
    /// The keysets, and the keys whose material is not on this node.
    pub(super) fn keysets(
        &mut self,
        material: &Material,
    ) -> (Vec<Option<Arc<Keyset>>>, Vec<String>) {
        let mut missing = Vec::new();
        let keysets = self.spec.keysets.iter().enumerate();
        let keysets =
            keysets.map(|(index, spec)| self.keyset(spec, index, material, &mut missing)).collect();
        (keysets, missing)
    }

    fn keyset(
        &mut self,
        spec: &tidegate_spec::Keyset,
        index: usize,
        material: &Material,
        missing: &mut Vec<String>,
    ) -> Option<Arc<Keyset>> {
        let path = format!("keysets[{index}]");
        if spec.keys.is_empty() {
            self.problem(format!("{path}.keys"), "a keyset needs at least one key");
            return None;
        }
        let mut keys = Vec::with_capacity(spec.keys.len());
        for (index, key) in spec.keys.iter().enumerate() {
            let path = format!("{path}.keys[{index}]");
            self.key_twice(spec, index, &path);
            match key_bytes(spec, key, material) {
                Some(bytes) => keys.extend(self.key(key, &bytes, &path)),
                None => missing.push(format!("{}/{}", spec.name, key.id)),
            }
        }
        // A keyset with a part of its keys would refuse good URLs: all of them, or none.
        if keys.len() < spec.keys.len() {
            return None;
        }
        let options = KeysetOptions {
            name: spec.name.clone(),
            keys,
            formats: spec.formats.iter().map(|f| (f.format.clone(), f.settings.clone())).collect(),
            skew_s: spec.clock_skew.as_secs(),
        };
        self.ok(&path, Keyset::new(options)).map(Arc::new)
    }

    fn key(&mut self, key: &Key, bytes: &[u8], path: &str) -> Option<tidegate_sign::Key> {
        let algorithm: Algorithm = self.ok(path, key.algorithm.as_str().parse())?;
        match tidegate_sign::Key::new(&key.id, algorithm, bytes) {
            Err(error @ KeyError::Id(_)) => self.ok(&format!("{path}.id"), Err(error)),
            key => self.ok(path, key),
        }
    }

    fn key_twice(&mut self, spec: &tidegate_spec::Keyset, index: usize, path: &str) {
        let id = &spec.keys[index].id;
        if spec.keys[..index].iter().any(|other| other.id == *id) {
            self.problem(format!("{path}.id"), format!("key \"{id}\" is defined twice"));
        }
    }
}

/// The bytes of a key, when they are in the spec or on this node.
fn key_bytes(keyset: &tidegate_spec::Keyset, key: &Key, material: &Material) -> Option<Vec<u8>> {
    match key.material() {
        KeyMaterial::Secret(secret) => Some(secret.expose().to_vec()),
        KeyMaterial::File(_) | KeyMaterial::Generate => {
            material.of(&keyset.name, &key.id).map(<[u8]>::to_vec)
        }
        KeyMaterial::Public(text) => Some(public_bytes(text)),
    }
}

/// A PEM text stays as it is; base64url is decoded.
fn public_bytes(text: &str) -> Vec<u8> {
    let decoded = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
    decoded.unwrap_or_else(|_| text.as_bytes().to_vec())
}
