//! A stored response.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{BufMut as _, Bytes};
use tidegate_cache::{ByteRange, Key, Meta, multipart_boundary};
use tidegate_http::{FieldList, Fields as _, ResponseHead, date, write_status_line};

use crate::body::Body;
use crate::forms::{Charge, Forms};
use crate::purge::{Purges, Standing, Subject};

/// A complete response, ready to be written.
#[derive(Debug)]
pub struct Object {
    meta: Meta,
    key: Key,
    url: Box<str>,
    /// Status line and fields as HTTP/1 writes them.
    head: Bytes,
    status_line_bytes: u8,
    fields: OnceLock<FieldList>,
    /// Status and fields as HTTP/2 writes them.
    block: OnceLock<Box<[u8]>>,
    body: Body,
    length: u64,
    /// The store's generation when the fetch began.
    generation: u64,
    /// The generation up to which purges have been compared.
    checked: AtomicU64,
    /// When a soft purge made it stale; [`NEVER`] when none did.
    stale_from_ms: AtomicU64,
    pub(crate) forms: OnceLock<Box<Forms>>,
    /// Of a form: what it holds of their budget.
    pub(crate) charge: Option<Charge>,
}

/// What a response is stored under.
pub(crate) struct Identity {
    pub(crate) key: Key,
    pub(crate) url: Box<str>,
    pub(crate) generation: u64,
}

const NEVER: u64 = u64::MAX;
/// What an object costs beside its bytes: itself, the counts around it, its place in the tables.
const OVERHEAD_BYTES: u64 = 256;
/// Fields that a 304 repeats (RFC 9110 §15.4.5), and those that caches on the way go by.
const NOT_MODIFIED_FIELDS: [&str; 9] = [
    "cache-control",
    "content-location",
    "date",
    "etag",
    "expires",
    "last-modified",
    "vary",
    "cdn-cache-control",
    "cache-groups",
];

impl Object {
    /// Makes the stored form: `Age` out (the edge adds its own), `Date` and `Content-Length` in.
    pub(crate) fn new(identity: Identity, meta: Meta, mut fields: FieldList, body: Body) -> Self {
        fields.remove("age");
        fields.set_if_absent("date", date::format(meta.sums.date_s));
        if has_length(meta.status) {
            fields.set("content-length", body.len().to_string());
        }
        Self::prepared(identity, meta, fields.wire(), body)
    }

    /// The stored form back from what [`wire`](Self::wire) gave. `None` when these are no fields.
    pub(crate) fn from_wire(
        identity: Identity,
        meta: Meta,
        wire: &[u8],
        body: Body,
    ) -> Option<Self> {
        FieldList::from_wire(wire).map(|_| Self::prepared(identity, meta, wire, body))
    }

    fn prepared(identity: Identity, meta: Meta, wire: &[u8], body: Body) -> Self {
        let length = body.len();
        let mut head = Vec::with_capacity(32 + wire.len());
        write_status_line(meta.status, &mut head);
        let status_line_bytes = head.len() as u8;
        head.put_slice(wire);
        Self {
            meta,
            key: identity.key,
            url: identity.url,
            head: head.into_boxed_slice().into(),
            status_line_bytes,
            fields: OnceLock::new(),
            block: OnceLock::new(),
            body,
            length,
            generation: identity.generation,
            checked: AtomicU64::new(identity.generation),
            stale_from_ms: AtomicU64::new(NEVER),
            forms: OnceLock::new(),
            charge: None,
        }
    }

    /// What decisions need.
    pub const fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The key it is stored under.
    pub const fn key(&self) -> Key {
        self.key
    }

    /// The URL as keyed.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Status line and end-to-end fields, each ending in CRLF, `Date` and `Content-Length` among them; no `Age`, no
    /// `Connection`, no `Cache-Status`, and no empty line at the end.
    pub const fn head(&self) -> &Bytes {
        &self.head
    }

    /// The same fields as a list, made at the first call.
    pub fn fields(&self) -> &FieldList {
        self.fields.get_or_init(|| FieldList::from_wire(self.wire()).unwrap_or_default())
    }

    /// Status and fields in the form of another version of HTTP, made at the first call by `make`
    /// out of [`head`](Self::head) or [`fields`](Self::fields).
    pub fn field_block(&self, make: impl FnOnce(&Self) -> Vec<u8>) -> &[u8] {
        self.block.get_or_init(|| make(self).into_boxed_slice())
    }

    /// The body.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Bytes of the body.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// When a soft purge made it stale, for `tidegate_cache::evaluate`.
    pub fn stale_from_ms(&self) -> Option<u64> {
        Some(self.stale_from_ms.load(Relaxed)).filter(|ms| *ms != NEVER)
    }

    /// The head of a 304 for it (RFC 9110 §15.4.5).
    pub fn not_modified(&self) -> ResponseHead {
        let mut head = ResponseHead::new(304);
        for field in self.fields().iter().filter(|field| is_repeated(field.name)) {
            head.fields.push(field.name, field.value);
        }
        head
    }

    /// The head of a 206 with one range (RFC 9110 §15.3.7.1).
    pub fn partial(&self, range: ByteRange) -> ResponseHead {
        let mut head = ResponseHead { status: 206, fields: self.fields().clone() };
        head.fields.set("content-range", range.content_range(self.length));
        head.fields.set("content-length", range.len().to_string());
        head
    }

    /// The head of a 416 (RFC 9110 §15.5.17).
    pub fn unsatisfiable(&self) -> ResponseHead {
        let range = format!("bytes */{}", self.length);
        ResponseHead::new(416).with("content-range", range).with("content-length", "0")
    }

    /// Head and body of a 206 with several ranges (RFC 9110 §14.6).
    pub fn multipart(&self, ranges: &[ByteRange]) -> (ResponseHead, Vec<Bytes>) {
        let boundary =
            multipart_boundary(self.key.as_u128() ^ u128::from(self.meta.sums.response_ms));
        let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
        for range in ranges {
            pieces.push(self.part_head(&boundary, *range));
            self.body.slice(*range, &mut pieces);
        }
        pieces.push(format!("\r\n--{boundary}--\r\n").into());
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let mut head = ResponseHead { status: 206, fields: self.fields().clone() };
        head.fields.set("content-type", format!("multipart/byteranges; boundary={boundary}"));
        head.fields.set("content-length", length.to_string());
        (head, pieces)
    }

    /// The fields as HTTP/1 writes them.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.head[usize::from(self.status_line_bytes)..]
    }

    /// The store's generation when the fetch began.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The same response with new fields after a validation. The body is shared.
    pub(crate) fn with_fields(&self, meta: Meta, fields: FieldList, generation: u64) -> Self {
        let identity = Identity { key: self.key, url: self.url.clone(), generation };
        Self::new(identity, meta, fields, self.body.clone())
    }

    /// The same response with another body.
    pub(crate) fn with_body(&self, meta: Meta, fields: FieldList, body: Body) -> Self {
        let identity =
            Identity { key: self.key, url: self.url.clone(), generation: self.generation };
        Self::new(identity, meta, fields, body)
    }

    /// Compares with the purges since the last comparison. `false`: it is gone.
    pub(crate) fn stands(&self, purges: &Purges) -> bool {
        let checked = self.checked.load(Relaxed);
        checked == purges.latest() || self.compare(purges)
    }

    /// Bytes that it holds, all in all.
    pub(crate) fn weight(&self) -> u64 {
        let heap = self.meta.heap_bytes() + self.url.len() + self.head.len();
        // A list or a field block holds the fields once more.
        let list = self.head.len();
        self.length + (heap + list) as u64 + OVERHEAD_BYTES
    }

    #[cold]
    fn compare(&self, purges: &Purges) -> bool {
        let subject = Subject { key: self.key, url: &self.url, tags: Some(&self.meta.tags) };
        let (Standing { gone, stale_from_ms }, latest) = purges.standing(&subject, self.generation);
        if let Some(from_ms) = stale_from_ms {
            self.stale_from_ms.fetch_min(from_ms, Relaxed);
        }
        if !gone {
            self.checked.store(latest, Relaxed);
        }
        !gone
    }

    fn part_head(&self, boundary: &str, range: ByteRange) -> Bytes {
        let mut head = Vec::with_capacity(128);
        head.put_slice(format!("\r\n--{boundary}\r\n").as_bytes());
        if let Some(media_type) = self.fields().first("content-type") {
            head.put_slice(b"content-type: ");
            head.put_slice(media_type);
            head.put_slice(b"\r\n");
        }
        head.put_slice(
            format!("content-range: {}\r\n\r\n", range.content_range(self.length)).as_bytes(),
        );
        head.into()
    }
}

/// 204 has no content by definition (RFC 9110 §8.6).
const fn has_length(status: u16) -> bool {
    status != 204
}

fn is_repeated(name: &[u8]) -> bool {
    NOT_MODIFIED_FIELDS.iter().any(|repeated| name.eq_ignore_ascii_case(repeated.as_bytes()))
}
