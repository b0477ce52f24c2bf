//! Header maps.

use crate::{
    Map,
    mailbox::{Edit, Event},
    memory::{Cx, answer_u32, give, slice, split},
    pairs,
    state::State,
    status::{Status, Told},
};

/// Bytes of a field's name.
const NAME_BYTES_MAX: usize = 256;

/// A map as the module names it.
#[derive(Clone, Copy)]
enum Section {
    /// Of the request.
    Exchange(Map),
    /// Of a call's answer; only to be read.
    Answer { trailers: bool },
    /// Of a gRPC call; only to be read.
    Grpc { trailing: bool },
}

impl Section {
    #[inline]
    fn of(map: u32) -> Result<Self, Status> {
        Ok(match map {
            0 => Self::Exchange(Map::RequestHeaders),
            1 => Self::Exchange(Map::RequestTrailers),
            2 => Self::Exchange(Map::ResponseHeaders),
            3 => Self::Exchange(Map::ResponseTrailers),
            4 => Self::Grpc { trailing: false },
            5 => Self::Grpc { trailing: true },
            6 => Self::Answer { trailers: false },
            7 => Self::Answer { trailers: true },
            _ => return Err(Status::BadArgument),
        })
    }
}

/// Writes a section into `state.scratch`.
fn encode(state: &mut State, section: Section) {
    let mut out = std::mem::take(&mut state.scratch);
    out.clear();
    match section {
        Section::Exchange(map) => {
            if let Some(exchange) = state.exchange().filter(|exchange| exchange.has_map(map)) {
                pairs::encode(&mut out, |visit| exchange.each_field(map, visit));
            }
        }
        Section::Answer { trailers } => {
            if let Some(fields) = state.answer_fields(trailers) {
                pairs::encode(&mut out, |visit| fields.iter().for_each(|(n, v)| visit(n, v)));
            }
        }
        Section::Grpc { trailing } => {
            if let Some(fields) = &state.grpc_fields[usize::from(trailing)] {
                pairs::encode(&mut out, |visit| fields.iter().for_each(|(n, v)| visit(n, v)));
            }
        }
    }
    state.scratch = out;
}

pub(super) fn pairs(cx: &mut Cx<'_>, map: u32, at: u32, length_at: u32) -> Told {
    let section = Section::of(map)?;
    encode(cx.data_mut(), section);
    give(cx, at, length_at)
}

pub(super) fn size(cx: &mut Cx<'_>, map: u32, answer: u32) -> Told {
    let section = Section::of(map)?;
    encode(cx.data_mut(), section);
    let size = u32::try_from(cx.data().scratch.len()).map_err(|_| Status::InternalFailure)?;
    answer_u32(cx, answer, size)
}

#[inline]
pub(super) fn value(
    cx: &mut Cx<'_>,
    map: u32,
    key: u32,
    key_n: u32,
    at: u32,
    length_at: u32,
) -> Told {
    let section = Section::of(map)?;
    let (memory, state) = split(cx)?;
    set_name(&mut state.name, slice(memory, key, key_n)?)?;
    if !find(state, section) {
        return Err(Status::NotFound.into());
    }
    give(cx, at, length_at)
}

/// Copies the first value of `state.name` into `state.scratch`.
#[inline]
fn find(state: &mut State, section: Section) -> bool {
    match section {
        Section::Exchange(map) => {
            if state.current != state.lent_to {
                return false;
            }
            let State { loan, name, scratch, .. } = state;
            let Some(exchange) = loan.exchange() else { return false };
            let Some(value) = exchange.field(map, name) else { return false };
            scratch.clear();
            scratch.extend_from_slice(&value);
            true
        }
        Section::Answer { trailers } => {
            let fields = state.answer_fields(trailers).into_iter().flatten();
            let mut values = fields.filter(|(name, _)| name == state.name.as_bytes());
            let Some(value) = values.next().map(|(_, value)| value.clone()) else { return false };
            state.scratch = value;
            true
        }
        Section::Grpc { .. } => false,
    }
}

/// A name in lower case; bytes beyond ASCII never match a field.
#[inline]
fn set_name(name: &mut String, bytes: &[u8]) -> Result<(), Status> {
    name.clear();
    if bytes.len() > NAME_BYTES_MAX {
        // No field has such a name.
        return Err(Status::NotFound);
    }
    name.extend(bytes.iter().map(|&byte| match byte.is_ascii() {
        true => byte.to_ascii_lowercase() as char,
        false => char::REPLACEMENT_CHARACTER,
    }));
    Ok(())
}

pub(super) fn add(
    cx: &mut Cx<'_>,
    map: u32,
    key: u32,
    key_n: u32,
    value: u32,
    value_n: u32,
) -> Told {
    change(cx, map, key, key_n, Some((value, value_n)), Edit::Add)
}

pub(super) fn replace(
    cx: &mut Cx<'_>,
    map: u32,
    key: u32,
    key_n: u32,
    value: u32,
    value_n: u32,
) -> Told {
    change(cx, map, key, key_n, Some((value, value_n)), Edit::Set)
}

pub(super) fn remove(cx: &mut Cx<'_>, map: u32, key: u32, key_n: u32) -> Told {
    change(cx, map, key, key_n, None, |name, _| Edit::Remove(name))
}

/// Carries out a change. One that could break the message apart (a line break in a value, a name
/// that is no token) is cleaned or dropped; the module is told OK, because its SDK would panic on
/// anything else.
fn change(
    cx: &mut Cx<'_>,
    map: u32,
    key: u32,
    key_n: u32,
    value: Option<(u32, u32)>,
    edit: fn(String, Vec<u8>) -> Edit,
) -> Told {
    let section = Section::of(map)?;
    let (memory, state) = split(cx)?;
    let name = slice(memory, key, key_n)?;
    let (at, length) = value.unwrap_or((0, 0));
    let mut value = slice(memory, at, length)?.to_vec();
    value.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n' | 0)).for_each(|byte| *byte = b' ');
    let Section::Exchange(map) = section else { return super::nothing() };
    if !pairs::is_clean(name, b"") || set_name(&mut state.name, name).is_err() {
        return super::nothing();
    }
    let edit = edit(state.name.clone(), value);
    if let Some(exchange) = state.exchange() {
        apply(exchange, map, edit);
    } else if let Some(waiting) = state.waiting() {
        waiting.mailbox.put(Event::Edit { map, edit });
    }
    Ok(())
}

/// Carries out a change of a request.
pub(crate) fn apply(exchange: &mut dyn crate::Exchange, map: Map, edit: Edit) {
    if !exchange.has_map(map) {
        return;
    }
    match edit {
        Edit::Add(name, value) => exchange.add_field(map, &name, &value),
        Edit::Set(name, value) => exchange.set_field(map, &name, &value),
        Edit::Remove(name) => exchange.remove_field(map, &name),
    }
}

pub(super) fn set_pairs(cx: &mut Cx<'_>, map: u32, bytes: u32, length: u32) -> Told {
    let section = Section::of(map)?;
    let (memory, state) = split(cx)?;
    let mut fields = pairs::decode(slice(memory, bytes, length)?)?;
    fields.retain(|(name, value)| pairs::is_clean(name, value));
    if let Section::Exchange(map) = section
        && let Some(exchange) = state.exchange()
        && exchange.has_map(map)
    {
        exchange.set_fields(map, &fields);
    }
    Ok(())
}
