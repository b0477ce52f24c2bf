//! What is stored under one key: its variants.

use std::sync::Arc;

use tidegate_http::Fields;

use crate::object::Object;

/// More variants than this of one key and the oldest goes.
const VARIANTS_MAX: usize = 32;

/// The variants of a key, newest first.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    One(Arc<Object>),
    Many(Arc<[Arc<Object>]>),
}

impl Slot {
    /// The newest variant that answers a request (RFC 9111 §4.1).
    pub(crate) fn select(&self, request: &dyn Fields) -> Option<&Arc<Object>> {
        self.variants().iter().find(|object| object.meta().vary.matches(request))
    }

    pub(crate) fn variants(&self) -> &[Arc<Object>] {
        match self {
            Self::One(object) => std::slice::from_ref(object),
            Self::Many(objects) => objects,
        }
    }

    /// The slot with `object` in it, in place of the variant it renews. `None` when what is there was asked for later:
    /// the slower of two fetches must not bring the older answer back.
    pub(crate) fn with(&self, object: &Arc<Object>) -> Option<Self> {
        let same = |other: &&Arc<Object>| other.meta().vary == object.meta().vary;
        let asked_ms = object.meta().sums.request_ms;
        if self
            .variants()
            .iter()
            .find(same)
            .is_some_and(|old| old.meta().sums.request_ms > asked_ms)
        {
            return None;
        }
        let others = self.variants().iter().filter(|other| !same(other));
        let kept = others.take(VARIANTS_MAX - 1).cloned();
        Self::of(std::iter::once(Arc::clone(object)).chain(kept).collect())
    }

    /// The slot without the variants for which `gone` holds; `None` when none is left.
    pub(crate) fn without(&self, gone: impl Fn(&Arc<Object>) -> bool) -> Option<Self> {
        Self::of(self.variants().iter().filter(|object| !gone(object)).cloned().collect())
    }

    pub(crate) fn of(mut objects: Vec<Arc<Object>>) -> Option<Self> {
        match objects.len() {
            0 => None,
            1 => objects.pop().map(Self::One),
            _ => Some(Self::Many(objects.into())),
        }
    }

    pub(crate) fn weight(&self) -> u64 {
        self.variants().iter().map(|object| object.weight()).sum()
    }
}
