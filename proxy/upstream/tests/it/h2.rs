//! Servers that speak HTTP/2.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidegate_http::Framing;
use tidegate_upstream::GroupConfig;
use tokio::net::TcpListener;

use crate::tape::{Tape, post, told, upstreams};

type Body =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

/// Answers with what it got, and a trailer.
async fn echo(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = vec![Ok(Frame::data(body)), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    let te = head.headers.get("te").cloned();
    response.headers_mut().insert("x-te", te.unwrap_or("none".parse().unwrap()));
    let told = format!("{} {}", head.uri, head.headers.contains_key("host"));
    response.headers_mut().insert("x-uri", told.parse().unwrap());
    Ok(response)
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(http2.serve_connection(TokioIo::new(stream), service_fn(echo)));
    }
}

#[tokio::test]
async fn clear_text_http_2_carries_bodies_and_trailers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(serve(listener));
    let (upstreams, group) = upstreams(GroupConfig::new("g", vec![url.parse().unwrap()]));
    for framing in [Framing::Chunked, Framing::Length(5), Framing::Empty] {
        let empty = framing == Framing::Empty;
        let tape = if empty { Tape::default() } else { Tape::with_body(&["hel", "lo"]) };
        let mut outbound = post(framing);
        outbound.wants_trailers = true;
        let (tape, outcome) = upstreams.exchange(&group, outbound, tape).await;
        assert_eq!(told(&outcome), "delivered 200");
        let head = "x-te=trailers x-uri=http://example.com/post false";
        let told = tape.told();
        assert!(told.starts_with(&format!("head 200 {head}")), "{told}");
        assert!(told.ends_with("finish grpc-status=0"), "{told}");
        assert_eq!(told.contains("body hello"), !empty, "{told}");
    }
    // All of it by one connection.
    assert_eq!(upstreams.stats()[0].connections_opened, 1);
    serving.abort();
}
