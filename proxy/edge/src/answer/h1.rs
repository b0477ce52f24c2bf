//! Answers as HTTP/1 writes them: into the worker's outgoing bytes.

use tidegate_http::{Fields, Head, Method, Version, write_status_line};
use tidegate_upstream::ResponseFraming;

use super::{Answer, LINK_LINES, Local};
use crate::{
    date,
    hit::{Composed, Hit},
    lane::write_connection,
    out::Out,
};

/// Writes an answer made on the node.
pub(super) fn answer(out: &mut Out, closing: bool, head: &Head<'_>, answer: &Answer<'_>) {
    let connection = Connection::of(head, closing);
    match answer {
        Answer::Redirect(redirect) => {
            write_redirect(out, connection, redirect.status, redirect.location.as_bytes(), b"");
        }
        Answer::Link(record) => {
            let location = record.location().as_bytes();
            write_redirect(out, connection, record.status(), location, LINK_LINES);
        }
        Answer::Local(local) => write_local(out, connection, head, local),
    }
}

/// Writes a hit: the prepared head and a few lines that change, or what was made of it.
pub(super) fn hit(out: &mut Out, closing: bool, hit: &Hit<'_>, composed: Option<&Composed>) {
    let head = hit.admitted.received().head;
    let connection = Connection::of(head, closing);
    let with_body = head.method() != Method::Head;
    match composed {
        None => {
            let bytes = out.head();
            bytes.extend_from_slice(hit.object.head());
            hit.write_age(bytes);
            hit.write_cache_status(bytes);
            connection.end_head(bytes);
            if with_body {
                hit.object.body().pieces().iter().for_each(|piece| out.body(piece));
            }
        }
        Some(composed) => {
            let bytes = out.head();
            write_status_line(composed.head.status, bytes);
            composed.head.fields.write_h1(bytes);
            match composed.framing {
                ResponseFraming::Length(length)
                | ResponseFraming::Empty { declared: Some(length) } => write_length(length, bytes),
                ResponseFraming::Empty { declared: None } | ResponseFraming::Unknown => {}
            }
            connection.end_head(bytes);
            if with_body {
                composed.pieces.iter().for_each(|piece| out.body(piece));
            }
        }
    }
}

/// What the head says about the connection.
#[derive(Clone, Copy)]
struct Connection {
    keep_alive: bool,
    http10: bool,
}

// === impl Connection ===

impl Connection {
    fn of(head: &Head<'_>, closing: bool) -> Self {
        Self {
            keep_alive: !closing && head.keep_alive(),
            http10: head.version() == Version::Http10,
        }
    }

    /// The last lines of a head.
    fn end_head(self, out: &mut Vec<u8>) {
        write_connection(self.keep_alive, self.http10, out);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_redirect(
    out: &mut Out,
    connection: Connection,
    status: u16,
    location: &[u8],
    lines: &[u8],
) {
    let out = out.head();
    write_status_line(status, out);
    out.extend_from_slice(b"Location: ");
    out.extend_from_slice(location);
    out.extend_from_slice(b"\r\nContent-Length: 0\r\n");
    out.extend_from_slice(lines);
    date::write(out);
    connection.end_head(out);
}

fn write_local(out: &mut Out, connection: Connection, head: &Head<'_>, local: &Local) {
    let bodiless = local.is_bodiless();
    let bytes = out.head();
    write_status_line(local.head.status, bytes);
    local.head.fields.write_h1(bytes);
    if !bodiless {
        write_length(local.body.len() as u64, bytes);
    }
    if !local.head.fields.has("date") {
        date::write(bytes);
    }
    connection.end_head(bytes);
    if head.method() != Method::Head && !bodiless {
        out.body(&local.body);
    }
}

fn write_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}
