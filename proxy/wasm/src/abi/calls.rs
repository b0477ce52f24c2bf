//! HTTP and gRPC calls.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{
    GRPC_DEADLINE, GRPC_UNAVAILABLE, GrpcCall, GrpcEvent, HttpCall, Pairs,
    grpc::{Kind, Open},
    mailbox::Event,
    memory::{Cx, answer_u32, copy, give, slice, split, take_u32},
    pairs,
    state::State,
    status::{Status, Stop, Told},
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

/// The name of an upstream. Modules written for Envoy pass a serialised `GrpcService` for gRPC calls,
/// whose `envoy_grpc.cluster_name` is the name.
fn upstream_name(bytes: &[u8]) -> String {
    let name = cluster_name(bytes).unwrap_or(bytes);
    String::from_utf8_lossy(name).into_owned()
}

/// Field 1 of the message that is field 1: `GrpcService { envoy_grpc { cluster_name } }`.
fn cluster_name(bytes: &[u8]) -> Option<&[u8]> {
    let first = |bytes: &'_ [u8]| -> Option<(usize, usize)> {
        let [0x0a, length, ..] = bytes else { return None };
        let end = 2 + usize::from(*length);
        (*length < 128 && end <= bytes.len()).then_some((2, end))
    };
    let (from, to) = first(bytes)?;
    let service = &bytes[from..to];
    let (from, to) = first(service)?;
    Some(&service[from..to])
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
        mailbox: Arc<crate::mailbox::Mailbox>,
        link: usize,
        call: u32,
    },
    Plugin {
        common: std::sync::Weak<crate::common::Common>,
        plugin: Arc<str>,
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
        let common = Arc::downgrade(&state.common);
        Self::Plugin { common, plugin, instance: state.instance, call }
    }

    fn put_grpc(&self, event: GrpcEvent, last: bool) {
        match self {
            Self::Request { mailbox, link, call } => {
                let (link, call) = (*link, *call);
                mailbox.put(Event::Grpc { link, call, event });
                if last {
                    mailbox.end_call(link, call);
                }
            }
            Self::Plugin { common, plugin, instance, call } => {
                if let Some(common) = common.upgrade() {
                    common.keeper.grpc(plugin.clone(), *instance, *call, event);
                }
            }
        }
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

/// One message each way.
pub(super) fn grpc_call(
    cx: &mut Cx<'_>,
    upstream: u32,
    upstream_n: u32,
    service: u32,
    service_n: u32,
    method: u32,
    method_n: u32,
    fields: u32,
    fields_n: u32,
    message: u32,
    message_n: u32,
    timeout_ms: u32,
    answer: u32,
) -> Told {
    let message = copy(cx, message, message_n)?;
    let asked = [upstream, upstream_n, service, service_n, method, method_n, fields, fields_n];
    let call_ms_max = cx.data().plugin.config.limits.call_ms_max;
    let timeout = Duration::from_millis(u64::from(timeout_ms).clamp(1, call_ms_max));
    let number = open_grpc(cx, asked, answer, Kind::Unary, Some(timeout))?;
    if let Some(open) = cx.data_mut().grpc.get_mut(&number)
        && let Some(messages) = open.messages.take()
    {
        let _ = messages.send(message);
    }
    answer_u32(cx, answer, number)
}

pub(super) fn grpc_stream(
    cx: &mut Cx<'_>,
    upstream: u32,
    upstream_n: u32,
    service: u32,
    service_n: u32,
    method: u32,
    method_n: u32,
    fields: u32,
    fields_n: u32,
    answer: u32,
) -> Told {
    let asked = [upstream, upstream_n, service, service_n, method, method_n, fields, fields_n];
    let number = open_grpc(cx, asked, answer, Kind::Stream, None)?;
    answer_u32(cx, answer, number)
}

fn open_grpc(
    cx: &mut Cx<'_>,
    asked: [u32; 8],
    answer: u32,
    kind: Kind,
    timeout: Option<Duration>,
) -> Result<u32, Stop> {
    let [upstream, upstream_n, service, service_n, method, method_n, fields, fields_n] = asked;
    let (memory, state) = split(cx)?;
    take_u32(memory, answer)?;
    let upstream = upstream_name(slice(memory, upstream, upstream_n)?);
    let word = |at, length| slice(memory, at, length).map(String::from_utf8_lossy);
    let path = format!("/{}/{}", word(service, service_n)?, word(method, method_n)?);
    let metadata = pairs::decode(slice(memory, fields, fields_n)?)?;
    let clean = metadata
        .iter()
        .all(|(name, value)| !name.starts_with(b":") && pairs::is_clean(name, value));
    if !clean || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Status::InternalFailure.into());
    }
    let (messages, receiver) = mpsc::unbounded_channel();
    let plugin = state.plugin.name.to_string();
    let call = GrpcCall { plugin, upstream, path, metadata, messages: receiver, timeout };
    Ok(start_grpc(state, call, messages, kind)?)
}

fn start_grpc(
    state: &mut State,
    call: GrpcCall,
    messages: mpsc::UnboundedSender<Vec<u8>>,
    kind: Kind,
) -> Result<u32, Status> {
    let allowed = match &state.plugin.config.upstreams {
        Some(allowed) => allowed.contains(&call.upstream),
        None => true,
    };
    let dispatcher = state.common.dispatcher.clone();
    let record = state.plugin.record.clone();
    let most = state.plugin.config.limits.calls_open_max;
    // The SDK hands these to the plugin as an error.
    if !allowed || !dispatcher.knows(&call.upstream) || record.tallies.calls_open() >= most {
        return Err(Status::InternalFailure);
    }
    let runtime = state.common.runtime().ok_or(Status::InternalFailure)?;
    let number = state.next_call();
    let under_way = record.tallies.open_call(&record);
    let deliver = Delivery::of(state, number);
    let task = runtime.spawn(async move {
        let _under_way = under_way;
        carry(dispatcher, call, kind, &deliver).await;
    });
    if state.current == state.lent_to {
        state.lent_mailbox().add_call(state.link, number, task.abort_handle());
    }
    let open =
        Open { context: state.current, kind, messages: Some(messages), task: task.abort_handle() };
    state.grpc.insert(number, open);
    Ok(number)
}

/// Carries a call and delivers what comes of it.
async fn carry(
    dispatcher: Arc<dyn crate::Dispatcher>,
    call: GrpcCall,
    kind: Kind,
    deliver: &Delivery,
) {
    let timeout = call.timeout;
    let (events, mut received) = mpsc::unbounded_channel();
    let exchange = tokio::spawn(dispatcher.grpc(call, events));
    let _ended = AbortOnDrop(exchange.abort_handle());
    let all = async {
        while let Some(event) = received.recv().await {
            let closed = matches!(event, GrpcEvent::Closed(..));
            match (kind, event) {
                // The plugin hears one thing of such a call: its answer, or how it failed.
                (Kind::Unary, GrpcEvent::Message(message)) => {
                    return deliver.put_grpc(GrpcEvent::Message(message), true);
                }
                (Kind::Unary, GrpcEvent::Metadata(_) | GrpcEvent::Trailers(_)) => {}
                (_, event) => deliver.put_grpc(event, closed),
            }
            if closed {
                return;
            }
        }
        deliver.put_grpc(GrpcEvent::Closed(GRPC_UNAVAILABLE, "broken off".to_owned()), true);
    };
    match timeout {
        None => all.await,
        Some(timeout) if tokio::time::timeout(timeout, all).await.is_ok() => {}
        Some(_) => {
            deliver.put_grpc(GrpcEvent::Closed(GRPC_DEADLINE, "took too long".to_owned()), true);
        }
    }
}

/// Ends the exchange with the call that it belongs to.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn grpc_send(cx: &mut Cx<'_>, call: u32, message: u32, size: u32, end: u32) -> Told {
    let message = copy(cx, message, size)?;
    let open = cx.data_mut().grpc.get_mut(&call).ok_or(Status::NotFound)?;
    let messages = open.messages.as_ref().ok_or(Status::BadArgument)?;
    // A call that has ended takes nothing more; its last event tells the plugin.
    let _ = messages.send(message);
    if end != 0 {
        open.messages = None;
    }
    Ok(())
}

/// The module says nothing more; what the upstream says still comes.
pub(super) fn grpc_close(cx: &mut Cx<'_>, call: u32) -> Told {
    let open = cx.data_mut().grpc.get_mut(&call).ok_or(Status::NotFound)?;
    open.messages = None;
    Ok(())
}

/// The module wants to hear nothing more of a call.
pub(super) fn grpc_cancel(cx: &mut Cx<'_>, call: u32) -> Told {
    let state = cx.data_mut();
    let open = state.grpc.remove(&call).ok_or(Status::NotFound)?;
    if open.context == state.lent_to
        && let Some(mailbox) = &state.mailbox
    {
        mailbox.end_call(state.link, call);
    }
    Ok(())
}

/// Status of the last gRPC call that ended.
pub(super) fn status(cx: &mut Cx<'_>, code_at: u32, at: u32, length_at: u32) -> Told {
    let code = cx.data().grpc_status.0;
    answer_u32(cx, code_at, code)?;
    let state = cx.data_mut();
    state.scratch.clear();
    state.scratch.extend_from_slice(state.grpc_status.1.as_bytes());
    give(cx, at, length_at)
}
