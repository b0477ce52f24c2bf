//! The rules that make a request of a field section (RFC 9113 8.2, 8.3; RFC 8441 4).

use crate::{
    Priority,
    hpack::{Kind, Line},
};

/// A section that is a request: where its parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) method: u8,
    /// Absent, like `path`, in a CONNECT without `:protocol`.
    pub(crate) scheme: Option<u8>,
    pub(crate) path: Option<u8>,
    pub(crate) authority: Option<u8>,
    pub(crate) protocol: Option<u8>,
    /// Lines before the first that is no pseudo-header field.
    pub(crate) pseudo: u8,
    pub(crate) content_length: Option<u64>,
    pub(crate) priority: Option<Priority>,
}

/// Which rule is broken.
pub(crate) type Malformed = &'static str;

/// Checks a request's section.
pub(crate) fn check(
    lines: &[Line],
    arena: &[u8],
    extended_connect: bool,
) -> Result<Checked, Malformed> {
    let (found, rest) = pseudo_fields(lines, arena)?;
    let mut checked = Checked {
        method: found.method.ok_or(":method is missing")?,
        scheme: found.scheme,
        path: found.path,
        authority: found.authority,
        protocol: found.protocol,
        pseudo: (lines.len() - rest.len()) as u8,
        content_length: None,
        priority: None,
    };
    target(&checked, lines, arena, extended_connect)?;
    for line in rest {
        match line.kind {
            Kind::Regular => {}
            Kind::ContentLength => length(&mut checked, line.value(arena))?,
            Kind::Priority => checked.priority = Some(Priority::parse(line.value(arena))),
            _ => ordinary(line, arena)?,
        }
    }
    Ok(checked)
}

/// Checks a trailer section.
pub(crate) fn check_trailers(lines: &[Line], arena: &[u8]) -> Result<(), Malformed> {
    lines.iter().try_for_each(|line| ordinary(line, arena))
}

#[derive(Default)]
struct Pseudo {
    method: Option<u8>,
    scheme: Option<u8>,
    path: Option<u8>,
    authority: Option<u8>,
    protocol: Option<u8>,
}

/// RFC 9113 8.3: before all others, each at most once, none unknown.
#[inline]
fn pseudo_fields<'l>(lines: &'l [Line], arena: &[u8]) -> Result<(Pseudo, &'l [Line]), Malformed> {
    let mut found = Pseudo::default();
    for (index, line) in lines.iter().enumerate() {
        let slot = match line.kind {
            Kind::Method => &mut found.method,
            Kind::Scheme => &mut found.scheme,
            Kind::Path => &mut found.path,
            Kind::Authority => &mut found.authority,
            Kind::Protocol => &mut found.protocol,
            kind if kind.is_pseudo() => return Err("a pseudo-header field is unknown"),
            _ => return Ok((found, &lines[index..])),
        };
        if slot.replace(index as u8).is_some() {
            return Err("a pseudo-header field comes twice");
        }
        if !line.value(arena).is_ascii() {
            return Err("a pseudo-header field is not ascii");
        }
    }
    Ok((found, &[]))
}

/// RFC 9113 8.3.1 and 8.5, RFC 8441 4: which pseudo-header fields go together.
#[inline]
fn target(
    checked: &Checked,
    lines: &[Line],
    arena: &[u8],
    extended_connect: bool,
) -> Result<(), Malformed> {
    let value = |index: u8| lines[usize::from(index)].value(arena);
    let method = value(checked.method);
    if method.is_empty() {
        return Err(":method is empty");
    }
    if checked.protocol.is_some() && (!extended_connect || method != b"CONNECT") {
        return Err(":protocol where none was offered");
    }
    if method == b"CONNECT" && checked.protocol.is_none() {
        let whole = checked.scheme.is_none() && checked.path.is_none();
        let named = checked.authority.is_some();
        return if whole && named { Ok(()) } else { Err("connect names more than an authority") };
    }
    if checked.protocol.is_some() && checked.authority.is_none() {
        return Err(":authority is missing");
    }
    if checked.scheme.is_none_or(|scheme| value(scheme).is_empty()) {
        return Err(":scheme is missing or empty");
    }
    match checked.path.map(value) {
        Some([b'/', ..]) => Ok(()),
        Some(b"*") if method == b"OPTIONS" => Ok(()),
        Some(_) => Err(":path is no absolute path"),
        None => Err(":path is missing"),
    }
}

/// A line that is not a pseudo-header field.
fn ordinary(line: &Line, arena: &[u8]) -> Result<(), Malformed> {
    match line.kind {
        Kind::Regular | Kind::ContentLength | Kind::Priority => Ok(()),
        Kind::Te if line.value(arena) == b"trailers" => Ok(()),
        Kind::Te => Err("te is not trailers"),
        Kind::ConnectionSpecific => Err("a field is connection-specific"),
        Kind::NameInvalid => Err("a field name has a forbidden byte or a capital letter"),
        Kind::ValueInvalid => Err("a field value has a forbidden byte"),
        _ => Err("a pseudo-header field stands where none may"),
    }
}

/// RFC 9110 8.6: digits; once.
fn length(checked: &mut Checked, value: &[u8]) -> Result<(), Malformed> {
    let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
    let number = value.iter().fold(0, |number, digit| number * 10 + u64::from(digit & 0x0f));
    match checked.content_length.replace(number) {
        _ if !digits => Err("content-length is no number"),
        Some(_) => Err("content-length comes twice"),
        None => Ok(()),
    }
}
