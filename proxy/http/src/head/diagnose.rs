//! Which rule a head broke that `httparse` gave up on.

use crate::{Refusal, field_list::is_token};

/// Reads the head of a request again, slowly, for the first thing that is wrong with it.
#[cold]
pub(super) fn refusal(head: &[u8], error: httparse::Error) -> Refusal {
    let (line, lines) = split(head);
    match request_line(line, error) {
        Some(refusal) if error != httparse::Error::TooManyHeaders => refusal,
        _ => fields_refusal(lines, error),
    }
}

/// The same for a response.
#[cold]
pub(crate) fn response_refusal(head: &[u8], error: httparse::Error) -> Refusal {
    let (line, lines) = split(head);
    match content(line) {
        Err(refusal) => refusal,
        Ok(_) => fields_refusal(lines, error),
    }
}

fn split(head: &[u8]) -> (&[u8], &[u8]) {
    head.split_at(memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1))
}

fn fields_refusal(lines: &[u8], error: httparse::Error) -> Refusal {
    if error == httparse::Error::TooManyHeaders {
        return Refusal::FIELDS_TOO_MANY;
    }
    let found = lines.split_inclusive(|&b| b == b'\n').find_map(field_line);
    found.unwrap_or(match error {
        httparse::Error::HeaderName => Refusal::FIELD_NAME,
        httparse::Error::HeaderValue => Refusal::FIELD_VALUE,
        httparse::Error::NewLine => Refusal::BARE_CR,
        httparse::Error::Version => Refusal::VERSION_INVALID,
        _ => Refusal::REQUEST_LINE,
    })
}

/// The line without its end, or the refusal of that end.
fn content(line: &[u8]) -> Result<&[u8], Refusal> {
    let Some(text) = line.strip_suffix(b"\n") else { return Ok(line) };
    let Some(text) = text.strip_suffix(b"\r") else { return Err(Refusal::BARE_LF) };
    if text.contains(&b'\r') { Err(Refusal::BARE_CR) } else { Ok(text) }
}

fn request_line(line: &[u8], error: httparse::Error) -> Option<Refusal> {
    let text = match content(line) {
        Ok(text) => text,
        Err(refusal) => return Some(refusal),
    };
    let mut words = text.splitn(3, |&b| b == b' ');
    let (method, target, version) = (words.next()?, words.next(), words.next());
    if !is_token(method) {
        return Some(Refusal::METHOD_INVALID);
    }
    if target.is_some_and(|target| target.iter().any(|b| !b.is_ascii_graphic())) {
        return Some(Refusal::TARGET_BYTES);
    }
    match version {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            (*major != b'1' || *minor > b'1').then_some(Refusal::VERSION_UNSUPPORTED)
        }
        Some(_) if error == httparse::Error::Version => Some(Refusal::VERSION_INVALID),
        _ => line.ends_with(b"\n").then_some(Refusal::REQUEST_LINE),
    }
}

fn field_line(line: &[u8]) -> Option<Refusal> {
    let text = match content(line) {
        Ok(text) => text,
        Err(refusal) => return Some(refusal),
    };
    if matches!(text, [b' ' | b'\t', ..]) {
        return Some(Refusal::OBS_FOLD);
    }
    let colon = text.iter().position(|&b| b == b':');
    let name = &text[..colon.unwrap_or(text.len())];
    if colon.is_some() && is_token(name.trim_ascii_end()) && !is_token(name) {
        return Some(Refusal::SPACE_BEFORE_COLON);
    }
    let cut_short = colon.is_none() && !line.ends_with(b"\n");
    if !(is_token(name) || cut_short || text.is_empty()) {
        return Some(Refusal::FIELD_NAME);
    }
    let value = &text[colon.map_or(text.len(), |at| at + 1)..];
    let control = |&b: &u8| (b < b' ' && b != b'\t') || b == 0x7f;
    if value.contains(&b'\r') {
        return Some(Refusal::BARE_CR);
    }
    value.iter().any(control).then_some(Refusal::FIELD_VALUE)
}
