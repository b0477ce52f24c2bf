//! Buffers.

use crate::{
    Buffer,
    memory::{Cx, answer_u32, copy, give, slice, split},
    state::State,
    status::{Status, Told},
};

/// The bytes that a buffer number stands for; `None` when there is no such buffer now.
fn look(state: &mut State, buffer: u32) -> Result<Option<&[u8]>, Status> {
    Ok(match buffer {
        0 => held(state, Buffer::RequestBody),
        1 => held(state, Buffer::ResponseBody),
        // Downstream and upstream data of connections: never any.
        2 | 3 => Some(&[]),
        5 => Some(&state.grpc_message),
        4 => state.answer.as_ref().map(|answer| answer.body.as_slice()),
        6 => Some(&state.plugin.config.vm_configuration),
        7 => Some(&state.plugin.config.configuration),
        8 => Some(&state.arguments),
        _ => return Err(Status::NotFound),
    })
}

/// The part of a body that the plugin has not let pass yet.
fn held(state: &mut State, buffer: Buffer) -> Option<&[u8]> {
    let window = state.window;
    let bytes = state.exchange()?.buffer(buffer);
    Some(&bytes[window.min(bytes.len())..])
}

pub(super) fn bytes(
    cx: &mut Cx<'_>,
    buffer: u32,
    start: u32,
    most: u32,
    at: u32,
    length_at: u32,
) -> Told {
    let state = cx.data_mut();
    let mut out = std::mem::take(&mut state.scratch);
    out.clear();
    let limit = state.plugin.config.limits.transfer_bytes_max;
    let found = look(state, buffer).map(|bytes| {
        let bytes = bytes?;
        let start = bytes.len().min(start as usize);
        let length = (bytes.len() - start).min(most as usize).min(limit);
        out.extend_from_slice(&bytes[start..start + length]);
        Some(())
    });
    state.scratch = out;
    found?.ok_or(Status::NotFound)?;
    give(cx, at, length_at)
}

pub(super) fn status(cx: &mut Cx<'_>, buffer: u32, length_at: u32, flags_at: u32) -> Told {
    let length = look(cx.data_mut(), buffer)?.ok_or(Status::NotFound)?.len();
    answer_u32(cx, length_at, u32::try_from(length).unwrap_or(u32::MAX))?;
    answer_u32(cx, flags_at, 0)
}

/// Replaces `size` bytes from `start`; `start` 0 and `size` 0 put bytes in front, `start` at or
/// beyond the end appends.
pub(super) fn set_bytes(
    cx: &mut Cx<'_>,
    buffer: u32,
    start: u32,
    size: u32,
    bytes: u32,
    length: u32,
) -> Told {
    let buffer = match buffer {
        0 => Buffer::RequestBody,
        1 => Buffer::ResponseBody,
        2..=8 => {
            slice(split(cx)?.0, bytes, length)?;
            return super::nothing();
        }
        _ => return Err(Status::BadArgument.into()),
    };
    let bytes = copy(cx, bytes, length)?;
    let window = cx.data().window;
    if let Some(exchange) = cx.data_mut().exchange() {
        let total = exchange.buffer(buffer).len();
        let start = total.min(window.saturating_add(start as usize));
        let size = (total - start).min(size as usize);
        exchange.splice(buffer, start, size, &bytes);
    }
    Ok(())
}
