//! HTTP/2 as a client of another make sees it.

use std::{future::poll_fn, net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{Reason, RecvStream, client::SendRequest};
use http::{HeaderMap, Request, Response};
use tidegate_edge::Clock;
use tidegate_testkit::{Edge, Origin, WAIT_MAX};
use tokio::net::{TcpListener, TcpStream};

use crate::node::Node;

const SPEC: &str = r#"
sites:
  - name: all
    hosts: ["*"]
    routes:
      - match: /text
        action: { respond: { body: "now" } }
      - match: /old/*
        action: { redirect: { to: "https://example.com/new/{rest}", status: 308 } }
      - match: /pass/*
        action: { proxy: o1 }
        cache: "off"
        body_bytes_max: 2MiB
        upgrades: [websocket]
      - match: /*
        action: { proxy: o1 }
upstreams:
  - name: o1
    servers: ["@ORIGIN@"]
"#;

/// A connection of the `h2` crate's client.
struct Peer {
    requests: SendRequest<Bytes>,
}

impl Peer {
    async fn connect(addr: SocketAddr) -> Self {
        Self::with(addr, h2::client::Builder::new()).await
    }

    async fn with(addr: SocketAddr, builder: h2::client::Builder) -> Self {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let (requests, connection) = builder.handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        Self { requests: requests.ready().await.unwrap() }
    }

    /// Sends a request whose body, if any, is whole.
    async fn ask(&mut self, request: Request<()>, body: Option<Bytes>) -> Response<RecvStream> {
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (response, mut send) = requests.send_request(request, body.is_none()).unwrap();
        if let Some(body) = body {
            send.send_data(body, true).unwrap();
        }
        within(response).await.unwrap()
    }

    async fn text(&mut self, path: &str) -> (Response<()>, String) {
        let (head, body) = self.ask(get(path), None).await.into_parts();
        let body = whole(body).await.unwrap();
        (Response::from_parts(head, ()), String::from_utf8(body.to_vec()).unwrap())
    }
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://a.example{path}")).body(()).unwrap()
}

fn post(path: &str) -> Request<()> {
    Request::post(format!("http://a.example{path}")).body(()).unwrap()
}

/// The whole body, its windows given back as it comes.
async fn whole(mut body: RecvStream) -> Result<Bytes, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = within(body.data()).await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_MAX, what).await.expect("it comes in time")
}

fn run<T>(test: impl AsyncFnOnce(&mut Origin, &Node) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut origin = Origin::start().await;
        let node = start(&origin.url()).await;
        let out = test(&mut origin, &node).await;
        node.stop().await;
        out
    })
}

async fn start(origin: &str) -> Node {
    Node::with_threads(&SPEC.replace("@ORIGIN@", origin), Clock::system(), 1).await.unwrap()
}

#[test]
fn streams_enter_the_same_steps() {
    run(async |origin, node| {
        origin
            .always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: max-age=60\r\n\r\nhi");
        let mut peer = Peer::connect(node.addr()).await;
        let (head, body) = peer.text("/text").await;
        assert_eq!((head.status().as_u16(), body.as_str()), (200, "now"));
        assert_eq!(head.headers()["content-length"], "3");
        assert!(head.headers().contains_key("date"));
        let (head, _) = peer.text("/old/x").await;
        assert_eq!(head.status(), 308);
        assert_eq!(head.headers()["location"], "https://example.com/new/x");
        for want in ["tidegate; fwd=uri-miss", "tidegate; hit"] {
            let (head, body) = peer.text("/o/1").await;
            assert_eq!(body, "hi");
            let status = head.headers()["cache-status"].to_str().unwrap().to_owned();
            assert!(status.starts_with(want), "{status}");
            assert!(!head.headers().contains_key("connection"));
        }
        assert_eq!(origin.requests(), 1, "the second came from the cache");
        let head = Request::head("http://a.example/o/1").body(()).unwrap();
        let response = peer.ask(head, None).await;
        assert_eq!(response.headers()["content-length"], "2");
        assert!(whole(response.into_body()).await.unwrap().is_empty());
    });
}

#[test]
fn many_streams_at_once_get_what_is_theirs() {
    run(async |origin, node| {
        let peer = Peer::connect(node.addr()).await;
        let mut asked = Vec::new();
        for n in 0..50 {
            let mut peer = Peer { requests: peer.requests.clone() };
            asked.push(tokio::spawn(async move { peer.text(&format!("/pass/{n}")).await.1 }));
        }
        for _ in 0..50 {
            let request = origin.request().await.unwrap();
            let path = request.head().line[1].clone();
            let length = path.len();
            request
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{path}"))
                .await;
        }
        for (n, text) in asked.into_iter().enumerate() {
            assert_eq!(text.await.unwrap(), format!("/pass/{n}"));
        }
    });
}

#[test]
fn long_bodies_go_both_ways() {
    run(async |origin, node| {
        let mut peer = Peer::connect(node.addr()).await;
        let up: Bytes = (0..1_500_000u32).map(|n| n as u8).collect::<Vec<_>>().into();
        let mut requests = peer.requests.clone().ready().await.unwrap();
        let (response, mut send) = requests.send_request(post("/pass/up"), false).unwrap();
        let sent = up.clone();
        tokio::spawn(async move { send.send_data(sent, true).unwrap() });
        let mut received = origin.request().await.unwrap();
        let whole_request = received.complete().await.unwrap();
        assert_eq!(whole_request.body.len(), up.len());
        assert!(whole_request.body == up, "byte for byte");
        let down = "x".repeat(3_000_000);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", down.len());
        received.send(head).await;
        received.send(&down).await;
        let response = within(response).await.unwrap();
        assert_eq!(whole(response.into_body()).await.unwrap(), down.as_bytes());
        let (_, text) = peer.text("/text").await;
        assert_eq!(text, "now");
    });
}

#[test]
fn a_body_beyond_the_route_is_refused() {
    run(async |_, node| {
        let mut peer = Peer::connect(node.addr()).await;
        let body = Bytes::from(vec![0; 3 << 20]);
        let response = peer.ask(post("/pass/up"), Some(body)).await;
        assert_eq!(response.status(), 413);
        let (_, text) = peer.text("/text").await;
        assert_eq!(text, "now", "the other streams go on");
    });
}

#[test]
fn a_head_beyond_the_limit_is_refused() {
    run(async |_, node| {
        let mut peer = Peer::connect(node.addr()).await;
        let large = Request::get("http://a.example/text").header("x-large", "x".repeat(40_000));
        let response = peer.ask(large.body(()).unwrap(), None).await;
        assert_eq!(response.status(), 431);
        let (_, text) = peer.text("/text").await;
        assert_eq!(text, "now");
    });
}

#[test]
fn a_reset_reaches_the_upstream() {
    run(async |origin, node| {
        let peer = Peer::connect(node.addr()).await;
        let mut requests = peer.requests.clone().ready().await.unwrap();
        let (response, mut send) = requests.send_request(post("/pass/up"), false).unwrap();
        let mut received = origin.request().await.unwrap();
        send.send_reset(Reason::CANCEL);
        drop(response);
        // The request ends in the middle: nobody wants its answer.
        assert!(received.complete().await.is_err());
        let mut peer = Peer { requests: peer.requests };
        assert_eq!(peer.text("/text").await.1, "now");
    });
}

#[test]
fn a_broken_response_breaks_its_stream_alone() {
    run(async |origin, node| {
        let mut peer = Peer::connect(node.addr()).await;
        let mut other = Peer { requests: peer.requests.clone() };
        let asked = tokio::spawn(async move { other.ask(get("/pass/cut"), None).await });
        let received = origin.request().await.unwrap();
        received.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this").await;
        let response = asked.await.unwrap();
        received.close().await;
        let error = whole(response.into_body()).await.unwrap_err();
        assert!(error.is_reset(), "never a clean end: {error}");
        assert_eq!(peer.text("/text").await.1, "now");
    });
}

#[test]
fn a_websocket_runs_in_a_stream() {
    run(async |origin, node| {
        let peer = Peer::connect(node.addr()).await;
        let mut requests = peer.requests.clone().ready().await.unwrap();
        while !requests.is_extended_connect_protocol_enabled() {
            // The server's settings are on their way.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut request = Request::connect("http://a.example/pass/ws")
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let (response, mut send) = requests.send_request(request, false).unwrap();
        let mut received = origin.request().await.unwrap();
        let head = received.head();
        assert_eq!(head.line, ["GET", "/pass/ws", "HTTP/1.1"].map(str::to_owned));
        assert_eq!(head.fields.joined("upgrade").as_deref(), Some("websocket"));
        assert!(head.fields.has("sec-websocket-key"), "HTTP/1.1 wants one");
        received
            .send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
            )
            .await;
        let response = within(response).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        send.send_data("ping!".into(), false).unwrap();
        assert_eq!(received.raw(5).await.unwrap(), b"ping!");
        received.send("pong!").await;
        let mut body = response.into_body();
        assert_eq!(&within(body.data()).await.unwrap().unwrap()[..], b"pong!");
    });
}

#[test]
fn a_node_that_ends_lets_streams_end_first() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut origin = Origin::start().await;
        let node = start(&origin.url()).await;
        let mut peer = Peer::connect(node.addr()).await;
        let asked = tokio::spawn(async move { peer.text("/pass/slow").await.1 });
        let received = origin.request().await.unwrap();
        received.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await;
        let stopped = tokio::spawn(node.stop());
        assert_eq!(asked.await.unwrap(), "late");
        stopped.await.unwrap();
    });
}

#[test]
fn urgent_responses_overtake() {
    run(async |origin, node| {
        let body = "x".repeat(400_000);
        let length = body.len();
        origin.always(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nCache-Control: max-age=60\r\n\r\n{body}"
        ));
        Peer::connect(node.addr()).await.text("/big").await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1 << 20).initial_connection_window_size(65_535);
        let peer = Peer::with(node.addr(), builder).await;
        let ask = async |priority: &str| {
            let mut requests = peer.requests.clone().ready().await.unwrap();
            let request = Request::get("http://a.example/big").header("priority", priority);
            let (response, _) = requests.send_request(request.body(()).unwrap(), true).unwrap();
            within(response).await.unwrap().into_body()
        };
        let mut patient = ask("u=7").await;
        // The connection's window is used up by the first; the second must come before its rest.
        let mut urgent = ask("u=0").await;
        let mut first = 0;
        let mut second = 0;
        while second < length {
            let piece = tokio::select! {
                biased;
                piece = patient.data(), if first < length => {
                    let piece = piece.unwrap().unwrap();
                    first += piece.len();
                    patient.flow_control().release_capacity(piece.len()).unwrap();
                    continue;
                }
                piece = within(urgent.data()) => piece.unwrap().unwrap(),
            };
            second += piece.len();
            urgent.flow_control().release_capacity(piece.len()).unwrap();
        }
        assert!(first <= 2 * 65_535, "{first} bytes of the patient one came before");
        while first < length {
            let piece = within(patient.data()).await.unwrap().unwrap();
            first += piece.len();
            patient.flow_control().release_capacity(piece.len()).unwrap();
        }
    });
}

/// An upstream that speaks HTTP/2 and answers with trailers, as gRPC does.
async fn grpc_upstream() -> SocketAddr {
    h2_upstream(echo).await
}

/// An upstream that speaks HTTP/2.
async fn h2_upstream<F>(
    answer: fn(Request<RecvStream>, h2::server::SendResponse<Bytes>) -> F,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request, respond));
                }
            });
        }
    });
    addr
}

/// Sends each piece back as it comes, then says how it went; or says at once that it went wrong.
async fn echo(request: Request<RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    assert_eq!(request.headers()["te"], "trailers");
    if request.uri().path().ends_with("/Fail") {
        let head = Response::builder().header("grpc-status", "5").body(()).unwrap();
        respond.send_response(head, true).unwrap();
        return;
    }
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut send = respond.send_response(head, false).unwrap();
    let mut body = request.into_body();
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).unwrap();
        send.send_data(piece, false).unwrap();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    send.send_trailers(trailers).unwrap();
}

#[test]
fn grpc_streams_both_ways_and_ends_with_trailers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let upstream = grpc_upstream().await;
        let node = start(&format!("h2c://{upstream}")).await;
        let peer = Peer::connect(node.addr()).await;
        let mut requests = peer.requests.clone().ready().await.unwrap();
        let request = Request::post("http://a.example/pass/echo.Echo/Bidi")
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        let (response, mut send) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        send.send_data("one".into(), false).unwrap();
        let mut body = within(response).await.unwrap().into_body();
        for (got, next) in [("one", "two"), ("two", "three")] {
            let piece = within(body.data()).await.unwrap().unwrap();
            assert_eq!(&piece[..], got.as_bytes());
            send.send_data(next.into(), false).unwrap();
        }
        assert_eq!(&within(body.data()).await.unwrap().unwrap()[..], b"three");
        send.send_data(Bytes::new(), true).unwrap();
        assert!(within(body.data()).await.is_none());
        let trailers = within(poll_fn(|cx| body.poll_trailers(cx))).await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");

        let request =
            Request::post("http://a.example/pass/echo.Echo/Fail").header("te", "trailers");
        let mut requests = peer.requests.clone().ready().await.unwrap();
        let (response, mut send) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        send.send_data("no".into(), true).unwrap();
        let response = within(response).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "5");
        assert!(response.body().is_end_stream(), "gRPC wants it in one frame");
        node.stop().await;
    });
}

#[test]
fn plugins_are_told_how_a_client_begins() {
    const SPEC: &str = r#"
plugins: [{ name: facts, module: { file: tests/testdata/probe.wasm }, config: facts }]
sites:
  - name: all
    hosts: ["*"]
    plugins: [facts]
    routes: [{ match: /*, action: { respond: { body: "facts" } } }]
"#;
    run(async |_, _| {
        let node = Node::with_threads(SPEC, Clock::system(), 1).await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(131_072).enable_push(false);
        let mut peer = Peer::with(node.addr(), builder).await;
        let told = |head: &Response<()>| head.headers()["x-facts"].to_str().unwrap().to_owned();
        let first = told(&peer.text("/a").await.0);
        assert!(first.starts_with(";;2:0;4:131072") && first.ends_with("|m,s,a,p"), "{first}");
        assert_eq!(told(&peer.text("/b").await.0), first, "one connection, one fingerprint");
        node.stop().await;
    });
}

/// Answers gRPC calls: the message `hello` by `hello` and the metadata, at `/probe.Echo/Say` only.
async fn said(request: Request<RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let (head, body) = request.into_parts();
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["te"], "trailers");
    let message = whole(body).await.unwrap();
    let (status, text) = match (head.uri.path(), &message[..]) {
        ("/probe.Echo/Say", b"\0\0\0\0\x05hello") => ("0", head.headers["x-metadata"].as_bytes()),
        _ => ("12", &[][..]),
    };
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut send = respond.send_response(head, false).unwrap();
    if !text.is_empty() {
        let framed = [&[0, 0, 0, 0, text.len() as u8][..], text].concat();
        send.send_data(framed.into(), false).unwrap();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    send.send_trailers(trailers).unwrap();
}

#[test]
fn plugins_call_grpc_services() {
    const SPEC: &str = r#"
plugins:
  - { name: asks, module: { file: tests/testdata/probe.wasm }, config: grpc, upstreams: [grpc] }
sites:
  - name: all
    hosts: ["*"]
    plugins: [asks]
    routes: [{ match: /*, action: { proxy: o1 }, cache: "off" }]
upstreams:
  - { name: o1, servers: ["@ORIGIN@"] }
  - { name: grpc, servers: ["h2c://@GRPC@"] }
"#;
    run(async |origin, _| {
        let service = h2_upstream(said).await;
        let spec = SPEC.replace("@ORIGIN@", &origin.url()).replace("@GRPC@", &service.to_string());
        let node = Node::with_threads(&spec, Clock::system(), 1).await.unwrap();
        let mut peer = Peer::connect(node.addr()).await;
        for path in ["/a", "/b"] {
            let answer = async {
                let mut received = within(origin.request()).await.unwrap();
                let message = received.complete().await.unwrap();
                received.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
                message
            };
            let (message, (head, _)) = tokio::join!(answer, peer.text(path));
            assert_eq!(head.status(), 200);
            assert_eq!(message.fields.joined("x-grpc").as_deref(), Some("0 from the probe"));
        }
        node.stop().await;
    });
}

#[test]
fn plugins_see_the_trailers_of_a_request() {
    const SPEC: &str = r#"
plugins:
  - { name: tells, module: { file: tests/testdata/probe.wasm }, config: "qtrailers" }
  - { name: refuses, module: { file: tests/testdata/probe.wasm }, config: "trefuse" }
sites:
  - name: all
    hosts: ["*"]
    plugins: [refuses, tells]
    routes: [{ match: /*, action: { proxy: o1 }, cache: "off" }]
upstreams: [{ name: o1, servers: ["@ORIGIN@"] }]
"#;
    run(async |origin, _| {
        let spec = SPEC.replace("@ORIGIN@", &origin.url());
        let node = Node::with_threads(&spec, Clock::system(), 1).await.unwrap();
        let peer = Peer::connect(node.addr()).await;
        let ask = async |value: &'static str| {
            let mut requests = peer.requests.clone().ready().await.unwrap();
            let (response, mut send) = requests.send_request(post("/a"), false).unwrap();
            send.send_data("one".into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", value.parse().unwrap());
            trailers.insert("authorization", "late".parse().unwrap());
            send.send_trailers(trailers).unwrap();
            within(response).await.unwrap()
        };
        let answer = async {
            let mut received = within(origin.request()).await.unwrap();
            let message = received.complete().await.unwrap();
            received.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            message.text()
        };
        let (body, response) = tokio::join!(answer, ask("fine"));
        assert_eq!(body, "one");
        assert_eq!(response.headers()["x-trailers"], "x-sum=fine;x-seen=trailers");
        // Whether the origin was asked by then or not, it never sees the end of the request.
        let response = ask("an attack").await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-by"]),
            (403, &"probe".parse().unwrap())
        );
        node.stop().await;
    });
}
