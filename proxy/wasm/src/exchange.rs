//! What a plugin sees and edits of one request.

use std::borrow::Cow;

/// A header section of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Map {
    /// Request fields, with `:method`, `:path`, `:authority` and `:scheme` first.
    RequestHeaders,
    /// Request trailers.
    RequestTrailers,
    /// Response fields, with `:status` first.
    ResponseHeaders,
    /// Response trailers.
    ResponseTrailers,
}

/// A body of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// Request body: what is held back so far.
    RequestBody,
    /// Response body: what is held back so far.
    ResponseBody,
}

/// A property in Envoy's type: strings go out raw, numbers as eight bytes little endian, booleans
/// as one byte, times as nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text or bytes.
    Bytes(Cow<'a, [u8]>),
    /// A signed number; also a time (nanoseconds since the Unix epoch) or a duration (nanoseconds).
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A truth value.
    Bool(bool),
}

impl<'a> Value<'a> {
    /// A text that somebody else holds.
    #[must_use]
    pub const fn text(text: &'a str) -> Self {
        Self::Bytes(Cow::Borrowed(text.as_bytes()))
    }

    /// A text made for this answer.
    #[must_use]
    pub fn owned(text: String) -> Self {
        Self::Bytes(Cow::Owned(text.into_bytes()))
    }

    /// Appends the value as the ABI carries it.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Int(number) => out.extend_from_slice(&number.to_le_bytes()),
            Self::Uint(number) => out.extend_from_slice(&number.to_le_bytes()),
            Self::Bool(truth) => out.push(u8::from(*truth)),
        }
    }
}

/// One request as the edge holds it, lent to the plugins for the time of a callback.
///
/// Names arrive in lower case. Pseudo fields (`:path`, `:status`, ...) are names like others; the
/// implementation answers them from the request line. Nothing here is asked for unless the plugin
/// asks, so an implementation need not build maps beforehand.
pub trait Exchange: Send {
    /// Whether the section exists in this phase.
    fn has_map(&self, map: Map) -> bool;

    /// First value of a field; `None` when it is absent.
    fn field(&self, map: Map, name: &str) -> Option<Cow<'_, [u8]>>;

    /// Every field in order, pseudo fields first, names in lower case.
    fn each_field(&self, map: Map, visit: &mut dyn FnMut(&[u8], &[u8]));

    /// Number of field lines, pseudo fields among them; 0 when the section does not exist.
    fn count(&self, map: Map) -> usize {
        let mut count = 0;
        if self.has_map(map) {
            self.each_field(map, &mut |_, _| count += 1);
        }
        count
    }

    /// Appends a field line.
    fn add_field(&mut self, map: Map, name: &str, value: &[u8]);

    /// Leaves one line of this name, with this value.
    fn set_field(&mut self, map: Map, name: &str, value: &[u8]);

    /// Removes all lines of this name.
    fn remove_field(&mut self, map: Map, name: &str);

    /// Replaces the whole section; the default removes every field and adds the new ones.
    fn set_fields(&mut self, map: Map, fields: &[(Vec<u8>, Vec<u8>)]) {
        let mut names = Vec::new();
        self.each_field(map, &mut |name, _| names.push(String::from_utf8_lossy(name).into_owned()));
        for name in names.iter().filter(|name| !name.starts_with(':')) {
            self.remove_field(map, name);
        }
        for (name, value) in fields {
            let name = String::from_utf8_lossy(name);
            match name.starts_with(':') {
                true => self.set_field(map, &name, value),
                false => self.add_field(map, &name, value),
            }
        }
    }

    /// The body held back so far; empty when there is none.
    fn buffer(&self, _buffer: Buffer) -> &[u8] {
        &[]
    }

    /// Replaces `length` bytes from `start` of a body by `bytes`; both lie within the body.
    /// Answers `false` when this body cannot be edited now.
    fn splice(&mut self, _buffer: Buffer, _start: usize, _length: usize, _bytes: &[u8]) -> bool {
        false
    }

    /// A property by its dotted path, for example `source.address`. The host itself answers
    /// `plugin_*` and everything that follows from the fields: `request.path`, `.url_path`,
    /// `.query`, `.host`, `.method`, `.scheme`, `.useragent`, `.referer`, `.id`, `.headers.*`,
    /// `response.code`, `response.headers.*`.
    fn property(&self, _path: &str) -> Option<Value<'_>> {
        None
    }

    /// The plugin changed a field on which the route depends and asks for routing anew (0.1.0).
    fn clear_route_cache(&mut self) {}
}

/// No request: what is lent when a context ends after its request has gone.
pub(crate) struct NoExchange;

impl Exchange for NoExchange {
    fn has_map(&self, _map: Map) -> bool {
        false
    }

    fn field(&self, _map: Map, _name: &str) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn each_field(&self, _map: Map, _visit: &mut dyn FnMut(&[u8], &[u8])) {}

    fn add_field(&mut self, _map: Map, _name: &str, _value: &[u8]) {}

    fn set_field(&mut self, _map: Map, _name: &str, _value: &[u8]) {}

    fn remove_field(&mut self, _map: Map, _name: &str) {}
}
