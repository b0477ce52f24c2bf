use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::routing::get;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use utoipa_axum::router::OpenApiRouter;

use crate::extract::Query;
use crate::metrics::Metrics;
use crate::serve::{Handle, Limits, Server, bind};
use crate::service::{Service, Stop};
use crate::{Cx, Fault, Settings};

#[expect(clippy::panic, reason = "the handler under test panics")]
async fn panics() -> &'static str {
    panic!("secret text")
}

static ENTERED: AtomicBool = AtomicBool::new(false);

async fn slow() -> &'static str {
    ENTERED.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    "done"
}

async fn number(Query(n): Query<std::collections::HashMap<String, u8>>) -> Result<String, Fault> {
    Ok(n.len().to_string())
}

async fn start() -> Handle {
    let (cx, stopper) = Cx::local(std::env::temp_dir(), Settings::default());
    let router = OpenApiRouter::new()
        .route("/panic", get(panics))
        .route("/slow", get(slow))
        .route("/number", get(number));
    let server = Server::new(utoipa::openapi::OpenApi::default(), Metrics::new());
    let server = server.with(Service::new("test", router));
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    server.start(listener, Limits::default(), stopper, cx.stop).unwrap()
}

async fn ask(server: &Handle, path: &str, id: &str) -> (u16, http::HeaderMap, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = http::Request::get(format!("http://{}{path}", server.local_addr()));
    let request = request.header("x-request-id", id).body(Empty::<bytes::Bytes>::new()).unwrap();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_panic_is_one_answer_and_the_server_goes_on() {
    let server = start().await;
    let (status, headers, body) = ask(&server, "/panic", "abc-1").await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (500, "application/problem+json")
    );
    assert_eq!(headers["x-request-id"], "abc-1");
    assert!(body.contains("\"trace\":\"abc-1\"") && !body.contains("secret"), "{body}");
    assert_eq!(ask(&server, "/healthz", "").await.0, 200);
    server.shutdown().await;
}

#[tokio::test]
async fn ids_that_could_forge_a_log_are_replaced() {
    let server = start().await;
    for given in ["", "a b", "x".repeat(65).as_str(), "<script>"] {
        let (_, headers, _) = ask(&server, "/healthz", given).await;
        assert_eq!(headers["x-request-id"].len(), 26, "{given}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_routed_or_read_is_a_problem_too() {
    let server = start().await;
    for (path, status) in [("/none", 404), ("/number?n=256", 422), ("/number?n=255", 200)] {
        let (got, headers, body) = ask(&server, path, "t").await;
        assert_eq!(got, status, "{path}: {body}");
        assert_eq!(status != 200, headers["content-type"] == "application/problem+json");
    }
    let metrics = ask(&server, "/metrics", "t").await.2;
    assert!(metrics.contains(r#"{method="GET",route="/number",status="422"} 1"#), "{metrics}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_under_way_ends_before_the_server_does() {
    let server = start().await;
    let address = server.local_addr();
    let running = tokio::spawn(async move {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
        let request = client.get(format!("http://{address}/slow").parse().unwrap());
        request.await.map(|answer| answer.status().as_u16())
    });
    let until = Instant::now() + Duration::from_secs(20);
    while !ENTERED.load(Ordering::SeqCst) {
        assert!(Instant::now() < until, "the request never came");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    server.shutdown().await;
    assert_eq!(running.await.unwrap().unwrap(), 200);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn tasks_end_with_the_process() {
    let (cx, stopper) = Cx::local(std::env::temp_dir(), Settings::default());
    let mut stop: Stop = cx.stop.clone();
    let service =
        Service::new("test", OpenApiRouter::new()).task("endless", std::future::pending());
    let server = Server::new(utoipa::openapi::OpenApi::default(), Metrics::new()).with(service);
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let server = server.start(listener, Limits::default(), stopper, cx.stop).unwrap();
    tokio::time::timeout(Duration::from_secs(20), server.shutdown()).await.unwrap();
    assert!(!stop.sleep(Duration::from_secs(600)).await);
}
