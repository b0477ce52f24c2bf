//! Names and health.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_testkit::{Origin, VirtualClock};
use tidegate_upstream::config::HealthCheck;
use tidegate_upstream::{Clock, GroupConfig, Upstreams, UpstreamsConfig};

use crate::tape::{Tape, get, group, told};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell";
const ILL: &str = "HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n";

/// Waits until the group's servers are available as told.
async fn until(upstreams: &Upstreams, wanted: &[bool]) {
    let begun = Instant::now();
    loop {
        let got: Vec<bool> =
            upstreams.stats()[0].servers.iter().map(|server| server.available).collect();
        if got == wanted {
            return;
        }
        assert!(begun.elapsed() < tidegate_testkit::WAIT_MAX, "wanted {wanted:?}, got {got:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Moves the clock by an interval and waits until the origin was asked again.
async fn next_check(origin: &Origin, clock: &VirtualClock) {
    let checked = origin.requests();
    clock.advance(Duration::from_secs(5));
    let begun = Instant::now();
    while origin.requests() == checked {
        assert!(begun.elapsed() < tidegate_testkit::WAIT_MAX, "no check came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn checks_put_a_server_out_and_bring_it_back() {
    let origins = [Origin::start().await, Origin::start().await];
    origins[0].always(OK);
    origins[1].always(ILL);
    let clock = VirtualClock::new();
    let config = UpstreamsConfig { clock: Clock::shared(clock.shared()), ..Default::default() };
    let upstreams = Upstreams::new(config);
    let mut config = group(&[&origins[0], &origins[1]]);
    config.health = Some(HealthCheck {
        path: Some("/health".to_owned()),
        body_contains: Some("well".to_owned()),
        ..HealthCheck::default()
    });
    let group = upstreams.apply(&[config.clone()]).remove(0);
    let tending = tokio::spawn(Arc::clone(&upstreams).tend());
    // The first answer decides.
    until(&upstreams, &[true, false]).await;
    for _ in 0..2 {
        let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
        assert_eq!(told(&outcome), "delivered 200");
    }
    // One good answer is not enough to come back, two are.
    origins[1].always(OK);
    next_check(&origins[1], &clock).await;
    assert!(!upstreams.stats()[0].servers[1].available);
    clock.advance(Duration::from_secs(5));
    until(&upstreams, &[true, true]).await;
    // Without checks a server is trusted again.
    origins[0].always(ILL);
    for _ in 0..3 {
        next_check(&origins[0], &clock).await;
    }
    until(&upstreams, &[false, true]).await;
    config.health = None;
    upstreams.apply(&[config]);
    until(&upstreams, &[true, true]).await;
    tending.abort();
}

#[tokio::test]
async fn a_name_is_looked_up_when_it_is_first_needed() {
    let origin = Origin::start().await;
    origin.always(OK);
    let url = format!("http://localhost:{}", origin.addr().port());
    let upstreams = Upstreams::new(UpstreamsConfig::default());
    let mut config = GroupConfig::new("g", vec![url.parse().unwrap()]);
    config.retry.retries_max = 1;
    let group = upstreams.apply(&[config]).remove(0);
    let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
    assert_eq!(told(&outcome), "delivered 200");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_no_server() {
    let upstreams = Upstreams::new(UpstreamsConfig::default());
    let url = "http://nobody.invalid".parse().unwrap();
    let group = upstreams.apply(&[GroupConfig::new("g", vec![url])]).remove(0);
    let (_, outcome) = upstreams.exchange(&group, get("/"), Tape::default()).await;
    assert_eq!(told(&outcome), "failed choose no_server");
}
