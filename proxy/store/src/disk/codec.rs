//! Objects and purges as bytes: little-endian numbers, everything of variable length behind its length.

use bytes::{Buf as _, BufMut as _, Bytes};
use tidegate_cache::{AgeSums, Key, Lifetime, LifetimeSource, Meta, TagId, Validators, Vary};

use crate::body::Body;
use crate::object::{Identity, Object};
use crate::purge::{Purge, PurgeKind};

/// Appends everything of an object but its body.
pub(super) fn write_object(object: &Object, out: &mut Vec<u8>) {
    out.put_u128_le(object.key().as_u128());
    out.put_u64_le(object.generation());
    write_bytes(object.url().as_bytes(), out);
    write_bytes(object.wire(), out);
    write_meta(object.meta(), out);
}

/// Reads it back around a body. `None` for bytes that no object was written as.
pub(super) fn read_object(bytes: &mut Bytes, body: Body) -> Option<Object> {
    let key = Key::from_u128(bytes.try_get_u128_le().ok()?);
    let generation = bytes.try_get_u64_le().ok()?;
    let url = read_text(bytes)?;
    let wire = read_bytes(bytes)?;
    let meta = read_meta(bytes)?;
    Object::from_wire(Identity { key, url, generation }, meta, &wire, body)
}

/// Appends a purge with its generation.
pub(super) fn write_purge(purge: &Purge, kind: PurgeKind, generation: u64, out: &mut Vec<u8>) {
    out.put_u64_le(generation);
    match kind {
        PurgeKind::Hard => out.put_u64_le(HARD),
        PurgeKind::Soft { now_ms } => out.put_u64_le(now_ms),
    }
    match purge {
        Purge::Key(key) => {
            out.put_u8(0);
            out.put_u128_le(key.as_u128());
        }
        Purge::Url(url) => write_named(1, url, out),
        Purge::Tag(tag) => {
            out.put_u8(2);
            out.put_u64_le(tag.as_u64());
        }
        Purge::Prefix(prefix) => write_named(3, prefix, out),
        Purge::Host(host) => write_named(4, host, out),
        Purge::Everything => out.put_u8(5),
    }
}

/// Reads one back.
pub(super) fn read_purge(bytes: &mut Bytes) -> Option<(Purge, PurgeKind, u64)> {
    let generation = bytes.try_get_u64_le().ok()?;
    let kind = match bytes.try_get_u64_le().ok()? {
        HARD => PurgeKind::Hard,
        now_ms => PurgeKind::Soft { now_ms },
    };
    let purge = match bytes.try_get_u8().ok()? {
        0 => Purge::Key(Key::from_u128(bytes.try_get_u128_le().ok()?)),
        1 => Purge::Url(read_text(bytes)?.into()),
        2 => Purge::Tag(TagId::from_u64(bytes.try_get_u64_le().ok()?)),
        3 => Purge::Prefix(read_text(bytes)?.into()),
        4 => Purge::Host(read_text(bytes)?.into()),
        5 => Purge::Everything,
        _ => return None,
    };
    Some((purge, kind, generation))
}

/// No soft purge happens at the end of time.
const HARD: u64 = u64::MAX;
/// In place of a length: there is no value.
const ABSENT: u32 = u32::MAX;
const MUST_REVALIDATE: u8 = 1;
const NO_CACHE: u8 = 2;
const IMMUTABLE: u8 = 4;

fn write_meta(meta: &Meta, out: &mut Vec<u8>) {
    out.put_u16_le(meta.status);
    out.put_u64_le(meta.sums.date_s);
    out.put_u32_le(meta.sums.age_s);
    out.put_u64_le(meta.sums.request_ms);
    out.put_u64_le(meta.sums.response_ms);
    out.put_u32_le(meta.lifetime.seconds);
    out.put_u8(source_number(meta.lifetime.source));
    out.put_u32_le(meta.while_revalidate_s);
    out.put_u32_le(meta.if_error_s);
    out.put_u8(flags(meta));
    write_optional(meta.validators.etag.as_deref(), out);
    out.put_u64_le(meta.validators.last_modified_s.unwrap_or(u64::MAX));
    out.put_u32_le(meta.vary.pairs().len() as u32);
    for (name, value) in meta.vary.pairs() {
        write_bytes(name.as_bytes(), out);
        write_optional(value, out);
    }
    out.put_u32_le(meta.tags.len() as u32);
    meta.tags.iter().for_each(|tag| out.put_u64_le(tag.as_u64()));
    out.put_u32_le(meta.withheld.len() as u32);
    meta.withheld.iter().for_each(|name| write_bytes(name.as_bytes(), out));
}

fn read_meta(bytes: &mut Bytes) -> Option<Meta> {
    let status = bytes.try_get_u16_le().ok()?;
    let sums = AgeSums {
        date_s: bytes.try_get_u64_le().ok()?,
        age_s: bytes.try_get_u32_le().ok()?,
        request_ms: bytes.try_get_u64_le().ok()?,
        response_ms: bytes.try_get_u64_le().ok()?,
    };
    let seconds = bytes.try_get_u32_le().ok()?;
    let source = *LifetimeSource::ALL.get(usize::from(bytes.try_get_u8().ok()?))?;
    let while_revalidate_s = bytes.try_get_u32_le().ok()?;
    let if_error_s = bytes.try_get_u32_le().ok()?;
    let flags = bytes.try_get_u8().ok()?;
    Some(Meta {
        status,
        sums,
        lifetime: Lifetime { seconds, source },
        while_revalidate_s,
        if_error_s,
        must_revalidate: flags & MUST_REVALIDATE != 0,
        no_cache: flags & NO_CACHE != 0,
        immutable: flags & IMMUTABLE != 0,
        validators: read_validators(bytes)?,
        vary: read_vary(bytes)?,
        tags: read_many(bytes, |bytes| bytes.try_get_u64_le().ok().map(TagId::from_u64))?.into(),
        withheld: read_many(bytes, read_text)?.into(),
    })
}

fn flags(meta: &Meta) -> u8 {
    let flag = |set, bit| if set { bit } else { 0 };
    flag(meta.must_revalidate, MUST_REVALIDATE)
        | flag(meta.no_cache, NO_CACHE)
        | flag(meta.immutable, IMMUTABLE)
}

fn source_number(source: LifetimeSource) -> u8 {
    LifetimeSource::ALL.iter().position(|known| *known == source).unwrap_or_default() as u8
}

fn read_validators(bytes: &mut Bytes) -> Option<Validators> {
    let etag = read_optional(bytes)?;
    let last_modified_s = Some(bytes.try_get_u64_le().ok()?).filter(|seconds| *seconds != u64::MAX);
    Some(Validators { etag, last_modified_s })
}

fn read_vary(bytes: &mut Bytes) -> Option<Vary> {
    read_many(bytes, |bytes| Some((read_text(bytes)?, read_optional(bytes)?))).map(Vary::from_pairs)
}

fn write_named(number: u8, text: &str, out: &mut Vec<u8>) {
    out.put_u8(number);
    write_bytes(text.as_bytes(), out);
}

fn write_bytes(value: &[u8], out: &mut Vec<u8>) {
    out.put_u32_le(value.len() as u32);
    out.extend_from_slice(value);
}

fn write_optional(value: Option<&[u8]>, out: &mut Vec<u8>) {
    match value {
        Some(value) => write_bytes(value, out),
        None => out.put_u32_le(ABSENT),
    }
}

fn read_bytes(bytes: &mut Bytes) -> Option<Bytes> {
    let length = bytes.try_get_u32_le().ok()? as usize;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

fn read_optional(bytes: &mut Bytes) -> Option<Option<Box<[u8]>>> {
    if bytes.get(..4)? == ABSENT.to_le_bytes() {
        bytes.advance(4);
        return Some(None);
    }
    read_bytes(bytes).map(|value| Some(value[..].into()))
}

fn read_text(bytes: &mut Bytes) -> Option<Box<str>> {
    let value = read_bytes(bytes)?;
    std::str::from_utf8(&value).ok().map(Box::from)
}

fn read_many<T>(bytes: &mut Bytes, one: impl Fn(&mut Bytes) -> Option<T>) -> Option<Vec<T>> {
    let count = bytes.try_get_u32_le().ok()?;
    (0..count).map(|_| one(bytes)).collect()
}

#[cfg(test)]
mod tests;
