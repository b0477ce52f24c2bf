//! The cache on disk as a process has it that may have to let go of it: the next process cannot open
//! the folder before.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::sleep,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tidegate_cache::{Key, KeySeed};
use tidegate_store::{
    DiskConfig, DiskError, DiskStats, DiskTier, Object, Purge, PurgeKind, PurgeRecord, Recalled,
    Tier,
};

/// How long reads under way may hold up letting go.
const READS_MS_MAX: u64 = 5_000;
const READS_POLL_MS: u64 = 5;
/// How often taking back is tried; opening waits a second each time.
const TAKE_BACK_TRIES: usize = 10;

/// A disk tier that can be let go of and taken back.
pub(crate) struct SharedTier {
    config: DiskConfig,
    seed: KeySeed,
    inner: ArcSwapOption<DiskTier>,
    /// What it has missed since it was let go of, in order.
    missed: Mutex<Vec<Missed>>,
}

enum Missed {
    Purged(Purge, PurgeKind, u64),
    Forget(Key),
    KeyParts,
}

// === impl SharedTier ===

impl SharedTier {
    pub(crate) fn open(config: DiskConfig) -> Result<Self, DiskError> {
        let tier = DiskTier::open(&config)?;
        Ok(Self {
            config,
            seed: tier.seed(),
            inner: ArcSwapOption::from_pointee(tier),
            missed: Mutex::default(),
        })
    }

    pub(crate) fn seed(&self) -> KeySeed {
        self.seed
    }

    /// Lets go of the folder: when this returns, what was to be written is, and another process can
    /// open it. Until [`take_back`](Self::take_back) the tier knows nothing. Blocks.
    pub(crate) fn release(&self) {
        let Some(mut tier) = self.inner.swap(None) else { return };
        for _ in 0..READS_MS_MAX / READS_POLL_MS {
            match Arc::try_unwrap(tier) {
                Ok(tier) => return drop(tier),
                Err(shared) => tier = shared,
            }
            sleep(Duration::from_millis(READS_POLL_MS));
        }
    }

    /// Opens the folder again, and tells it what it has missed. Blocks.
    pub(crate) fn take_back(&self) {
        for _ in 0..TAKE_BACK_TRIES {
            match DiskTier::open(&self.config) {
                Ok(tier) => {
                    let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
                    missed.drain(..).for_each(|missed| missed.tell(&tier));
                    self.inner.store(Some(Arc::new(tier)));
                    return;
                }
                Err(error) => tracing::warn!(%error, "the cache on disk is not free yet"),
            }
        }
        tracing::error!("the cache on disk is off");
    }

    /// Tells the tier, or remembers to.
    fn tell(&self, missed: Missed) {
        // The lock is held over both, so that nothing falls between.
        let mut list = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        match self.inner.load().as_deref() {
            Some(tier) => missed.tell(tier),
            None => list.push(missed),
        }
    }
}

impl Missed {
    fn tell(self, tier: &DiskTier) {
        match self {
            Self::Purged(purge, kind, generation) => tier.purged(&purge, kind, generation),
            Self::Forget(key) => tier.forget(key),
            Self::KeyParts => tier.note_key_parts(),
        }
    }
}

impl Tier for SharedTier {
    fn recall(&self, key: Key) -> Recalled<'_> {
        match self.inner.load_full() {
            Some(tier) => Box::pin(async move { tier.recall(key).await }),
            None => Box::pin(std::future::ready(Vec::new())),
        }
    }

    fn offer(&self, object: Arc<Object>) {
        if let Some(tier) = self.inner.load().as_deref() {
            tier.offer(object);
        }
    }

    fn forget(&self, key: Key) {
        match self.inner.load().as_deref() {
            Some(tier) => tier.forget(key),
            None => self.tell(Missed::Forget(key)),
        }
    }

    fn holds(&self, key: Key) -> bool {
        self.inner.load().as_deref().is_none_or(|tier| tier.holds(key))
    }

    fn purged(&self, purge: &Purge, kind: PurgeKind, generation: u64) {
        self.tell(Missed::Purged(purge.clone(), kind, generation));
    }

    fn purges(&self) -> Vec<PurgeRecord> {
        self.inner.load().as_deref().map(Tier::purges).unwrap_or_default()
    }

    fn note_key_parts(&self) {
        self.tell(Missed::KeyParts);
    }

    fn has_key_parts(&self) -> bool {
        self.inner.load().as_deref().is_none_or(Tier::has_key_parts)
    }

    fn disk_stats(&self) -> Option<DiskStats> {
        self.inner.load().as_deref().map(DiskTier::stats)
    }

    fn generation(&self) -> u64 {
        self.inner.load().as_deref().map(Tier::generation).unwrap_or_default()
    }
}
