//! Key material that is not in the spec.

use std::collections::HashMap;
use std::fmt;

/// Bytes of keys whose spec names a file, or leaves them to be generated, and of certificate files.
/// Read by whoever may open files, and handed to [`crate::compile_with`].
#[derive(Clone, Default)]
pub struct Material {
    keys: HashMap<(String, String), Vec<u8>>,
    files: HashMap<String, Vec<u8>>,
    lists: HashMap<String, Vec<u8>>,
}

impl Material {
    /// Adds the bytes of a key: the secret, seed or public key itself, decoded.
    pub fn insert(&mut self, keyset: &str, key_id: &str, bytes: Vec<u8>) {
        self.keys.insert((keyset.to_owned(), key_id.to_owned()), bytes);
    }

    /// Adds the content of a certificate file, by the name the spec has for it.
    pub fn insert_file(&mut self, file: &str, content: Vec<u8>) {
        self.files.insert(file.to_owned(), content);
    }

    /// Adds the content of a list, by the file or the hash that the spec has for it.
    pub fn insert_list(&mut self, source: &str, content: Vec<u8>) {
        self.lists.insert(source.to_owned(), content);
    }

    pub(crate) fn list(&self, source: &str) -> Option<&[u8]> {
        self.lists.get(source).map(Vec::as_slice)
    }

    pub(crate) fn file(&self, file: &str) -> Option<&[u8]> {
        self.files.get(file).map(Vec::as_slice)
    }

    pub(crate) fn of(&self, keyset: &str, key_id: &str) -> Option<&[u8]> {
        self.keys.get(&(keyset.to_owned(), key_id.to_owned())).map(Vec::as_slice)
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.files.keys().chain(self.lists.keys());
        f.debug_set().entries(self.keys.keys()).entries(names).finish()
    }
}
