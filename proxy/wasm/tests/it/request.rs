//! Requests on their way through chains: order, bodies, pauses, calls.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tidegate_wasm::{
    CallError, CallFuture, Chain, Dispatcher, HostConfig, HttpAnswer, HttpCall, OnFailure, Verdict,
};

use crate::world::{Request, Stage, module, stage, stage_with};

/// Answers calls to `risk` after a pause, refuses those to `down`, never answers `silent`.
#[derive(Default)]
struct Calls(Mutex<Vec<HttpCall>>);

impl Dispatcher for Calls {
    fn knows(&self, upstream: &str) -> bool {
        ["risk", "down", "silent"].contains(&upstream)
    }

    fn call(&self, call: HttpCall) -> CallFuture {
        self.0.lock().unwrap().push(call.clone());
        Box::pin(async move {
            match call.upstream.as_str() {
                "risk" => tokio::time::sleep(Duration::from_millis(5)).await,
                "silent" => std::future::pending().await,
                _ => return Err(CallError::Failed("refused".into())),
            }
            let fields = vec![(b"X-Risk".to_vec(), b"low".to_vec())];
            Ok(HttpAnswer { status: 200, fields, body: b"fine".to_vec(), ..HttpAnswer::default() })
        })
    }
}

fn calling() -> (Stage, Arc<Calls>) {
    let calls = Arc::new(Calls::default());
    let config = HostConfig { dispatcher: calls.clone(), ..HostConfig::default() };
    (stage_with(config), calls)
}

const CALL: &str = r#"
  (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $field (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $become (param i32) (result i32)))"#;

/// Head of a call, as pairs: `:method` GET, `:path` /r, `:authority` a.
const HEAD: &str = r#"(data (i32.const 2048)
  "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\02\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/r\00:authority\00a\00")"#;

/// A module that calls an upstream at the head of the request and waits.
fn caller(upstream: &str, on_answer: &str) -> String {
    let body = format!(
        r#"{HEAD} (data (i32.const 1024) "{upstream}") (data (i32.const 1100) "x-risk:status")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $num (call $call (i32.const 1024) (i32.const {}) (i32.const 2048) (i32.const 64)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 32)))
          (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
          (call $num (i32.eq (local.get 1) (i32.load (i32.const 32))))
          (call $num (local.get 2)) (call $num (local.get 3))
          {on_answer})"#,
        upstream.len()
    );
    module(CALL, &body)
}

const LET_GO: &str = r#"
  (drop (call $field (i32.const 6) (i32.const 1100) (i32.const 6) (i32.const 0) (i32.const 4))) (call $say)
  (drop (call $bytes (i32.const 4) (i32.const 0) (i32.const 99) (i32.const 0) (i32.const 4))) (call $say)
  (drop (call $set (i32.const 0) (i32.const 1100) (i32.const 6) (i32.load (i32.const 0)) (i32.load (i32.const 4))))
  (call $num (call $continue (i32.const 0)))"#;

#[tokio::test]
async fn a_paused_request_goes_on_when_its_call_is_answered() {
    let (stage, calls) = calling();
    let chain = stage.chain(&caller("risk", LET_GO));
    let mut request = Request::get("/");
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut request, true), Verdict::Pause);
    assert_eq!(context.resume(&mut request).await, Verdict::Continue);
    assert_eq!(stage.lines.all(), ["00", "01", "02", "04", "low", "fine", "00"]);
    assert_eq!(request.header("x-risk").as_deref(), Some("fine"));
    let call = calls.0.lock().unwrap()[0].clone();
    assert_eq!((call.field(":path"), call.upstream.as_str()), (Some(&b"/r"[..]), "risk"));
    assert_eq!(call.timeout, Duration::from_millis(1000));
    context.finish(&mut request);
}

#[tokio::test]
async fn a_failed_call_is_an_answer_without_fields() {
    let (stage, _) = calling();
    let answer = "(drop (call $answer (i32.const 401) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))";
    let chain = stage.chain(&caller("down", answer));
    let mut request = Request::get("/");
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut request, true), Verdict::Pause);
    let Verdict::Answer(answer) = context.resume(&mut request).await else { panic!("no answer") };
    assert_eq!(answer.status, 401);
    assert_eq!(stage.lines.all(), ["00", "01", "00", "00"]);
}

#[tokio::test]
async fn calls_to_unknown_upstreams_are_bad_arguments() {
    let (stage, calls) = calling();
    for (upstream, allowed) in [("nobody", None), ("risk", Some(vec!["other".to_owned()]))] {
        let plugin = stage.load_with(&caller(upstream, ""), |config| config.upstreams = allowed);
        let chain = Chain::new(vec![plugin.unwrap()]);
        chain.begin().on_request_headers(&mut Request::get("/"), true);
    }
    assert_eq!(stage.lines.all(), ["02", "02"]);
    assert!(calls.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_calls_with_it() {
    let (stage, _) = calling();
    let chain = stage.chain(&caller("silent", LET_GO));
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut Request::get("/"), true), Verdict::Pause);
    drop(context);
    let open = || {
        let mut samples = stage.host.metrics().into_iter();
        samples.find(|sample| sample.name == "tidegate_plugin_calls_open").unwrap().value
    };
    for _ in 0..1_000 {
        if open() == tidegate_wasm::MetricValue::Gauge(0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the call is still open");
}

#[tokio::test]
async fn a_pause_without_end_meets_the_failure_policy() {
    for (on_failure, expected) in [(OnFailure::Open, None), (OnFailure::Closed, Some(503))] {
        let (stage, _) = calling();
        let plugin = stage.load_with(&caller("silent", ""), |config| {
            config.on_failure = on_failure;
            config.limits.pause_ms_max = 20;
        });
        let chain = Chain::new(vec![plugin.unwrap()]);
        let mut request = Request::get("/");
        let mut context = chain.begin();
        assert_eq!(context.on_request_headers(&mut request, true), Verdict::Pause);
        let status = match context.resume(&mut request).await {
            Verdict::Answer(answer) => Some(answer.status),
            Verdict::Continue => None,
            Verdict::Pause => panic!("still paused"),
        };
        assert_eq!(status, expected);
    }
}

#[tokio::test]
async fn a_timer_lets_a_request_go_on() {
    let body = r#"
      (global $waiting (mut i32) (i32.const 0))
      (data (i32.const 1100) "x-tick1")
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $tick (i32.const 5))) (i32.const 1))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (global.set $waiting (local.get 0)) (i32.const 1))
      (func (export "proxy_on_tick") (param i32)
        (if (global.get $waiting) (then
          (call $num (call $become (global.get $waiting)))
          (call $num (call $set (i32.const 0) (i32.const 1100) (i32.const 6) (i32.const 1106) (i32.const 1)))
          (call $num (call $continue (i32.const 0)))
          (global.set $waiting (i32.const 0)))))"#;
    let stage = stage();
    let chain = stage.chain(&module(CALL, body));
    let mut request = Request::get("/");
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut request, true), Verdict::Pause);
    assert_eq!(context.resume(&mut request).await, Verdict::Continue);
    assert_eq!(request.header("x-tick").as_deref(), Some("1"));
}

/// Logs each callback by its letter, and edits nothing.
fn letters(letter: &str) -> String {
    let log =
        |text: &str| format!("(drop (call $log (i32.const 2) (i32.const {text}) (i32.const 3)))");
    let body = format!(
        r#"(data (i32.const 1024) "{letter}qh{letter}qb{letter}qt{letter}ph{letter}pb{letter}pt{letter}do{letter}lo{letter}de{letter}cr")
        (func (export "proxy_on_context_create") (param i32 i32) (if (local.get 1) (then {})))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {} (i32.const 0))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {} (i32.const 0))
        (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) {} (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) {} (i32.const 0))
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) {} (i32.const 0))
        (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) {} (i32.const 0))
        (func (export "proxy_on_done") (param i32) (result i32) {} (i32.const 1))
        (func (export "proxy_on_log") (param i32) {})
        (func (export "proxy_on_delete") (param i32) {})"#,
        log("1051"),
        log("1024"),
        log("1027"),
        log("1030"),
        log("1033"),
        log("1036"),
        log("1039"),
        log("1042"),
        log("1045"),
        log("1048"),
    );
    module("", &body)
}

#[test]
fn requests_go_first_to_last_and_responses_back() {
    let stage = stage();
    let chain = Chain::new(vec![
        stage.load(&letters("a")).unwrap(),
        stage.load_with(&letters("b"), |config| config.name = "second".into()).unwrap(),
    ]);
    let mut request = Request::get("/");
    let mut context = chain.begin();
    request.bodies[0] = b"body".to_vec();
    assert_eq!(context.on_request_headers(&mut request, false), Verdict::Continue);
    assert_eq!(context.on_request_body(&mut request, false), Verdict::Continue);
    request.maps[1] = Some(vec![]);
    assert_eq!(context.on_request_trailers(&mut request), Verdict::Continue);
    request.answered(200);
    assert_eq!(context.on_response_headers(&mut request, false), Verdict::Continue);
    assert_eq!(context.on_response_body(&mut request, false), Verdict::Continue);
    request.maps[3] = Some(vec![]);
    assert_eq!(context.on_response_trailers(&mut request), Verdict::Continue);
    context.finish(&mut request);
    let expected =
        "acr aqh bcr bqh aqb bqb aqt bqt bph aph bpb apb bpt apt alo ado ade blo bdo bde";
    assert_eq!(stage.lines.all().join(" "), expected);
}

/// Waits for the whole body, then upper-cases its first letter's place by `!`.
const BUFFERING: &str = r#"
  (import "env" "proxy_set_buffer_bytes" (func $put (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_status" (func $held (param i32 i32 i32) (result i32)))"#;

fn buffering(head_action: u32, edit: &str) -> String {
    let body = format!(
        r#"(data (i32.const 1024) "!")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const {head_action}))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (call $num (local.get 1))
          (if (i32.eqz (local.get 2)) (then (return (i32.const 1))))
          {edit}
          (i32.const 0))"#
    );
    module(BUFFERING, &body)
}

const PREPEND: &str =
    "(drop (call $put (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 1)))";
const APPEND: &str =
    "(drop (call $put (i32.const 0) (i32.const 999) (i32.const 0) (i32.const 1024) (i32.const 1)))";
const REPLACE: &str =
    "(drop (call $put (i32.const 0) (i32.const 0) (i32.const 999) (i32.const 1024) (i32.const 1)))";

#[tokio::test]
async fn a_body_is_held_back_and_edited() {
    for (edit, expected) in [(PREPEND, "!abcdef"), (APPEND, "abcdef!"), (REPLACE, "!")] {
        let stage = stage();
        let chain = stage.chain(&buffering(1, edit));
        let mut request = Request::get("/");
        let mut context = chain.begin();
        assert_eq!(context.on_request_headers(&mut request, false), Verdict::Pause);
        // Nothing is under way: the plugin waits for the body.
        assert_eq!(context.resume(&mut request).await, Verdict::Pause);
        request.bodies[0] = b"abc".to_vec();
        assert_eq!(context.on_request_body(&mut request, false), Verdict::Pause);
        request.bodies[0].extend_from_slice(b"def");
        assert_eq!(context.on_request_body(&mut request, true), Verdict::Continue);
        assert_eq!(request.body(), expected);
        assert_eq!(stage.lines.all(), ["03", "06"]);
    }
}

#[test]
fn a_plugin_in_front_sees_each_byte_once_while_a_later_one_holds_them() {
    let stage = stage();
    let sizes = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (call $num (local.get 1)) (i32.const 0))"#;
    let first = stage.load(&module("", sizes)).unwrap();
    let second = stage.load_with(&buffering(0, APPEND), |config| config.name = "second".into());
    let chain = Chain::new(vec![first, second.unwrap()]);
    let mut request = Request::get("/");
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut request, false), Verdict::Continue);
    for (part, end, verdict) in [
        ("abc", false, Verdict::Pause),
        ("de", false, Verdict::Pause),
        ("f", true, Verdict::Continue),
    ] {
        request.bodies[0].extend_from_slice(part.as_bytes());
        assert_eq!(context.on_request_body(&mut request, end), verdict);
    }
    assert_eq!(request.body(), "abcdef!");
    assert_eq!(stage.lines.all(), ["03", "03", "02", "05", "01", "06"]);
}

#[test]
fn plugins_behind_the_one_that_answered_see_no_response() {
    let stage = stage();
    let answering = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $answer (i32.const 401) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
        (i32.const 1))
      (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (call $num (i32.const 77)) (i32.const 0))"#;
    let first = stage.load(&module(CALL, answering)).unwrap();
    let second = stage.load_with(&letters("b"), |config| config.name = "second".into()).unwrap();
    let chain = Chain::new(vec![first, second]);
    let mut request = Request::get("/");
    let mut context = chain.begin();
    assert!(matches!(context.on_request_headers(&mut request, true), Verdict::Answer(_)));
    request.answered(401);
    assert_eq!(context.on_response_headers(&mut request, true), Verdict::Continue);
    context.finish(&mut request);
    assert_eq!(stage.lines.all(), ["77"]);
}

/// Subscribes to the request head, and lets contexts be used again.
#[test]
fn contexts_are_used_again_when_the_module_agrees() {
    let imports = r#"(import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let body = r#"
      (data (i32.const 1024) "tidegate_phases") (data (i32.const 1040) "\01\01\00\00")
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $foreign (i32.const 1024) (i32.const 15) (i32.const 1040) (i32.const 4) (i32.const 0) (i32.const 0)))
        (i32.const 1))
      (func (export "proxy_on_context_create") (param i32 i32)
        (if (local.get 1) (then (call $num (i32.add (i32.const 10) (local.get 0))))))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $num (local.get 0)) (i32.const 0))
      (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) unreachable)
      (func (export "proxy_on_log") (param i32) unreachable)
      (func (export "proxy_on_done") (param i32) (result i32) unreachable)"#;
    let stage = stage();
    let chain = stage.chain(&module(imports, body));
    let mut request = Request::get("/");
    request.answered(200);
    let (mut one, mut two) = (chain.begin(), chain.begin());
    one.on_request_headers(&mut request, true);
    two.on_request_headers(&mut request, true);
    one.finish(&mut request);
    let mut three = chain.begin();
    three.on_request_headers(&mut request, true);
    assert_eq!(three.on_response_headers(&mut request, true), Verdict::Continue);
    three.finish(&mut request);
    two.finish(&mut request);
    assert_eq!(stage.lines.all(), ["12", "02", "13", "03", "02"]);
    assert_eq!(stage.host.plugins()[0].streams, 0);
}
