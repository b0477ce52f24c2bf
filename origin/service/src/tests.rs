mod alone;
mod fleet;

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::net::SocketAddr;
use tidegate_origin_kit::testkit::Answer;

/// A request over a real connection.
async fn send(to: SocketAddr, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{to}{path}"))
        .header("content-type", "application/json")
        .body(Full::new(bytes::Bytes::from(body)))
        .unwrap();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn get(to: SocketAddr, path: &str) -> Answer {
    send(to, Method::GET, path, None).await
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
