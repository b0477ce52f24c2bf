//! Logs, time, contexts, streams and local responses.

use crate::{
    LocalResponse, LogLevel,
    mailbox::Event,
    memory::{Cx, answer_u32, answer_u64, copy, give, slice, split},
    pairs,
    state::{ROOT, State},
    status::{Status, Told},
};

/// Bytes of `details`; the rest is cut.
const DETAILS_BYTES_MAX: usize = 256;

pub(super) fn log(cx: &mut Cx<'_>, level: u32, text: u32, length: u32) -> Told {
    let level = match level {
        0 => LogLevel::Trace,
        1 => LogLevel::Debug,
        2 => LogLevel::Info,
        3 => LogLevel::Warn,
        4 => LogLevel::Error,
        5 => LogLevel::Critical,
        _ => return Err(Status::BadArgument.into()),
    };
    let (memory, state) = split(cx)?;
    let text = slice(memory, text, length)?;
    state.write_log(level, text);
    Ok(())
}

/// The level below which lines are not worth making.
pub(super) fn log_level(cx: &mut Cx<'_>, answer: u32) -> Told {
    let level = cx.data().common.log_level();
    answer_u32(cx, answer, level as u32)
}

pub(super) fn time(cx: &mut Cx<'_>, answer: u32) -> Told {
    let now = cx.data().common.clock.now_ns();
    answer_u64(cx, answer, now)
}

pub(super) fn set_tick(cx: &mut Cx<'_>, period_ms: u32) -> Told {
    let state = cx.data_mut();
    state.tick_ms = period_ms;
    state.tick_changed = true;
    Ok(())
}

pub(super) fn set_context(cx: &mut Cx<'_>, context: u32) -> Told {
    let state = cx.data_mut();
    let known = context == ROOT || state.streams.contains_key(&context);
    if !known && !state.undone.contains(&context) {
        return Err(Status::BadArgument.into());
    }
    state.current = context;
    Ok(())
}

pub(super) fn done(cx: &mut Cx<'_>) -> Told {
    let state = cx.data_mut();
    let current = state.current;
    if state.undone.remove(&current) {
        state.finished.push(current);
        return Ok(());
    }
    // Envoy answers NOT_FOUND, on which the Rust SDK panics.
    Ok(())
}

pub(super) fn continue_stream(cx: &mut Cx<'_>, stream: u32) -> Told {
    match stream {
        0 | 1 => resume(cx.data_mut()),
        2 | 3 => super::nothing(),
        _ => Err(Status::BadArgument.into()),
    }
}

pub(super) fn continue_request(cx: &mut Cx<'_>) -> Told {
    resume(cx.data_mut())
}

pub(super) fn continue_response(cx: &mut Cx<'_>) -> Told {
    resume(cx.data_mut())
}

fn resume(state: &mut State) -> Told {
    if state.current == state.lent_to {
        state.outcome.resumed = true;
    } else if let Some(waiting) = state.waiting() {
        waiting.mailbox.put(Event::Resumed { link: waiting.link });
    }
    Ok(())
}

pub(super) fn close_stream(cx: &mut Cx<'_>, stream: u32) -> Told {
    if stream > 3 {
        return Err(Status::BadArgument.into());
    }
    let response = LocalResponse {
        status: 503,
        details: "closed_by_plugin".into(),
        plugin: cx.data().plugin.name.to_string(),
        ..LocalResponse::default()
    };
    answer(cx.data_mut(), response);
    Ok(())
}

pub(super) fn clear_route_cache(cx: &mut Cx<'_>) -> Told {
    if let Some(exchange) = cx.data_mut().exchange() {
        exchange.clear_route_cache();
    }
    Ok(())
}

pub(super) fn send_local_response(
    cx: &mut Cx<'_>,
    status: u32,
    details: u32,
    details_n: u32,
    body: u32,
    body_n: u32,
    fields: u32,
    fields_n: u32,
    grpc: i32,
) -> Told {
    let details = copy(cx, details, details_n)?;
    let body = copy(cx, body, body_n)?;
    let (memory, state) = split(cx)?;
    let mut fields = pairs::decode(slice(memory, fields, fields_n)?)?;
    fields.retain(|(name, value)| !name.starts_with(b":") && pairs::is_clean(name, value));
    let details = &details[..details.len().min(DETAILS_BYTES_MAX)];
    let response = LocalResponse {
        status: u16::try_from(status)
            .ok()
            .filter(|status| (200..600).contains(status))
            .unwrap_or(500),
        fields,
        body,
        grpc_status: u32::try_from(grpc).ok(),
        details: String::from_utf8_lossy(details).into_owned(),
        plugin: state.plugin.name.to_string(),
    };
    answer(state, response);
    Ok(())
}

/// The first answer wins, as in Envoy.
fn answer(state: &mut State, response: LocalResponse) {
    if state.current == state.lent_to {
        state.outcome.local.get_or_insert_with(|| Box::new(response));
    } else if let Some(waiting) = state.waiting() {
        waiting.mailbox.put(Event::Local { link: waiting.link, response: Box::new(response) });
    }
}

/// 0.1.0: the configuration of the phase, that of the machine while it starts.
pub(super) fn configuration(cx: &mut Cx<'_>, at: u32, length_at: u32) -> Told {
    let state = cx.data_mut();
    let config = &state.plugin.config;
    let bytes = match state.in_vm_start {
        true => &config.vm_configuration,
        false => &config.configuration,
    };
    state.scratch.clear();
    state.scratch.extend_from_slice(bytes);
    give(cx, at, length_at)
}
