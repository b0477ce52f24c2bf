//! A second try beside a slow first one.

use std::sync::Arc;
use std::time::Duration;

use tidegate_testkit::Origin;

use crate::tape::{Tape, get, group, post, told, upstreams};

const AT_ONCE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::from_secs(600);

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn the_answer_that_comes_first_counts() {
    for winner in [0, 1] {
        let mut origins = [Origin::start().await, Origin::start().await];
        let (upstreams, group) = upstreams(group(&[&origins[0], &origins[1]]));
        let meanwhile = async {
            let [first, second] = &mut origins;
            let requests = [first.request().await.unwrap(), second.request().await.unwrap()];
            requests[winner].send(answer(["one", "two"][winner])).await;
            requests
        };
        let exchange = upstreams.exchange_hedged(&group, get("/"), Tape::default(), AT_ONCE);
        let ((tape, outcome), _requests) = tokio::join!(exchange, meanwhile);
        assert_eq!(told(&outcome), "delivered 200");
        let body = ["one", "two"][winner];
        assert_eq!(tape.told(), format!("head 200 Length(3)\nbody {body}\nfinish"));
        let stats = &upstreams.stats()[0];
        assert_eq!((stats.retries, stats.under_way, stats.faults), (1, 0, 0));
    }
}

#[tokio::test]
async fn a_first_that_is_quick_or_unsafe_stays_alone() {
    let mut origins = [Origin::start().await, Origin::start().await];
    let (upstreams, group) = upstreams(group(&[&origins[0], &origins[1]]));
    origins[0].always(answer("one"));
    let exchange = upstreams.exchange_hedged(&group, get("/"), Tape::default(), NEVER);
    assert_eq!(told(&exchange.await.1), "delivered 200");
    let request = post(tidegate_http::Framing::Empty);
    let exchange = upstreams.exchange_hedged(&group, request, Tape::default(), AT_ONCE);
    let meanwhile = async { origins[1].request().await.unwrap().send(answer("two")).await };
    let ((_, outcome), ()) = tokio::join!(exchange, meanwhile);
    assert_eq!(told(&outcome), "delivered 200");
    assert_eq!((origins[0].requests(), origins[1].requests()), (1, 1));
    assert_eq!(upstreams.stats()[0].retries, 0);
}

#[tokio::test]
async fn one_that_fails_leaves_the_other_to_answer() {
    let mut origins = [Origin::start().await, Origin::start().await];
    let (upstreams, group) = upstreams(group(&[&origins[0], &origins[1]]));
    let meanwhile = async {
        let [first, second] = &mut origins;
        let slow = first.request().await.unwrap();
        second.request().await.unwrap().close().await;
        slow.send(answer("one")).await;
    };
    let exchange = upstreams.exchange_hedged(&group, get("/"), Tape::default(), AT_ONCE);
    let ((tape, outcome), ()) = tokio::join!(exchange, meanwhile);
    assert_eq!(told(&outcome), "delivered 200");
    assert!(tape.told().contains("body one"));
}

#[tokio::test]
async fn a_client_that_leaves_ends_both() {
    let mut origins = [Origin::start().await, Origin::start().await];
    let (upstreams, group) = upstreams(group(&[&origins[0], &origins[1]]));
    let tape = Tape::default();
    let leave = Arc::clone(&tape.leave);
    let meanwhile = async {
        let [first, second] = &mut origins;
        let requests = [first.request().await.unwrap(), second.request().await.unwrap()];
        leave.notify_one();
        requests
    };
    let exchange = upstreams.exchange_hedged(&group, get("/"), tape, AT_ONCE);
    let ((_, outcome), _requests) = tokio::join!(exchange, meanwhile);
    assert_eq!(told(&outcome), "failed client gone");
    assert_eq!(upstreams.stats()[0].under_way, 0);
}

#[tokio::test]
async fn the_budget_of_retries_holds_for_seconds_too() {
    let mut origins = [Origin::start().await, Origin::start().await];
    let mut config = group(&[&origins[0], &origins[1]]);
    config.retry.budget_percent = 0;
    config.retry.budget_min = 0;
    let (upstreams, group) = upstreams(config);
    let meanwhile = async {
        let request = origins[0].request().await.unwrap();
        while upstreams.stats()[0].retries_refused == 0 {
            tokio::task::yield_now().await;
        }
        request.send(answer("one")).await;
    };
    let exchange = upstreams.exchange_hedged(&group, get("/"), Tape::default(), AT_ONCE);
    let ((_, outcome), ()) = tokio::join!(exchange, meanwhile);
    assert_eq!(told(&outcome), "delivered 200");
    assert_eq!(origins[1].requests(), 0);
}
