//! Foreign functions: what Tidegate offers beyond the ABI. Other names answer NOT_FOUND.
//!
//! | name | arguments | answer |
//! |---|---|---|
//! | `tidegate_phases` | bits (u32): the phases to be called in, 256 to use contexts again | nothing |
//! | `tidegate_count` | window ms (u64), amount (u64), key | sum (u64) |
//! | `tidegate_distinct` | window ms (u64), key size (u32), key, member | members (u64) |
//! | `tidegate_take` | rate per second (f64), burst (f64), cost (f64), key | 1 (u64) granted, 0 refused |
//! | `tidegate_listed` | list size (u32), list, value | 1 (u64) listed, 0 not |
//! | `tidegate_hold` | milliseconds (u32): holds the request so long, then it goes on or is answered | nothing |
//! | `tidegate_features` | nothing | the packed record of the request, see `features.rs` |
//! | `tidegate_forget` | key of shared data | 1 (u64) removed, 0 unknown |
//!
//! All numbers are little endian.

use crate::{
    LogLevel, Phases,
    memory::{Cx, copy, give, put_u32, split},
    state::State,
    status::{Status, Told},
};

/// The longest time for which a request may be held.
const HOLD_MS_MAX: u32 = 30_000;

pub(super) fn call(
    cx: &mut Cx<'_>,
    name: u32,
    name_n: u32,
    arguments: u32,
    arguments_n: u32,
    at: u32,
    length_at: u32,
) -> Told {
    let name = copy(cx, name, name_n)?;
    let arguments = copy(cx, arguments, arguments_n)?;
    if name == b"tidegate_features" {
        super::features::pack(cx.data_mut());
        return give(cx, at, length_at);
    }
    let answer = run(cx.data_mut(), &name, &arguments)?;
    // A module that wants no answer passes null for both places.
    if at == 0 && length_at == 0 {
        return Ok(());
    }
    match answer {
        Some(number) => {
            let state = cx.data_mut();
            state.scratch.clear();
            state.scratch.extend_from_slice(&number.to_le_bytes());
            give(cx, at, length_at)
        }
        None => {
            let (memory, _) = split(cx)?;
            put_u32(memory, at, 0)?;
            Ok(put_u32(memory, length_at, 0)?)
        }
    }
}

fn run(state: &mut State, name: &[u8], arguments: &[u8]) -> Result<Option<u64>, Status> {
    match name {
        b"tidegate_phases" => phases(state, arguments).map(|()| None),
        b"tidegate_hold" => hold(state, arguments).map(|()| None),
        b"tidegate_count" => count(state, arguments).map(Some),
        b"tidegate_distinct" => distinct(state, arguments).map(Some),
        b"tidegate_take" => take(state, arguments).map(Some),
        b"tidegate_listed" => listed(state, arguments).map(Some),
        b"tidegate_forget" => Ok(Some(u64::from(state.plugin.space.remove_value(arguments)))),
        _ => Err(Status::NotFound),
    }
}

fn phases(state: &mut State, arguments: &[u8]) -> Result<(), Status> {
    let (bits, _) = number32(arguments)?;
    state.subscribed = Some(Phases::from_bits(bits));
    Ok(())
}

fn hold(state: &mut State, arguments: &[u8]) -> Result<(), Status> {
    let (ms, _) = number32(arguments)?;
    if state.current == state.lent_to {
        state.outcome.delay_ms = ms.min(HOLD_MS_MAX);
    }
    Ok(())
}

fn count(state: &State, arguments: &[u8]) -> Result<u64, Status> {
    let (window_ms, rest) = number64(arguments)?;
    let (amount, key) = number64(rest)?;
    Ok(state.plugin.space.count(key, window_ms, amount, state.common.now_ms()))
}

fn distinct(state: &State, arguments: &[u8]) -> Result<u64, Status> {
    let (window_ms, rest) = number64(arguments)?;
    let (key, member) = sized(rest)?;
    Ok(state.plugin.space.distinct(key, member, window_ms, state.common.now_ms()))
}

fn take(state: &State, arguments: &[u8]) -> Result<u64, Status> {
    let (rate, rest) = number64(arguments)?;
    let (burst, rest) = number64(rest)?;
    let (cost, key) = number64(rest)?;
    let [rate, burst, cost] = [rate, burst, cost].map(f64::from_bits);
    if !(rate.is_finite() && burst.is_finite() && cost.is_finite() && rate > 0.0) {
        return Err(Status::BadArgument);
    }
    let now_ms = state.common.now_ms();
    Ok(u64::from(state.plugin.space.take(key, rate, burst, cost, now_ms)))
}

fn listed(state: &mut State, arguments: &[u8]) -> Result<u64, Status> {
    let (list, value) = sized(arguments)?;
    let Some(held) = state.common.lists.holds(list, value) else {
        // A name written wrongly must not pass for an empty list unseen.
        let text = format!("there is no list {:?}", String::from_utf8_lossy(list));
        state.write_log(LogLevel::Warn, text.as_bytes());
        return Ok(0);
    };
    Ok(u64::from(held))
}

fn number64(bytes: &[u8]) -> Result<(u64, &[u8]), Status> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Status::BadArgument)?;
    Ok((u64::from_le_bytes(*number), rest))
}

fn number32(bytes: &[u8]) -> Result<(u32, &[u8]), Status> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Status::BadArgument)?;
    Ok((u32::from_le_bytes(*number), rest))
}

/// A text with its size in front, and what follows.
fn sized(bytes: &[u8]) -> Result<(&[u8], &[u8]), Status> {
    let (size, rest) = number32(bytes)?;
    rest.split_at_checked(size as usize).ok_or(Status::BadArgument)
}
