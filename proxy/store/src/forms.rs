//! Other forms of a stored response: the same one as it goes to clients that take a content coding.
//!
//! They are made when they are first asked for and live as long as the object. Their bytes are not part of the
//! object's weight, which is fixed when it is stored: they are charged to a budget of their own, and where it is used
//! up no more of them are kept.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use tidegate_http::{ContentCoding, FieldList};
use tokio::sync::OnceCell;

use crate::body::Body;
use crate::object::Object;

/// The forms of one object.
#[derive(Debug, Default)]
pub struct Forms {
    plain: OnceLock<Arc<Object>>,
    coded: [OnceCell<Option<Arc<Object>>>; ContentCoding::ALL.len()],
}

/// What is known of a form.
#[derive(Debug)]
pub enum Form {
    /// Here it is.
    Ready(Arc<Object>),
    /// It was not worth it, or there was no room.
    Refused,
    /// Nobody has asked for it yet.
    Missing,
}

/// Bytes that all forms together may hold.
#[derive(Debug, Clone)]
pub struct FormsBudget {
    held: Arc<AtomicU64>,
    bytes_max: u64,
}

/// The part of the budget that one form holds.
#[derive(Debug)]
pub struct Charge {
    held: Arc<AtomicU64>,
    bytes: u64,
}

impl Forms {
    /// The form without a coding, made by `make` at the first call.
    pub fn plain(&self, make: impl FnOnce() -> Object) -> &Arc<Object> {
        self.plain.get_or_init(|| Arc::new(make()))
    }

    /// The form in a coding, as far as it is there.
    pub fn coded(&self, coding: ContentCoding) -> Form {
        match self.coded[coding as usize].get() {
            None => Form::Missing,
            Some(None) => Form::Refused,
            Some(Some(object)) => Form::Ready(Arc::clone(object)),
        }
    }

    /// Makes the form in a coding, once, whoever asks. `None` from `make` is kept too. When the one who makes it goes
    /// away, the next takes over.
    pub async fn make_coded<F: Future<Output = Option<Object>>>(
        &self,
        coding: ContentCoding,
        make: impl FnOnce() -> F,
    ) {
        let cell = &self.coded[coding as usize];
        cell.get_or_init(|| async { make().await.map(Arc::new) }).await;
    }
}

impl FormsBudget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { held: Arc::default(), bytes_max }
    }

    /// A part of the budget, if there is so much left.
    pub fn charge(&self, bytes: u64) -> Option<Charge> {
        let room = |held: u64| held.checked_add(bytes).filter(|held| *held <= self.bytes_max);
        self.held.fetch_update(Relaxed, Relaxed, room).ok()?;
        Some(Charge { held: Arc::clone(&self.held), bytes })
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Relaxed);
    }
}

impl Object {
    /// Its other forms.
    pub fn forms(&self) -> &Forms {
        self.forms.get_or_init(Box::default)
    }

    /// The same response with other fields and the body in another coding. Its `ETag` is weak in the fields, and weak
    /// for conditions too.
    #[must_use]
    pub fn reshaped(&self, fields: FieldList, body: Body, charge: Option<Charge>) -> Self {
        let mut meta = self.meta().clone();
        if let Some(etag) = fields.value("etag") {
            meta.validators.etag = Some(etag.into());
        }
        let mut object = self.with_body(meta, fields, body);
        object.charge = charge;
        object
    }

    /// Bytes that a form of it with a body of this length holds.
    pub fn form_bytes(&self, body_bytes: u64) -> u64 {
        const FORM_BYTES: u64 = 512;
        body_bytes + 2 * self.head().len() as u64 + FORM_BYTES
    }
}
