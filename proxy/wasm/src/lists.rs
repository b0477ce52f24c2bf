//! Lists that plugins ask by name.

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use tidegate_list::List;

/// Lists by name. A change replaces all of them at once.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    inside: RwLock<HashMap<Vec<u8>, Arc<List>>>,
}

impl Lists {
    pub(crate) fn set<N: AsRef<str>>(&self, lists: impl IntoIterator<Item = (N, Arc<List>)>) {
        let lists = lists.into_iter().map(|(name, list)| (name.as_ref().into(), list)).collect();
        *self.inside.write().unwrap_or_else(PoisonError::into_inner) = lists;
    }

    /// `None` when there is no such list.
    pub(crate) fn holds(&self, name: &[u8], value: &[u8]) -> Option<bool> {
        let inside = self.inside.read().unwrap_or_else(PoisonError::into_inner);
        Some(inside.get(name)?.holds(value))
    }

    /// Name, entries and bytes of each.
    pub(crate) fn sizes(&self) -> Vec<(String, usize, usize)> {
        let inside = self.inside.read().unwrap_or_else(PoisonError::into_inner);
        let size = |(name, list): (&Vec<u8>, &Arc<List>)| {
            (String::from_utf8_lossy(name).into_owned(), list.entries(), list.bytes())
        };
        inside.iter().map(size).collect()
    }
}
