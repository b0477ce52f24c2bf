//! Purges: O(1) to issue whatever the number of objects, by generation numbers that are compared when an object is used.
//!
//! What is under one key is simply taken out. Every other purge raises the store's generation and leaves a mark with the
//! new number. An object carries the generation at which its fetch began; a mark that is higher and fits takes it
//! out. An object that has been compared with all marks remembers the generation up to which it has, so that
//! between purges a hit compares one number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashMap;
use tidegate_cache::{Key, TagId};

use crate::tier::PurgeRecord;

/// Marks that are kept; when there are more the oldest are dropped, and everything that is older than the youngest of
/// those dropped is gone too. A purge is never lost.
pub const PURGES_MAX: usize = 65_536;
/// Marks that must be compared one by one.
const PREFIXES_MAX: usize = 1_024;

/// What to purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// All variants under one key.
    Key(Key),
    /// All variants of a URL as keyed: `https://example.com/a?b`.
    Url(String),
    /// Everything with this tag or in this cache group.
    Tag(TagId),
    /// Every URL that begins so: `https://example.com/media/`, or `example.com/media/` for both schemes.
    Prefix(String),
    /// Every URL of a host, on any port.
    Host(String),
    /// Everything.
    Everything,
}

/// What becomes of what is purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeKind {
    /// It is stale from now on: validated before it is served, but there when the origin fails.
    Soft {
        /// Unix milliseconds.
        now_ms: u64,
    },
    /// It is gone.
    Hard,
}

/// What a purge is compared with.
pub(crate) struct Subject<'a> {
    pub(crate) key: Key,
    pub(crate) url: &'a str,
    /// `None` while the tags are not known yet: any purge by tag is then taken to fit.
    pub(crate) tags: Option<&'a [TagId]>,
}

/// What the marks say of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) gone: bool,
    pub(crate) stale_from_ms: Option<u64>,
}

/// Every mark.
#[derive(Default)]
pub(crate) struct Purges {
    latest: AtomicU64,
    marks: RwLock<Marks>,
}

#[derive(Clone, Copy, Default)]
struct Mark {
    hard: u64,
    soft: u64,
    soft_ms: u64,
}

#[derive(Default)]
struct Marks {
    everything: Mark,
    keys: HashMap<Key, Mark>,
    urls: HashMap<Box<str>, Mark>,
    hosts: HashMap<Box<str>, Mark>,
    tags: HashMap<TagId, Mark>,
    any_tag: Mark,
    prefixes: Vec<(Box<str>, Mark)>,
}

impl Purges {
    /// The generation of a fetch that begins now.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// `keep` gets the number before anybody sees the purge.
    pub(crate) fn issue(&self, purge: &Purge, kind: PurgeKind, keep: impl FnOnce(u64)) {
        let mut marks = self.write();
        let generation = self.latest() + 1;
        keep(generation);
        marks.leave(purge, kind, generation);
        marks.shrink();
        // Published last and under the lock: whoever sees the number finds the mark.
        self.latest.store(generation, Ordering::Release);
    }

    /// Takes back what an earlier process issued; `generation` is the highest that anything kept has.
    pub(crate) fn restore(&self, records: &[PurgeRecord], generation: u64) {
        let mut marks = self.write();
        for record in records {
            marks.leave(&record.purge, record.kind, record.generation);
        }
        marks.shrink();
        let latest = records.iter().map(|record| record.generation).max().unwrap_or_default();
        self.latest.store(latest.max(generation), Ordering::Release);
    }

    /// What has happened to a subject that was fetched at `generation`, and up to which generation this is so.
    pub(crate) fn standing(&self, subject: &Subject<'_>, generation: u64) -> (Standing, u64) {
        let marks = self.read();
        (marks.standing(subject, generation), self.latest())
    }

    /// The number of marks.
    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    /// Forgets every mark up to `generation`: every object that it could fit has been compared with it.
    pub(crate) fn settle(&self, generation: u64) {
        self.write().retain(|mark| mark.newest() > generation);
    }

    fn read(&self) -> RwLockReadGuard<'_, Marks> {
        self.marks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Marks> {
        self.marks.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    fn set(&mut self, kind: PurgeKind, generation: u64) {
        match kind {
            PurgeKind::Hard => self.hard = generation,
            PurgeKind::Soft { now_ms } => (self.soft, self.soft_ms) = (generation, now_ms),
        }
    }

    fn newest(&self) -> u64 {
        self.hard.max(self.soft)
    }

    fn apply(&self, generation: u64, standing: &mut Standing) {
        standing.gone |= self.hard > generation;
        if self.soft > generation {
            let earliest = standing.stale_from_ms.map_or(self.soft_ms, |ms| ms.min(self.soft_ms));
            standing.stale_from_ms = Some(earliest);
        }
    }
}

impl Marks {
    fn leave(&mut self, purge: &Purge, kind: PurgeKind, generation: u64) {
        self.place(purge).set(kind, generation);
        if matches!(purge, Purge::Tag(_)) {
            self.any_tag.set(kind, generation);
        }
    }

    fn place(&mut self, purge: &Purge) -> &mut Mark {
        match purge {
            Purge::Everything => &mut self.everything,
            Purge::Key(key) => self.keys.entry(*key).or_default(),
            Purge::Url(url) => self.urls.entry(url.as_str().into()).or_default(),
            Purge::Host(host) => self.hosts.entry(host.to_ascii_lowercase().into()).or_default(),
            Purge::Tag(tag) => self.tags.entry(*tag).or_default(),
            Purge::Prefix(prefix) => self.prefix(prefix),
        }
    }

    fn prefix(&mut self, prefix: &str) -> &mut Mark {
        let at = self.prefixes.iter().position(|(known, _)| **known == *prefix);
        let at = at.unwrap_or_else(|| {
            self.prefixes.push((prefix.into(), Mark::default()));
            self.prefixes.len() - 1
        });
        &mut self.prefixes[at].1
    }

    fn standing(&self, subject: &Subject<'_>, generation: u64) -> Standing {
        let mut standing = Standing::default();
        let mut apply = |mark: &Mark| mark.apply(generation, &mut standing);
        apply(&self.everything);
        self.keys.get(&subject.key).into_iter().for_each(&mut apply);
        self.urls.get(subject.url).into_iter().for_each(&mut apply);
        self.hosts.get(host_of(subject.url)).into_iter().for_each(&mut apply);
        match subject.tags {
            Some(tags) => tags.iter().filter_map(|tag| self.tags.get(tag)).for_each(&mut apply),
            None => apply(&self.any_tag),
        }
        let fits = |prefix: &str| begins_with(subject.url, prefix);
        self.prefixes.iter().filter(|(p, _)| fits(p)).for_each(|(_, mark)| apply(mark));
        standing
    }

    fn len(&self) -> usize {
        self.keys.len() + self.urls.len() + self.hosts.len() + self.tags.len() + self.prefixes.len()
    }

    /// Drops the older half when there are too many, and with it everything that these marks could have meant.
    fn shrink(&mut self) {
        if self.len() <= PURGES_MAX && self.prefixes.len() <= PREFIXES_MAX {
            return;
        }
        let mut numbers = self.numbers();
        let middle = numbers.len() / 2;
        let floor = *numbers.select_nth_unstable(middle).1;
        self.everything.hard = self.everything.hard.max(floor);
        self.retain(|mark| mark.newest() > floor);
    }

    fn numbers(&self) -> Vec<u64> {
        let maps = self.keys.values().chain(self.urls.values()).chain(self.hosts.values());
        let rest = self.tags.values().chain(self.prefixes.iter().map(|(_, mark)| mark));
        maps.chain(rest).map(Mark::newest).collect()
    }

    fn retain(&mut self, keep: impl Fn(&Mark) -> bool) {
        self.keys.retain(|_, mark| keep(mark));
        self.urls.retain(|_, mark| keep(mark));
        self.hosts.retain(|_, mark| keep(mark));
        self.tags.retain(|_, mark| keep(mark));
        self.prefixes.retain(|(_, mark)| keep(mark));
    }
}

/// `example.com` of `https://example.com:8443/a`.
fn host_of(url: &str) -> &str {
    let authority = after_scheme(url).split(['/', '?']).next().unwrap_or("");
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn begins_with(url: &str, prefix: &str) -> bool {
    url.starts_with(prefix) || after_scheme(url).starts_with(prefix)
}

fn after_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

#[cfg(test)]
mod tests;
