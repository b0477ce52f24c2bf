//! Key material that is not in the spec.

use std::collections::HashMap;
use std::fmt;

/// Bytes of keys whose spec names a file, or leaves them to be generated. Read by whoever may open files,
/// and handed to [`crate::compile_with`].
#[derive(Clone, Default)]
pub struct Material(HashMap<(String, String), Vec<u8>>);

impl Material {
    /// Adds the bytes of a key: the secret, seed or public key itself, decoded.
    pub fn insert(&mut self, keyset: &str, key_id: &str, bytes: Vec<u8>) {
        self.0.insert((keyset.to_owned(), key_id.to_owned()), bytes);
    }

    pub(crate) fn of(&self, keyset: &str, key_id: &str) -> Option<&[u8]> {
        self.0.get(&(keyset.to_owned(), key_id.to_owned())).map(Vec::as_slice)
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
