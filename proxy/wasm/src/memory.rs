//! Reads and writes the linear memory of a module, with every bound checked.

use wasmtime::Caller;

use crate::{
    state::State,
    status::{Status, Stop, Told},
};

/// A host function's view of the module that called it.
pub(crate) type Cx<'a> = Caller<'a, State>;

/// The memory and the state side by side.
#[inline]
pub(crate) fn split<'a>(cx: &'a mut Cx<'_>) -> Result<(&'a mut [u8], &'a mut State), Status> {
    let memory = cx.data().memory.ok_or(Status::InvalidMemory)?;
    Ok(memory.data_and_store_mut(cx))
}

/// `length` bytes at `pointer`.
#[inline]
pub(crate) fn slice(memory: &[u8], pointer: u32, length: u32) -> Result<&[u8], Status> {
    let start = pointer as usize;
    let end = start.checked_add(length as usize).ok_or(Status::InvalidMemory)?;
    memory.get(start..end).ok_or(Status::InvalidMemory)
}

/// Writes `bytes` at `pointer`.
#[inline]
pub(crate) fn put(memory: &mut [u8], pointer: u32, bytes: &[u8]) -> Result<(), Status> {
    let start = pointer as usize;
    let end = start.checked_add(bytes.len()).ok_or(Status::InvalidMemory)?;
    memory.get_mut(start..end).ok_or(Status::InvalidMemory)?.copy_from_slice(bytes);
    Ok(())
}

/// Writes a number of 32 bits.
#[inline]
pub(crate) fn put_u32(memory: &mut [u8], pointer: u32, number: u32) -> Result<(), Status> {
    put(memory, pointer, &number.to_le_bytes())
}

/// Reads a number of 32 bits.
pub(crate) fn take_u32(memory: &[u8], pointer: u32) -> Result<u32, Status> {
    let bytes = slice(memory, pointer, 4)?;
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| Status::InvalidMemory)
}

/// Writes a number of 32 bits from a host function.
pub(crate) fn answer_u32(cx: &mut Cx<'_>, pointer: u32, number: u32) -> Told {
    Ok(put_u32(split(cx)?.0, pointer, number)?)
}

/// Writes a number of 64 bits from a host function.
pub(crate) fn answer_u64(cx: &mut Cx<'_>, pointer: u32, number: u64) -> Told {
    Ok(put(split(cx)?.0, pointer, &number.to_le_bytes())?)
}

/// A copy of `length` bytes at `pointer`, within the transfer limit of the plugin.
pub(crate) fn copy(cx: &mut Cx<'_>, pointer: u32, length: u32) -> Result<Vec<u8>, Status> {
    let (memory, state) = split(cx)?;
    let bytes = slice(memory, pointer, length)?;
    if bytes.len() > state.plugin.config.limits.transfer_bytes_max {
        return Err(Status::InternalFailure);
    }
    Ok(bytes.to_vec())
}

/// Gives what stands in `state.scratch` to the module: asks its allocator for room, copies, and
/// writes where and how much. Nothing to give is a null pointer.
#[inline]
pub(crate) fn give(cx: &mut Cx<'_>, pointer_at: u32, length_at: u32) -> Told {
    let (memory, state) = split(cx)?;
    let length = state.scratch.len();
    // Both must be writable before the module's allocator is bothered.
    put_u32(memory, pointer_at, 0)?;
    put_u32(memory, length_at, 0)?;
    if length == 0 {
        return Ok(());
    }
    if length > state.plugin.config.limits.transfer_bytes_max {
        return Err(Status::InternalFailure.into());
    }
    // Taken out for the call: an allocator that calls back into the host cannot come here again,
    // nor change the bytes.
    let bytes = std::mem::take(&mut state.scratch);
    let allocate = state.allocate.take().ok_or(Status::InternalFailure)?;
    let size = u32::try_from(length).map_err(|_| Status::InternalFailure)?;
    let room = allocate.call(&mut *cx, size).map_err(Stop::Trap)?;
    let (memory, state) = split(cx)?;
    state.allocate = Some(allocate);
    let told = place(memory, room, &bytes, pointer_at, length_at, size);
    state.scratch = bytes;
    told
}

fn place(
    memory: &mut [u8],
    room: u32,
    bytes: &[u8],
    pointer_at: u32,
    length_at: u32,
    size: u32,
) -> Told {
    if room == 0 {
        return Err(Status::InternalFailure.into());
    }
    put(memory, room, bytes)?;
    put_u32(memory, pointer_at, room)?;
    Ok(put_u32(memory, length_at, size)?)
}
