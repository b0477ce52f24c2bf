//! Where each response lies.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashMap;
use tidegate_cache::Key;

use crate::flights::KeyHash;

/// More variants than this of one key and the oldest is forgotten.
const VARIANTS_MAX: usize = 32;

/// The index of all segments.
#[derive(Default)]
pub(super) struct Index {
    tables: RwLock<Tables>,
    generation: AtomicU64,
}

/// Where a record lies.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) variant: u64,
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
    /// Read since it was written: it outlives its segment.
    used: AtomicBool,
}

/// One line of a segment's own index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) key: Key,
    pub(super) variant: u64,
    pub(super) generation: u64,
    pub(super) offset: u32,
    /// 0: from here on the key is gone.
    pub(super) length: u32,
}

#[derive(Default)]
struct Tables {
    keys: HashMap<Key, Places, KeyHash>,
    segments: HashMap<u32, Segment>,
}

struct Segment {
    file: Arc<File>,
    bytes: u64,
}

/// The variants of a key, newest last.
enum Places {
    One(Place),
    Many(Vec<Place>),
}

impl Index {
    pub(super) fn has(&self, key: Key) -> bool {
        self.read().keys.contains_key(&key)
    }

    pub(super) fn keys(&self) -> usize {
        self.read().keys.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.read().segments.values().map(|segment| segment.bytes).sum()
    }

    /// The highest generation that any response has.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// The places of a key with their files, newest first.
    pub(super) fn places(&self, key: Key) -> Vec<(Place, Arc<File>)> {
        let tables = self.read();
        let Some(places) = tables.keys.get(&key) else { return Vec::new() };
        let found = places.all().iter().rev().filter_map(|place| {
            place.used.store(true, Relaxed);
            let segment = tables.segments.get(&place.segment)?;
            Some((place.copy(), Arc::clone(&segment.file)))
        });
        found.collect()
    }

    /// Takes lines of a segment in, later ones over earlier ones; the segment now has so many bytes.
    pub(super) fn apply(&self, segment: u32, lines: &[Line], bytes: u64) {
        let newest = lines.iter().map(|line| line.generation).max().unwrap_or_default();
        self.generation.fetch_max(newest, Relaxed);
        let mut tables = self.write();
        if let Some(segment) = tables.segments.get_mut(&segment) {
            segment.bytes = bytes;
        }
        tables.keys.reserve(lines.len());
        lines.iter().for_each(|line| tables.apply(segment, line));
    }

    pub(super) fn remove(&self, key: Key) {
        self.write().keys.remove(&key);
    }

    pub(super) fn add_segment(&self, id: u32, file: Arc<File>, bytes: u64) {
        self.write().segments.insert(id, Segment { file, bytes });
    }

    /// The oldest segment.
    pub(super) fn oldest(&self) -> Option<(u32, Arc<File>)> {
        let tables = self.read();
        let id = *tables.segments.keys().min()?;
        Some((id, Arc::clone(&tables.segments.get(&id)?.file)))
    }

    /// Whether a line is what the index has for its key, and has been used.
    pub(super) fn is_used(&self, segment: u32, line: &Line) -> bool {
        let tables = self.read();
        let places = tables.keys.get(&line.key);
        let place = places.and_then(|places| places.all().iter().find(|p| p.is(segment, line)));
        place.is_some_and(|place| place.used.load(Relaxed))
    }

    /// Forgets a segment and what of its lines is still in it; returns how many those were.
    pub(super) fn drop_segment(&self, segment: u32, lines: &[Line]) -> u64 {
        let mut tables = self.write();
        tables.segments.remove(&segment);
        let mut dropped = 0;
        for line in lines {
            let Some(places) = tables.keys.get_mut(&line.key) else { continue };
            let before = places.all().len();
            let left = places.retain(|place| !place.is(segment, line));
            dropped += (before - left) as u64;
            if left == 0 {
                tables.keys.remove(&line.key);
            }
        }
        dropped
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn apply(&mut self, segment: u32, line: &Line) {
        if line.length == 0 {
            self.keys.remove(&line.key);
            return;
        }
        let place = Place::new(segment, line);
        match self.keys.get_mut(&line.key) {
            Some(places) => places.put(place),
            None => drop(self.keys.insert(line.key, Places::One(place))),
        }
    }
}

impl Place {
    const fn new(segment: u32, line: &Line) -> Self {
        Self {
            variant: line.variant,
            segment,
            offset: line.offset,
            length: line.length,
            used: AtomicBool::new(false),
        }
    }

    fn copy(&self) -> Self {
        Self { used: AtomicBool::new(self.used.load(Relaxed)), ..*self }
    }

    const fn is(&self, segment: u32, line: &Line) -> bool {
        self.segment == segment && self.offset == line.offset
    }
}

impl Places {
    fn all(&self) -> &[Place] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }

    fn put(&mut self, place: Place) {
        match self {
            Self::One(old) if old.variant == place.variant => *old = place,
            Self::One(old) => *self = Self::Many(vec![old.copy(), place]),
            Self::Many(places) => {
                places.retain(|old| old.variant != place.variant);
                places.push(place);
                if places.len() > VARIANTS_MAX {
                    places.remove(0);
                }
            }
        }
    }

    fn retain(&mut self, keep: impl Fn(&Place) -> bool) -> usize {
        match self {
            Self::One(place) => usize::from(keep(place)),
            Self::Many(places) => {
                places.retain(keep);
                places.len()
            }
        }
    }
}
