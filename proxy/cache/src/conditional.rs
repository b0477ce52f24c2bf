//! Conditional requests answered from the cache (RFC 9110 §13, RFC 9111 §4.3.2).

use tidegate_http::{Fields, Method, date};

use crate::meta::Meta;

/// What a request's conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the conditions of a request against a stored response, in the order of RFC 9110 §13.2.2. They say
/// nothing about a response other than 2xx (§13.2.1).
pub fn preconditions(method: Method<'_>, request: &dyn Fields, meta: &Meta) -> Precondition {
    if !(200..300).contains(&meta.status) || !matches!(method, Method::Get | Method::Head) {
        return Precondition::Proceed;
    }
    if !may_proceed(request, meta) {
        return Precondition::Failed;
    }
    if is_unmodified(request, meta) { Precondition::NotModified } else { Precondition::Proceed }
}

/// `If-Match`, or else `If-Unmodified-Since`.
fn may_proceed(request: &dyn Fields, meta: &Meta) -> bool {
    if request.has("if-match") {
        let stored = meta.validators.etag.as_deref();
        return any_tag(request, "if-match", |tag| stored.is_some_and(|s| strong_match(tag, s)));
    }
    let Some(since_s) = request.first("if-unmodified-since").and_then(date::parse) else {
        return true;
    };
    meta.validators.last_modified_s.is_none_or(|modified_s| modified_s <= since_s)
}

/// `If-None-Match`, or else `If-Modified-Since`; without `Last-Modified` the date of the response stands in for it
/// (RFC 9111 §4.3.2).
fn is_unmodified(request: &dyn Fields, meta: &Meta) -> bool {
    if request.has("if-none-match") {
        let stored = meta.validators.etag.as_deref();
        return any_tag(request, "if-none-match", |tag| stored.is_some_and(|s| weak_match(tag, s)));
    }
    let Some(since_s) = request.first("if-modified-since").and_then(date::parse) else {
        return false;
    };
    meta.validators.last_modified_s.unwrap_or(meta.sums.date_s) <= since_s
}

/// Whether the field is `*` or one of its entity tags satisfies `test`.
fn any_tag(request: &dyn Fields, field: &str, test: impl Fn(&[u8]) -> bool) -> bool {
    let mut found = false;
    request.each(&mut |name, line| {
        if name.eq_ignore_ascii_case(field.as_bytes()) {
            found |= line.trim_ascii() == b"*" || entity_tags(line).any(&test);
        }
    });
    found
}

/// The entity tags of a line. A comma may stand inside the quotes of a tag, a backslash means nothing there
/// (RFC 9110 §8.8.3). Unquoted words are taken as tags too, as servers commonly do.
fn entity_tags(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b','))?;
        rest = &rest[start..];
        let mut quoted = false;
        let end = rest.iter().position(|b| {
            quoted ^= *b == b'"';
            !quoted && *b == b','
        });
        let (tag, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(tag.trim_ascii_end())
    })
}

/// Weak comparison (RFC 9110 §8.8.3.2).
pub(crate) fn weak_match(a: &[u8], b: &[u8]) -> bool {
    opaque(a) == opaque(b)
}

/// Strong comparison (RFC 9110 §8.8.3.2).
pub(crate) fn strong_match(a: &[u8], b: &[u8]) -> bool {
    !is_weak(a) && !is_weak(b) && a == b
}

pub(crate) fn is_weak(tag: &[u8]) -> bool {
    tag.starts_with(b"W/")
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests;
