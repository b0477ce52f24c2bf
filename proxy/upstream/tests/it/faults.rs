//! What goes wrong.

use std::sync::Arc;
use std::time::Duration;

use tidegate_http::Framing;
use tidegate_testkit::Origin;
use tidegate_upstream::{GroupConfig, Outbound, Outcome};

use crate::tape::{Tape, get, group, post, told, upstreams};

/// What comes of an origin that answers with these bytes and closes; each piece is sent once the
/// client has something of the piece before it.
async fn after(pieces: &[&str]) -> (String, String) {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let tape = Tape::default();
    let heard = Arc::clone(&tape.heard);
    let answer = async {
        let request = origin.request().await.unwrap();
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                heard.notified().await;
            }
            request.send(piece).await;
        }
        if pieces.len() > 1 {
            heard.notified().await;
        }
        request.close().await;
    };
    let ((tape, outcome), ()) = tokio::join!(upstreams.exchange(&group, get("/"), tape), answer);
    (told(&outcome), tape.told())
}

#[tokio::test]
async fn before_the_head_nothing_is_written() {
    for (answer, outcome) in [
        ("", "failed first_byte closed"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "failed first_byte closed"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "failed head malformed"),
        ("not http at all\r\n\r\n", "failed head malformed"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "failed head content_length",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx", "failed head content_length"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "failed head transfer_encoding",
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "failed head transfer_encoding",
        ),
        (
            "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            "failed head unasked_upgrade",
        ),
    ] {
        assert_eq!(after(&[answer]).await, (outcome.to_owned(), String::new()), "{answer:?}");
    }
}

#[tokio::test]
async fn after_the_head_an_early_end_is_a_fault() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let (outcome, told) = after(&[head, "hel"]).await;
    assert_eq!(outcome, "failed body closed after the head");
    assert_eq!(told, "head 200 Length(10)\nbody hel");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (outcome, told) = after(&[head, "3\r\nhel\r\n"]).await;
    assert_eq!(outcome, "failed body closed after the head");
    assert_eq!(told, "head 200 Unknown\nbody hel");
    let (outcome, _) = after(&[head, "3\r\nhel\r\nzz\r\n"]).await;
    assert!(outcome.starts_with("failed body "), "{outcome}");
}

#[tokio::test]
async fn a_reset_is_a_fault_also_where_an_end_would_be_one() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let tape = Tape::default();
    let heard = Arc::clone(&tape.heard);
    let answer = async {
        let request = origin.request().await.unwrap();
        request.send("HTTP/1.1 200 OK\r\n\r\nhel").await;
        heard.notified().await;
        request.reset().await;
    };
    let ((tape, outcome), ()) = tokio::join!(upstreams.exchange(&group, get("/"), tape), answer);
    assert_eq!(told(&outcome), "failed body reset after the head");
    assert!(!tape.told().contains("finish"), "{}", tape.told());
}

#[tokio::test]
async fn a_dead_server_is_a_connect_fault() {
    let mut origin = Origin::start().await;
    origin.down().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let (tape, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
    assert_eq!((told(&outcome), tape.told()), ("failed connect refused".to_owned(), String::new()));
    let Outcome::Failed(fault) = outcome else { panic!("it failed") };
    assert_eq!(fault.status(), 502);
    assert_eq!(fault.server.as_deref(), Some(&*origin.url()));
    assert_eq!(upstreams.stats()[0].faults, 1);
}

#[tokio::test]
async fn a_group_without_servers_refuses() {
    let (upstreams, group) = upstreams(GroupConfig::new("g", Vec::new()));
    let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
    assert_eq!(told(&outcome), "failed choose no_server");
    assert_eq!(upstreams.stats()[0].refused, 1);
}

#[tokio::test]
async fn requests_that_cannot_be_sent_are_refused() {
    let origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let connect = Outbound { method: http::Method::CONNECT, ..get("/") };
    for (outbound, outcome) in [
        (connect, "failed internal connect_method"),
        (get("http://other/"), "failed internal request_target"),
        (get("/a b"), "failed internal request_target"),
    ] {
        let (tape, got) = upstreams.exchange(&group, outbound, Tape::default()).await;
        assert_eq!((told(&got), tape.told()), (outcome.to_owned(), String::new()));
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_exchange() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let tape = Tape::default();
    let leave = Arc::clone(&tape.leave);
    let meanwhile = async {
        let _request = origin.request().await.unwrap();
        leave.notify_one();
    };
    let ((tape, outcome), ()) = tokio::join!(upstreams.exchange(&group, get("/"), tape), meanwhile);
    assert_eq!(told(&outcome), "failed client gone");
    assert_eq!(tape.told(), "");
    let stats = &upstreams.stats()[0];
    assert_eq!((stats.faults, stats.servers[0].faults), (0, 0));
}

#[tokio::test]
async fn a_client_that_leaves_inside_its_body_ends_the_exchange() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let tape = Tape { endless: true, ..Tape::with_body(&["hel"]) };
    let leave = Arc::clone(&tape.leave);
    let meanwhile = async {
        let mut request = origin.request().await.unwrap();
        leave.notify_one();
        assert!(request.complete().await.is_err());
    };
    let exchange = upstreams.exchange(&group, post(Framing::Length(9)), tape);
    let ((_, outcome), ()) = tokio::join!(exchange, meanwhile);
    assert_eq!(told(&outcome), "failed client gone");
}

#[tokio::test]
async fn time_runs_out_at_each_stage() {
    let mut origin = Origin::start().await;
    let mut config = group(&[&origin]);
    config.timeouts.first_byte = Duration::from_millis(50);
    config.timeouts.between_bytes = Duration::from_millis(50);
    let (upstreams, group) = upstreams(config.clone());
    let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
    assert_eq!(told(&outcome), "failed first_byte timeout");
    let Outcome::Failed(fault) = outcome else { panic!("it failed") };
    assert_eq!(fault.status(), 504);
    // Between pieces, where the limit for the head would be longer.
    config.timeouts.first_byte = Duration::from_secs(60);
    let group = upstreams.apply(&[config.clone()]).remove(0);
    let answer = async {
        origin.request().await.unwrap();
        let request = origin.request().await.unwrap();
        request.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").await;
        request
    };
    let exchange = upstreams.exchange(&group, get("/"), Tape::default());
    let ((_, outcome), _request) = tokio::join!(exchange, answer);
    assert_eq!(told(&outcome), "failed body timeout after the head");
    // The whole exchange.
    config.timeouts.between_bytes = Duration::from_secs(60);
    config.timeouts.total = Some(Duration::from_millis(50));
    let group = upstreams.apply(&[config]).remove(0);
    let (tape, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
    assert_eq!(told(&outcome), "failed first_byte timeout");
    assert_eq!(tape.told(), "");
    let stats = &upstreams.stats()[0];
    assert_eq!((stats.under_way, stats.servers[0].under_way), (0, 0));
}
