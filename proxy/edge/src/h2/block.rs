//! Response heads as HTTP/2 field blocks.

use std::sync::LazyLock;

use tidegate_http::{FieldList, Fields, ResponseHead};
use tidegate_http2::Encoder;
use tidegate_store::Object;
use tidegate_upstream::ResponseFraming;

use crate::{answer::LINK_LINES, date};

/// The fields of every short-link answer.
pub(super) static LINK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut block = Vec::new();
    let fields = FieldList::from_wire(LINK_LINES).unwrap_or_default();
    self::fields(&fields, &mut block);
    block
});

/// Status and fields of a stored response, but for those that change from answer to answer.
pub(super) fn of_object(object: &Object) -> Vec<u8> {
    let mut block = Vec::with_capacity(object.head().len());
    Encoder::status(&mut block, object.meta().status);
    fields(object.fields(), &mut block);
    block
}

/// A whole head; the date is added where it has none.
pub(crate) fn of_head(head: &ResponseHead, framing: ResponseFraming, block: &mut Vec<u8>) {
    Encoder::status(block, head.status);
    fields(&head.fields, block);
    // RFC 9110 section 8.6: no Content-Length with 204.
    let length = match framing {
        ResponseFraming::Length(length) if head.status != 204 => Some(length),
        ResponseFraming::Empty { declared } if head.status != 204 => declared,
        _ => None,
    };
    if let Some(length) = length {
        self::length(length, block);
    }
    if !head.fields.has("date") {
        date(block);
    }
}

/// Appends field lines; those of a connection are left out (RFC 9113 section 8.2.2).
pub(crate) fn fields(fields: &FieldList, block: &mut Vec<u8>) {
    for field in fields.iter() {
        Encoder::field(block, field.name, field.value);
    }
}

pub(super) fn length(length: u64, block: &mut Vec<u8>) {
    Encoder::field(block, b"content-length", itoa::Buffer::new().format(length).as_bytes());
}

pub(super) fn date(block: &mut Vec<u8>) {
    Encoder::field(block, b"date", &date::value());
}
