//! Problem details for HTTP answers (RFC 9457).

/// The media type of what [`problem`] renders.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Renders a problem document. `kind` is the type URI (`about:blank` when empty), `extra` are
/// extension members with string values.
pub fn problem(
    status: u16,
    kind: &str,
    title: &str,
    detail: &str,
    extra: &[(&str, &str)],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + detail.len());
    let kind = if kind.is_empty() { "about:blank" } else { kind };
    out.extend_from_slice(b"{\"type\":");
    string(kind, &mut out);
    out.extend_from_slice(b",\"title\":");
    string(title, &mut out);
    out.extend_from_slice(format!(",\"status\":{status}").as_bytes());
    if !detail.is_empty() {
        member("detail", detail, &mut out);
    }
    for (name, value) in extra {
        member(name, value, &mut out);
    }
    out.extend_from_slice(b"}\n");
    out
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b',');
    string(name, out);
    out.push(b':');
    string(value, out);
}

/// A JSON string (RFC 8259 7).
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &b in text.as_bytes() {
        match b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..=0x1f => out.extend_from_slice(format!("\\u{b:04x}").as_bytes()),
            _ => out.push(b),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
