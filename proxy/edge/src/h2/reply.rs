//! Answers as HTTP/2 writes them: straight to the worker's outgoing bytes where windows allow.

use bytes::Bytes;
use tidegate_http::{Head, Method, ResponseHead};
use tidegate_http2::{Connection, Encoder, Sink, StreamId};
use tidegate_upstream::ResponseFraming;

use super::block;
use crate::{
    answer::{Answer, Local},
    hit::{Composed, Hit},
    out::Out,
};

/// The place of one answer.
pub(crate) struct Reply<'t> {
    pub(super) http2: &'t mut Connection,
    pub(super) stream: StreamId,
    /// None while the socket takes nothing: answers wait in the connection.
    pub(super) out: Option<&'t mut Out>,
    /// Scratch of the worker.
    pub(super) block: &'t mut Vec<u8>,
}

impl Sink for Out {
    fn bytes(&mut self) -> &mut Vec<u8> {
        self.head()
    }

    fn body(&mut self, body: &Bytes) {
        Self::body(self, body);
    }
}

// === impl Reply ===

impl Reply<'_> {
    /// Writes an answer made on the node; how many bytes it came to.
    pub(crate) fn answer(&mut self, head: &Head<'_>, answer: &Answer<'_>) -> u64 {
        self.block.clear();
        match answer {
            Answer::Redirect(redirect) => {
                self.redirect(redirect.status, redirect.location.as_bytes(), &[])
            }
            Answer::Link(record) => {
                self.redirect(record.status(), record.location().as_bytes(), &block::LINK)
            }
            Answer::Local(local) => self.local(head, local),
        }
    }

    /// Writes a hit: the prepared block and a few lines that change, or what was made of it.
    pub(crate) fn hit(&mut self, hit: &Hit<'_>, composed: Option<&Composed>) -> u64 {
        self.block.clear();
        let with_body = hit.admitted.received().head.method() != Method::Head;
        match composed {
            None => {
                let pieces = hit.object.body().pieces();
                hit.encode_age(self.block);
                hit.encode_cache_status(self.block);
                let prepared = hit.object.field_block(block::of_object);
                self.send(prepared, if with_body { pieces } else { &[] })
            }
            Some(composed) => {
                block::of_head(&composed.head, composed.framing, self.block);
                self.send(&[], if with_body { &composed.pieces } else { &[] })
            }
        }
    }

    /// Writes a local answer to bytes that gave no request.
    pub(super) fn refuse(&mut self, local: &Local) -> u64 {
        self.block.clear();
        self.whole(&local.head, &local.body, true)
    }

    fn local(&mut self, head: &Head<'_>, local: &Local) -> u64 {
        let with_body = head.method() != Method::Head && !local.is_bodiless();
        self.whole(&local.head, &local.body, with_body)
    }

    fn whole(&mut self, head: &ResponseHead, body: &Bytes, with_body: bool) -> u64 {
        let framing = match head.status {
            304 => ResponseFraming::Empty { declared: None },
            _ => ResponseFraming::Length(body.len() as u64),
        };
        block::of_head(head, framing, self.block);
        let one = std::slice::from_ref(body);
        self.send(&[], if with_body && !body.is_empty() { one } else { &[] })
    }

    fn redirect(&mut self, status: u16, location: &[u8], more: &[u8]) -> u64 {
        Encoder::status(self.block, status);
        Encoder::field(self.block, b"location", location);
        block::length(0, self.block);
        block::date(self.block);
        self.send_before(more)
    }

    fn send_before(&mut self, more: &[u8]) -> u64 {
        self.block.extend_from_slice(more);
        self.send(&[], &[])
    }

    /// Hands over a head, prepared part first, and a body.
    fn send(&mut self, prepared: &[u8], pieces: &[Bytes]) -> u64 {
        let blocks = [prepared, self.block.as_slice()];
        let empty = Bytes::new();
        match (&mut self.out, pieces) {
            (Some(out), []) => {
                self.http2.answer(self.stream, &blocks, &empty, *out);
            }
            (Some(out), [whole]) => {
                self.http2.answer(self.stream, &blocks, whole, *out);
            }
            _ => {
                self.http2.respond(self.stream, &blocks, pieces.is_empty());
                for (at, piece) in pieces.iter().enumerate() {
                    self.http2.send_data(self.stream, piece.clone(), at + 1 == pieces.len());
                }
            }
        }
        let body: usize = pieces.iter().map(Bytes::len).sum();
        (prepared.len() + self.block.len() + body) as u64
    }
}
