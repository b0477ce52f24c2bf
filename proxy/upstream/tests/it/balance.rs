//! Which server is asked, and who is asked next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_http::Framing;
use tidegate_testkit::Origin;
use tidegate_upstream::config::Balance;
use tidegate_upstream::{Clock, GroupConfig, Upstreams, UpstreamsConfig};

use crate::tape::{Tape, get, group, post, told, upstreams};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

async fn origins(count: usize) -> Vec<Origin> {
    let mut origins = Vec::new();
    for _ in 0..count {
        let origin = Origin::start().await;
        origin.always(OK);
        origins.push(origin);
    }
    origins
}

fn group_of(origins: &[Origin]) -> GroupConfig {
    group(&origins.iter().collect::<Vec<_>>())
}

fn counts(origins: &[Origin]) -> Vec<usize> {
    origins.iter().map(Origin::requests).collect()
}

#[tokio::test]
async fn turns_follow_the_weights() {
    let origins = origins(3).await;
    let mut config = group_of(&origins);
    config.servers[0].weight = 3;
    config.servers[2].weight = 0;
    let (upstreams, group) = upstreams(config);
    for _ in 0..8 {
        let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
        assert_eq!(told(&outcome), "delivered 200");
    }
    assert_eq!(counts(&origins), [6, 2, 0]);
}

#[tokio::test]
async fn a_higher_priority_number_waits() {
    let mut origins = origins(2).await;
    let mut config = group_of(&origins);
    config.servers[0].priority = 1;
    config.retry.retries_max = 1;
    let (upstreams, group) = upstreams(config);
    upstreams.exchange(&group, get("/"), Tape::default()).await;
    assert_eq!(counts(&origins), [0, 1]);
    origins[1].down().await;
    // The pooled connection still stands; it is the next new one that is refused.
    let mut config = group.config().clone();
    config.timeouts.connect = Duration::from_secs(1);
    for _ in 0..3 {
        let (_, outcome) = upstreams.exchange(&group, post(Framing::Empty), Tape::default()).await;
        assert_eq!(told(&outcome), "delivered 200");
    }
}

#[tokio::test]
async fn one_key_stays_with_one_server() {
    let origins = origins(4).await;
    let mut config = group_of(&origins);
    config.balance = Balance::Hash;
    let (upstreams, group) = upstreams(config);
    for _ in 0..5 {
        let mut outbound = get("/");
        outbound.hash_key = Some(7);
        upstreams.exchange(&group, outbound, Tape::default()).await;
    }
    let mut got = counts(&origins);
    got.sort_unstable();
    assert_eq!(got, [0, 0, 0, 5]);
    for key in 0..64 {
        let mut outbound = get("/");
        outbound.hash_key = Some(key);
        upstreams.exchange(&group, outbound, Tape::default()).await;
    }
    assert!(counts(&origins).iter().all(|count| *count >= 5), "{:?}", counts(&origins));
}

#[tokio::test]
async fn a_refused_connection_is_tried_elsewhere_whatever_the_method() {
    let mut origins = origins(2).await;
    origins[0].down().await;
    let mut config = group_of(&origins);
    config.retry.retries_max = 1;
    let (upstreams, group) = upstreams(config);
    for _ in 0..4 {
        let tape = Tape::with_body(&["hello"]);
        let (_, outcome) = upstreams.exchange(&group, post(Framing::Length(5)), tape).await;
        assert_eq!(told(&outcome), "delivered 200");
    }
    assert_eq!(counts(&origins), [0, 4]);
    assert!(upstreams.stats()[0].retries >= 2);
}

#[tokio::test]
async fn a_request_that_was_sent_is_repeated_only_when_that_is_safe() {
    for (outbound, outcome, requests) in [
        (get("/"), "delivered 200", [1, 1]),
        (post(Framing::Length(5)), "failed first_byte closed", [1, 0]),
    ] {
        let mut origins = [Origin::start().await, Origin::start().await];
        origins[1].always(OK);
        let mut config = group_of(&origins);
        config.retry.retries_max = 1;
        let (upstreams, group) = upstreams(config);
        let broken = async {
            let mut request = origins[0].request().await.unwrap();
            request.complete().await.unwrap();
            request.close().await;
        };
        let tape =
            Tape::with_body(if outbound.framing == Framing::Empty { &[] } else { &["hello"] });
        let ((_, got), ()) = tokio::join!(upstreams.exchange(&group, outbound, tape), broken);
        assert_eq!(told(&got), outcome);
        assert_eq!(counts(&origins), requests);
    }
}

#[tokio::test]
async fn a_repeated_request_repeats_its_body() {
    let mut origins = [Origin::start().await, Origin::start().await];
    let mut config = group_of(&origins);
    config.retry.retries_max = 1;
    let (upstreams, group) = upstreams(config);
    let [first, second] = &mut origins;
    let meanwhile = async {
        let mut request = first.request().await.unwrap();
        assert_eq!(request.complete().await.unwrap().text(), "hello");
        request.close().await;
        let mut request = second.request().await.unwrap();
        assert_eq!(request.complete().await.unwrap().text(), "hello");
        request.send(OK).await;
    };
    let mut outbound = post(Framing::Chunked);
    outbound.method = http::Method::PUT;
    let tape = Tape::with_body(&["hel", "lo"]);
    let ((_, outcome), ()) = tokio::join!(upstreams.exchange(&group, outbound, tape), meanwhile);
    assert_eq!(told(&outcome), "delivered 200");
    assert_eq!(outcome.trace().attempts, 2);
}

#[tokio::test]
async fn an_old_connection_that_was_closed_costs_no_request() {
    let mut origin = Origin::start().await;
    let (upstreams, group) = upstreams(group(&[&origin]));
    let first = async {
        let request = origin.request().await.unwrap();
        request.send(OK).await;
        request
    };
    let exchange = upstreams.exchange(&group, get("/"), Tape::default());
    let ((_, outcome), request) = tokio::join!(exchange, first);
    assert_eq!(told(&outcome), "delivered 200");
    // The connection is closed when the next request has just been sent on it.
    let second = async {
        let again = origin.request().await.unwrap();
        assert_eq!(again.connection(), 1);
        again.close().await;
        drop(request);
        let anew = origin.request().await.unwrap();
        assert_eq!(anew.connection(), 2);
        anew.send(OK).await;
    };
    let exchange = upstreams.exchange(&group, get("/"), Tape::default());
    let ((_, outcome), ()) = tokio::join!(exchange, second);
    assert_eq!(told(&outcome), "delivered 200");
    assert_eq!(upstreams.stats()[0].servers[0].faults, 0);
}

#[tokio::test]
async fn a_server_that_fails_in_a_row_is_left_out_for_a_while() {
    let mut origins = origins(2).await;
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let upstreams = Upstreams::new(UpstreamsConfig {
        clock: Clock::shared(Arc::clone(&clock)),
        ..UpstreamsConfig::default()
    });
    let mut config = group_of(&origins);
    config.ejection.consecutive_faults = 2;
    config.ejection.base = Duration::from_secs(5);
    config.retry.retries_max = 1;
    let group = upstreams.apply(&[config]).remove(0);
    origins[0].down().await;
    for _ in 0..6 {
        let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
        assert_eq!(told(&outcome), "delivered 200");
    }
    let server = &upstreams.stats()[0].servers[0];
    assert_eq!((server.available, server.ejected, server.faults), (false, 1, 2));
    // Back after its time, and out again after one more fault.
    clock.fetch_add(5_000_001, Ordering::SeqCst);
    assert!(upstreams.stats()[0].servers[0].available);
    for _ in 0..2 {
        upstreams.exchange(&group, get("/"), Tape::default()).await;
    }
    assert_eq!(upstreams.stats()[0].servers[0].ejected, 2);
    origins[0].up().await;
    clock.fetch_add(10_000_001, Ordering::SeqCst);
    let before = origins[0].requests();
    for _ in 0..4 {
        upstreams.exchange(&group, get("/"), Tape::default()).await;
    }
    assert_eq!(origins[0].requests(), before + 2);
}

#[tokio::test]
async fn the_only_server_is_never_left_out() {
    let mut origin = Origin::start().await;
    origin.always(OK);
    let mut config = group(&[&origin]);
    config.ejection.consecutive_faults = 1;
    let (upstreams, group) = upstreams(config);
    origin.down().await;
    for _ in 0..3 {
        upstreams.exchange(&group, get("/"), Tape::default()).await;
    }
    assert_eq!(upstreams.stats()[0].servers[0].ejected, 0);
    origin.up().await;
    let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
    assert_eq!(told(&outcome), "delivered 200");
}

#[tokio::test]
async fn a_full_group_refuses() {
    let mut origin = Origin::start().await;
    let mut config = group(&[&origin]);
    config.breaker.exchanges_max = 1;
    let (upstreams, group) = upstreams(config);
    let meanwhile = async {
        let request = origin.request().await.unwrap();
        let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
        assert_eq!(told(&outcome), "failed choose group_full");
        request.send(OK).await;
    };
    let exchange = upstreams.exchange(&group, get("/"), Tape::default());
    let ((_, outcome), ()) = tokio::join!(exchange, meanwhile);
    assert_eq!(told(&outcome), "delivered 200");
}

#[tokio::test]
async fn what_stays_in_a_configuration_keeps_its_state() {
    let origins = origins(2).await;
    let (upstreams, before) = upstreams(group_of(&origins[..1]));
    upstreams.exchange(&before, get("/"), Tape::default()).await;
    let same = upstreams.apply(&[group_of(&origins[..1])]).remove(0);
    assert!(Arc::ptr_eq(&before, &same));
    let after = upstreams.apply(&[group_of(&origins)]).remove(0);
    upstreams.exchange(&after, get("/"), Tape::default()).await;
    let stats = &upstreams.stats()[0];
    assert_eq!((stats.exchanges, stats.servers[0].tries), (2, 2));
    assert_eq!(stats.connections_opened, 1);
    assert!(upstreams.group("g").is_some());
    upstreams.apply(&[]);
    assert!(upstreams.group("g").is_none());
}
