//! The head of a request, checked and normalised, borrowing the bytes it was read from.

pub(crate) mod diagnose;
pub(crate) mod framing;
pub(crate) mod h1;
mod h2;
mod section;
mod stored;

use std::{borrow::Cow, fmt};

pub use h1::{head_may_end, parse_head};
pub use h2::{H2Layout, H2Parts, head_from_h2};
use section::Section;
pub use stored::StoredHead;

use crate::{
    Authority, Field, FieldList, Fields, Known, Method, Refusal, Scheme, Version, target::Target,
};

/// A request head that has passed every framing rule.
///
/// Path, query and host are normalised; field values are as received, without the whitespace
/// around them.
pub struct Head<'a> {
    section: Section<'a>,
    method: Method<'a>,
    target: Target<'a>,
    authority: Authority<'a>,
    body: Framing,
    version: Version,
    scheme: Scheme,
    keep_alive: bool,
    expects_continue: bool,
    upgrades: bool,
}

/// How the body that follows a request head is delimited (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body follows.
    Empty,
    /// Exactly this many bytes follow.
    Length(u64),
    /// Chunks follow; on HTTP/2: data frames of unknown total.
    Chunked,
}

/// What a head may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, at most [`HeadLimits::HEAD_BYTES_CAP`].
    pub head_bytes_max: usize,
    /// Field lines, at most [`HeadLimits::FIELDS_CAP`].
    pub fields_max: usize,
    /// Bytes of the request target as received.
    pub target_bytes_max: usize,
}

impl HeadLimits {
    /// Positions in a head are kept in 16 bits.
    pub const HEAD_BYTES_CAP: usize = u16::MAX as usize;
    /// Indices of lines are kept in 8 bits.
    pub const FIELDS_CAP: usize = 128;
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes_max: 32 * 1024, fields_max: 100, target_bytes_max: 8 * 1024 }
    }
}

impl<'a> Head<'a> {
    /// The method, never CONNECT or TRACE.
    #[inline]
    pub const fn method(&self) -> Method<'a> {
        self.method
    }

    /// The version of the message.
    #[inline]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The scheme of the connection it arrived on.
    #[inline]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case, without port and trailing dot. Empty only for an HTTP/1.0 request
    /// that names none.
    #[inline]
    pub fn host(&self) -> &str {
        &self.authority.host
    }

    /// The port the client named, unless it is the default of the scheme.
    #[inline]
    pub const fn port(&self) -> Option<u16> {
        self.authority.port
    }

    /// Host and, where it is not the default, port: what a Host field sent on should say.
    pub fn authority(&self) -> Cow<'_, str> {
        self.authority.text()
    }

    /// The normalised absolute path, or `*` for `OPTIONS *`.
    #[inline]
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// The path as received, which some token formats sign. What it names is [`Head::path`].
    pub fn path_as_sent(&self) -> &str {
        self.target.path_as_sent()
    }

    /// The query as received, without the question mark.
    #[inline]
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// The normalised path with the query: what a request sent on should ask for.
    #[inline]
    pub fn target(&self) -> &str {
        self.target.text()
    }

    /// How the body is delimited.
    #[inline]
    pub const fn body(&self) -> Framing {
        self.body
    }

    /// Whether the client lets the connection live on (RFC 9112 9.3).
    #[inline]
    pub const fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for 100 (Continue) before it sends the body (RFC 9110 10.1.1).
    #[inline]
    pub const fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// The protocols asked for, when Connection says that Upgrade is meant (RFC 9110 7.8).
    pub fn upgrade(&self) -> Option<&'a [u8]> {
        self.upgrades.then(|| self.field(Known::Upgrade)).flatten()
    }

    /// The value of the first line with a well-known name, without a search.
    #[inline]
    pub fn field(&self, name: Known) -> Option<&'a [u8]> {
        self.section.field(name)
    }

    /// Like [`Head::field`], when the value is UTF-8.
    pub fn text(&self, name: Known) -> Option<&'a str> {
        self.field(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Bytes of the head: as received in HTTP/1, of names and values in HTTP/2.
    #[inline]
    pub fn bytes_len(&self) -> usize {
        self.section.bytes_len()
    }

    /// The field lines in order.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = Field<'a>> + ExactSizeIterator {
        self.section.iter()
    }

    /// Every value of a well-known name, in order.
    pub fn values(&self, name: Known) -> impl Iterator<Item = &'a [u8]> {
        self.section.values(name)
    }

    /// An owned copy of the field lines.
    pub fn to_field_list(&self) -> FieldList {
        let mut list =
            FieldList::with_capacity(self.section.len() + 8, self.section.bytes_len() + 256);
        self.fields().for_each(|field| list.push(field.name, field.value));
        list
    }

    /// Whether nothing in it had to be allocated.
    #[cfg(test)]
    fn is_borrowed(&self) -> bool {
        self.target.is_borrowed()
            && matches!(self.authority.host, Cow::Borrowed(_))
            && !self.section.is_spilled()
    }

    /// A head without lines, target and host, to be filled in place: it is too large to move about.
    #[inline]
    fn blank(bytes: &'a [u8], method: Method<'a>, version: Version, scheme: Scheme) -> Self {
        Self {
            section: Section::new(bytes),
            method,
            target: Target::ROOT,
            authority: Authority::NONE,
            body: Framing::Empty,
            version,
            scheme,
            keep_alive: true,
            expects_continue: false,
            upgrades: false,
        }
    }

    /// Works out what the lines say about body and connection. `stream_ended` is for HTTP/2 alone.
    #[inline]
    fn frame(&mut self, stream_ended: Option<bool>) -> Result<(), Refusal> {
        let (section, version) = (&self.section, self.version);
        self.body = framing::body(section, version)?;
        if let Some(ended) = stream_ended {
            let has_length = section.field(Known::ContentLength).is_some();
            self.body = h2::body(self.body, has_length, ended)?;
        }
        self.expects_continue = framing::expects_continue(section, version, self.body)?;
        let connection = framing::persistence(section, version)?;
        self.keep_alive = connection.keep_alive;
        self.upgrades = connection.upgrades && section.field(Known::Upgrade).is_some();
        Ok(())
    }
}

impl Fields for Head<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        if let Some(known) = Known::lookup(name.as_bytes()) {
            return self.field(known);
        }
        self.fields().find(|f| f.name.eq_ignore_ascii_case(name.as_bytes())).map(|f| f.value)
    }

    fn each(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.fields().for_each(|field| f(field.name, field.value));
    }

    fn lines(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        let named = self.fields().filter(|f| f.name.eq_ignore_ascii_case(name.as_bytes()));
        named.for_each(|field| f(field.value));
    }

    fn count(&self, name: &str) -> usize {
        if let Some(known) = Known::lookup(name.as_bytes()) {
            return self.values(known).count();
        }
        self.fields().filter(|f| f.name.eq_ignore_ascii_case(name.as_bytes())).count()
    }
}

impl fmt::Debug for Head<'_> {
    /// Without field values and query: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &self.method)
            .field("host", &self.host())
            .field("path", &self.path())
            .field("version", &self.version)
            .field("fields", &self.section.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
