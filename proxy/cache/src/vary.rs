//! `Vary`: which request fields tell the variants of one key apart (RFC 9111 §4.1).

use std::borrow::Cow;

use tidegate_http::Fields;

/// More fields than this in `Vary` and the response is not stored.
pub const VARY_FIELDS_MAX: usize = 16;

/// The request field names of a response's `Vary`, and the normalised values that the request which selected it
/// had. Empty for a response that does not vary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vary {
    names: Box<[Box<str>]>,
    values: Box<[Option<Box<[u8]>>]>,
}

impl Vary {
    /// The variant that `response` is for `request`. `None` when the response can never be reused: `*` as a
    /// member of any line (RFC 9111 §4.1), or more than [`VARY_FIELDS_MAX`] fields.
    pub fn of(response: &dyn Fields, request: &dyn Fields) -> Option<Self> {
        let names = names(response)?;
        let values =
            names.iter().map(|name| value(request, name).map(|v| Box::from(&*v))).collect();
        Some(Self { names, values })
    }

    /// A variant from its fields and values, as [`pairs`](Self::pairs) gave them.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Box<str>, Option<Box<[u8]>>)>) -> Self {
        let (names, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        Self { names: names.into(), values: values.into() }
    }

    /// Each nominated field with the normalised value it must have; `None` when it must be absent.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, Option<&[u8]>)> {
        self.names.iter().zip(&self.values).map(|(name, value)| (&**name, value.as_deref()))
    }

    /// Whether a request selects this variant: each nominated field has the same normalised value, or is
    /// absent in both (RFC 9111 §4.1).
    pub fn matches(&self, request: &dyn Fields) -> bool {
        let mut pairs = self.names.iter().zip(&self.values);
        pairs.all(|(name, stored)| value(request, name).as_deref() == stored.as_deref())
    }

    /// Whether two requests would select one variant, as far as these field names tell.
    pub fn joins(&self, a: &dyn Fields, b: &dyn Fields) -> bool {
        self.names.iter().all(|name| value(a, name).as_deref() == value(b, name).as_deref())
    }

    /// Whether the response does not vary.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The field names, lower case, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// `name=value` of each nominated field, for `explain`.
    pub fn readable(&self) -> Vec<String> {
        let value = |v: &Option<Box<[u8]>>| {
            v.as_ref()
                .map_or_else(|| "(absent)".into(), |v| String::from_utf8_lossy(v).into_owned())
        };
        self.names.iter().zip(&self.values).map(|(n, v)| format!("{n}={}", value(v))).collect()
    }

    /// Bytes that this value holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|n| n.len() + 16).sum();
        let values: usize =
            self.values.iter().map(|v| v.as_ref().map_or(16, |v| v.len() + 16)).sum();
        names + values
    }
}

/// Lower case, sorted, without doubles, from every `Vary` line.
fn names(response: &dyn Fields) -> Option<Box<[Box<str>]>> {
    let mut names: Vec<Box<str>> = Vec::new();
    let mut reusable = true;
    response.each(&mut |field, line| {
        if !field.eq_ignore_ascii_case(b"vary") {
            return;
        }
        for member in members(line) {
            match std::str::from_utf8(member) {
                Ok("*") | Err(_) => reusable = false,
                Ok(name) => names.push(name.to_ascii_lowercase().into()),
            }
        }
    });
    names.sort_unstable();
    names.dedup();
    (reusable && names.len() <= VARY_FIELDS_MAX).then(|| names.into())
}

/// A value in its normal form.
enum Normal<'a> {
    Text(Cow<'a, [u8]>),
    /// Codings that everybody knows, put together without allocation: `Accept-Encoding` is in most of what varies.
    Codings(Codings),
}

/// The value that is compared: all lines joined, each in a form in which values of one meaning are equal.
fn value<'a>(request: &'a dyn Fields, name: &str) -> Option<Normal<'a>> {
    let joined = request.joined(name)?;
    Some(match name {
        "accept-encoding" => codings(&joined),
        "accept-language" | "accept-charset" | "accept" => Normal::Text(Cow::Owned(list(&joined))),
        _ => Normal::Text(spaces(joined)),
    })
}

impl std::ops::Deref for Normal<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Codings(codings) => &codings.text[..codings.len],
        }
    }
}

/// Sorted, as they are written. `!` marks what is refused: only `identity` and `*` are acceptable unless they are.
const KNOWN: [&[u8]; 10] =
    [b"!*", b"!identity", b"*", b"br", b"compress", b"dcb", b"dcz", b"deflate", b"gzip", b"zstd"];
/// The known ones with a comma after each.
const CODINGS_BYTES_MAX: usize = 64;

/// A list of known codings.
struct Codings {
    text: [u8; CODINGS_BYTES_MAX],
    len: usize,
}

impl Codings {
    /// The list of those whose bit is set.
    fn of(set: u16) -> Self {
        let mut this = Self { text: [0; CODINGS_BYTES_MAX], len: 0 };
        let members = KNOWN.iter().enumerate().filter(|(bit, _)| set & 1 << bit != 0);
        for (_, member) in members {
            if this.len > 0 {
                this.push(b",");
            }
            this.push(member);
        }
        this
    }

    fn push(&mut self, part: &[u8]) {
        self.text[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

/// The codings that are acceptable, sorted. Weights other than zero only order what is acceptable anyway
/// (RFC 9110 §12.5.3), so that the dozens of spellings in the wild fall into few variants.
fn codings<'a>(value: &[u8]) -> Normal<'a> {
    let known = members(value).try_fold(0u16, |set, member| Some(set | known_coding(member)?));
    match known {
        Some(set) => Normal::Codings(Codings::of(set)),
        None => Normal::Text(Cow::Owned(unknown_codings(value))),
    }
}

/// The bit of a member, 0 when it says nothing; `None` when it is not known.
fn known_coding(member: &[u8]) -> Option<u16> {
    let (name, refused) = coding(member);
    let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
    let bit = |word: &[u8]| KNOWN.iter().position(|known| *known == word).map(|at| 1 << at);
    match refused {
        true if is(b"*") => bit(b"!*"),
        true if is(b"identity") => bit(b"!identity"),
        // Refused or identity without more: as if it were absent.
        true => Some(0),
        false if is(b"identity") => Some(0),
        false if is(b"x-gzip") => bit(b"gzip"),
        false => KNOWN.iter().position(|known| is(known)).map(|at| 1 << at),
    }
}

fn unknown_codings(value: &[u8]) -> Vec<u8> {
    let acceptable = members(value).filter_map(|member| match coding(member) {
        (name, true) if name == b"*" || name.eq_ignore_ascii_case(b"identity") => {
            Some([b"!", &*name.to_ascii_lowercase()].concat())
        }
        (_, true) => None,
        (name, false) => Some(name.to_ascii_lowercase()).filter(|name| name != b"identity"),
    });
    let mut codings: Vec<Vec<u8>> = acceptable.collect();
    codings.sort_unstable();
    codings.dedup();
    codings.join(&b","[..])
}

/// The name of a member, and whether its weight is zero.
fn coding(member: &[u8]) -> (&[u8], bool) {
    let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    (parts.next().unwrap_or_default(), parts.any(is_zero_weight))
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some(weight) = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))
    else {
        return false;
    };
    !weight.is_empty() && weight.iter().all(|b| matches!(b, b'0' | b'.'))
}

/// A list of case-insensitive members, without optional white space.
fn list(value: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(value.len());
    for member in members(value) {
        if !normal.is_empty() {
            normal.push(b',');
        }
        normal.extend(member.iter().filter(|b| !is_space(**b)).map(u8::to_ascii_lowercase));
    }
    normal
}

/// White space around commas means nothing in a list (RFC 9110 §5.6.1), and runs of it count as one, except
/// within quotes: a value with quotes is compared as it is.
fn spaces(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if !value.iter().any(|b| is_space(*b)) || value.contains(&b'"') {
        return value;
    }
    let mut normal: Vec<u8> = Vec::with_capacity(value.len());
    for byte in value.trim_ascii() {
        match (is_space(*byte), *byte, normal.last()) {
            (true, _, Some(b' ' | b',') | None) => {}
            (true, ..) => normal.push(b' '),
            (false, b',', Some(b' ')) => *normal.last_mut().unwrap_or(&mut 0) = b',',
            (false, byte, _) => normal.push(byte),
        }
    }
    Cow::Owned(normal)
}

fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty())
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests;
