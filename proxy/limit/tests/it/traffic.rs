//! Seeded traffic with and without attacks: who is found, who is found in vain, and how soon.

use std::collections::HashMap;
use std::fmt::Write as _;

use tidegate_limit::anomaly::{
    Action, Bucket, Decay, Event, LINES_DEFAULT, RouteBucket, RouteWatch, Settings, Signal, Sketch,
    Watch, Window,
};
use tidegate_limit::{KeyHash, Secret};

const SECOND_US: u64 = 1_000_000;
const WARM_UP_S: u64 = 180;
const ATTACK_S: u64 = 300;
const END_S: u64 = 600;
const SEEDS: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Story {
    Ordinary,
    Ramp,
    Crowd,
    OriginBreaks,
    Gateway,
    Flood,
    TwentySources,
    SlowStuffing,
    NewKeys,
}

const STORIES: [(Story, &str); 9] = [
    (Story::Ordinary, "an ordinary ten minutes"),
    (Story::Ramp, "the morning: three times the traffic within seven minutes"),
    (Story::Crowd, "a crowd: ten times the clients within a minute"),
    (Story::OriginBreaks, "the origin breaks: six of ten answers are 502"),
    (Story::Gateway, "one address that was always a hundred times busier"),
    (Story::Flood, "one client at 300/s"),
    (Story::TwentySources, "twenty clients at 40/s"),
    (Story::SlowStuffing, "ten clients try passwords, 0.7/s each, nine of ten wrong"),
    (Story::NewKeys, "one client at 300/s, behind 5,000 new keys a second"),
];

struct Dice(u64);

impl Dice {
    fn share(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Poisson, as sums of exponential gaps.
    fn arrivals(&mut self, mean: f64) -> u64 {
        let (mut count, mut at) = (0, -(1.0 - self.share()).ln());
        while at < mean {
            count += 1;
            at -= (1.0 - self.share()).ln();
        }
        count
    }
}

fn settings() -> Settings {
    Settings {
        signals: vec![Signal::Rate, Signal::Failed, Signal::Denied],
        action: Action::Tighten,
        z: 6.0,
        rate_min: 10.0,
        rate_limit: 100.0,
        requests_min: 20.0,
        share_min: 0.5,
        to: 0.1,
        shadow_us: 60 * SECOND_US,
        tighten_us: 600 * SECOND_US,
        calm_us: 30 * SECOND_US,
        warm_up_us: WARM_UP_S * SECOND_US,
        clients_max: 0.05,
    }
}

/// What a client does: requests a second and the share that fails.
fn ordinary(client: u64) -> (f64, f64) {
    // A few busy ones, many slow ones.
    (3.0 / (1.0 + client as f64 / 20.0) + 0.05, if client.is_multiple_of(17) { 0.1 } else { 0.02 })
}

fn clients(story: Story, second: u64) -> Vec<(u64, f64, f64)> {
    let crowd = match (story, second) {
        (Story::Crowd, ATTACK_S..) => (second - ATTACK_S).min(60) * 45,
        _ => 0,
    };
    let grown = match (story, second) {
        (Story::Ramp, WARM_UP_S..) => 1.0 + 2.0 * (second - WARM_UP_S) as f64 / 420.0,
        _ => 1.0,
    };
    let broken = story == Story::OriginBreaks && second >= ATTACK_S;
    let as_usual = (0..300 + crowd).map(|client| {
        let (rate, failed) = ordinary(client % 300);
        (client, rate * grown, if broken { 0.6 } else { failed })
    });
    let mut all: Vec<_> = as_usual.collect();
    if story == Story::Gateway {
        all.push((900_000, 60.0, 0.02));
    }
    if second >= ATTACK_S {
        all.extend(attackers(story).into_iter().map(|client| match story {
            Story::TwentySources => (client, 40.0, 0.02),
            Story::SlowStuffing => (client, 0.7, 0.9),
            _ => (client, 300.0, 0.02),
        }));
    }
    all
}

fn attackers(story: Story) -> Vec<u64> {
    match story {
        Story::Flood | Story::NewKeys => vec![1_000_000],
        Story::TwentySources => (1_000_000..1_000_020).collect(),
        Story::SlowStuffing => (1_000_000..1_000_010).collect(),
        _ => vec![],
    }
}

#[derive(Default)]
struct Result {
    found: usize,
    in_vain: usize,
    missed: usize,
    seconds: Vec<u64>,
    tightened: usize,
    route: Option<&'static str>,
}

fn hash(client: u64) -> KeyHash {
    KeyHash(Secret::new([9; 16]).fingerprint(&client.to_le_bytes()))
}

fn play(story: Story, seed: u64) -> Result {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9));
    let [requests, failures] = [(); 2].map(|()| Sketch::new(LINES_DEFAULT));
    let (mut decay, mut watch, mut route) =
        (Decay::new(), Watch::new(settings(), 0), RouteWatch::new(0));
    let names: HashMap<KeyHash, u64> =
        attackers(story).into_iter().map(|client| (hash(client), client)).collect();
    let mut result = Result::default();
    let mut new_key = 10_000_000;
    for bucket in 0..END_S / 2 {
        let second = bucket * 2;
        let mut sum = RouteBucket { now_us: second * SECOND_US, ..RouteBucket::default() };
        let mut ask = |client: u64, failed: bool| {
            requests.add(hash(client), 0);
            sum.requests += 1;
            if failed {
                failures.add(hash(client), 0);
                sum.failed += 1;
            }
        };
        for (client, rate, failed) in clients(story, second) {
            for _ in 0..dice.arrivals(rate * 2.0) {
                ask(client, dice.share() < failed);
            }
        }
        if story == Story::NewKeys && second >= ATTACK_S {
            (0..10_000).for_each(|_| {
                new_key += 1;
                ask(new_key, false);
            });
        }
        decay.turn(0, &requests.drain(), &failures.drain(), &Window::empty(LINES_DEFAULT));
        let exempt = |_| false;
        let mut turn =
            Bucket { now_us: sum.now_us, decay: &mut decay, clients: 300.0, exempt: &exempt };
        for event in watch.turn(&mut turn) {
            match event {
                Event::Found(found) if names.contains_key(&found.key) => {
                    result.found += 1;
                    result.seconds.push(second - ATTACK_S + 2);
                }
                Event::Found(_) => result.in_vain += 1,
                Event::Tightened(_) => result.tightened += 1,
                _ => {}
            }
        }
        if route.turn(&settings(), &sum) {
            result.route = result.route.or(route.found().map(|found| found.signal.as_str()));
        }
    }
    result.missed = names.len().saturating_sub(result.found);
    result
}

const HEAD: &str = "| traffic | attackers | found | recall | found in vain | precision | found after | tightened | the route |\n|---|---|---|---|---|---|---|---|---|\n";

fn line(story: Story, what: &str) -> String {
    let results: Vec<Result> = (1..=SEEDS).map(|seed| play(story, seed)).collect();
    let sum = |of: fn(&Result) -> usize| results.iter().map(of).sum::<usize>();
    let (found, in_vain, missed) = (sum(|r| r.found), sum(|r| r.in_vain), sum(|r| r.missed));
    let all = found + missed;
    let recall = if all > 0 { format!("{:.2}", found as f64 / all as f64) } else { String::new() };
    let precision = match found + in_vain {
        0 => String::new(),
        sum => format!("{:.2}", found as f64 / sum as f64),
    };
    let mut seconds: Vec<u64> = results.iter().flat_map(|result| result.seconds.clone()).collect();
    seconds.sort_unstable();
    let after = seconds.get(seconds.len() / 2).map_or(String::new(), |s| format!("{s} s"));
    let routes: Vec<&str> = results.iter().filter_map(|result| result.route).collect();
    let route = match routes.first() {
        None => String::new(),
        Some(signal) => format!("{signal}, {} of {SEEDS}", routes.len()),
    };
    gates(story, found, all, in_vain);
    let tightened = sum(|r| r.tightened);
    format!(
        "| {what} | {all} | {found} | {recall} | {in_vain} | {precision} | {after} | {tightened} | {route} |\n"
    )
}

/// Nobody is found in vain, and at least nine of ten attackers are found.
fn gates(story: Story, found: usize, all: usize, in_vain: usize) {
    assert_eq!(in_vain, 0, "{story:?}: found in vain");
    assert!(found * 10 >= all * 9, "{story:?}: {found} of {all} found");
}

#[test]
fn attackers_are_found_and_nobody_else() {
    let mut table = String::from(HEAD);
    for (story, what) in STORIES {
        let _ = write!(table, "{}", line(story, what));
    }
    println!("{table}");
    crate::recorded("anomalies", &table);
}
