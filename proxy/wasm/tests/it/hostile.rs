//! Modules that are broken or mean harm: none takes the host down, or other requests with it.

use tidegate_wasm::{
    Chain, HostConfig, LoadError, MetricValue, OnFailure, PluginConfig, PluginState, Verdict,
};

use crate::world::{Request, Stage, module, stage, wait_until};

/// Quick limits.
fn quick(config: &mut PluginConfig) {
    config.limits.callback_ms_max = 100;
    config.limits.start_ms_max = 400;
    config.limits.memory_bytes_max = 4 << 20;
}

fn closed(config: &mut PluginConfig) {
    quick(config);
    config.on_failure = OnFailure::Closed;
}

/// A callback that does harm to requests for `/bad`, and is well behaved for others.
fn harmful(harm: &str) -> String {
    let imports = r#"
      (import "env" "proxy_get_header_map_value" (func $field (param i32 i32 i32 i32 i32) (result i32)))"#;
    let body = format!(
        r#"(data (i32.const 1024) ":path")
        (func $recurse (call $recurse) (call $num (i32.const 1)))
        (func $is_bad (result i32)
          (drop (call $field (i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 0) (i32.const 4)))
          (i32.eq (i32.load (i32.const 4)) (i32.const 4)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (if (call $is_bad) (then {harm}))
          (i32.const 0))"#
    );
    module(imports, &body)
}

const TRAP: &str = "unreachable";
const LOOP: &str = "(loop $forever (br $forever))";
/// Grows until it is refused, then fails as an allocator would.
const BOMB: &str =
    "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 8)) (i32.const -1)))) unreachable";
const STACK: &str = "(call $recurse)";
const WILD: &str = "(drop (i32.load (i32.const -4)))";

fn ask(chain: &Chain, path: &str) -> Verdict {
    let mut request = Request::get(path);
    let mut context = chain.begin();
    let verdict = context.on_request_headers(&mut request, true);
    context.finish(&mut request);
    verdict
}

fn status(verdict: &Verdict) -> u16 {
    match verdict {
        Verdict::Continue => 200,
        Verdict::Answer(answer) => answer.status,
        Verdict::Pause => 0,
    }
}

fn traps(stage: &Stage, reason: &str) -> u64 {
    let has = |labels: &[(&str, String)]| labels.iter().any(|(_, value)| value == reason);
    let mut samples = stage.host.metrics().into_iter();
    let sample = samples
        .find(|sample| sample.name == "tidegate_plugin_traps_total" && has(&sample.labels))
        .unwrap();
    let MetricValue::Counter(count) = sample.value else { panic!("{sample:?}") };
    count
}

#[test]
fn harm_ends_the_callback_and_the_next_request_finds_the_spare() {
    for (harm, reason, word) in [
        (TRAP, "trap", "unreachable"),
        (LOOP, "timeout", "interrupt"),
        (BOMB, "oom", "unreachable"),
        (STACK, "trap", "stack"),
        (WILD, "trap", "out of bounds"),
    ] {
        for (policy, expected) in [(quick as fn(&mut PluginConfig), 200), (closed, 503)] {
            let stage = stage();
            let chain = Chain::new(vec![stage.load_with(&harmful(harm), policy).unwrap()]);
            assert_eq!(status(&ask(&chain, "/good")), 200);
            assert_eq!(status(&ask(&chain, "/bad")), expected, "{harm}");
            assert_eq!(status(&ask(&chain, "/good")), 200, "{harm}");
            assert_eq!(traps(&stage, reason), 1, "{harm}");
            let plugin = stage.host.plugins().remove(0);
            let last = plugin.last_trap.unwrap();
            assert!(last.contains("proxy_on_request_headers") && last.contains(word), "{last}");
        }
    }
}

#[test]
fn a_trap_in_each_callback_is_survived() {
    let callbacks = [
        (
            "proxy_on_context_create",
            "(param i32 i32)",
            "(if (i32.eq (local.get 1) (i32.const 1)) (then unreachable))",
        ),
        ("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", "unreachable"),
        ("proxy_on_request_body", "(param i32 i32 i32) (result i32)", "unreachable"),
        ("proxy_on_request_trailers", "(param i32 i32) (result i32)", "unreachable"),
        ("proxy_on_response_headers", "(param i32 i32 i32) (result i32)", "unreachable"),
        ("proxy_on_response_body", "(param i32 i32 i32) (result i32)", "unreachable"),
        ("proxy_on_response_trailers", "(param i32 i32) (result i32)", "unreachable"),
        ("proxy_on_log", "(param i32)", "unreachable"),
        ("proxy_on_done", "(param i32) (result i32)", "unreachable"),
        ("proxy_on_delete", "(param i32)", "unreachable"),
    ];
    for (name, shape, work) in callbacks {
        let stage = stage();
        let mut body = format!("(func (export \"{name}\") {shape} {work})\n");
        if !name.contains("request_headers") {
            body.push_str(
                "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) (i32.const 0))",
            );
        }
        let chain = Chain::new(vec![stage.load_with(&module("", &body), quick).unwrap()]);
        let mut request = Request::get("/");
        let mut context = chain.begin();
        assert_eq!(context.on_request_headers(&mut request, false), Verdict::Continue, "{name}");
        assert_eq!(context.on_request_body(&mut request, false), Verdict::Continue, "{name}");
        assert_eq!(context.on_request_trailers(&mut request), Verdict::Continue, "{name}");
        request.answered(200);
        assert_eq!(context.on_response_headers(&mut request, false), Verdict::Continue, "{name}");
        assert_eq!(context.on_response_body(&mut request, false), Verdict::Continue, "{name}");
        assert_eq!(context.on_response_trailers(&mut request), Verdict::Continue, "{name}");
        context.finish(&mut request);
        assert_eq!(traps(&stage, "trap"), 1, "{name}");
        assert!(stage.host.plugins()[0].last_trap.as_ref().unwrap().starts_with(name), "{name}");
        assert_eq!(stage.host.plugins()[0].streams, 0, "{name}");
    }
}

#[test]
fn a_bad_start_is_a_load_error() {
    let start = |name: &str, shape: &str, work: &str| {
        let body = format!("(func (export \"{name}\") {shape} {work})");
        stage().load_with(&module("", &body), quick).map(drop).unwrap_err()
    };
    for (name, shape) in [
        ("_initialize", ""),
        ("_start", ""),
        ("proxy_on_context_create", "(param i32 i32)"),
        ("proxy_on_vm_start", "(param i32 i32) (result i32)"),
        ("proxy_on_configure", "(param i32 i32) (result i32)"),
    ] {
        let error = start(name, shape, "unreachable");
        assert!(
            matches!(&error, LoadError::Trap { callback, reason: "trap", .. } if *callback == name),
            "{error}"
        );
        let error = start(name, shape, &format!("{LOOP} unreachable"));
        assert!(matches!(&error, LoadError::Trap { reason: "timeout", .. }), "{error}");
    }
    for name in ["proxy_on_vm_start", "proxy_on_configure"] {
        let error = start(name, "(param i32 i32) (result i32)", "(i32.const 0)");
        assert!(
            matches!(&error, LoadError::Refused { callback, .. } if *callback == name),
            "{error}"
        );
    }
}

#[test]
fn a_module_that_asks_for_too_much_memory_is_refused() {
    let wat = module("", "")
        .replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 2000)");
    let error = stage().load_with(&wat, quick).unwrap_err();
    assert!(matches!(&error, LoadError::Trap { callback: "instantiate", .. }), "{error}");
}

#[test]
fn wild_pointers_in_host_calls_are_told_so() {
    let functions = [
        ("proxy_log", 3, "(i32.const 2) (i32.const -1) (i32.const 9)"),
        ("proxy_get_log_level", 1, "(i32.const -2)"),
        ("proxy_get_current_time_nanoseconds", 1, "(i32.const -2)"),
        (
            "proxy_get_header_map_value",
            5,
            "(i32.const 0) (i32.const -1) (i32.const 9) (i32.const 0) (i32.const 4)",
        ),
        (
            "proxy_get_header_map_value",
            5,
            "(i32.const 0) (i32.const 1024) (i32.const 5) (i32.const -1) (i32.const 4)",
        ),
        (
            "proxy_get_header_map_value",
            5,
            "(i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 0) (i32.const -1)",
        ),
        ("proxy_get_header_map_pairs", 3, "(i32.const 0) (i32.const -1) (i32.const 4)"),
        ("proxy_set_header_map_pairs", 3, "(i32.const 0) (i32.const -1) (i32.const 4)"),
        ("proxy_get_header_map_size", 2, "(i32.const 0) (i32.const -1)"),
        (
            "proxy_add_header_map_value",
            5,
            "(i32.const 0) (i32.const 1024) (i32.const 5) (i32.const -9) (i32.const 99)",
        ),
        ("proxy_remove_header_map_value", 3, "(i32.const 0) (i32.const -9) (i32.const 99)"),
        (
            "proxy_get_buffer_bytes",
            5,
            "(i32.const 7) (i32.const 0) (i32.const -1) (i32.const -1) (i32.const 4)",
        ),
        (
            "proxy_set_buffer_bytes",
            5,
            "(i32.const 0) (i32.const 0) (i32.const -1) (i32.const -1) (i32.const 4)",
        ),
        ("proxy_get_buffer_status", 3, "(i32.const 0) (i32.const -1) (i32.const 4)"),
        ("proxy_get_property", 4, "(i32.const -1) (i32.const 9) (i32.const 0) (i32.const 4)"),
        ("proxy_set_property", 4, "(i32.const 1024) (i32.const 5) (i32.const -1) (i32.const 9)"),
        (
            "proxy_send_local_response",
            8,
            "(i32.const 200) (i32.const -1) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)",
        ),
        (
            "proxy_http_call",
            10,
            "(i32.const -1) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 0)",
        ),
        (
            "proxy_get_shared_data",
            5,
            "(i32.const -1) (i32.const 9) (i32.const 0) (i32.const 4) (i32.const 8)",
        ),
        (
            "proxy_set_shared_data",
            5,
            "(i32.const 1024) (i32.const 5) (i32.const -1) (i32.const 9) (i32.const 0)",
        ),
        ("proxy_register_shared_queue", 3, "(i32.const 1024) (i32.const 5) (i32.const -1)"),
        (
            "proxy_resolve_shared_queue",
            5,
            "(i32.const 0) (i32.const 0) (i32.const -1) (i32.const 5) (i32.const 0)",
        ),
        ("proxy_enqueue_shared_queue", 3, "(i32.const 1) (i32.const -1) (i32.const 5)"),
        ("proxy_define_metric", 4, "(i32.const 0) (i32.const -1) (i32.const 5) (i32.const 0)"),
        (
            "proxy_call_foreign_function",
            6,
            "(i32.const -1) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)",
        ),
        ("proxy_get_status", 3, "(i32.const -1) (i32.const 0) (i32.const 4)"),
        ("proxy_get_configuration", 2, "(i32.const -1) (i32.const 4)"),
    ];
    let stage = stage();
    for (name, parameters, arguments) in functions {
        let import = format!(
            "(import \"env\" \"{name}\" (func $probe (param {}) (result i32)))",
            "i32 ".repeat(parameters)
        );
        let body = format!(
            r#"(data (i32.const 1024) ":path")
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (call $num (call $probe {arguments})) (i32.const 0))"#
        );
        let chain = stage.chain(&module(&import, &body));
        assert_eq!(ask(&chain, "/"), Verdict::Continue, "{name}");
        assert_eq!(stage.lines.all(), ["06"], "{name} {arguments}");
        stage.lines.clear();
    }
}

#[test]
fn an_allocator_that_lies_or_calls_back_is_contained() {
    let field = r#"(import "env" "proxy_get_header_map_value" (func $field (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))"#;
    let ask_field =
        "(call $field (i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 0) (i32.const 4))";
    for (allocator, expected) in [
        ("(i32.const 0)", "10"),
        ("(i32.const -1)", "06"),
        // Changes the request, and asks for more, while the host is in the middle of giving.
        (
            "(drop (call $remove (i32.const 0) (i32.const 1024) (i32.const 5))) (drop (call $field (i32.const 0) (i32.const 1030) (i32.const 7) (i32.const 0) (i32.const 4))) (i32.const 4096)",
            "00",
        ),
    ] {
        let body = format!(
            r#"(data (i32.const 1024) ":path :method")
            (func (export "malloc") (param i32) (result i32) {allocator})
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (call $num {ask_field}) (i32.const 0))"#
        );
        let wat = module(field, &body).replace("proxy_on_memory_allocate", "unused");
        let stage = stage();
        let chain = stage.chain(&wat);
        assert_eq!(ask(&chain, "/"), Verdict::Continue);
        assert_eq!(stage.lines.all(), [expected]);
    }
}

#[test]
fn too_many_traps_rest_the_plugin_until_it_may_try_again() {
    let stage = stage();
    let plugin = stage.load_with(&harmful(TRAP), |config| {
        closed(config);
        config.limits.traps_max = 3;
        config.limits.trap_window_ms = 300;
    });
    let chain = Chain::new(vec![plugin.unwrap()]);
    let state = || stage.host.plugins()[0].state;
    for _ in 0..3 {
        wait_until("an instance is there", || status(&ask(&chain, "/good")) == 200);
        assert_eq!(status(&ask(&chain, "/bad")), 503);
    }
    assert_eq!(state(), PluginState::Resting);
    assert_eq!(status(&ask(&chain, "/good")), 503, "the policy answers while it rests");
    wait_until("the rest is over", || state() == PluginState::Running);
    assert_eq!(status(&ask(&chain, "/good")), 200);
}

#[test]
fn a_trap_leaves_other_requests_of_the_instance_to_the_policy() {
    let stage = stage();
    let chain = Chain::new(vec![stage.load_with(&harmful(TRAP), closed).unwrap()]);
    let mut bystander = chain.begin();
    let mut request = Request::get("/good");
    assert_eq!(bystander.on_request_headers(&mut request, false), Verdict::Continue);
    ask(&chain, "/bad");
    // Its context died with the instance; nothing reaches the new one under its number.
    request.answered(200);
    assert_eq!(bystander.on_response_headers(&mut request, true), Verdict::Continue);
    bystander.finish(&mut request);
    assert_eq!(traps(&stage, "trap"), 1);
}

#[test]
fn logs_have_a_rate() {
    let shout = "(local $n i32)
        (loop $more (call $num (i32.const 1))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $more (i32.lt_u (local.get $n) (i32.const 1000))))";
    let body = format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) {shout} (i32.const 0))"
    );
    let stage = stage();
    let plugin = stage.load_with(&module("", &body), |config| config.limits.log_per_s_max = 10);
    ask(&Chain::new(vec![plugin.unwrap()]), "/");
    let lines = stage.lines.all().len();
    // The second may turn over once while it shouts.
    assert!((10..=20).contains(&lines), "{lines} lines");
}

#[test]
fn a_fat_instance_is_exchanged_and_drains() {
    let grow = "(drop (memory.grow (i32.const 64)))";
    let stage = stage();
    let plugin = stage.load_with(&harmful(grow), |config| {
        config.limits.memory_bytes_recycle = 1 << 20;
    });
    let chain = Chain::new(vec![plugin.unwrap()]);
    let mut open = chain.begin();
    let mut request = Request::get("/good");
    open.on_request_headers(&mut request, true);
    assert_eq!(ask(&chain, "/bad"), Verdict::Continue);
    assert!(stage.host.plugins()[0].memory_bytes > 4 << 20);
    assert_eq!(ask(&chain, "/good"), Verdict::Continue);
    open.finish(&mut request);
    wait_until("the fat one is gone", || {
        ask(&chain, "/good");
        stage.host.plugins()[0].memory_bytes < 1 << 20
    });
    assert_eq!(traps(&stage, "trap"), 0);
}

#[test]
fn many_threads_share_a_plugin() {
    let stage = crate::world::stage_with(HostConfig { workers: 2, ..HostConfig::default() });
    let chain = Chain::new(vec![stage.load_with(&harmful(TRAP), quick).unwrap()]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let chain = chain.clone();
            scope.spawn(move || {
                for round in 0..200 {
                    let path = if thread == 0 && round % 50 == 49 { "/bad" } else { "/good" };
                    assert_eq!(ask(&chain, path), Verdict::Continue);
                }
            });
        }
    });
    wait_until("no request is open", || stage.host.plugins()[0].streams == 0);
    // A bad request that found no instance, because the spare was still being made, trapped nothing.
    assert!((1..=4).contains(&traps(&stage, "trap")));
}
