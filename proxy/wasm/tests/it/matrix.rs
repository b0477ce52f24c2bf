//! Every harm in every callback. One module does all of it; its configuration says where and what.

use std::sync::Arc;

use tidegate_wasm::{
    CallFuture, Chain, Dispatcher, GrpcCall, GrpcEvent, GrpcEvents, GrpcFuture, HostConfig,
    HttpAnswer, HttpCall, LoadError, MetricValue, OnFailure, PluginConfig, PluginState, Verdict,
};

use crate::world::{Request, Stage, module, stage_with, wait_until};

/// Answers every call at once: HTTP with 200, a gRPC stream with one event of each kind.
struct Willing;

impl Dispatcher for Willing {
    fn knows(&self, _upstream: &str) -> bool {
        true
    }

    fn call(&self, _call: HttpCall) -> CallFuture {
        Box::pin(async { Ok(HttpAnswer { status: 200, ..HttpAnswer::default() }) })
    }

    fn grpc(&self, _call: GrpcCall, events: GrpcEvents) -> GrpcFuture {
        Box::pin(async move {
            let fields = || vec![(b"a".to_vec(), b"b".to_vec())];
            let all = [
                GrpcEvent::Metadata(fields()),
                GrpcEvent::Message(b"m".to_vec()),
                GrpcEvent::Trailers(fields()),
                GrpcEvent::Closed(0, String::new()),
            ];
            all.into_iter().for_each(|event| drop(events.send(event)));
        })
    }
}

/// The callbacks by the number that the configuration begins with, and their parameters.
const CALLBACKS: [(&str, u8, usize, bool); 19] = [
    ("_initialize", b'a', 0, false),
    ("proxy_on_vm_start", b'b', 2, true),
    ("proxy_on_configure", b'c', 2, true),
    ("proxy_on_context_create", b'd', 2, false),
    ("proxy_on_request_headers", b'e', 3, true),
    ("proxy_on_request_body", b'f', 3, true),
    ("proxy_on_request_trailers", b'g', 2, true),
    ("proxy_on_response_headers", b'h', 3, true),
    ("proxy_on_response_body", b'i', 3, true),
    ("proxy_on_response_trailers", b'j', 2, true),
    ("proxy_on_log", b'k', 1, false),
    ("proxy_on_done", b'l', 1, true),
    ("proxy_on_delete", b'm', 1, false),
    ("proxy_on_tick", b'n', 1, false),
    ("proxy_on_queue_ready", b'o', 2, false),
    ("proxy_on_http_call_response", b'p', 5, false),
    ("proxy_on_grpc_receive_initial_metadata", b'q', 3, false),
    ("proxy_on_grpc_receive", b'r', 3, false),
    ("proxy_on_grpc_close", b's', 3, false),
];
/// Callbacks of the start: harm in them keeps the plugin from loading.
const STARTS: usize = 3;

/// The harms by their letter, the reason that is counted, and words of the error.
const HARMS: [(u8, &str, &str); 5] = [
    (b'T', "trap", "unreachable"),
    (b'L', "timeout", "interrupt"),
    (b'B', "oom", "unreachable"),
    (b'S', "trap", "stack"),
    (b'W', "trap", "out of bounds"),
];

/// Harms requests for `/bad`. In the start it harms at once: the letters stand in the environment's
/// place, the machine's configuration, which every callback of the start may read.
fn wat() -> String {
    let imports = r#"
      (import "env" "proxy_get_header_map_value" (func $field (param i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_get_configuration" (func $config (param i32 i32) (result i32)))
      (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
      (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
      (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
      (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
      (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_grpc_stream" (func $stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let mut body = String::from(
        r#"(data (i32.const 1024) ":path") (data (i32.const 1100) "q") (data (i32.const 1110) "up")
        (data (i32.const 2048) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\02\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/r\00:authority\00a\00")
        (global $where (mut i32) (i32.const 0)) (global $what (mut i32) (i32.const 0))
        (global $bad (mut i32) (i32.const 0)) (global $queue (mut i32) (i32.const 0))
        (func $recurse (call $recurse) (call $num (i32.const 1)))
        (func $read
          (drop (call $config (i32.const 0) (i32.const 4)))
          (if (i32.ge_u (i32.load (i32.const 4)) (i32.const 2)) (then
            (global.set $where (i32.load8_u (i32.load (i32.const 0))))
            (global.set $what (i32.load8_u offset=1 (i32.load (i32.const 0)))))))
        (func $is_bad (result i32)
          (if (call $field (i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 0) (i32.const 4))
            (then (return (i32.const 0))))
          (i32.eq (i32.load (i32.const 4)) (i32.const 4)))
        (func $harm (param $here i32)
          (if (i32.ne (local.get $here) (global.get $where)) (then (return)))
          (if (i32.eq (global.get $what) (i32.const 84)) (then unreachable))
          (if (i32.eq (global.get $what) (i32.const 76)) (then (loop $ever (br $ever))))
          (if (i32.eq (global.get $what) (i32.const 66)) (then
            (loop $more (br_if $more (i32.ne (memory.grow (i32.const 8)) (i32.const -1)))) unreachable))
          (if (i32.eq (global.get $what) (i32.const 83)) (then (call $recurse)))
          (if (i32.eq (global.get $what) (i32.const 87)) (then (drop (i32.load (i32.const -4))))))
        (func $now (param $here i32) (if (global.get $bad) (then (call $harm (local.get $here)))))
        (func $begin
          (if (i32.eq (global.get $where) (i32.const 111)) (then
            (drop (call $enqueue (global.get $queue) (i32.const 1100) (i32.const 1)))))
          (if (i32.eq (global.get $where) (i32.const 112)) (then
            (drop (call $call (i32.const 1110) (i32.const 2) (i32.const 2048) (i32.const 64) (i32.const 0) (i32.const 0)
              (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 32)))))
          (if (i32.ge_u (global.get $where) (i32.const 113)) (then
            (drop (call $stream (i32.const 1110) (i32.const 2) (i32.const 1110) (i32.const 2) (i32.const 1110) (i32.const 2)
              (i32.const 0) (i32.const 0) (i32.const 32))))))"#,
    );
    for (name, letter, parameters, result) in CALLBACKS {
        let shape = format!("(param {})", "i32 ".repeat(parameters)).replace("(param )", "");
        let here = format!("(i32.const {letter})");
        let work = match name {
            "_initialize" | "proxy_on_vm_start" => {
                format!("(call $read) (call $harm {here})")
            }
            "proxy_on_configure" => format!(
                "(call $read) (call $harm {here})
                 (if (i32.eq (global.get $where) (i32.const 110)) (then (drop (call $period (i32.const 1)))))
                 (drop (call $register (i32.const 1100) (i32.const 1) (i32.const 32)))
                 (global.set $queue (i32.load (i32.const 32)))"
            ),
            "proxy_on_context_create" => format!("(if (call $is_bad) (then (call $harm {here})))"),
            "proxy_on_request_headers" => {
                format!("(global.set $bad (call $is_bad)) (call $begin) (call $now {here})")
            }
            "proxy_on_http_call_response" | "proxy_on_grpc_close" => {
                format!("(call $now {here}) (drop (call $continue (i32.const 0)))")
            }
            _ => format!("(call $now {here})"),
        };
        let end = match name {
            "proxy_on_vm_start" | "proxy_on_configure" | "proxy_on_done" => "(i32.const 1)",
            // Pauses where an answer is to come.
            "proxy_on_request_headers" => "(i32.ge_u (global.get $where) (i32.const 112))",
            _ if result => "(i32.const 0)",
            _ => "",
        };
        let result = if result { "(result i32)" } else { "" };
        body += &format!("\n(func (export \"{name}\") {shape} {result} {work} {end})");
    }
    module(imports, &body)
}

/// Compiled once, for all.
struct Lab {
    folder: tempfile::TempDir,
    module: Arc<[u8]>,
}

impl Lab {
    fn new() -> Self {
        let module = wat::parse_str(wat()).unwrap().into();
        Self { folder: tempfile::tempdir().unwrap(), module }
    }

    fn stage(&self) -> Stage {
        let code_cache = Some(self.folder.path().to_owned());
        let dispatcher = Arc::new(Willing);
        stage_with(HostConfig { code_cache, dispatcher, ..HostConfig::default() })
    }

    fn config(&self, letter: u8, harm: u8) -> PluginConfig {
        let mut config = PluginConfig::new("probe", self.module.clone());
        config.configuration = vec![letter, harm];
        config.vm_configuration = vec![letter, harm];
        config.on_failure = OnFailure::Closed;
        config.limits.callback_ms_max = 40;
        config.limits.start_ms_max = 150;
        config.limits.memory_bytes_max = 4 << 20;
        config
    }
}

/// Takes a request all the way; the status of whoever answered, 200 the origin.
async fn walk(chain: &Chain, path: &str) -> u16 {
    let mut request = Request::get(path);
    let mut context = chain.begin();
    let mut status = 200;
    for phase in 0..6 {
        let request = &mut request;
        let verdict = match phase {
            0 => context.on_request_headers(request, false),
            1 => context.on_request_body(request, false),
            2 => context.on_request_trailers(request),
            3 => context.on_response_headers(request.answered(200), false),
            4 => context.on_response_body(request, false),
            _ => context.on_response_trailers(request),
        };
        let verdict = match verdict {
            Verdict::Pause => context.resume(request).await,
            verdict => verdict,
        };
        if let Verdict::Answer(answer) = verdict {
            status = answer.status;
            break;
        }
    }
    context.finish(&mut request);
    status
}

fn failures(stage: &Stage, reason: &str) -> u64 {
    let samples = stage.host.metrics();
    let of = |sample: &&tidegate_wasm::Sample| {
        sample.name == "tidegate_plugin_traps_total"
            && sample.labels.iter().any(|(_, value)| value == reason)
    };
    match samples.iter().find(of).unwrap().value {
        MetricValue::Counter(count) => count,
        _ => 0,
    }
}

#[tokio::test]
async fn every_harm_in_every_callback_is_survived_and_named() {
    let lab = Lab::new();
    for (name, letter, ..) in &CALLBACKS[STARTS..] {
        for (harm, reason, word) in HARMS {
            let what = format!("{} in {name}", char::from(harm));
            let stage = lab.stage();
            let chain = Chain::new(vec![stage.host.load(lab.config(*letter, harm)).unwrap()]);
            assert_eq!(walk(&chain, "/good").await, 200, "{what}");
            // The end of a request is too late to answer it otherwise.
            let status = walk(&chain, "/bad").await;
            let expected: &[u16] = match letter {
                b'k' | b'l' | b'm' => &[200],
                // Timers and queues have a thread of their own: before or after the end.
                b'n' | b'o' => &[200, 503],
                _ => &[503],
            };
            assert!(expected.contains(&status), "{what}: {status}");
            wait_until(&what, || failures(&stage, reason) == 1);
            // The prepared spare serves; nothing of the dead instance is left.
            assert_eq!(walk(&chain, "/good").await, 200, "{what}");
            let plugin = &stage.host.plugins()[0];
            let last = plugin.last_trap.clone().unwrap();
            assert!(last.starts_with(name) && last.contains(word), "{what}: {last}");
            assert_eq!((plugin.streams, stage.host.failures()), (0, 1), "{what}");
            wait_until(&format!("{what}: memory"), || {
                stage.host.plugins()[0].memory_bytes <= 4 * (128 << 10)
            });
        }
    }
}

#[test]
fn every_harm_in_the_start_is_a_load_error() {
    let lab = Lab::new();
    let stage = lab.stage();
    for (name, letter, ..) in &CALLBACKS[..STARTS] {
        for (harm, reason, word) in HARMS {
            let what = format!("{} in {name}", char::from(harm));
            let loads = stage.host.load(lab.config(*letter, harm)).map(drop);
            let Err(LoadError::Trap { callback, reason: why, detail, .. }) = loads else {
                panic!("{what}: {loads:?}");
            };
            assert_eq!((callback, why), (*name, reason), "{what}");
            assert!(detail.contains(word), "{what}: {detail}");
        }
    }
    assert!(stage.host.plugins().is_empty(), "nothing of them is left");
}

#[tokio::test]
async fn a_thousand_harmful_requests_leave_nothing_behind() {
    let lab = Lab::new();
    let stage = lab.stage();
    let mut config = lab.config(b'e', b'T');
    config.limits.traps_max = u32::MAX;
    let chain = Chain::new(vec![stage.host.load(config).unwrap()]);
    for round in 0..1_000 {
        let path = if round % 2 == 0 { "/bad" } else { "/good" };
        // While no instance is at hand, the policy answers.
        assert!([200, 503].contains(&walk(&chain, path).await));
    }
    wait_until("an instance", || stage.host.plugins()[0].state == PluginState::Running);
    assert_eq!(walk(&chain, "/good").await, 200);
    let plugin = &stage.host.plugins()[0];
    assert_eq!((stage.host.plugins().len(), plugin.streams), (1, 0));
    assert!(plugin.memory_bytes <= 4 * (128 << 10), "{} bytes", plugin.memory_bytes);
}

#[test]
fn a_timer_that_always_fails_rests_the_plugin() {
    let body = r#"
      (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))"#;
    let wat = module(
        body,
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $period (i32.const 1))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32) unreachable)"#,
    );
    let stage = stage_with(HostConfig::default());
    let _plugin = stage.load_with(&wat, |config| {
        config.limits.traps_max = 3;
        config.limits.trap_window_ms = 60_000;
    });
    wait_until("it rests", || stage.host.plugins()[0].state == PluginState::Resting);
    assert_eq!(failures(&stage, "trap"), 3, "and fails no more meanwhile");
}
