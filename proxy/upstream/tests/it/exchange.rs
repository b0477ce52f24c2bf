//! What goes right.

use tidegate_http::Framing;
use tidegate_testkit::Origin;
use tidegate_upstream::{GroupConfig, Outbound, Outcome};

use crate::tape::{Tape, get, group, post, told, upstreams};

#[tokio::test]
async fn a_response_is_passed_on_and_its_connection_used_again() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    for turn in 1..=2 {
        let answer = async {
            let mut request = origin.request().await.unwrap();
            let whole = request.complete().await.unwrap();
            assert_eq!(whole.line[..2].join(" "), "GET /a?b=c");
            assert_eq!(whole.fields.joined("host").as_deref(), Some("example.com"));
            assert_eq!(whole.fields.joined("x-a").as_deref(), Some("1"));
            assert_eq!(request.connection(), 1);
            request.send("HTTP/1.1 200 OK\r\nX-B: 2\r\nConnection: x-c\r\nX-C: 3\r\n").await;
            request.send("Content-Length: 5\r\n\r\nhello").await;
        };
        let mut outbound = get("/a?b=c");
        outbound.fields.push("X-A", "1");
        let exchange = upstreams.exchange(&group, outbound, Tape::default());
        let ((tape, outcome), ()) = tokio::join!(exchange, answer);
        assert_eq!(told(&outcome), "delivered 200");
        assert_eq!(tape.told(), "head 200 x-b=2 Length(5)\nbody hello\nfinish");
        assert_eq!(outcome.trace().reused, turn == 2);
        assert_eq!(outcome.trace().body_bytes, 5);
    }
    let stats = &upstreams.stats()[0];
    assert_eq!((stats.exchanges, stats.faults, stats.under_way), (2, 0, 0));
    assert_eq!((stats.connections_opened, stats.connections_reused), (1, 1));
    assert_eq!((stats.servers[0].tries, stats.servers[0].under_way), (2, 0));
}

#[tokio::test]
async fn request_bodies_stream_in_both_framings() {
    for framing in [Framing::Length(5), Framing::Chunked] {
        let mut origin = Origin::start().await;
        let (upstreams, group) = upstreams(group(&[&origin]));
        let answer = async {
            let mut request = origin.request().await.unwrap();
            let whole = request.complete().await.unwrap();
            assert_eq!(whole.text(), "hello");
            let chunked = whole.fields.joined("transfer-encoding").as_deref() == Some("chunked");
            assert_eq!(chunked, framing == Framing::Chunked);
            assert_eq!(whole.fields.has("content-length"), !chunked);
            request.send("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            request.send("2\r\nok\r\n0\r\n\r\n").await;
        };
        let tape = Tape::with_body(&["hel", "lo"]);
        let exchange = upstreams.exchange(&group, post(framing), tape);
        let ((tape, outcome), ()) = tokio::join!(exchange, answer);
        assert_eq!(told(&outcome), "delivered 201");
        assert_eq!(tape.told(), "head 201 Unknown\nbody ok\nfinish");
    }
}

#[tokio::test]
async fn an_empty_body_of_known_length_is_said_so() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let answer = async {
        let mut request = origin.request().await.unwrap();
        let whole = request.complete().await.unwrap();
        assert_eq!(whole.fields.joined("content-length").as_deref(), Some("0"));
        request.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    };
    let exchange = upstreams.exchange(&group, post(Framing::Length(0)), Tape::default());
    let ((tape, outcome), ()) = tokio::join!(exchange, answer);
    assert_eq!(told(&outcome), "delivered 204");
    assert_eq!(tape.told(), "head 204 Empty { declared: None }\nfinish");
}

#[tokio::test]
async fn a_response_may_end_with_its_connection() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let answer = async {
        let request = origin.request().await.unwrap();
        request.send("HTTP/1.1 200 OK\r\n\r\nto the end").await;
        request.close().await;
    };
    let exchange = upstreams.exchange(&group, get("/"), Tape::default());
    let ((tape, outcome), ()) = tokio::join!(exchange, answer);
    assert_eq!(told(&outcome), "delivered 200");
    assert_eq!(tape.told(), "head 200 Unknown\nbody to the end\nfinish");
}

#[tokio::test]
async fn responses_without_body_by_rule_keep_their_length() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    for (method, status) in [(http::Method::HEAD, 200), (http::Method::GET, 304)] {
        let answer = async {
            let request = origin.request().await.unwrap();
            request.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n")).await;
        };
        let outbound = Outbound { method, ..get("/") };
        let exchange = upstreams.exchange(&group, outbound, Tape::default());
        let ((tape, outcome), ()) = tokio::join!(exchange, answer);
        assert_eq!(told(&outcome), format!("delivered {status}"));
        assert_eq!(tape.told(), format!("head {status} Empty {{ declared: Some(5) }}\nfinish"));
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn early_hints_come_before_the_response() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    // Once in a piece of its own, once in one read with the final head.
    for apart in [true, false] {
        let tape = Tape::default();
        let heard = std::sync::Arc::clone(&tape.heard);
        let answer = async {
            let request = origin.request().await.unwrap();
            let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
            let rest = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            if apart {
                request.send(hints).await;
                heard.notified().await;
                request.send(rest).await;
            } else {
                request.send(format!("{hints}{rest}")).await;
            }
        };
        let ((tape, outcome), ()) =
            tokio::join!(upstreams.exchange(&group, get("/"), tape), answer);
        assert_eq!(told(&outcome), "delivered 200");
        assert_eq!(tape.told(), "interim 103 link=</x>\nhead 200 Length(0)\nfinish");
    }
}

#[tokio::test]
async fn a_protocol_switch_carries_raw_bytes_both_ways() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let answer = async {
        let mut request = origin.request().await.unwrap();
        assert_eq!(request.head().fields.joined("connection").as_deref(), Some("Upgrade"));
        assert_eq!(request.head().fields.joined("upgrade").as_deref(), Some("websocket"));
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
        request.send(format!("{head}Upgrade: websocket\r\n\r\n")).await;
        assert_eq!(request.raw(4).await.unwrap(), b"ping");
        request.send("pong").await;
        request.close().await;
    };
    let mut outbound = get("/chat");
    outbound.upgrade = Some("websocket".into());
    let tape = Tape { endless: true, ..Tape::with_body(&["ping"]) };
    let ((tape, outcome), ()) = tokio::join!(upstreams.exchange(&group, outbound, tape), answer);
    assert_eq!(told(&outcome), "delivered 101");
    assert_eq!(tape.told(), "upgrade 101 upgrade=websocket\nbody pong\nfinish");
}

#[tokio::test]
async fn a_unix_socket_is_a_server_too() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let address = format!("unix:{}", path.display()).parse().unwrap();
    let (upstreams, group) = upstreams(GroupConfig::new("g", vec![address]));
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.unwrap();
        assert!(request[..read].starts_with(b"GET /u HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
    };
    let exchange = upstreams.exchange(&group, get("/u"), Tape::default());
    let ((tape, outcome), ()) = tokio::join!(exchange, answer);
    assert_eq!(tape.told(), "head 200 Length(2)\nbody hi\nfinish");
    assert!(matches!(outcome, Outcome::Delivered(d) if d.server.starts_with("unix:")));
}
