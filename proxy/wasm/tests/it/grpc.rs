//! gRPC calls of plugins, and requests that are held for a while.

use std::{sync::Arc, time::Duration};

use tidegate_wasm::{
    CallError, CallFuture, Chain, Dispatcher, GrpcCall, GrpcEvent, GrpcEvents, GrpcFuture,
    HostConfig, HttpCall, Verdict,
};

use crate::world::{Request, Stage, module, stage, stage_with};

/// `echo` answers every message with it, in capitals; `deny` answers status 7; `silent` nothing.
struct Echo;

impl Dispatcher for Echo {
    fn knows(&self, upstream: &str) -> bool {
        ["echo", "deny", "silent"].contains(&upstream)
    }

    fn call(&self, call: HttpCall) -> CallFuture {
        Box::pin(async move { Err(CallError::UnknownUpstream(call.upstream)) })
    }

    fn grpc(&self, mut call: GrpcCall, events: GrpcEvents) -> GrpcFuture {
        Box::pin(async move {
            let tell = |event| drop(events.send(event));
            match call.upstream.as_str() {
                "echo" => tell(GrpcEvent::Metadata(vec![(b"path".into(), call.path.into())])),
                "silent" => return std::future::pending().await,
                _ => return tell(GrpcEvent::Closed(7, "not you".into())),
            }
            while let Some(message) = call.messages.recv().await {
                tell(GrpcEvent::Message(message.to_ascii_uppercase()));
            }
            tell(GrpcEvent::Trailers(vec![(b"t".into(), b"1".into())]));
            tell(GrpcEvent::Closed(0, String::new()));
        })
    }
}

fn calling() -> Stage {
    stage_with(HostConfig { dispatcher: Arc::new(Echo), ..HostConfig::default() })
}

const GRPC: &str = r#"
  (import "env" "proxy_grpc_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_stream" (func $stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_send" (func $send (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_cancel" (func $cancel (param i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_status" (func $status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))"#;

/// Logs messages, counts of metadata, and the status at the end, then lets the request go on.
const CALLBACKS: &str = r#"
  (func (export "proxy_on_grpc_receive_initial_metadata") (param i32 i32 i32) (call $num (i32.add (local.get 2) (i32.const 10))))
  (func (export "proxy_on_grpc_receive_trailing_metadata") (param i32 i32 i32) (call $num (i32.add (local.get 2) (i32.const 20))))
  (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
    (drop (call $bytes (i32.const 5) (i32.const 0) (local.get 2) (i32.const 0) (i32.const 4)))
    (call $say)
    (if (i32.eqz (i32.load (i32.const 3000))) (then (drop (call $continue (i32.const 0))))))
  (func (export "proxy_on_grpc_close") (param i32 i32 i32)
    (drop (call $status (i32.const 8) (i32.const 0) (i32.const 4)))
    (call $num (i32.load (i32.const 8)))
    (if (i32.load (i32.const 4)) (then (call $say)))
    (drop (call $continue (i32.const 0))))"#;

fn unary(upstream: &str, timeout_ms: u32) -> String {
    let size = upstream.len();
    let body = format!(
        r#"(data (i32.const 1024) "{upstream}") (data (i32.const 1100) "auth.Checkhello")
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $num (call $call (i32.const 1024) (i32.const {size}) (i32.const 1100) (i32.const 4) (i32.const 1105)
      (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 1110) (i32.const 5) (i32.const {timeout_ms}) (i32.const 2000)))
    (i32.const 1))
  {CALLBACKS}"#
    );
    module(GRPC, &body)
}

async fn run(stage: &Stage, wat: &str) -> (Verdict, Vec<String>) {
    let chain = stage.chain(wat);
    let mut request = Request::get("/");
    let mut context = chain.begin();
    stage.lines.clear();
    assert_eq!(context.on_request_headers(&mut request, true), Verdict::Pause);
    let verdict = context.resume(&mut request).await;
    context.finish(&mut request);
    (verdict, stage.lines.all())
}

#[tokio::test]
async fn one_message_each_way_is_heard_as_its_answer() {
    let stage = calling();
    let (verdict, lines) = run(&stage, &unary("echo", 1_000)).await;
    assert_eq!(verdict, Verdict::Continue);
    assert_eq!(lines, ["00", "HELLO"], "the status of the call, then the answer and no more");
}

#[tokio::test]
async fn a_failure_is_heard_with_its_status() {
    let stage = calling();
    let (_, lines) = run(&stage, &unary("deny", 1_000)).await;
    assert_eq!(lines, ["00", "07", "not you"]);
    let (_, lines) = run(&stage, &unary("silent", 20)).await;
    assert_eq!(lines, ["00", "04", "took too long"]);
}

#[tokio::test]
async fn an_upstream_named_in_the_way_of_envoy_is_found() {
    let stage = calling();
    let wat = unary(r"\0a\06\0a\04echo", 1_000).replace("(i32.const 15)", "(i32.const 8)");
    let wat = wat.replace(
        &format!("(i32.const 1024) (i32.const {})", r"\0a\06\0a\04echo".len()),
        "(i32.const 1024) (i32.const 8)",
    );
    let (_, lines) = run(&stage, &wat).await;
    assert_eq!(lines, ["00", "HELLO"]);
}

#[tokio::test]
async fn a_stream_carries_messages_both_ways_until_it_is_closed() {
    let stage = calling();
    let body = format!(
        r#"(data (i32.const 1024) "echo") (data (i32.const 1100) "auth.Checkhello")
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (i32.store (i32.const 3000) (i32.const 1))
    (call $num (call $stream (i32.const 1024) (i32.const 4) (i32.const 1100) (i32.const 4) (i32.const 1105)
      (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 2000)))
    (call $num (call $send (i32.load (i32.const 2000)) (i32.const 1110) (i32.const 2) (i32.const 0)))
    (call $num (call $send (i32.load (i32.const 2000)) (i32.const 1112) (i32.const 3) (i32.const 1)))
    (call $num (call $send (i32.load (i32.const 2000)) (i32.const 1112) (i32.const 3) (i32.const 1)))
    (i32.const 1))
  {CALLBACKS}"#
    );
    let (verdict, lines) = run(&stage, &module(GRPC, &body)).await;
    assert_eq!(verdict, Verdict::Continue);
    assert_eq!(lines, ["00", "00", "00", "02", "11", "HE", "LLO", "21", "00"]);
}

#[tokio::test]
async fn a_request_that_goes_away_ends_its_calls() {
    let stage = calling();
    let chain: Chain = stage.chain(&unary("silent", 60_000));
    let mut request = Request::get("/");
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut request, true), Verdict::Pause);
    drop(context);
    let plugin = &chain.plugins()[0];
    for _ in 0..500 {
        let open = stage.host.metrics().into_iter().find(|s| s.name.ends_with("calls_open"));
        if format!("{:?}", open.unwrap().value).contains("(0)") {
            return assert_eq!(plugin.status().streams, 0);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the call is still open");
}

#[tokio::test]
async fn a_request_is_held_and_then_goes_on_or_is_answered() {
    let imports = r#"
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let wat = |answer: &str| {
        module(
            imports,
            &format!(
                r#"(data (i32.const 1024) "tidegate_hold") (data (i32.const 1100) "\05\00\00\00")
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $foreign (i32.const 1024) (i32.const 13) (i32.const 1100) (i32.const 4) (i32.const 0) (i32.const 0)))
    {answer} (i32.const 0))"#
            ),
        )
    };
    let stage = stage();
    for (answer, expected) in [
        ("", None),
        (
            "(drop (call $answer (i32.const 429) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))",
            Some(429),
        ),
    ] {
        let chain = stage.chain(&wat(answer));
        let mut request = Request::get("/");
        let mut context = chain.begin();
        assert_eq!(context.on_request_headers(&mut request, true), Verdict::Pause);
        let status = match context.resume(&mut request).await {
            Verdict::Answer(response) => Some(response.status),
            Verdict::Continue | Verdict::Pause => None,
        };
        assert_eq!(status, expected);
        context.finish(&mut request);
    }
}
