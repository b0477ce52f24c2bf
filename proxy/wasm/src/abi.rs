//! The host functions: what modules import from `env` and from WASI.
//!
//! Where the specification leaves an answer open, Envoy's is given, unless the Rust SDK would panic
//! on it: then a harmless one. A request section that does not exist now reads as empty, a field in
//! it as absent, and a change of it is accepted without effect.

use wasmtime::{Engine, Linker};

use crate::{
    memory::Cx,
    state::State,
    status::{Told, tell},
};

pub(crate) use fields::apply;

mod bodies;
mod calls;
mod control;
mod features;
mod fields;
mod foreign;
mod metrics;
mod properties;
mod sharing;
mod wasi;

/// Offers host functions under their names. Every parameter is `u32` unless said otherwise.
macro_rules! offer {
    ($linker:ident, $module:literal,
     $($name:ident ( $($argument:ident $(: $kind:ty)?),* ) = $function:path;)*) => {
        $(
            $linker.func_wrap(
                $module,
                stringify!($name),
                |mut cx: Cx<'_>, $($argument: offer!(@kind $($kind)?)),*| {
                    tell($function(&mut cx, $($argument),*))
                },
            )?;
        )*
    };
    (@kind) => { u32 };
    (@kind $kind:ty) => { $kind };
}

/// Every function that a module may import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    control(&mut linker)?;
    exchange(&mut linker)?;
    outside(&mut linker)?;
    wasi::offer(&mut linker)?;
    Ok(linker)
}

/// Logs, time, contexts and streams.
fn control(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    offer! { linker, "env",
        proxy_log(level, text, length) = control::log;
        proxy_get_log_level(answer) = control::log_level;
        proxy_get_current_time_nanoseconds(answer) = control::time;
        proxy_set_tick_period_milliseconds(period_ms) = control::set_tick;
        proxy_set_effective_context(context) = control::set_context;
        proxy_done() = control::done;
        proxy_continue_stream(stream) = control::continue_stream;
        proxy_close_stream(stream) = control::close_stream;
        proxy_continue_request() = control::continue_request;
        proxy_continue_response() = control::continue_response;
        proxy_clear_route_cache() = control::clear_route_cache;
        proxy_send_local_response(status, details, details_n, body, body_n, fields, fields_n, grpc: i32)
            = control::send_local_response;
        proxy_get_configuration(at, length_at) = control::configuration;
    }
    linker.func_wrap("env", "emscripten_notify_memory_growth", |_: Cx<'_>, _memory: u32| {})?;
    linker.func_wrap("env", "pthread_equal", |_: Cx<'_>, a: u32, b: u32| u32::from(a == b))?;
    // AssemblyScript, where its author did not replace it: message, file, line, column.
    linker.func_wrap("env", "abort", |_: Cx<'_>, _: u32, _: u32, line: u32, column: u32| {
        Err::<(), _>(wasmtime::format_err!("the module aborted at {line}:{column}"))
    })?;
    linker.func_wrap("env", "seed", |mut cx: Cx<'_>| {
        let mut bytes = [0; 8];
        let _ = cx.data_mut().random.fill(&mut bytes);
        u64::from_le_bytes(bytes) as f64
    })?;
    Ok(())
}

/// The request: fields, bodies, properties.
fn exchange(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    offer! { linker, "env",
        proxy_get_header_map_pairs(map, at, length_at) = fields::pairs;
        proxy_set_header_map_pairs(map, bytes, length) = fields::set_pairs;
        proxy_get_header_map_size(map, answer) = fields::size;
        proxy_get_header_map_value(map, key, key_n, at, length_at) = fields::value;
        proxy_add_header_map_value(map, key, key_n, value, value_n) = fields::add;
        proxy_replace_header_map_value(map, key, key_n, value, value_n) = fields::replace;
        proxy_remove_header_map_value(map, key, key_n) = fields::remove;
        proxy_get_buffer_bytes(buffer, start, most, at, length_at) = bodies::bytes;
        proxy_get_buffer_status(buffer, length_at, flags_at) = bodies::status;
        proxy_set_buffer_bytes(buffer, start, size, bytes, length) = bodies::set_bytes;
        proxy_get_property(path, path_n, at, length_at) = properties::property;
        proxy_set_property(path, path_n, value, value_n) = properties::set_property;
    }
    Ok(())
}

/// Calls, shared data, queues, metrics, foreign functions.
fn outside(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    offer! { linker, "env",
        proxy_http_call(upstream, upstream_n, fields, fields_n, body, body_n, trailers, trailers_n,
            timeout_ms, answer) = calls::http_call;
        proxy_grpc_call(upstream, upstream_n, service, service_n, method, method_n, fields, fields_n,
            message, message_n, timeout_ms, answer) = calls::grpc_call;
        proxy_grpc_stream(upstream, upstream_n, service, service_n, method, method_n, fields,
            fields_n, answer) = calls::grpc_stream;
        proxy_grpc_send(call, message, message_n, end) = calls::grpc_send;
        proxy_grpc_cancel(call) = calls::grpc_cancel;
        proxy_grpc_close(call) = calls::grpc_close;
        proxy_get_status(code_at, at, length_at) = calls::status;
        proxy_get_shared_data(key, key_n, at, length_at, cas_at) = sharing::data;
        proxy_set_shared_data(key, key_n, value, value_n, cas) = sharing::set_data;
        proxy_register_shared_queue(name, name_n, answer) = sharing::register_queue;
        proxy_resolve_shared_queue(vm, vm_n, name, name_n, answer) = sharing::resolve_queue;
        proxy_enqueue_shared_queue(queue, item, item_n) = sharing::enqueue;
        proxy_dequeue_shared_queue(queue, at, length_at) = sharing::dequeue;
        proxy_define_metric(kind, name, name_n, answer) = metrics::define;
        proxy_record_metric(metric, value: u64) = metrics::record;
        proxy_increment_metric(metric, offset: i64) = metrics::increment;
        proxy_get_metric(metric, answer) = metrics::value;
        proxy_call_foreign_function(name, name_n, arguments, arguments_n, at, length_at)
            = foreign::call;
    }
    Ok(())
}

/// A host function that has nothing to do.
fn nothing() -> Told {
    Ok(())
}
