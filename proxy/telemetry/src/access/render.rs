//! A record as one line of JSON.

use std::{io::Write, net::IpAddr};

use super::AccessRecord;

/// Longest value of a text field that is written; the rest is cut.
const TEXT_BYTES_MAX: usize = 1024;

/// Appends the line with its line feed. Empty texts and zero times are left out, so that a plain
/// hit stays short.
pub(super) fn line(record: &AccessRecord<'_>, sample_one_in: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time_us\":");
    number(record.time_us, out);
    numeric("status", record.status.into(), out);
    text("method", record.method.as_bytes(), out);
    text("protocol", record.protocol.as_bytes(), out);
    text("scheme", record.scheme.as_bytes(), out);
    text("host", record.host.as_bytes(), out);
    text("path", record.path.as_bytes(), out);
    client(record.client, out);
    numeric("bytes_sent", record.bytes_sent, out);
    numeric("bytes_received", record.bytes_received, out);
    numeric("duration_us", record.duration_us, out);
    text("phase", record.phase.as_str().as_bytes(), out);
    text("reason", record.reason.map_or("", crate::Reason::as_str).as_bytes(), out);
    text("site", record.site.as_bytes(), out);
    text("route", record.route.as_bytes(), out);
    text("upstream", record.upstream.as_bytes(), out);
    if record.upstream_us > 0 {
        numeric("upstream_us", record.upstream_us, out);
    }
    text("request_id", record.request_id.as_bytes(), out);
    text("plugin", record.plugin.as_bytes(), out);
    text("user_agent", record.user_agent, out);
    text("referer", record.referer.split(|&b| b == b'?').next().unwrap_or_default(), out);
    if sample_one_in > 1 && !record.is_remarkable() {
        numeric("one_in", sample_one_in.into(), out);
    }
    out.extend_from_slice(b"}\n");
}

/// IPv4 by hand: the formatter of the standard library would be the dearest part of the line.
fn client(address: IpAddr, out: &mut Vec<u8>) {
    key("client", out);
    out.push(b'"');
    match address {
        IpAddr::V4(v4) => {
            for (index, octet) in v4.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                number(octet.into(), out);
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
    out.push(b'"');
}

fn numeric(name: &str, value: u64, out: &mut Vec<u8>) {
    key(name, out);
    number(value, out);
}

fn number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A member with a string value; left out when empty. Bytes that are not UTF-8 become U+FFFD.
fn text(name: &str, value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    key(name, out);
    out.push(b'"');
    let value = &value[..value.len().min(TEXT_BYTES_MAX)];
    if value.iter().all(|&b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\') {
        out.extend_from_slice(value);
    } else {
        value.utf8_chunks().for_each(|chunk| escaped(&chunk, out));
    }
    out.push(b'"');
}

fn escaped(chunk: &std::str::Utf8Chunk<'_>, out: &mut Vec<u8>) {
    for &b in chunk.valid().as_bytes() {
        match b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            0..=0x1f | 0x7f => {
                let _ = write!(out, "\\u{b:04x}");
            }
            _ => out.push(b),
        }
    }
    if !chunk.invalid().is_empty() {
        out.extend_from_slice("\u{fffd}".as_bytes());
    }
}
