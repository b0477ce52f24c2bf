//! A record as one line of JSON.

use std::{io::Write, net::IpAddr};

use super::AccessRecord;

/// Longest value of a text field that is written; the rest is cut.
const TEXT_BYTES_MAX: usize = 1024;

/// Room made for a line at once: the texts in it seldom come to more.
const LINE_BYTES_TYPICAL: usize = 768;

/// What stands before a value: written in one piece, because a line has some twenty of them.
macro_rules! number {
    ($out:expr, $name:literal, $value:expr) => {
        numeric(concat!(",\"", $name, "\":"), $value, $out)
    };
}

macro_rules! text {
    ($out:expr, $name:literal, $value:expr) => {
        quoted(concat!(",\"", $name, "\":\""), $value, $out)
    };
}

/// Appends the line with its line feed. Empty texts and zero times are left out, so that a plain
/// hit stays short.
pub(super) fn line(record: &AccessRecord<'_>, sample_one_in: u32, out: &mut Vec<u8>) {
    out.reserve(LINE_BYTES_TYPICAL);
    numeric("{\"time_us\":", record.time_us, out);
    number!(out, "status", record.status.into());
    text!(out, "method", record.method.as_bytes());
    text!(out, "protocol", record.protocol.as_bytes());
    text!(out, "scheme", record.scheme.as_bytes());
    text!(out, "host", record.host.as_bytes());
    text!(out, "path", record.path.as_bytes());
    client(record.client, out);
    number!(out, "bytes_sent", record.bytes_sent);
    number!(out, "bytes_received", record.bytes_received);
    number!(out, "duration_us", record.duration_us);
    text!(out, "phase", record.phase.as_str().as_bytes());
    text!(out, "reason", record.reason.map_or("", crate::Reason::as_str).as_bytes());
    text!(out, "site", record.site.as_bytes());
    text!(out, "route", record.route.as_bytes());
    text!(out, "upstream", record.upstream.as_bytes());
    if record.upstream_us > 0 {
        number!(out, "upstream_us", record.upstream_us);
    }
    text!(out, "request_id", record.request_id.as_bytes());
    text!(out, "tls", record.tls.as_bytes());
    text!(out, "alpn", record.alpn.as_bytes());
    text!(out, "plugin", record.plugin.as_bytes());
    text!(out, "labels", record.labels.as_bytes());
    text!(out, "cmcd", record.cmcd.as_bytes());
    text!(out, "user_agent", record.user_agent);
    text!(out, "referer", record.referer.split(|&b| b == b'?').next().unwrap_or_default());
    if sample_one_in > 1 && !record.is_remarkable() {
        number!(out, "one_in", sample_one_in.into());
    }
    out.extend_from_slice(b"}\n");
}

/// IPv4 by hand: the formatter of the standard library would be the dearest part of the line.
fn client(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            numeric(",\"client\":\"", a.into(), out);
            [b, c, d].into_iter().for_each(|octet| numeric(".", octet.into(), out));
        }
        IpAddr::V6(v6) => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, ",\"client\":\"{v6}");
        }
    }
    out.push(b'"');
}

fn numeric(before: &str, value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A member with a string value; left out when empty. Bytes that are not UTF-8 become U+FFFD.
fn quoted(before: &str, value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    out.extend_from_slice(before.as_bytes());
    let value = &value[..value.len().min(TEXT_BYTES_MAX)];
    if is_plain(value) {
        out.extend_from_slice(value);
    } else {
        value.utf8_chunks().for_each(|chunk| escaped(&chunk, out));
    }
    out.push(b'"');
}

/// Whether a JSON string can hold the bytes as they are. Without an early end and without branches,
/// so that the compiler looks at many bytes at once.
fn is_plain(value: &[u8]) -> bool {
    let outside = |b: u8| u8::from(b.wrapping_sub(b' ') > b'~' - b' ');
    let odd = |b: u8| outside(b) | u8::from(b == b'"') | u8::from(b == b'\\');
    value.iter().fold(0, |found, &b| found | odd(b)) == 0
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
