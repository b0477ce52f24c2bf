//! Compression, compiled.

use tidegate_http::{ContentCoding, FieldList, Fields, tokens};

/// How answers of a route are compressed.
#[derive(Clone, Debug, PartialEq)]
pub struct Compress {
    /// The codings offered, the preferred one first; never empty.
    pub codings: Box<[ContentCoding]>,
    /// Media types.
    pub(crate) types: Box<[TypePattern]>,
    /// Answers known to be smaller go out as they are.
    pub(crate) bytes_min: u64,
}

/// Media types, in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypePattern {
    /// `text/html`.
    Exact(Box<str>),
    /// `text/` for `text/*`.
    Prefix(Box<str>),
    /// `+json` for `*+json`.
    Suffix(Box<str>),
}

impl Compress {
    /// Whether a response with this status, these fields and this length, as far as it is known,
    /// depends on `Accept-Encoding` under this policy.
    pub fn concerns(&self, status: u16, fields: &FieldList, length: Option<u64>) -> bool {
        let whole = matches!(status, 200 | 201 | 203 | 300..=303 | 307 | 308 | 400..=599);
        whole
            && length.is_none_or(|length| length >= self.bytes_min)
            && self.takes_type(fields)
            && is_plain(fields)
    }

    fn takes_type(&self, fields: &FieldList) -> bool {
        let Some(value) = fields.value("content-type") else { return false };
        let essence = value.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        self.types.iter().any(|pattern| pattern.holds(essence))
    }
}

impl TypePattern {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let token = |text: &str| {
            let byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
            !text.is_empty() && text.bytes().all(byte)
        };
        if let Some(suffix) = text.strip_prefix('*') {
            let named = suffix.strip_prefix('+').is_some_and(token);
            return named.then(|| Self::Suffix(suffix.into()));
        }
        let (kind, subtype) = text.split_once('/').filter(|(kind, _)| token(kind))?;
        match subtype {
            "*" => Some(Self::Prefix(format!("{kind}/").into())),
            subtype => token(subtype).then(|| Self::Exact(text.as_str().into())),
        }
    }

    fn holds(&self, essence: &[u8]) -> bool {
        let same = |part: Option<&[u8]>, word: &str| {
            part.is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
        };
        match self {
            Self::Exact(word) => same(Some(essence), word),
            Self::Prefix(word) => same(essence.get(..word.len()), word),
            Self::Suffix(word) => {
                same(essence.len().checked_sub(word.len()).and_then(|at| essence.get(at..)), word)
            }
        }
    }
}

/// Neither encoded already, nor a part, nor marked as not to be changed (RFC 9111 section 5.2.2.6).
fn is_plain(fields: &FieldList) -> bool {
    let has = |name: &str, word: &str| {
        let value = fields.joined(name).unwrap_or_default();
        tokens(&value).any(|token| token.eq_ignore_ascii_case(word.as_bytes()))
    };
    !fields.has("content-encoding")
        && !fields.has("content-range")
        && !has("cache-control", "no-transform")
}
