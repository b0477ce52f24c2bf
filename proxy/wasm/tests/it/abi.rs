//! Each host function, called from WAT; the module logs the status, or what it was given.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tidegate_wasm::{Clock, HostConfig, LoadError, MetricValue, Verdict};

use crate::world::{Request, Stage, module, stage, stage_with, wait_until};

/// Imports by signature of i32 parameters and one i32 result.
fn import(functions: &[(&str, usize)]) -> String {
    let one = |(name, parameters): &(&str, usize)| {
        let parameters = "i32 ".repeat(*parameters);
        format!("(import \"env\" \"{name}\" (func ${name} (param {parameters}) (result i32)))\n")
    };
    functions.iter().map(one).collect()
}

/// A module that does `work` when the request's head arrives, and lets it go on.
fn at_request(functions: &[(&str, usize)], data: &str, work: &str) -> String {
    at_request_importing(&import(functions), data, work)
}

fn at_request_importing(imports: &str, data: &str, work: &str) -> String {
    let body = format!(
        r#"{data}
        (func (export "proxy_on_request_headers") (param $ctx i32) (param i32 i32) (result i32)
          {work}
          (i32.const 0))"#
    );
    module(imports, &body)
}

/// Runs the module over a request; answers what it logged and the verdict.
fn run_on(stage: &Stage, wat: &str, request: &mut Request) -> (Vec<String>, Verdict) {
    let chain = stage.chain(wat);
    let mut context = chain.begin();
    let verdict = context.on_request_headers(request, true);
    context.finish(request);
    (stage.lines.all(), verdict)
}

fn run(wat: &str, request: &mut Request) -> Vec<String> {
    let (lines, verdict) = run_on(&stage(), wat, request);
    assert_eq!(verdict, Verdict::Continue);
    lines
}

/// Calls a function and logs its status.
fn status(call: &str) -> String {
    format!("(call $num ({call}))\n")
}

/// Calls a function that gives a text at 0 and 4, logs its status and then the text.
fn text(call: &str) -> String {
    format!("(call $num ({call})) (call $say)\n")
}

#[test]
fn a_field_reads_as_its_first_value() {
    let wat = at_request(
        &[("proxy_get_header_map_value", 5)],
        r#"(data (i32.const 1024) "X-TwiceemptynoneX")"#,
        &[
            text("call $proxy_get_header_map_value (i32.const 0) (i32.const 1024) (i32.const 7) (i32.const 0) (i32.const 4)"),
            text("call $proxy_get_header_map_value (i32.const 0) (i32.const 1031) (i32.const 5) (i32.const 0) (i32.const 4)"),
            status("call $proxy_get_header_map_value (i32.const 0) (i32.const 1036) (i32.const 4) (i32.const 0) (i32.const 4)"),
            // A section that does not exist now reads as empty; one that never does is an error.
            status("call $proxy_get_header_map_value (i32.const 2) (i32.const 1024) (i32.const 7) (i32.const 0) (i32.const 4)"),
            status("call $proxy_get_header_map_value (i32.const 6) (i32.const 1024) (i32.const 7) (i32.const 0) (i32.const 4)"),
            status("call $proxy_get_header_map_value (i32.const 8) (i32.const 1024) (i32.const 7) (i32.const 0) (i32.const 4)"),
        ]
        .concat(),
    );
    let mut request = Request::get("/").with("x-twice", "a").with("x-twice", "b").with("empty", "");
    assert_eq!(run(&wat, &mut request), ["00", "a", "00", "", "01", "01", "01", "02"]);
}

#[test]
fn fields_are_added_replaced_and_removed() {
    let wat = at_request(
        &[
            ("proxy_add_header_map_value", 5),
            ("proxy_replace_header_map_value", 5),
            ("proxy_remove_header_map_value", 3),
        ],
        r#"(data (i32.const 1024) "X-NewvalueX-OldX-GoneX Bad:path/newa\0d\0aevil: 1")"#,
        &[
            status("call $proxy_add_header_map_value (i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 1029) (i32.const 5)"),
            status("call $proxy_replace_header_map_value (i32.const 0) (i32.const 1034) (i32.const 5) (i32.const 1029) (i32.const 5)"),
            status("call $proxy_remove_header_map_value (i32.const 0) (i32.const 1039) (i32.const 6)"),
            status("call $proxy_remove_header_map_value (i32.const 0) (i32.const 1039) (i32.const 6)"),
            // A name that is no token is dropped, a line break in a value becomes a space.
            status("call $proxy_add_header_map_value (i32.const 0) (i32.const 1045) (i32.const 5) (i32.const 1029) (i32.const 5)"),
            status("call $proxy_replace_header_map_value (i32.const 0) (i32.const 1050) (i32.const 5) (i32.const 1055) (i32.const 4)"),
            status("call $proxy_add_header_map_value (i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 1059) (i32.const 10)"),
            // A section that does not exist now takes changes without effect.
            status("call $proxy_add_header_map_value (i32.const 2) (i32.const 1024) (i32.const 5) (i32.const 1029) (i32.const 5)"),
            status("call $proxy_add_header_map_value (i32.const 9) (i32.const 1024) (i32.const 5) (i32.const 1029) (i32.const 5)"),
        ]
        .concat(),
    );
    let mut request = Request::get("/").with("x-old", "1").with("x-old", "2").with("x-gone", "3");
    assert_eq!(run(&wat, &mut request), ["00", "00", "00", "00", "00", "00", "00", "00", "02"]);
    let fields = request.maps[0].as_ref().unwrap();
    let shown: Vec<String> = fields[1..]
        .iter()
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
        .collect();
    assert_eq!(
        shown,
        [
            ":method=GET",
            ":scheme=https",
            "x-new=value",
            "x-old=value",
            ":path=/new",
            "x-new=a  evil: 1"
        ]
    );
}

#[test]
fn maps_are_given_and_taken_whole() {
    let wat = at_request(
        &[
            ("proxy_get_header_map_pairs", 3),
            ("proxy_set_header_map_pairs", 3),
            ("proxy_get_header_map_size", 2),
        ],
        r#"(data (i32.const 1024) "\01\00\00\00\01\00\00\00\01\00\00\00A\00b\00")"#,
        &[
            status("call $proxy_get_header_map_size (i32.const 0) (i32.const 0)"),
            "(call $num (i32.load (i32.const 0)))".into(),
            status("call $proxy_get_header_map_pairs (i32.const 0) (i32.const 0) (i32.const 4)"),
            "(call $num (i32.load (i32.load (i32.const 0))))".into(),
            status("call $proxy_get_header_map_pairs (i32.const 2) (i32.const 0) (i32.const 4)"),
            "(call $num (i32.load (i32.const 4)))".into(),
            status(
                "call $proxy_set_header_map_pairs (i32.const 0) (i32.const 1024) (i32.const 16)",
            ),
            status(
                "call $proxy_set_header_map_pairs (i32.const 0) (i32.const 1024) (i32.const 15)",
            ),
        ]
        .concat(),
    );
    let mut request = Request::get("/");
    request.maps[0].as_mut().unwrap().truncate(2);
    let lines = run(&wat, &mut request);
    // 4 + two pairs of 8 + ":authority" "example.com" ":path" "/" with a NUL behind each.
    assert_eq!(lines, ["00", "51", "00", "02", "00", "00", "00", "02"]);
    assert_eq!(request.header("a").as_deref(), Some("b"));
    assert_eq!(request.header("x"), None);
}

#[test]
fn properties_have_envoys_types() {
    let wat = at_request(
        &[("proxy_get_property", 4), ("proxy_set_property", 4)],
        r#"(data (i32.const 1024) "plugin_namesource\00addresssource\00portrequest\00pathrequest\00url_pathrequest\00headers\00xnone\00labellabelyesrequest\00query")"#,
        &[
            text("call $proxy_get_property (i32.const 1024) (i32.const 11) (i32.const 0) (i32.const 4)"),
            text("call $proxy_get_property (i32.const 1035) (i32.const 14) (i32.const 0) (i32.const 4)"),
            status("call $proxy_get_property (i32.const 1049) (i32.const 11) (i32.const 0) (i32.const 4)"),
            "(call $num (i32.load (i32.const 4))) (call $num (i32.rem_u (i32.load (i32.load (i32.const 0))) (i32.const 100)))".into(),
            text("call $proxy_get_property (i32.const 1060) (i32.const 12) (i32.const 0) (i32.const 4)"),
            text("call $proxy_get_property (i32.const 1072) (i32.const 16) (i32.const 0) (i32.const 4)"),
            text("call $proxy_get_property (i32.const 1088) (i32.const 17) (i32.const 0) (i32.const 4)"),
            status("call $proxy_get_property (i32.const 1105) (i32.const 4) (i32.const 0) (i32.const 4)"),
            status("call $proxy_get_property (i32.const 1105) (i32.const 0) (i32.const 0) (i32.const 4)"),
            status("call $proxy_set_property (i32.const 1110) (i32.const 5) (i32.const 1120) (i32.const 3)"),
            text("call $proxy_get_property (i32.const 1110) (i32.const 5) (i32.const 0) (i32.const 4)"),
            text("call $proxy_get_property (i32.const 1123) (i32.const 13) (i32.const 0) (i32.const 4)"),
        ]
        .concat(),
    );
    let mut request = Request::get("/p?q=1").with("x", "a").with("x", "b");
    assert_eq!(
        run(&wat, &mut request),
        [
            "00",
            "probe",
            "00",
            "192.0.2.1:4711",
            "00",
            "08",
            "11",
            "00",
            "/p?q=1",
            "00",
            "/p",
            "00",
            "a,b",
            "01",
            "03",
            "00",
            "00",
            "yes",
            "00",
            "q=1"
        ]
    );
}

#[test]
fn a_local_response_ends_the_request_and_the_first_one_wins() {
    let send = "call $proxy_send_local_response (i32.const 418) (i32.const 1024) (i32.const 3) (i32.const 1027) (i32.const 4) (i32.const 1040) (i32.const 16) (i32.const 7)";
    let wat = at_request(
        &[("proxy_send_local_response", 8)],
        r#"(data (i32.const 1024) "whybody") (data (i32.const 1040) "\01\00\00\00\01\00\00\00\01\00\00\00A\00b\00")"#,
        &[
            status(send),
            status("call $proxy_send_local_response (i32.const 500) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)"),
        ]
        .concat(),
    );
    let (lines, verdict) = run_on(&stage(), &wat, &mut Request::get("/"));
    assert_eq!(lines, ["00", "00"]);
    let Verdict::Answer(answer) = verdict else { panic!("{verdict:?}") };
    assert_eq!(
        (answer.status, answer.details.as_str(), answer.body.as_slice()),
        (418, "why", &b"body"[..])
    );
    assert_eq!(answer.fields, [(b"a".to_vec(), b"b".to_vec())]);
    assert_eq!(answer.grpc_status, Some(7));
}

#[test]
fn shared_data_is_compared_and_swapped() {
    let get = "call $proxy_get_shared_data (i32.const 1024) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8)";
    let set = |length: u32, cas: &str| {
        format!(
            "call $proxy_set_shared_data (i32.const 1024) (i32.const 1) (i32.const 1025) (i32.const {length}) {cas}"
        )
    };
    let wat = at_request(
        &[("proxy_get_shared_data", 5), ("proxy_set_shared_data", 5)],
        r#"(data (i32.const 1024) "kvalue")"#,
        &[
            status(get),
            // A version over an absent key is accepted, as in Envoy.
            status(&set(5, "(i32.const 77)")),
            text(get),
            status(&set(4, "(i32.add (i32.const 1) (i32.load (i32.const 8)))")),
            status(&set(4, "(i32.load (i32.const 8))")),
            text(get),
            status(&set(0, "(i32.const 0)")),
            text(get),
        ]
        .concat(),
    );
    let lines = run(&wat, &mut Request::get("/"));
    assert_eq!(lines, ["01", "00", "00", "value", "08", "00", "00", "valu", "00", "00", ""]);
}

#[test]
fn queues_are_first_in_first_out_and_ring() {
    let body = r#"(data (i32.const 1024) "queueonetwo")
      (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
        (drop (call $proxy_register_shared_queue (i32.const 1024) (i32.const 5) (i32.const 8)))
        (i32.const 1))
      (func (export "proxy_on_queue_ready") (param i32 i32)
        (call $num (i32.add (i32.const 40) (local.get 1)))
        (call $num (call $proxy_dequeue_shared_queue (local.get 1) (i32.const 0) (i32.const 4))) (call $say)
        (call $num (call $proxy_dequeue_shared_queue (local.get 1) (i32.const 0) (i32.const 4))) (call $say)
        (call $num (call $proxy_dequeue_shared_queue (local.get 1) (i32.const 0) (i32.const 4))))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $num (call $proxy_resolve_shared_queue (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 12)))
        (call $num (call $proxy_resolve_shared_queue (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 4) (i32.const 0)))
        (call $num (call $proxy_enqueue_shared_queue (i32.load (i32.const 12)) (i32.const 1029) (i32.const 3)))
        (call $num (call $proxy_enqueue_shared_queue (i32.load (i32.const 12)) (i32.const 1032) (i32.const 3)))
        (call $num (call $proxy_enqueue_shared_queue (i32.const 99) (i32.const 1032) (i32.const 3)))
        (i32.const 0))"#;
    let imports = import(&[
        ("proxy_register_shared_queue", 3),
        ("proxy_resolve_shared_queue", 5),
        ("proxy_enqueue_shared_queue", 3),
        ("proxy_dequeue_shared_queue", 3),
    ]);
    let stage = stage();
    let chain = stage.chain(&module(&imports, body));
    let mut request = Request::get("/");
    let mut context = chain.begin();
    context.on_request_headers(&mut request, true);
    stage.lines.wait_for("07");
    let expected = ["00", "01", "00", "00", "01", "41", "00", "one", "00", "two", "07"];
    assert_eq!(stage.lines.all(), expected);
}

#[test]
fn metrics_count_and_show() {
    let imports = [
        import(&[("proxy_define_metric", 4), ("proxy_get_metric", 2)]),
        r#"(import "env" "proxy_increment_metric" (func $inc (param i32 i64) (result i32)))
           (import "env" "proxy_record_metric" (func $rec (param i32 i64) (result i32)))"#
            .into(),
    ]
    .concat();
    let wat = at_request_importing(
        &imports,
        r#"(data (i32.const 1024) "my.countgaugehisto")"#,
        &[
            status("call $proxy_define_metric (i32.const 0) (i32.const 1024) (i32.const 8) (i32.const 20)"),
            status("call $proxy_define_metric (i32.const 1) (i32.const 1032) (i32.const 5) (i32.const 24)"),
            status("call $proxy_define_metric (i32.const 2) (i32.const 1037) (i32.const 5) (i32.const 28)"),
            status("call $proxy_define_metric (i32.const 3) (i32.const 1037) (i32.const 5) (i32.const 28)"),
            status("call $inc (i32.load (i32.const 20)) (i64.const 3)"),
            status("call $inc (i32.load (i32.const 20)) (i64.const -1)"),
            status("call $rec (i32.load (i32.const 20)) (i64.const 4)"),
            status("call $rec (i32.load (i32.const 24)) (i64.const 9)"),
            status("call $inc (i32.load (i32.const 24)) (i64.const -2)"),
            status("call $rec (i32.load (i32.const 28)) (i64.const 5)"),
            status("call $inc (i32.load (i32.const 28)) (i64.const 5)"),
            status("call $proxy_get_metric (i32.load (i32.const 20)) (i32.const 40)"),
            "(call $num (i32.load (i32.const 40)))".into(),
            status("call $proxy_get_metric (i32.load (i32.const 28)) (i32.const 40)"),
            status("call $inc (i32.const 999) (i64.const 1)"),
            status("call $rec (i32.const 999) (i64.const 1)"),
        ]
        .concat(),
    );
    let stage = stage();
    let (lines, _) = run_on(&stage, &wat, &mut Request::get("/"));
    let expected = [
        "00", "00", "00", "02", "00", "02", "00", "00", "00", "00", "02", "00", "07", "02", "02",
        "01",
    ];
    assert_eq!(lines, expected);
    let value = |name: &str| {
        stage.host.metrics().into_iter().find(|sample| sample.name == name).unwrap().value
    };
    assert_eq!(value("tidegate_plugin_my_count"), MetricValue::Counter(7));
    assert_eq!(value("tidegate_plugin_gauge"), MetricValue::Gauge(7));
    let MetricValue::Histogram { count: 1, sum: 5, buckets } = value("tidegate_plugin_histo")
    else {
        panic!("not one observation of 5");
    };
    assert_eq!(&buckets[..4], [(1, 0), (2, 0), (4, 0), (8, 1)]);
}

#[test]
fn the_clock_is_the_hosts() {
    let now = Arc::new(AtomicU64::new(42));
    let stage =
        stage_with(HostConfig { clock: Clock::Frozen(now.clone()), ..HostConfig::default() });
    let wat = at_request(
        &[("proxy_get_current_time_nanoseconds", 1)],
        "",
        "(drop (call $proxy_get_current_time_nanoseconds (i32.const 8))) (call $num (i32.load (i32.const 8)))",
    );
    let chain = stage.chain(&wat);
    for expected in ["42", "43"] {
        let mut context = chain.begin();
        context.on_request_headers(&mut Request::get("/"), true);
        assert_eq!(stage.lines.all().last().unwrap(), expected);
        now.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn wrong_numbers_are_bad_arguments() {
    let wat = at_request(
        &[
            ("proxy_set_effective_context", 1),
            ("proxy_continue_stream", 1),
            ("proxy_close_stream", 1),
            ("proxy_get_buffer_status", 3),
        ],
        "",
        &[
            status("call $log (i32.const 9) (i32.const 0) (i32.const 0)"),
            status("call $proxy_set_effective_context (i32.const 999)"),
            status("call $proxy_set_effective_context (local.get $ctx)"),
            status("call $proxy_set_effective_context (i32.const 1)"),
            status("call $proxy_continue_stream (i32.const 9)"),
            status("call $proxy_close_stream (i32.const 9)"),
            status("call $proxy_get_buffer_status (i32.const 9) (i32.const 0) (i32.const 4)"),
        ]
        .concat(),
    );
    let lines = run(&wat, &mut Request::get("/"));
    assert_eq!(lines, ["02", "02", "00", "00", "02", "02", "01"]);
}

#[test]
fn configurations_are_buffers() {
    let get = |buffer: u32| {
        format!(
            "call $proxy_get_buffer_bytes (i32.const {buffer}) (i32.const 0) (i32.const 99) (i32.const 0) (i32.const 4)"
        )
    };
    let body = format!(
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) {} (i32.const 1))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $num (local.get 1)) {} {}
             (call $num (call $proxy_get_configuration (i32.const 0) (i32.const 4))) (call $say)
             (i32.const 1))"#,
        text(&get(6)),
        text(&get(7)),
        status(&get(4)),
    );
    let imports = import(&[("proxy_get_buffer_bytes", 5), ("proxy_get_configuration", 2)]);
    let stage = stage();
    let loaded = stage.load_with(&module(&imports, &body), |config| {
        config.configuration = b"plugin".to_vec();
        config.vm_configuration = b"machine".to_vec();
    });
    loaded.unwrap();
    // The canary and the worker's instance both start.
    let once = ["00", "machine", "06", "00", "plugin", "01", "00", "plugin"];
    assert_eq!(stage.lines.all(), [once, once].concat());
}

#[test]
fn foreign_functions_count_for_all_workers() {
    let wat = at_request(
        &[("proxy_call_foreign_function", 6)],
        r#"(data (i32.const 1024) "tidegate_countunknown") (data (i32.const 1060) "\e8\03\00\00\00\00\00\00\02\00\00\00\00\00\00\00key")"#,
        &[
            status("call $proxy_call_foreign_function (i32.const 1024) (i32.const 14) (i32.const 1060) (i32.const 19) (i32.const 0) (i32.const 4)"),
            "(call $num (i32.load (i32.load (i32.const 0))))".into(),
            status("call $proxy_call_foreign_function (i32.const 1024) (i32.const 14) (i32.const 1060) (i32.const 19) (i32.const 0) (i32.const 0)"),
            status("call $proxy_call_foreign_function (i32.const 1024) (i32.const 14) (i32.const 1060) (i32.const 7) (i32.const 0) (i32.const 4)"),
            status("call $proxy_call_foreign_function (i32.const 1038) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)"),
        ]
        .concat(),
    );
    let lines = run(&wat, &mut Request::get("/"));
    assert_eq!(lines[..2], ["00", "02"]);
    assert_eq!(lines[3..], ["02", "01"]);
}

#[test]
fn timers_tick_until_they_are_stopped() {
    let body = r#"
      (global $ticks (mut i32) (i32.const 0))
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $proxy_set_tick_period_milliseconds (i32.const 1)))
        (i32.const 1))
      (func (export "proxy_on_tick") (param i32)
        (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
        (call $num (global.get $ticks))
        (if (i32.eq (global.get $ticks) (i32.const 3))
          (then (drop (call $proxy_set_tick_period_milliseconds (i32.const 0))))))"#;
    let stage = stage();
    let imports = import(&[("proxy_set_tick_period_milliseconds", 1)]);
    let _plugin = stage.load(&module(&imports, body)).unwrap();
    stage.lines.wait_for("03");
    std::thread::sleep(std::time::Duration::from_millis(30));
    assert_eq!(stage.lines.all(), ["01", "02", "03"]);
}

#[test]
fn version_0_1_0_has_two_parameters_and_its_own_functions() {
    let imports = import(&[
        ("proxy_continue_request", 0),
        ("proxy_continue_response", 0),
        ("proxy_clear_route_cache", 0),
    ]);
    let body = r#"
      (func (export "proxy_on_request_headers") (param i32 i32) (result i32)
        (call $num (local.get 1))
        (call $num (call $proxy_clear_route_cache))
        (call $num (call $proxy_continue_request))
        (call $num (call $proxy_continue_response))
        (i32.const 1))"#;
    let wat = module(&imports, body)
        .replace("proxy_abi_version_0_2_1", "proxy_abi_version_0_1_0")
        .replace("(param )", "");
    // Continued within the callback: the pause does not hold.
    assert_eq!(run(&wat, &mut Request::get("/")), ["04", "00", "00", "00"]);
}

#[test]
fn wasi_offers_output_time_random_numbers_and_no_files() {
    let wasi = |name: &str, parameters: &str| {
        format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {parameters}) (result i32)))\n"
        )
    };
    let imports = [
        wasi("fd_write", "i32 i32 i32 i32"),
        wasi("fd_read", "i32 i32 i32 i32"),
        wasi("fd_seek", "i32 i64 i32 i32"),
        wasi("fd_close", "i32"),
        wasi("fd_fdstat_get", "i32 i32"),
        wasi("fd_fdstat_set_flags", "i32 i32"),
        wasi("fd_prestat_get", "i32 i32"),
        wasi("fd_prestat_dir_name", "i32 i32 i32"),
        wasi("args_sizes_get", "i32 i32"),
        wasi("args_get", "i32 i32"),
        wasi("environ_sizes_get", "i32 i32"),
        wasi("environ_get", "i32 i32"),
        wasi("clock_time_get", "i32 i64 i32"),
        wasi("random_get", "i32 i32"),
        wasi("poll_oneoff", "i32 i32 i32 i32"),
        "(import \"wasi_unstable\" \"sched_yield\" (func $sched_yield (result i32)))".into(),
        "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func $proc_exit (param i32)))".into(),
    ]
    .concat();
    let work = [
        "(i32.store (i32.const 100) (i32.const 1024)) (i32.store (i32.const 104) (i32.const 3))
         (i32.store (i32.const 108) (i32.const 1027)) (i32.store (i32.const 112) (i32.const 3))"
            .to_owned(),
        status("call $fd_write (i32.const 1) (i32.const 100) (i32.const 2) (i32.const 120)"),
        "(call $num (i32.load (i32.const 120)))".into(),
        status("call $fd_write (i32.const 5) (i32.const 100) (i32.const 2) (i32.const 120)"),
        status("call $fd_write (i32.const 1) (i32.const -4) (i32.const 2) (i32.const 120)"),
        status("call $fd_read (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 120)"),
        status("call $fd_close (i32.const 3)"),
        status("call $fd_prestat_get (i32.const 3) (i32.const 100)"),
        status("call $fd_fdstat_get (i32.const 1) (i32.const 200)"),
        status("call $environ_sizes_get (i32.const 100) (i32.const 104)"),
        "(call $num (i32.load (i32.const 100))) (call $num (i32.load (i32.const 104)))".into(),
        status("call $environ_get (i32.const 100) (i32.const 300)"),
        "(i32.store (i32.const 0) (i32.load (i32.const 100))) (i32.store (i32.const 4) (i32.const 7)) (call $say)".into(),
        status("call $args_sizes_get (i32.const 100) (i32.const 104)"),
        status("call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 400)"),
        status("call $clock_time_get (i32.const 9) (i64.const 0) (i32.const 400)"),
        status("call $random_get (i32.const 500) (i32.const 8)"),
        status("call $random_get (i32.const -4) (i32.const 8)"),
        status("call $random_get (i32.const 500) (i32.const 99999)"),
        status("call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 600)"),
        status("call $sched_yield"),
    ]
    .concat();
    let body = format!(
        r#"(data (i32.const 1024) "outputx")
           (func (export "_initialize") {work})"#
    );
    let stage = stage();
    let loaded = stage.load_with(&module(&imports, &body), |config| {
        config.environment = vec![("KEY".into(), "val".into())];
    });
    loaded.unwrap();
    let lines = stage.lines.all();
    let once = [
        "output", "00", "06", "08", "21", "08", "08", "08", "00", "00", "01", "08", "00",
        "KEY=val", "00", "00", "28", "00", "21", "28", "00", "00",
    ];
    assert_eq!(lines[..once.len()], once);
}

#[test]
fn missing_imports_are_listed() {
    let imports = r#"
      (import "env" "vendor_magic" (func (param i32) (result i32)))
      (import "env" "proxy_get_log_level" (func (param i32 i32) (result i32)))
      (import "other" "thing" (func))"#;
    let Err(LoadError::Imports { missing, .. }) = stage().load(&module(imports, "")) else {
        panic!("not refused");
    };
    assert_eq!(missing.len(), 3, "{missing:?}");
    assert_eq!((missing[0].as_str(), missing[2].as_str()), ("env.vendor_magic", "other.thing"));
    assert!(missing[1].starts_with("env.proxy_get_log_level (wanted"), "{missing:?}");
}

#[test]
fn modules_of_another_kind_are_refused() {
    let unmarked =
        module("", "").replace("proxy_abi_version_0_2_1", "proxy_abi_mosn_version_0_2_0");
    assert!(matches!(stage().load(&unmarked), Err(LoadError::Abi { .. })));
    let bare =
        "(module (func (export \"proxy_abi_version_0_2_0\")) (memory (export \"memory\") 1))";
    assert!(matches!(stage().load(bare), Err(LoadError::Exports { .. })));
    let shape = module("", "(func (export \"proxy_on_tick\") (param i64))");
    assert!(matches!(stage().load(&shape), Err(LoadError::Exports { .. })));
    let pinned = stage().load_with(&module("", ""), |config| config.sha256 = Some("00".into()));
    assert!(matches!(pinned, Err(LoadError::Digest { .. })));
    let mut config = tidegate_wasm::PluginConfig::new("text", b"not a module".as_slice());
    config.sha256 = None;
    assert!(matches!(stage().host.load(config), Err(LoadError::Compile { .. })));
}

#[test]
fn allocators_may_be_called_malloc() {
    let wat = at_request(
        &[("proxy_get_header_map_value", 5)],
        r#"(data (i32.const 1024) ":method")"#,
        &text(
            "call $proxy_get_header_map_value (i32.const 0) (i32.const 1024) (i32.const 7) (i32.const 0) (i32.const 4)",
        ),
    );
    let wat = wat.replace("proxy_on_memory_allocate", "malloc");
    assert_eq!(run(&wat, &mut Request::get("/")), ["00", "GET"]);
}

#[test]
fn compiled_code_is_kept_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let stage = || {
        stage_with(HostConfig {
            code_cache: Some(folder.path().to_owned()),
            ..HostConfig::default()
        })
    };
    let wat = at_request(&[], "", "(call $num (i32.const 7))");
    let files = || -> Vec<_> {
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect()
    };
    for round in 0..3 {
        let (lines, _) = run_on(&stage(), &wat, &mut Request::get("/"));
        assert_eq!(lines, ["07"], "round {round}");
        assert_eq!(files().len(), 1);
        if round == 1 {
            // Spoilt code is not loaded but made again.
            let mut code = std::fs::read(&files()[0]).unwrap();
            let middle = code.len() / 2;
            code[middle] ^= 1;
            std::fs::write(&files()[0], code).unwrap();
        }
    }
}

#[test]
fn a_request_knows_only_its_own_context() {
    // The second request tries to act for the first one: it is known, but its fields are not lent.
    let wat = at_request(
        &[("proxy_set_effective_context", 1), ("proxy_get_header_map_value", 5)],
        r#"(data (i32.const 1024) ":method")"#,
        &[
            status("call $proxy_set_effective_context (i32.const 2)"),
            status("call $proxy_get_header_map_value (i32.const 0) (i32.const 1024) (i32.const 7) (i32.const 0) (i32.const 4)"),
        ]
        .concat(),
    );
    let stage = stage();
    let chain = stage.chain(&wat);
    let (mut one, mut two) = (chain.begin(), chain.begin());
    one.on_request_headers(&mut Request::get("/1"), true);
    two.on_request_headers(&mut Request::get("/2"), true);
    assert_eq!(stage.lines.all(), ["00", "00", "00", "01"]);
    drop(one);
    stage.lines.clear();
    let mut three = chain.begin();
    three.on_request_headers(&mut Request::get("/3"), true);
    assert_eq!(stage.lines.all(), ["02", "00"], "the ended context is not known any more");
}

#[test]
fn a_replaced_plugin_drains() {
    let stage = stage();
    let (old, new) = ("(call $num (i32.const 1))", "(call $num (i32.const 2))");
    let (old, new) = (at_request(&[], "", old), at_request(&[], "", new));
    let (old, new) = (stage.chain(&old), stage.chain(&new));
    let mut context = old.begin();
    context.on_request_headers(&mut Request::get("/"), true);
    drop(old);
    assert_eq!(stage.host.plugins().len(), 2, "the open request keeps the old one");
    drop(context);
    wait_until("the old one is gone", || stage.host.plugins().len() == 1);
    new.begin().on_request_headers(&mut Request::get("/"), true);
    assert_eq!(stage.lines.all(), ["01", "02"]);
}

#[test]
fn the_same_plugin_is_not_started_twice() {
    let stage = stage();
    let wat = at_request(&[], "", "");
    let load = |configuration: &str| {
        let set =
            |config: &mut tidegate_wasm::PluginConfig| config.configuration = configuration.into();
        stage.load_with(&wat, set).unwrap()
    };
    let (first, same, other) = (load("{}"), load("{}"), load("[]"));
    assert!(Arc::ptr_eq(&first, &same));
    assert!(!Arc::ptr_eq(&first, &other));
    drop((first, same));
    assert_eq!(stage.host.plugins().len(), 1);
}

#[test]
fn a_request_is_told_in_one_record() {
    let wat = at_request(
        &[("proxy_call_foreign_function", 6)],
        r#"(data (i32.const 1024) "tidegate_features")"#,
        "(call $num (call $proxy_call_foreign_function (i32.const 1024) (i32.const 17) (i32.const 0) (i32.const 0)
           (i32.const 0) (i32.const 4)))
         (call $num (i32.load16_u (i32.load (i32.const 0))))
         (call $num (i32.load16_u offset=2 (i32.load (i32.const 0))))
         (call $num (i32.load offset=4 (i32.load (i32.const 0))))
         (call $num (i32.load16_u offset=24 (i32.load (i32.const 0))))
         (i32.store (i32.const 4) (i32.const 3))
         (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 26)))
         (call $say)",
    );
    let mut request = Request::get("/a").with("accept", "*/*").with("cookie", "a=b");
    // Its version, the texts, the lines of fields, and the first text.
    assert_eq!(run(&wat, &mut request), ["00", "01", "21", "02", "03", "GET"]);
}
