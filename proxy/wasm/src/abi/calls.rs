//! HTTP and gRPC calls.

use std::time::Duration;

use crate::{
    HttpCall, Pairs,
    mailbox::Event,
    memory::{Cx, answer_u32, copy, give, slice, split, take_u32},
    pairs,
    state::State,
    status::{Status, Told},
};

pub(super) fn http_call(
    cx: &mut Cx<'_>,
    upstream: u32,
    upstream_n: u32,
    fields: u32,
    fields_n: u32,
    body: u32,
    body_n: u32,
    trailers: u32,
    trailers_n: u32,
    timeout_ms: u32,
    answer: u32,
) -> Told {
    let body = copy(cx, body, body_n)?;
    let (memory, state) = split(cx)?;
    take_u32(memory, answer)?;
    let upstream = upstream_name(slice(memory, upstream, upstream_n)?);
    let fields = clean(pairs::decode(slice(memory, fields, fields_n)?)?)?;
    let trailers = pairs::decode(slice(memory, trailers, trailers_n)?)?;
    let limits = &state.plugin.config.limits;
    let timeout = Duration::from_millis(u64::from(timeout_ms).clamp(1, limits.call_ms_max));
    let plugin = state.plugin.name.to_string();
    let call = HttpCall { plugin, upstream, fields, body, trailers, timeout };
    let number = start(state, call)?;
    answer_u32(cx, answer, number)
}

/// The name of an upstream. Modules written for Envoy may pass a serialised `GrpcService` or a
/// cluster name of the form `outbound|443||host`; those are taken as they are and not found.
fn upstream_name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Refuses what could not go onto the wire, and calls without method, path and authority.
fn clean(fields: Pairs) -> Result<Pairs, Status> {
    let has = |wanted: &str| fields.iter().any(|(name, _)| name == wanted.as_bytes());
    let whole = [":method", ":path", ":authority"].into_iter().all(has);
    let clean = fields.iter().all(|(name, value)| pairs::is_clean(name, value));
    if whole && clean { Ok(fields) } else { Err(Status::BadArgument) }
}

fn start(state: &mut State, call: HttpCall) -> Result<u32, Status> {
    let allowed = match &state.plugin.config.upstreams {
        Some(allowed) => allowed.contains(&call.upstream),
        None => true,
    };
    let dispatcher = state.common.dispatcher.clone();
    if !allowed || !dispatcher.knows(&call.upstream) {
        return Err(Status::BadArgument);
    }
    let record = state.plugin.record.clone();
    if record.tallies.calls_open() >= state.plugin.config.limits.calls_open_max {
        return Err(Status::InternalFailure);
    }
    let runtime = state.common.runtime().ok_or(Status::InternalFailure)?;
    let number = state.next_call();
    let under_way = record.tallies.open_call(&record);
    let deliver = Delivery::of(state, number);
    let timeout = call.timeout;
    let task = runtime.spawn(async move {
        let answer = tokio::time::timeout(timeout, dispatcher.call(call)).await;
        drop(under_way);
        deliver.put(answer.ok().and_then(Result::ok));
    });
    if state.current == state.lent_to {
        state.lent_mailbox().add_call(state.link, number, task.abort_handle());
    }
    Ok(number)
}

/// Where the answer goes: to the request that asked, else to the plugin itself.
enum Delivery {
    Request {
        mailbox: std::sync::Arc<crate::mailbox::Mailbox>,
        link: usize,
        call: u32,
    },
    Plugin {
        common: std::sync::Weak<crate::common::Common>,
        plugin: std::sync::Arc<str>,
        instance: u64,
        call: u32,
    },
}

impl Delivery {
    fn of(state: &mut State, call: u32) -> Self {
        if state.current == state.lent_to {
            return Self::Request { mailbox: state.lent_mailbox(), link: state.link, call };
        }
        state.calls_open.insert(call);
        let plugin = state.plugin.name.clone();
        let common = std::sync::Arc::downgrade(&state.common);
        Self::Plugin { common, plugin, instance: state.instance, call }
    }

    fn put(self, answer: Option<crate::HttpAnswer>) {
        match self {
            Self::Request { mailbox, link, call } => {
                mailbox.put(Event::Answered { link, call, answer });
            }
            Self::Plugin { common, plugin, instance, call } => {
                if let Some(common) = common.upgrade() {
                    common.keeper.answered(plugin, instance, call, answer);
                }
            }
        }
    }
}

/// gRPC is not offered: the SDKs hand INTERNAL_FAILURE to the plugin as an error.
pub(super) fn grpc_call(
    _cx: &mut Cx<'_>,
    _upstream: u32,
    _upstream_n: u32,
    _service: u32,
    _service_n: u32,
    _method: u32,
    _method_n: u32,
    _fields: u32,
    _fields_n: u32,
    _message: u32,
    _message_n: u32,
    _timeout_ms: u32,
    _answer: u32,
) -> Told {
    Err(Status::InternalFailure.into())
}

pub(super) fn grpc_stream(
    _cx: &mut Cx<'_>,
    _upstream: u32,
    _upstream_n: u32,
    _service: u32,
    _service_n: u32,
    _method: u32,
    _method_n: u32,
    _fields: u32,
    _fields_n: u32,
    _answer: u32,
) -> Told {
    Err(Status::InternalFailure.into())
}

pub(super) fn grpc_send(
    _cx: &mut Cx<'_>,
    _call: u32,
    _message: u32,
    _size: u32,
    _end: u32,
) -> Told {
    Err(Status::NotFound.into())
}

/// Of `proxy_grpc_cancel` and `proxy_grpc_close`.
pub(super) fn grpc_end(_cx: &mut Cx<'_>, _call: u32) -> Told {
    Err(Status::NotFound.into())
}

/// Status of the present call: always 0 without a text, the answer itself carries more.
pub(super) fn status(cx: &mut Cx<'_>, code_at: u32, at: u32, length_at: u32) -> Told {
    answer_u32(cx, code_at, 0)?;
    cx.data_mut().scratch.clear();
    give(cx, at, length_at)
}
