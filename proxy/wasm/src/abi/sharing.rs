//! Shared data and queues.

use crate::{
    memory::{Cx, answer_u32, copy, give, put_u32, slice, split},
    shared::Listener,
    status::{Status, Told},
};

/// Queues whose listeners are told after one callback.
const FILLED_MAX: usize = 64;

pub(super) fn data(
    cx: &mut Cx<'_>,
    key: u32,
    key_n: u32,
    at: u32,
    length_at: u32,
    cas_at: u32,
) -> Told {
    let (memory, state) = split(cx)?;
    let key = slice(memory, key, key_n)?;
    let cas = state.plugin.space.value(key, &mut state.scratch).ok_or(Status::NotFound)?;
    put_u32(memory, cas_at, cas)?;
    give(cx, at, length_at)
}

pub(super) fn set_data(
    cx: &mut Cx<'_>,
    key: u32,
    key_n: u32,
    value: u32,
    value_n: u32,
    cas: u32,
) -> Told {
    let (memory, state) = split(cx)?;
    let (key, value) = (slice(memory, key, key_n)?, slice(memory, value, value_n)?);
    match state.plugin.space.set_value(key, value, cas) {
        Status::Ok => Ok(()),
        refused => Err(refused.into()),
    }
}

pub(super) fn register_queue(cx: &mut Cx<'_>, name: u32, name_n: u32, answer: u32) -> Told {
    let (memory, state) = split(cx)?;
    let name = slice(memory, name, name_n)?;
    let listener = Listener { plugin: state.plugin.name.clone(), instance: state.instance };
    let queue = state.common.queues.register(&state.plugin.vm_id, name, listener);
    let queue = queue.ok_or(Status::InternalFailure)?;
    answer_u32(cx, answer, queue)
}

pub(super) fn resolve_queue(
    cx: &mut Cx<'_>,
    vm: u32,
    vm_n: u32,
    name: u32,
    name_n: u32,
    answer: u32,
) -> Told {
    let (memory, state) = split(cx)?;
    let vm = String::from_utf8_lossy(slice(memory, vm, vm_n)?);
    let vm = if vm.is_empty() { state.plugin.vm_id.as_ref().into() } else { vm };
    let queue = state.common.queues.resolve(&vm, slice(memory, name, name_n)?);
    answer_u32(cx, answer, queue.ok_or(Status::NotFound)?)
}

pub(super) fn enqueue(cx: &mut Cx<'_>, queue: u32, item: u32, item_n: u32) -> Told {
    let item = copy(cx, item, item_n)?;
    let state = cx.data_mut();
    if !state.common.queues.push(queue, item) {
        return Err(Status::NotFound.into());
    }
    if !state.filled.contains(&queue) && state.filled.len() < FILLED_MAX {
        state.filled.push(queue);
    }
    Ok(())
}

pub(super) fn dequeue(cx: &mut Cx<'_>, queue: u32, at: u32, length_at: u32) -> Told {
    let state = cx.data_mut();
    state.scratch = state.common.queues.pop(queue)?;
    give(cx, at, length_at)
}
