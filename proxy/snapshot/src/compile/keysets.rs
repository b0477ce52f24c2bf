//! Keysets.

use std::sync::Arc;

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
            match source(spec, key, material) {
                Some(source) => keys.extend(self.key(key, source, &path)),
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

    fn key(&mut self, key: &Key, source: Source<'_>, path: &str) -> Option<tidegate_sign::Key> {
        let algorithm: Algorithm = self.ok(path, key.algorithm.as_str().parse())?;
        let made = match source {
            Source::Bytes(bytes) => tidegate_sign::Key::new(&key.id, algorithm, bytes),
            Source::Text(text) => tidegate_sign::Key::from_text(&key.id, algorithm, text),
        };
        match made {
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

/// What a key is made from.
enum Source<'a> {
    Bytes(&'a [u8]),
    /// PEM or an encoding of the bytes.
    Text(&'a str),
}

/// What a key is made from, when that is in the spec or on this node.
fn source<'a>(
    keyset: &tidegate_spec::Keyset,
    key: &'a Key,
    material: &'a Material,
) -> Option<Source<'a>> {
    match key.material() {
        KeyMaterial::Secret(secret) => Some(Source::Bytes(secret.expose())),
        KeyMaterial::File(_) | KeyMaterial::Generate => {
            material.of(&keyset.name, &key.id).map(Source::Bytes)
        }
        KeyMaterial::Public(text) => Some(Source::Text(text)),
    }
}

/// The secret of a key, when it has one and that is in the spec or on this node.
pub(super) fn secret<'a>(
    keyset: &tidegate_spec::Keyset,
    key: &'a Key,
    material: &'a Material,
) -> Option<&'a [u8]> {
    match source(keyset, key, material)? {
        Source::Bytes(bytes) => Some(bytes),
        Source::Text(_) => None,
    }
}
