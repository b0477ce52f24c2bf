//! The boundary to slower tiers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tidegate_cache::Key;

use crate::disk::DiskStats;
use crate::object::Object;
use crate::purge::{Purge, PurgeKind};

/// Everything a tier has for a key: its variants, newest first.
pub type Recalled<'t> = Pin<Box<dyn Future<Output = Vec<Arc<Object>>> + Send + 't>>;

/// A slower tier behind the one in RAM. It may lose anything at any time, and must never give back a response that
/// differs from what it was given: whatever fails its checksum is as good as absent. A tier that fails turns itself
/// off; callers only see fewer hits.
pub trait Tier: Send + Sync {
    /// What is kept for a key.
    fn recall(&self, key: Key) -> Recalled<'_>;

    /// Offers a complete response. Returns at once; the tier writes later or, when it is behind, not at all.
    fn offer(&self, object: Arc<Object>);

    /// Forgets a key.
    fn forget(&self, key: Key);

    /// Whether anything may be kept for a key, or is about to be.
    fn holds(&self, _key: Key) -> bool {
        true
    }

    /// A purge is being issued. A tier that outlives the process keeps it before this returns.
    fn purged(&self, _purge: &Purge, _kind: PurgeKind, _generation: u64) {}

    /// The purges that what is kept has yet to meet, oldest first.
    fn purges(&self) -> Vec<PurgeRecord> {
        Vec::new()
    }

    /// From now on some keys have parts beside their URL. A tier that outlives the process remembers it.
    fn note_key_parts(&self) {}

    /// Whether any key may have such parts.
    fn has_key_parts(&self) -> bool {
        true
    }

    /// Its figures, for a tier on disk that is open.
    fn disk_stats(&self) -> Option<DiskStats> {
        None
    }

    /// The highest generation of what is kept.
    fn generation(&self) -> u64 {
        0
    }
}

/// A purge as a tier keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRecord {
    /// What was purged.
    pub purge: Purge,
    /// How.
    pub kind: PurgeKind,
    /// The store's generation from then on.
    pub generation: u64,
}
