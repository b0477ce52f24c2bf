//! One response, or the word that a key is gone, as bytes of a segment.

use std::fs::File;
use std::hash::Hasher as _;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::{Buf as _, BufMut as _, Bytes};
use siphasher::sip::SipHasher13;
use tidegate_cache::{Key, Vary};

use super::codec;
use crate::body::Body;
use crate::object::Object;

/// magic 4, crc of the rest and the head 4, kind 4, head length 4, key 16, variant 8, generation 8, body length 8,
/// crc of the body 4.
pub(super) const HEADER_BYTES: usize = 60;
/// `tgr1`; another layout gets another number.
const MAGIC: u32 = 0x3172_6774;
const OBJECT: u32 = 1;
const GONE: u32 = 2;
/// Where the bytes under the first checksum begin.
const CHECKED_FROM: usize = 8;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) key: Key,
    pub(super) variant: u64,
    pub(super) generation: u64,
    pub(super) gone: bool,
    pub(super) head_bytes: u32,
    pub(super) body_bytes: u64,
    body_crc: u32,
    crc: u32,
}

impl Header {
    /// Bytes of the whole record.
    pub(super) const fn length(&self) -> u64 {
        HEADER_BYTES as u64 + self.head_bytes as u64 + self.body_bytes
    }
}

/// Writes a response as a record.
pub(super) fn write_object(object: &Object, out: &mut Vec<u8>) -> Header {
    let start = out.len();
    out.put_bytes(0, HEADER_BYTES);
    codec::write_object(object, out);
    let head_bytes = (out.len() - start - HEADER_BYTES) as u32;
    let mut crc = crc32fast::Hasher::new();
    for piece in object.body().pieces() {
        crc.update(piece);
        out.extend_from_slice(piece);
    }
    let header = Header {
        key: object.key(),
        variant: variant(&object.meta().vary),
        generation: object.generation(),
        gone: false,
        head_bytes,
        body_bytes: object.length(),
        body_crc: crc.finalize(),
        crc: 0,
    };
    seal(header, &mut out[start..])
}

/// Writes the word that a key is gone.
pub(super) fn write_gone(key: Key, out: &mut Vec<u8>) -> Header {
    let start = out.len();
    out.put_bytes(0, HEADER_BYTES);
    let header = Header {
        key,
        variant: 0,
        generation: 0,
        gone: true,
        head_bytes: 0,
        body_bytes: 0,
        body_crc: 0,
        crc: 0,
    };
    seal(header, &mut out[start..])
}

/// Reads a record. `None` when it is not whole, not what was written, or no response.
pub(super) fn read(file: &File, offset: u32, length: u32) -> io::Result<Option<Object>> {
    let mut record = vec![0; length as usize];
    match file.read_exact_at(&mut record, u64::from(offset)) {
        Ok(()) => Ok(object(record.into())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The header of the record that `bytes` begin with, if all of it is there and as it was written.
pub(super) fn check(bytes: &[u8]) -> Option<Header> {
    let header = header(bytes)?;
    let record = bytes.get(..usize::try_from(header.length()).ok()?)?;
    let (head, body) = record.split_at(HEADER_BYTES + header.head_bytes as usize);
    let whole = crc32fast::hash(&head[CHECKED_FROM..]) == header.crc;
    (whole && crc32fast::hash(body) == header.body_crc).then_some(header)
}

/// A number for the variant, 0 for a response that does not vary.
fn variant(vary: &Vary) -> u64 {
    if vary.is_empty() {
        return 0;
    }
    let mut hash = SipHasher13::new();
    for (name, value) in vary.pairs() {
        hash.write(name.as_bytes());
        hash.write_u8(if value.is_some() { 1 } else { 0 });
        hash.write(value.unwrap_or_default());
        hash.write_u8(0);
    }
    hash.finish() | 1
}

fn seal(mut header: Header, record: &mut [u8]) -> Header {
    let mut fields = &mut record[..HEADER_BYTES];
    fields.put_u32_le(MAGIC);
    fields.put_u32_le(0);
    fields.put_u32_le(if header.gone { GONE } else { OBJECT });
    fields.put_u32_le(header.head_bytes);
    fields.put_u128_le(header.key.as_u128());
    fields.put_u64_le(header.variant);
    fields.put_u64_le(header.generation);
    fields.put_u64_le(header.body_bytes);
    fields.put_u32_le(header.body_crc);
    let end = HEADER_BYTES + header.head_bytes as usize;
    header.crc = crc32fast::hash(&record[CHECKED_FROM..end]);
    record[4..CHECKED_FROM].copy_from_slice(&header.crc.to_le_bytes());
    header
}

fn header(bytes: &[u8]) -> Option<Header> {
    let mut fields = bytes.get(..HEADER_BYTES)?;
    if fields.get_u32_le() != MAGIC {
        return None;
    }
    let crc = fields.get_u32_le();
    let gone = match fields.get_u32_le() {
        OBJECT => false,
        GONE => true,
        _ => return None,
    };
    let head_bytes = fields.get_u32_le();
    Some(Header {
        crc,
        gone,
        head_bytes,
        key: Key::from_u128(fields.get_u128_le()),
        variant: fields.get_u64_le(),
        generation: fields.get_u64_le(),
        body_bytes: fields.get_u64_le(),
        body_crc: fields.get_u32_le(),
    })
}

fn object(record: Bytes) -> Option<Object> {
    let header =
        check(&record).filter(|header| !header.gone && header.length() == record.len() as u64)?;
    let body_at = HEADER_BYTES + header.head_bytes as usize;
    let mut head = record.slice(HEADER_BYTES..body_at);
    codec::read_object(&mut head, Body::One(record.slice(body_at..)))
}
