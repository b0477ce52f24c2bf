use proptest::prelude::*;

use super::*;
use crate::storable::Decision;
use crate::testing::{NOW_MS, NOW_S, date, decide, fields, plan};

fn lifetime_of(response: &str) -> (u32, LifetimeSource) {
    let found = plan(response).meta.lifetime;
    (found.seconds, found.source)
}

fn lifetime_by(policy: &Policy, status: u16, response: &str) -> Option<(u32, LifetimeSource)> {
    match decide(policy, "", status, response) {
        Decision::Store(plan) => Some((plan.meta.lifetime.seconds, plan.meta.lifetime.source)),
        Decision::Pass(_) => None,
    }
}

/// RFC 9111 §4.2.3, each term.
#[test]
fn the_age_is_corrected() {
    let sums = |text: &str, delay_ms| {
        AgeSums::of(&fields(text), NOW_MS - delay_ms, NOW_MS).corrected_initial_age_ms()
    };
    for (text, delay_ms, age_ms) in [
        (format!("date: {}", date(0)), 0, 0),
        (format!("date: {}", date(-10)), 0, 10_000),
        (format!("date: {}", date(60)), 0, 0),
        (format!("date: {}\nage: 7", date(0)), 0, 7_000),
        (format!("date: {}\nage: 7", date(-10)), 0, 10_000),
        (format!("date: {}\nage: 7", date(-3)), 2_500, 9_500),
        ("age: 7".into(), 1_500, 8_500),
        ("age: 7, 9".into(), 0, 7_000),
        ("age: 7\nage: 9".into(), 0, 7_000),
        ("age: x".into(), 0, 0),
        ("age: -7".into(), 0, 0),
        ("age: 1.5".into(), 0, 0),
        ("age: 99999999999999".into(), 0, u64::from(DELTA) * 1000),
    ] {
        assert_eq!(sums(&text, delay_ms), age_ms, "{text} {delay_ms}");
    }
}

const DELTA: u32 = 1 << 31;

#[test]
fn the_age_grows_with_residence() {
    let sums = AgeSums::of(&fields("age: 5"), NOW_MS, NOW_MS);
    assert_eq!(sums.current_age_ms(NOW_MS + 1_250), 6_250);
    assert_eq!(sums.current_age_ms(NOW_MS - 1_250), 5_000);
}

/// RFC 9111 §4.2.1.
#[test]
fn lifetimes_in_order_of_preference() {
    let expires = format!("date: {}\nexpires: {}", date(-5), date(25));
    for (text, found) in [
        ("cache-control: max-age=5".into(), (5, LifetimeSource::MaxAge)),
        ("cache-control: max-age=5, s-maxage=9".into(), (9, LifetimeSource::SMaxAge)),
        (expires.clone(), (30, LifetimeSource::Expires)),
        (format!("{expires}\ncache-control: max-age=5"), (5, LifetimeSource::MaxAge)),
        (format!("{expires}\ncache-control: public"), (30, LifetimeSource::Expires)),
    ] {
        assert_eq!(lifetime_of(&text), found, "{text}");
    }
}

/// RFC 9111 §5.3: anything that is not one date is in the past. The ETag makes it worth storing.
#[test]
fn expires_forms() {
    let date_line = format!("date: {}", date(0));
    let stale = ["0", "-1", "", "tomorrow", "Sat, 21 Nov 2026 00:01:00 UTC+1"];
    for expires in stale {
        let text = format!("{date_line}\netag: \"x\"\nexpires: {expires}");
        assert_eq!(lifetime_of(&text), (0, LifetimeSource::Expires), "{expires}");
    }
    let twice = format!("{date_line}\netag: \"x\"\nexpires: {}\nexpires: {}", date(60), date(60));
    assert_eq!(lifetime_of(&twice), (0, LifetimeSource::Expires));
    for expires in [
        "Sat, 21 Nov 2026 00:01:00 GMT",
        "Saturday, 21-Nov-26 00:01:00 GMT",
        "Sat Nov 21 00:01:00 2026",
    ] {
        let text = format!("{date_line}\nexpires: {expires}");
        assert_eq!(lifetime_of(&text), (60, LifetimeSource::Expires), "{expires}");
    }
}

#[test]
fn without_date_expires_counts_from_receipt() {
    assert_eq!(lifetime_of(&format!("expires: {}", date(60))), (60, LifetimeSource::Expires));
}

/// RFC 9111 §4.2.2.
#[test]
fn heuristics_take_a_tenth_within_a_limit() {
    let modified = |seconds: i64| format!("date: {}\nlast-modified: {}", date(0), date(-seconds));
    assert_eq!(lifetime_of(&modified(1000)), (100, LifetimeSource::Heuristic));
    assert_eq!(lifetime_of(&modified(100_000_000)), (86_400, LifetimeSource::Heuristic));
    assert_eq!(lifetime_of(&modified(-60)).1, LifetimeSource::None);
    assert_eq!(lifetime_of(&modified(5)).1, LifetimeSource::None);
    for (status, cached) in [
        (200, true),
        (203, true),
        (404, true),
        (410, true),
        (501, true),
        (201, false),
        (302, false),
        (500, false),
        (599, false),
    ] {
        let found = lifetime_by(&Policy::default(), status, &modified(1000)).map(|l| l.1);
        assert_eq!(found, cached.then_some(LifetimeSource::Heuristic), "{status}");
        let public = format!("{}\ncache-control: public", modified(1000));
        let found = lifetime_by(&Policy::default(), status, &public).map(|l| l.1);
        assert_eq!(found, Some(LifetimeSource::Heuristic), "{status} public");
    }
}

#[test]
fn an_explicit_lifetime_of_any_status_counts() {
    for status in [200, 201, 302, 400, 404, 500, 503, 599] {
        let found = lifetime_by(&Policy::default(), status, "cache-control: max-age=9");
        assert_eq!(found, Some((9, LifetimeSource::MaxAge)), "{status}");
    }
}

#[test]
fn the_operator_may_override() {
    let mut policy = Policy::default();
    policy.ttl.default_s = Some(30);
    policy.ttl.negative_s = Some(5);
    policy.ttl.by_status = vec![(302, 7)];
    policy.ttl.min_s = Some(2);
    policy.ttl.max_s = Some(100);
    for (status, text, seconds) in [
        (200, "", Some(30)),
        (404, "", Some(5)),
        (503, "", Some(5)),
        (302, "", Some(7)),
        (307, "", None),
        (200, "cache-control: max-age=1", Some(2)),
        (200, "cache-control: max-age=50", Some(50)),
        (200, "cache-control: max-age=500", Some(100)),
        (200, "cache-control: no-store", None),
    ] {
        assert_eq!(lifetime_by(&policy, status, text).map(|l| l.0), seconds, "{status} {text}");
    }
    policy.ttl.force_s = Some(1);
    let found = lifetime_by(&policy, 200, "cache-control: max-age=50");
    assert_eq!(found, Some((1, LifetimeSource::Forced)));
}

proptest! {
    /// Age never falls below what was received, and grows by exactly the time that passes.
    #[test]
    fn age_is_monotonous(
        date_offset in -100_000i64..100_000, age in 0u32..100_000, delay in 0u64..100_000, later in 0u64..100_000,
    ) {
        let text = format!("date: {}\nage: {age}", date(date_offset));
        let sums = AgeSums::of(&fields(&text), NOW_MS - delay, NOW_MS);
        let now = sums.current_age_ms(NOW_MS);
        prop_assert!(now >= u64::from(age) * 1000 + delay);
        prop_assert!(now >= NOW_S.saturating_sub(sums.date_s) * 1000);
        prop_assert_eq!(sums.current_age_ms(NOW_MS + later), now + later);
    }
}
