//! The questions.

use std::{cell::Cell, fmt::Write, ptr::null_mut};

use crate::abi::*;

/// Answers of the host, as text.
#[derive(Default)]
struct Said(String);

impl Said {
    fn status(&mut self, what: &str, status: Status) {
        let _ = write!(self.0, "{}{what}={status}", if self.0.is_empty() { "" } else { " " });
    }

    fn value(&mut self, what: &str, (status, value): (Status, Vec<u8>)) {
        self.status(what, status);
        let _ = write!(self.0, "({})", String::from_utf8_lossy(&value).replace('\0', "|"));
    }
}

thread_local! {
    static CONTEXT: Cell<u32> = const { Cell::new(0) };
    static METRICS: Cell<[u32; 3]> = const { Cell::new([0; 3]) };
}

/// What has to be done before the first request.
pub fn prepare() {
    let mut metrics = [0; 3];
    for (kind, metric) in metrics.iter_mut().enumerate() {
        let name = format!("conformance_{kind}");
        // SAFETY: the pointers are of this frame, here and below.
        unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), metric) };
    }
    METRICS.set(metrics);
}

/// Answers a question by its path.
pub fn ask(context: u32, path: &str, count: usize) -> String {
    CONTEXT.set(context);
    let mut said = Said::default();
    match path {
        "/log" => log(&mut said),
        "/time" => time(&mut said),
        "/fields" => fields(&mut said, count),
        "/fields-edit" => fields_edit(&mut said),
        "/fields-set" => fields_set(&mut said),
        "/maps" => maps(&mut said),
        "/buffers" => buffers(&mut said),
        "/properties" => properties(&mut said),
        "/label" => label(&mut said),
        "/shared-data" => shared_data(&mut said),
        "/queues" => queues(&mut said),
        "/metrics" => metrics(&mut said),
        "/http-call" => http_call(&mut said),
        "/grpc" => grpc(&mut said),
        "/contexts" => contexts(&mut said),
        "/foreign" => foreign(&mut said),
        "/pointers" => pointers(&mut said),
        "/twice" => twice(&mut said),
        _ => said.0.push_str("no such question"),
    }
    said.0
}

fn get(map: u32, key: &str) -> (Status, Vec<u8>) {
    let (mut data, mut size) = (null_mut(), 0);
    let status =
        unsafe { proxy_get_header_map_value(map, key.as_ptr(), key.len(), &mut data, &mut size) };
    (status, given(data, size))
}

fn add(map: u32, key: &str, value: &str) -> Status {
    unsafe { proxy_add_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

fn replace(map: u32, key: &str, value: &str) -> Status {
    unsafe {
        proxy_replace_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len())
    }
}

fn remove(map: u32, key: &str) -> Status {
    unsafe { proxy_remove_header_map_value(map, key.as_ptr(), key.len()) }
}

fn property(path: &str) -> (Status, Vec<u8>) {
    let path = path.replace('.', "\0");
    let (mut data, mut size) = (null_mut(), 0);
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &mut data, &mut size) };
    (status, given(data, size))
}

fn buffer(number: u32) -> (Status, Vec<u8>) {
    let (mut data, mut size) = (null_mut(), 0);
    let status = unsafe { proxy_get_buffer_bytes(number, 0, usize::MAX, &mut data, &mut size) };
    (status, given(data, size))
}

fn log(said: &mut Said) {
    for level in [0, 5, 9] {
        let status = unsafe { proxy_log(level, "said".as_ptr(), 4) };
        said.status(&format!("log{level}"), status);
    }
    let mut level = 99;
    said.status("level", unsafe { proxy_get_log_level(&mut level) });
    said.status("known", u32::from(level <= 5));
}

fn time(said: &mut Said) {
    let mut now = 0;
    said.status("time", unsafe { proxy_get_current_time_nanoseconds(&mut now) });
    said.status("later_than_2020", u32::from(now > 1_577_836_800_000_000_000));
    said.status("tick", unsafe { proxy_set_tick_period_milliseconds(0) });
}

fn fields(said: &mut Said, count: usize) {
    said.value("method", get(0, ":method"));
    said.value("absent", get(0, "x-absent"));
    said.value("empty", get(0, "x-empty"));
    said.value("case", get(0, "X-ONE"));
    said.value("property", property("request.headers.x-one"));
    let (mut data, mut size) = (null_mut(), 0);
    said.status("pairs", unsafe { proxy_get_header_map_pairs(0, &mut data, &mut size) });
    let pairs = given(data, size);
    let told = pairs.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    said.status("same_count", u32::from(told >= 4 && (told == count || count == 0)));
    let mut bytes = 0;
    said.status("size", unsafe { proxy_get_header_map_size(0, &mut bytes) });
    said.status("counted", u32::from(bytes > 20));
}

fn fields_edit(said: &mut Said) {
    said.status("add", add(0, "x-new", "1"));
    said.status("again", add(0, "x-new", "2"));
    said.value("first", get(0, "x-new"));
    said.status("replace", replace(0, "x-new", "3"));
    said.value("replaced", get(0, "x-new"));
    said.status("create", replace(0, "x-made", "4"));
    said.value("made", get(0, "x-made"));
    said.status("remove", remove(0, "x-new"));
    said.value("removed", get(0, "x-new"));
    said.status("remove_absent", remove(0, "x-never"));
}

fn fields_set(said: &mut Said) {
    let new = pairs(&[
        (":authority", "example.com"),
        (":path", "/fields-set"),
        (":method", "GET"),
        (":scheme", "http"),
        ("x-only", "1"),
    ]);
    said.status("set", unsafe { proxy_set_header_map_pairs(0, new.as_ptr(), new.len()) });
    said.value("only", get(0, "x-only"));
    said.value("gone", get(0, "x-one"));
    said.status("none", unsafe { proxy_set_header_map_pairs(0, [0u8; 3].as_ptr(), 3) });
}

fn maps(said: &mut Said) {
    for map in [1, 2, 3, 6, 8] {
        let (mut data, mut size) = (null_mut(), 0);
        let status = unsafe { proxy_get_header_map_pairs(map, &mut data, &mut size) };
        said.value(&format!("pairs{map}"), (status, given(data, size)));
        said.status(&format!("value{map}"), get(map, "x").0);
    }
    said.status("add2", add(2, "x", "y"));
    said.status("add8", add(8, "x", "y"));
}

fn buffers(said: &mut Said) {
    for number in [0, 1, 2, 4, 6, 7, 8, 9] {
        said.status(&format!("get{number}"), buffer(number).0);
    }
    let (mut size, mut flags) = (9, 9);
    said.status("status0", unsafe { proxy_get_buffer_status(0, &mut size, &mut flags) });
    said.status("size0", size as u32);
    said.status("set9", unsafe { proxy_set_buffer_bytes(9, 0, 0, "x".as_ptr(), 1) });
}

fn properties(said: &mut Said) {
    for path in ["plugin_root_id", "request.method", "request.path", "request.host"] {
        said.value(path, property(path));
    }
    for path in ["request.url_path", "request.query", "request.scheme", "request.protocol"] {
        said.value(path, property(path));
    }
    for path in ["plugin_name", "source.address", "request.headers"] {
        said.status(path, property(path).0);
    }
    let (status, value) = property("request.time");
    said.status("request.time", status);
    said.status("bytes", value.len() as u32);
    said.status("response.code", property("response.code").0);
    said.status("unknown", property("no.such.thing").0);
}

fn label(said: &mut Said) {
    let set = |path: &str, value: &str| {
        let path = path.replace('.', "\0");
        unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) }
    };
    said.status("set", set("my.label", "yes"));
    said.value("get", property("my.label"));
    said.status("set_known", set("request.path", "/other"));
    said.value("known", property("request.path"));
}

fn shared_data(said: &mut Said) {
    let get = |key: &str| {
        let (mut data, mut size, mut cas) = (null_mut(), 0, 0);
        let status = unsafe {
            proxy_get_shared_data(key.as_ptr(), key.len(), &mut data, &mut size, &mut cas)
        };
        (status, given(data, size), cas)
    };
    let set = |key: &str, value: &str, cas| unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    };
    said.status("absent", get("never").0);
    said.status("set", set("key", "one", 0));
    let (status, value, cas) = get("key");
    said.value("get", (status, value));
    said.status("stale", set("key", "two", cas.wrapping_add(7)));
    said.status("fresh", set("key", "two", cas));
    said.status("again", set("key", "three", cas));
    said.value("kept", (get("key").0, get("key").1));
    said.status("empty", set("nothing", "", 0));
    said.value("nothing", (get("nothing").0, get("nothing").1));
}

fn queues(said: &mut Said) {
    let (mut queue, mut found) = (0, 0);
    let name = "conformance";
    said.status("register", unsafe {
        proxy_register_shared_queue(name.as_ptr(), name.len(), &mut queue)
    });
    let vm = property("plugin_vm_id").1;
    said.status("resolve", unsafe {
        proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), &mut found)
    });
    said.status("same", u32::from(queue == found));
    said.status("resolve_absent", unsafe {
        proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), "x".as_ptr(), 1, &mut found)
    });
    let take = |queue| {
        let (mut data, mut size) = (null_mut(), 0);
        let status = unsafe { proxy_dequeue_shared_queue(queue, &mut data, &mut size) };
        (status, given(data, size))
    };
    said.value("empty", take(queue));
    said.status("put", unsafe { proxy_enqueue_shared_queue(queue, "item".as_ptr(), 4) });
    said.value("take", take(queue));
    said.status("unknown", take(999).0);
    said.status("put_unknown", unsafe { proxy_enqueue_shared_queue(999, "x".as_ptr(), 1) });
}

fn metrics(said: &mut Said) {
    let [counter, gauge, histogram] = METRICS.get();
    let value = |metric| {
        let mut value = 0;
        (unsafe { proxy_get_metric(metric, &mut value) }, value)
    };
    let before = value(counter).1;
    said.status("add", unsafe { proxy_increment_metric(counter, 2) });
    said.status("record", unsafe { proxy_record_metric(counter, 3) });
    said.status("grew", (value(counter).1 - before) as u32);
    said.status("less", unsafe { proxy_increment_metric(counter, -1) });
    said.status("gauge", unsafe { proxy_record_metric(gauge, 7) });
    said.status("down", unsafe { proxy_increment_metric(gauge, -3) });
    said.status("is", value(gauge).1 as u32);
    said.status("histogram", unsafe { proxy_record_metric(histogram, 9) });
    said.status("histogram_get", value(histogram).0);
    said.status("unknown_add", unsafe { proxy_increment_metric(9_999, 1) });
    said.status("unknown_record", unsafe { proxy_record_metric(9_999, 1) });
    said.status("unknown_get", value(9_999).0);
}

fn http_call(said: &mut Said) {
    let call = |upstream: &str, fields: &[u8]| {
        let mut number = 0;
        unsafe {
            proxy_http_call(
                upstream.as_ptr(),
                upstream.len(),
                fields.as_ptr(),
                fields.len(),
                std::ptr::null(),
                0,
                std::ptr::null(),
                0,
                100,
                &mut number,
            )
        }
    };
    let whole = pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    said.status("unknown_upstream", call("no-such-upstream", &whole));
    said.status("no_head", call("no-such-upstream", &pairs(&[("x", "y")])));
}

fn grpc(said: &mut Said) {
    let (upstream, service, method, mut number) = ("no-such-upstream", "s", "m", 0);
    said.status("call", unsafe {
        proxy_grpc_call(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            std::ptr::null(),
            0,
            "m".as_ptr(),
            1,
            100,
            &mut number,
        )
    });
    said.status("stream", unsafe {
        proxy_grpc_stream(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            std::ptr::null(),
            0,
            &mut number,
        )
    });
    said.status("send_unknown", unsafe { proxy_grpc_send(999, "m".as_ptr(), 1, 1) });
    said.status("cancel_unknown", unsafe { proxy_grpc_cancel(999) });
    said.status("close_unknown", unsafe { proxy_grpc_close(999) });
    let (mut code, mut data, mut size) = (9, null_mut(), 0);
    said.status("status", unsafe { proxy_get_status(&mut code, &mut data, &mut size) });
    said.status("code", code);
}

fn contexts(said: &mut Said) {
    said.status("unknown", unsafe { proxy_set_effective_context(999_999) });
    said.status("root", unsafe { proxy_set_effective_context(1) });
    said.status("no_request", get(0, ":path").0);
    said.status("back", unsafe { proxy_set_effective_context(CONTEXT.get()) });
    said.status("request", get(0, ":path").0);
    said.status("done", unsafe { proxy_done() });
    said.status("continue9", unsafe { proxy_continue_stream(9) });
    said.status("close9", unsafe { proxy_close_stream(9) });
}

fn foreign(said: &mut Said) {
    let (name, mut data, mut size) = ("no_such_function", null_mut(), 0);
    said.status("unknown", unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            std::ptr::null(),
            0,
            &mut data,
            &mut size,
        )
    });
}

/// Pointers beyond the memory.
fn pointers(said: &mut Said) {
    let wild = 0xffff_fff0 as *mut u8;
    said.status("log", unsafe { proxy_log(2, wild, 64) });
    said.status("value", unsafe {
        proxy_get_header_map_value(0, wild, 64, &mut null_mut(), &mut 0)
    });
    said.status("into", unsafe {
        proxy_get_header_map_value(0, ":path".as_ptr(), 5, wild.cast(), wild.cast())
    });
    said.status("property", unsafe { proxy_get_property(wild, 64, &mut null_mut(), &mut 0) });
    said.status("metric", unsafe { proxy_define_metric(0, wild, 64, &mut 0) });
    said.status("shared", unsafe { proxy_set_shared_data(wild, 64, wild, 64, 0) });
}

/// The first answer wins: the body of this one is seen.
fn twice(said: &mut Said) {
    let body = "first\n";
    said.status("first", unsafe {
        proxy_send_local_response(
            201,
            std::ptr::null(),
            0,
            body.as_ptr(),
            body.len(),
            std::ptr::null(),
            0,
            -1,
        )
    });
}

/// What stands in the buffer of the body.
pub fn body(size: usize) -> String {
    let mut said = Said::default();
    said.status("told", size as u32);
    said.value("all", buffer(0));
    let (mut data, mut length) = (null_mut(), 0);
    let status = unsafe { proxy_get_buffer_bytes(0, 2, 3, &mut data, &mut length) };
    said.value("part", (status, given(data, length)));
    let status = unsafe { proxy_get_buffer_bytes(0, 999, 3, &mut data, &mut length) };
    said.value("beyond", (status, if length == 0 { Vec::new() } else { given(data, length) }));
    said.0
}

/// Puts something in front, behind, and in the middle.
pub fn body_edit(size: usize) {
    let set = |start: usize, length: usize, text: &str| unsafe {
        proxy_set_buffer_bytes(0, start, length, text.as_ptr(), text.len())
    };
    set(size, 0, ">>");
    set(1, 1, "-middle-");
    set(0, 0, "<<");
}

/// What a response shows.
pub fn response() {
    let mut said = Said::default();
    said.value("status", get(2, ":status"));
    let (status, value) = property("response.code");
    said.status("code", status);
    said.status("bytes", value.len() as u32);
    said.value("request", get(0, ":method"));
    replace(2, "x-said", &said.0);
    remove(2, "x-secret");
}
