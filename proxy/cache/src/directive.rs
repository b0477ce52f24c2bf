//! `Cache-Control` of responses and requests (RFC 9111 §5.2), with `Pragma` (§5.4).

use tidegate_http::Fields;

/// What `Cache-Control` of a response says; the extensions of RFC 5861 and RFC 8246 included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// `no-store` (§5.2.2.5).
    pub no_store: bool,
    /// `no-cache` without field names (§5.2.2.4).
    pub no_cache: bool,
    /// Field names of `no-cache="..."`, lower case.
    pub no_cache_fields: Vec<Box<str>>,
    /// `private` without field names (§5.2.2.7).
    pub private: bool,
    /// Field names of `private="..."`, lower case.
    pub private_fields: Vec<Box<str>>,
    /// `public` (§5.2.2.9).
    pub public: bool,
    /// `max-age` in seconds (§5.2.2.1).
    pub max_age_s: Option<u32>,
    /// `s-maxage` in seconds (§5.2.2.10).
    pub s_maxage_s: Option<u32>,
    /// `must-revalidate` (§5.2.2.2).
    pub must_revalidate: bool,
    /// `proxy-revalidate` (§5.2.2.8).
    pub proxy_revalidate: bool,
    /// `must-understand` (§5.2.2.3).
    pub must_understand: bool,
    /// `immutable` (RFC 8246).
    pub immutable: bool,
    /// `stale-while-revalidate` in seconds (RFC 5861 §3).
    pub stale_while_revalidate_s: Option<u32>,
    /// `stale-if-error` in seconds (RFC 5861 §4).
    pub stale_if_error_s: Option<u32>,
}

/// What `Cache-Control` of a request says (§5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// `no-cache`, or `Pragma: no-cache` of a request without `Cache-Control`.
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
    /// `max-age` in seconds.
    pub max_age_s: Option<u32>,
    /// `min-fresh` in seconds.
    pub min_fresh_s: Option<u32>,
    /// `max-stale` in seconds; without a value any staleness is accepted, [`DELTA_MAX_S`].
    pub max_stale_s: Option<u32>,
    /// `stale-if-error` in seconds (RFC 5861 §4).
    pub stale_if_error_s: Option<u32>,
}

/// Receives the name and the argument of a directive.
type Take<'t> = dyn FnMut(&[u8], Option<&[u8]>) + 't;

/// The largest delta-seconds that is told apart (RFC 9111 §1.2.2).
pub(crate) const DELTA_MAX_S: u32 = 1 << 31;

impl ResponseDirectives {
    /// Reads every `Cache-Control` line.
    pub fn of(fields: &dyn Fields) -> Self {
        let mut this = Self::default();
        each_directive(fields, "cache-control", &mut |name, value| this.take(name, value));
        this
    }

    /// Whether the response opts in to shared caches by itself (RFC 9111 §3.5 names these three).
    pub fn allows_shared(&self) -> bool {
        self.public || self.s_maxage_s.is_some() || self.must_revalidate
    }

    /// Takes one directive. Of two with one name the first counts (RFC 9111 §4.2.1).
    pub(crate) fn take(&mut self, name: &[u8], value: Option<&[u8]>) {
        match lower(name, &mut [0; NAME_BYTES_MAX]) {
            b"no-store" => self.no_store = true,
            b"no-cache" => fields_or_whole(value, &mut self.no_cache, &mut self.no_cache_fields),
            b"private" => fields_or_whole(value, &mut self.private, &mut self.private_fields),
            b"public" => self.public = true,
            b"max-age" => first(&mut self.max_age_s, value),
            b"s-maxage" => first(&mut self.s_maxage_s, value),
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"immutable" => self.immutable = true,
            b"stale-while-revalidate" => first(&mut self.stale_while_revalidate_s, value),
            b"stale-if-error" => first(&mut self.stale_if_error_s, value),
            _ => {}
        }
    }
}

impl RequestDirectives {
    /// Reads every `Cache-Control` line; `Pragma` only where there is none (RFC 9111 §5.4).
    pub fn of(fields: &dyn Fields) -> Self {
        let mut this = Self::default();
        if fields.has("cache-control") {
            each_directive(fields, "cache-control", &mut |name, value| this.take(name, value));
        } else if fields.has("pragma") {
            each_directive(fields, "pragma", &mut |name, _| {
                this.no_cache |= name.eq_ignore_ascii_case(b"no-cache");
            });
        }
        this
    }

    fn take(&mut self, name: &[u8], value: Option<&[u8]>) {
        match lower(name, &mut [0; NAME_BYTES_MAX]) {
            b"no-cache" => self.no_cache = true,
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => first(&mut self.max_age_s, value),
            b"min-fresh" => first(&mut self.min_fresh_s, value),
            b"max-stale" => {
                self.max_stale_s.get_or_insert(value.map_or(DELTA_MAX_S, seconds));
            }
            b"stale-if-error" => first(&mut self.stale_if_error_s, value),
            _ => {}
        }
    }
}

/// Calls `take` for each well-formed directive of every line of a field: name and unquoted value. A malformed
/// member is skipped; a comma within quotes does not end a member.
pub(crate) fn each_directive(fields: &dyn Fields, field: &str, take: &mut Take<'_>) {
    fields.each(&mut |name, line| {
        if name.eq_ignore_ascii_case(field.as_bytes()) {
            let mut rest = line;
            while !rest.is_empty() {
                let (member, after) = split_member(rest);
                rest = after;
                directive(member.trim_ascii(), take);
            }
        }
    });
}

/// delta-seconds (RFC 9111 §1.2.2): a number too large to hold is the largest; what is no number at all is
/// zero, since invalid freshness is best taken for stale (§4.2.1).
pub(crate) fn seconds(value: &[u8]) -> u32 {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let add = |sum: u32, digit: &u8| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    value.iter().fold(0, add).min(DELTA_MAX_S)
}

/// The first member of a list, and what follows its comma.
pub(crate) fn split_member(line: &[u8]) -> (&[u8], &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return (&line[..at], &line[at + 1..]),
            _ => {}
        }
    }
    (line, &[])
}

fn directive(member: &[u8], take: &mut Take<'_>) {
    let (name, value) = match member.iter().position(|b| *b == b'=') {
        Some(at) => (&member[..at], Some(&member[at + 1..])),
        None => (member, None),
    };
    if !name.is_empty() && name.iter().all(|b| is_token(*b)) {
        take(name, value.map(unquoted));
    }
}

/// Both forms of an argument are accepted (RFC 9111 §5.2). A backslash stays: no known directive has a use for one.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
}

/// The longest directive that means anything is `stale-while-revalidate`.
const NAME_BYTES_MAX: usize = 24;

/// The name in lower case; empty when it is longer than any that is known.
fn lower<'b>(name: &[u8], buffer: &'b mut [u8; NAME_BYTES_MAX]) -> &'b [u8] {
    let Some(place) = buffer.get_mut(..name.len()) else { return &[] };
    place.copy_from_slice(name);
    place.make_ascii_lowercase();
    place
}

fn first(place: &mut Option<u32>, value: Option<&[u8]>) {
    place.get_or_insert(value.map_or(0, seconds));
}

/// With field names only these are restricted; without, the whole response (RFC 9111 §5.2.2.4, §5.2.2.7).
fn fields_or_whole(value: Option<&[u8]>, whole: &mut bool, fields: &mut Vec<Box<str>>) {
    let names = value.unwrap_or_default().split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let before = fields.len();
    fields.extend(names.filter(|n| !n.is_empty()).filter_map(|name| {
        std::str::from_utf8(name).ok().map(|n| n.to_ascii_lowercase().into_boxed_str())
    }));
    *whole |= fields.len() == before;
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests;
