//! The boundary to slower tiers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tidegate_cache::Key;

use crate::object::Object;

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
}
