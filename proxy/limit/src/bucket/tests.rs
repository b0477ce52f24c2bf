use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use proptest::prelude::*;

use super::*;
use crate::{Algorithm, Charge, KeyHash, Rule, RuleOptions, Secret, Table};

#[derive(Debug, Clone, Copy)]
struct Arrival {
    after_us: u64,
    key: u64,
    cost: u32,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let pause = prop_oneof![3 => 0_u64..50, 3 => 0_u64..100_000, 1 => 0_u64..20_000_000];
    let arrival = (pause, 0_u64..5, 1_u32..6).prop_map(|(after_us, key, cost)| Arrival {
        after_us,
        key: key << 58 | key,
        cost,
    });
    prop::collection::vec(arrival, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Cell by cell: what governor admits is admitted, what it denies is denied, for as long.
    #[test]
    fn decides_as_governor(
        count in 1_u64..3_000_000,
        period_us in prop_oneof![Just(1_000_000_u64), Just(60_000_000), 1000..5_000_000_u64],
        burst in 1_u32..200,
        arrivals in arrivals(),
    ) {
        let rate = Rate { count, period_us };
        let emission = Duration::from_nanos(rate.emission_ns());
        let quota = Quota::with_period(emission)
            .expect("a period above zero")
            .allow_burst(NonZeroU32::new(burst).expect("a burst above zero"));
        let clock = FakeRelativeClock::default();
        let governor = Governor::new(quota, DashMapStateStore::default(), clock.clone());

        let algorithm = Algorithm::TokenBucket { rate, burst };
        let rule = Rule::new(RuleOptions::new("r", vec![], algorithm)).expect("a good rule");
        let table = Table::new(64, Secret::new([7; 16]));
        let start_us = 1_700_000_000_000_000_u64;
        let mut now_us = start_us;
        for Arrival { after_us, key, cost } in arrivals {
            now_us += after_us;
            clock.advance(Duration::from_micros(after_us));
            let cells = NonZeroU32::new(cost).expect("a cost above zero");
            let theirs = governor.check_key_n(&key, cells);
            let ours = table.check(&[Charge { rule: &rule, key: KeyHash(key), cost }], now_us);
            match theirs {
                Ok(Ok(())) => prop_assert!(ours.is_ok()),
                Ok(Err(_)) => {
                    let denied = ours.expect_err("governor denies");
                    prop_assert!(denied.retry_after_us > 0 && denied.retry_after_us < u64::MAX);
                    // One moment before the stated wait it is still too early, after it no more.
                    let wait = Duration::from_micros(denied.retry_after_us);
                    let theirs = theirs_wait(&governor, &clock, key, cells);
                    prop_assert!(wait >= theirs && wait < theirs + Duration::from_micros(1));
                }
                Err(_) => prop_assert_eq!(ours.expect_err("too costly").retry_after_us, u64::MAX),
            }
        }
    }
}

type Governor = RateLimiter<u64, DashMapStateStore<u64>, FakeRelativeClock, NoOpMiddleware<Nanos>>;

fn theirs_wait(
    governor: &Governor,
    clock: &FakeRelativeClock,
    key: u64,
    cells: NonZeroU32,
) -> Duration {
    use governor::clock::Clock;
    match governor.check_key_n(&key, cells) {
        Ok(Err(not_until)) => not_until.wait_time_from(clock.now()),
        _ => Duration::ZERO,
    }
}

#[test]
fn a_policy_names_the_window_that_a_full_bucket_lasts() {
    let bucket = |count, period_us, burst| {
        Bucket::new(Rate { count, period_us }, burst).expect("a good bucket").policy()
    };
    assert_eq!(bucket(50, 1_000_000, 100), (100, 2));
    // A bucket that fills in a fifth of a second still promises the rate of a whole one.
    assert_eq!(bucket(50, 1_000_000, 10), (50, 1));
    assert_eq!(bucket(1, 60_000_000, 1), (1, 60));
}

#[test]
fn a_bucket_that_never_fills_is_refused() {
    let rate = Rate { count: 1, period_us: 366 * 86_400_000_000 };
    assert!(Bucket::new(rate, 10).is_ok());
    assert!(Bucket::new(rate, 11).is_err());
    assert!(Bucket::new(rate, 0).is_err());
}

#[test]
fn a_debt_is_paid_back_before_anything_passes() {
    let bucket = Bucket::new(Rate::per_second(10), 10).expect("a good bucket");
    let now = 1_000_000_000_000;
    let debt = bucket.debit(0, now, 30);
    assert!(matches!(bucket.decide(debt, now, 1), Verdict::No { wait_ns: 2_100_000_000, left: 0 }));
    assert!(matches!(bucket.decide(debt, now + 2_100_000_000, 1), Verdict::Go { left: 0, .. }));
}
