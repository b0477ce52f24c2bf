//! A request head that outlives the buffer it was read into.

use std::sync::Arc;

use bytes::Bytes;

use super::{H2Layout, Head, HeadLimits, parse_head};
use crate::{Refusal, Scheme};

/// The bytes of a request head that has passed every rule once, to be read again whenever it is
/// needed: a [`Head`] borrows, so it cannot be kept.
#[derive(Debug, Clone)]
pub struct StoredHead {
    bytes: Bytes,
    layout: Option<Arc<H2Layout>>,
    scheme: Scheme,
}

impl StoredHead {
    /// The head of an HTTP/1 request, as it was read.
    #[must_use]
    pub fn h1(bytes: Bytes, scheme: Scheme) -> Self {
        Self { bytes, layout: None, scheme }
    }

    /// The head of an HTTP/2 request: the buffer its parts were copied to, and where they lie.
    #[must_use]
    pub fn h2(bytes: Bytes, layout: H2Layout, scheme: Scheme) -> Self {
        Self { bytes, layout: Some(Arc::new(layout)), scheme }
    }

    /// The head again.
    ///
    /// # Errors
    /// Those of the first reading; so never for bytes that were accepted then.
    pub fn read(&self) -> Result<Head<'_>, Refusal> {
        if let Some(layout) = &self.layout {
            return layout.head(&self.bytes, self.scheme);
        }
        match parse_head(&self.bytes, &AS_LARGE_AS_IT_IS, self.scheme)? {
            Some((head, _)) => Ok(head),
            None => Err(Refusal::HEAD_TOO_LARGE),
        }
    }
}

/// The limits were those of the first reading.
const AS_LARGE_AS_IT_IS: HeadLimits = HeadLimits {
    head_bytes_max: HeadLimits::HEAD_BYTES_CAP,
    fields_max: HeadLimits::FIELDS_CAP,
    target_bytes_max: HeadLimits::HEAD_BYTES_CAP,
};
