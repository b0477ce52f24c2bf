//! Counters and sets that one instance remembers: for tests, and for hosts that offer none of their own.

use std::collections::{BTreeMap, BTreeSet};

/// Entries kept at most; when there are more, those that end first go.
const ENTRIES_MAX: usize = 100_000;
/// Members kept of one set.
const MEMBERS_MAX: usize = 512;

/// Counters and sets with an end.
#[derive(Debug, Default)]
pub struct Kept {
    counters: BTreeMap<String, (u64, u64)>,
    sets: BTreeMap<String, (u64, BTreeSet<String>)>,
}

impl Kept {
    /// See [`crate::World::count`].
    pub fn count(&mut self, key: &str, window_ms: u64, amount: u64, now_ms: u64) -> u64 {
        if let Some((end, sum)) = self.counters.get_mut(key)
            && *end > now_ms
        {
            *sum = sum.saturating_add(amount);
            return *sum;
        }
        if amount == 0 {
            return 0;
        }
        shed(&mut self.counters, now_ms, |entry| entry.0);
        self.counters.insert(key.to_owned(), (now_ms.saturating_add(window_ms), amount));
        amount
    }

    /// See [`crate::World::distinct`].
    pub fn distinct(&mut self, key: &str, member: &str, window_ms: u64, now_ms: u64) -> u64 {
        shed(&mut self.sets, now_ms, |entry| entry.0);
        let fresh = || (now_ms.saturating_add(window_ms), BTreeSet::new());
        let entry = self.sets.entry(key.to_owned()).or_insert_with(fresh);
        if entry.0 <= now_ms {
            *entry = fresh();
        }
        if entry.1.len() < MEMBERS_MAX {
            entry.1.insert(member.to_owned());
        }
        entry.1.len() as u64
    }
}

/// Makes room when the map is full: first what has ended, then half of the rest.
fn shed<T>(map: &mut BTreeMap<String, T>, now_ms: u64, end: impl Fn(&T) -> u64) {
    if map.len() < ENTRIES_MAX {
        return;
    }
    map.retain(|_, entry| end(entry) > now_ms);
    if map.len() >= ENTRIES_MAX {
        let mut ends: Vec<u64> = map.values().map(&end).collect();
        ends.sort_unstable();
        let middle = ends[ends.len() / 2];
        map.retain(|_, entry| end(entry) > middle);
    }
}
