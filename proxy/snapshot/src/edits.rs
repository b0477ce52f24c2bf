//! Header edits, compiled.

use tidegate_http::FieldList;

/// Edits in both directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderPolicy {
    /// On the request, before it goes upstream.
    pub request: Edits,
    /// On the answer, before it goes to the client.
    pub response: Edits,
}

/// Remove, then set, then add. Names are in lower case, names and values were checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// Fields taken away.
    pub remove: Vec<Box<str>>,
    /// Fields replaced.
    pub set: Vec<(Box<str>, Box<str>)>,
    /// Fields that get one more line.
    pub add: Vec<(Box<str>, Box<str>)>,
}

impl HeaderPolicy {
    /// Whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }
}

impl Edits {
    /// Whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Edits a header section.
    pub fn apply(&self, fields: &mut FieldList) {
        for name in &self.remove {
            fields.remove(name.as_bytes());
        }
        for (name, value) in &self.set {
            fields.set(name.as_bytes(), value.as_bytes());
        }
        for (name, value) in &self.add {
            fields.push(name.as_bytes(), value.as_bytes());
        }
    }

    /// These edits and then `later`, as one.
    pub(crate) fn then(&self, later: &Self) -> Self {
        let mut both = self.clone();
        both.remove.extend(later.remove.iter().cloned());
        // A field that is set and later removed must end up gone: set comes after remove.
        both.set.retain(|(name, _)| !later.remove.contains(name));
        both.add.retain(|(name, _)| !later.remove.contains(name));
        both.add.retain(|(name, _)| !later.set.iter().any(|(set, _)| set == name));
        both.set.retain(|(name, _)| !later.set.iter().any(|(set, _)| set == name));
        both.set.extend(later.set.iter().cloned());
        both.add.extend(later.add.iter().cloned());
        both
    }
}
