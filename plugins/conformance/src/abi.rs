//! The host's functions as they are imported, and the two directions of bytes.

use std::alloc::{Layout, alloc};

/// Numbers of the ABI are statuses.
pub type Status = u32;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    pub fn proxy_log(level: u32, text: *const u8, size: usize) -> Status;
    pub fn proxy_get_log_level(level: *mut u32) -> Status;
    pub fn proxy_get_current_time_nanoseconds(time: *mut u64) -> Status;
    pub fn proxy_set_tick_period_milliseconds(period: u32) -> Status;
    pub fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        most: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> Status;
    pub fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> Status;
    pub fn proxy_get_buffer_status(buffer: u32, size: *mut usize, flags: *mut u32) -> Status;
    pub fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> Status;
    pub fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> Status;
    pub fn proxy_get_header_map_size(map: u32, size: *mut usize) -> Status;
    pub fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
    ) -> Status;
    pub fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> Status;
    pub fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> Status;
    pub fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> Status;
    pub fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
    ) -> Status;
    pub fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> Status;
    pub fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        fields: *const u8,
        fields_size: usize,
        grpc: i32,
    ) -> Status;
    pub fn proxy_continue_stream(stream: u32) -> Status;
    pub fn proxy_close_stream(stream: u32) -> Status;
    pub fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        fields: *const u8,
        fields_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        call: *mut u32,
    ) -> Status;
    pub fn proxy_grpc_call(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        message: *const u8,
        message_size: usize,
        timeout: u32,
        call: *mut u32,
    ) -> Status;
    pub fn proxy_grpc_stream(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        call: *mut u32,
    ) -> Status;
    pub fn proxy_grpc_send(call: u32, message: *const u8, size: usize, end: u32) -> Status;
    pub fn proxy_grpc_cancel(call: u32) -> Status;
    pub fn proxy_grpc_close(call: u32) -> Status;
    pub fn proxy_get_status(code: *mut u32, text: *mut *mut u8, size: *mut usize) -> Status;
    pub fn proxy_set_effective_context(context: u32) -> Status;
    pub fn proxy_done() -> Status;
    pub fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        value: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> Status;
    pub fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
        cas: u32,
    ) -> Status;
    pub fn proxy_register_shared_queue(name: *const u8, size: usize, queue: *mut u32) -> Status;
    pub fn proxy_resolve_shared_queue(
        vm: *const u8,
        vm_size: usize,
        name: *const u8,
        size: usize,
        queue: *mut u32,
    ) -> Status;
    pub fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> Status;
    pub fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> Status;
    pub fn proxy_define_metric(kind: u32, name: *const u8, size: usize, metric: *mut u32)
    -> Status;
    pub fn proxy_record_metric(metric: u32, value: u64) -> Status;
    pub fn proxy_increment_metric(metric: u32, offset: i64) -> Status;
    pub fn proxy_get_metric(metric: u32, value: *mut u64) -> Status;
    pub fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        result: *mut *mut u8,
        size: *mut usize,
    ) -> Status;
}

/// What the host asks for when it has bytes for the module.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::from_size_align(size.max(1), 8) {
        // SAFETY: the size is not zero.
        Ok(layout) => unsafe { alloc(layout) },
        Err(_) => std::ptr::null_mut(),
    }
}

/// Bytes that the host gave.
pub fn given(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host filled so many bytes of what the allocator above handed out.
    unsafe { std::slice::from_raw_parts(data, size).to_vec() }
}

/// Pairs as the ABI writes them.
pub fn pairs(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = (fields.len() as u32).to_le_bytes().to_vec();
    for (name, value) in fields {
        out.extend((name.len() as u32).to_le_bytes());
        out.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in fields {
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(value.as_bytes());
        out.push(0);
    }
    out
}
