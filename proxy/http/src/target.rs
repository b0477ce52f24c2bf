//! The path and query of a request target (RFC 3986 6.2.2).

use std::borrow::Cow;

use crate::Refusal;

/// A normalised target: `path[?query]`, or `*`.
#[derive(Debug, Clone)]
pub(crate) struct Target<'a> {
    text: Cow<'a, str>,
    path_len: usize,
    /// The path as received, where it was not in its normal form; else empty.
    sent: &'a str,
}

/// Brings an absolute path to its normal form: dot segments removed, unreserved characters
/// decoded, percent-encodings in upper case. `%2F` stays distinct from `/`.
///
/// # Errors
/// [`Refusal::TARGET_BYTES`], [`Refusal::TARGET_PERCENT`], [`Refusal::TARGET_NUL`] or
/// [`Refusal::TARGET_FORM`] when it does not begin with a slash.
pub fn normalise_path(path: &str) -> Result<Cow<'_, str>, Refusal> {
    if !path.starts_with('/') {
        return Err(Refusal::TARGET_FORM);
    }
    if path.contains('?') {
        return Err(Refusal::TARGET_BYTES);
    }
    Ok(normalise(path)?.text)
}

/// Decodes every percent-encoding of `text`; `None` when one is malformed or the result is not
/// UTF-8.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, taken) = match first {
            b'%' => (encoded_byte(tail)?, 3),
            other => (*other, 1),
        };
        out.push(byte);
        rest = &rest[taken..];
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Checks and normalises a target that begins with a slash. The query is checked and left as it is:
/// what its bytes mean is the application's business.
#[inline]
pub(crate) fn normalise(target: &str) -> Result<Target<'_>, Refusal> {
    let bytes = target.as_bytes();
    let all = classes(bytes);
    let path_len = match all & QUESTION {
        0 => bytes.len(),
        _ => memchr::memchr(b'?', bytes).unwrap_or(bytes.len()),
    };
    if all & !(QUESTION | DOT) == 0 && (all & DOT == 0 || !has_dot_segment(&bytes[..path_len])) {
        return Ok(Target { text: Cow::Borrowed(target), path_len, sent: "" });
    }
    let in_path = classes(&bytes[..path_len]);
    if all & NEVER != 0 || in_path & NOT_IN_PATH != 0 {
        return Err(Refusal::TARGET_BYTES);
    }
    if in_path & (ENCODE | PERCENT) == 0 && !has_dot_segment(&bytes[..path_len]) {
        return Ok(Target { text: Cow::Borrowed(target), path_len, sent: "" });
    }
    rewrite(&target[..path_len], &target[path_len..])
}

impl<'a> Target<'a> {
    /// The server itself (RFC 9112 3.2.4).
    pub(crate) const ASTERISK: Self = Self { text: Cow::Borrowed("*"), path_len: 1, sent: "" };
    /// An empty path is the root (RFC 3986 6.2.3).
    pub(crate) const ROOT: Self = Self { text: Cow::Borrowed("/"), path_len: 1, sent: "" };

    #[inline]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    #[inline]
    pub(crate) fn path(&self) -> &str {
        self.text.get(..self.path_len).unwrap_or(&self.text)
    }

    #[inline]
    pub(crate) fn query(&self) -> Option<&str> {
        self.text.get(self.path_len + 1..)
    }

    /// The path before it was brought to its normal form.
    pub(crate) fn path_as_sent(&self) -> &str {
        if self.sent.is_empty() { self.path() } else { self.sent }
    }

    #[cfg(test)]
    pub(crate) const fn is_borrowed(&self) -> bool {
        matches!(self.text, Cow::Borrowed(_))
    }

    pub(crate) fn into_owned<'b>(self) -> Target<'b> {
        Target { text: Cow::Owned(self.text.into_owned()), path_len: self.path_len, sent: "" }
    }
}

/// Must be percent-encoded wherever it stands; no client that follows the URL Standard sends it.
const NEVER: u8 = 1;
/// Browsers send it raw in a query, never in a path; some servers take the backslash for a slash.
const NOT_IN_PATH: u8 = 2;
/// Browsers send it raw in a path although RFC 3986 has no place for it there: encoded by us.
const ENCODE: u8 = 4;
const PERCENT: u8 = 8;
const DOT: u8 = 16;
const QUESTION: u8 = 32;

const CLASS: [u8; 256] = {
    let mut table = [NEVER; 256];
    let mut b = 0x21;
    while b < 0x7f {
        table[b] = match b as u8 {
            b'"' | b'<' | b'>' | b'#' => NEVER,
            b'\\' | b'^' | b'`' | b'{' | b'}' => NOT_IN_PATH,
            b'[' | b']' | b'|' => ENCODE,
            b'%' => PERCENT,
            b'.' => DOT,
            b'?' => QUESTION,
            _ => 0,
        };
        b += 1;
    }
    table
};

/// What kinds of bytes there are, eight at a step.
#[inline]
fn classes(bytes: &[u8]) -> u8 {
    let class = |b: u8| CLASS[usize::from(b)];
    let (chunks, rest) = bytes.as_chunks::<8>();
    let in_chunks = chunks.iter().fold(0, |seen, chunk| {
        let [a, b, c, d, e, f, g, h] = chunk.map(class);
        seen | (a | b) | (c | d) | (e | f) | (g | h)
    });
    rest.iter().fold(in_chunks, |seen, &b| seen | class(b))
}

/// Whether a segment begins with a dot: such as do not turn out as dot segments are rare.
#[inline]
fn has_dot_segment(path: &[u8]) -> bool {
    memchr::memchr_iter(b'.', path).any(|at| path.get(at.wrapping_sub(1)) == Some(&b'/'))
}

#[cold]
fn rewrite<'a>(path: &'a str, query: &str) -> Result<Target<'a>, Refusal> {
    let mut text = without_dot_segments(&canonical_encoding(path)?);
    let path_len = text.len();
    text.push_str(query);
    Ok(Target { text: Cow::Owned(text), path_len, sent: path })
}

/// RFC 3986 6.2.2.1 and 6.2.2.2.
fn canonical_encoding(path: &str) -> Result<String, Refusal> {
    let mut out = String::with_capacity(path.len() + 8);
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        match first {
            b'%' => {
                let byte = encoded_byte(tail).ok_or(Refusal::TARGET_PERCENT)?;
                match byte {
                    0 => return Err(Refusal::TARGET_NUL),
                    _ if is_unreserved(byte) => out.push(char::from(byte)),
                    _ => push_encoded(byte, &mut out),
                }
                rest = &tail[2..];
                continue;
            }
            _ if CLASS[usize::from(*first)] == ENCODE => push_encoded(*first, &mut out),
            _ => out.push(char::from(*first)),
        }
        rest = tail;
    }
    Ok(out)
}

/// RFC 3986 5.2.4, for a path that begins with a slash.
fn without_dot_segments(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => out.truncate(out.rfind('/').unwrap_or(0)),
            _ => {
                out.push('/');
                out.push_str(segment);
                continue;
            }
        }
        // What a dot segment at the end names is the directory.
        if last {
            out.push('/');
        }
    }
    out
}

/// The byte that two hexadecimal digits stand for.
fn encoded_byte(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let (high, low) = (char::from(*high).to_digit(16)?, char::from(*low).to_digit(16)?);
    Some((high << 4 | low) as u8)
}

const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

fn push_encoded(b: u8, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(HEX[usize::from(nibble & 15)]);
    out.extend(['%', digit(b >> 4), digit(b)]);
}

#[cfg(test)]
mod tests;
