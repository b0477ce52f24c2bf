use super::*;

const SECOND: u64 = 1_000_000;

fn settings(action: Action) -> Settings {
    Settings {
        signals: vec![Signal::Rate, Signal::Failed, Signal::Denied],
        action,
        z: 6.0,
        rate_min: 5.0,
        rate_limit: 100.0,
        requests_min: 20.0,
        share_min: 0.5,
        to: 0.1,
        shadow_us: 20 * SECOND,
        tighten_us: 60 * SECOND,
        calm_us: 10 * SECOND,
        warm_up_us: 40 * SECOND,
        clients_max: 0.05,
    }
}

/// A watch, and buckets in which clients do as they are told.
struct World {
    watch: Watch,
    bucket: u64,
    exempt: Option<KeyHash>,
}

const FLOOD: KeyHash = KeyHash(999);

impl World {
    fn new(action: Action) -> Self {
        Self { watch: Watch::new(settings(action), 0), bucket: 0, exempt: None }
    }

    /// One bucket: forty ordinary clients, and these with so many requests a second and failures of the last minutes.
    fn turn(&mut self, others: &[(KeyHash, f64, f64)]) -> Vec<Event> {
        self.bucket += 1;
        let mut decay = Decay::new();
        let ordinary = (1..=40).map(|n| (KeyHash(n), 2.0 + (n % 5) as f64, 0.0));
        decay.join(ordinary.chain(others.iter().copied()).map(|(key, rate, failed)| {
            (key, Seen { rate, requests: rate * 60.0, failed: failed * rate * 60.0, denied: 0.0 })
        }));
        let exempt = self.exempt;
        self.watch.turn(&mut Bucket {
            now_us: self.bucket * BUCKET_US,
            decay: &mut decay,
            clients: 41.0,
            exempt: &|key| Some(key) == exempt,
        })
    }

    /// So many buckets alike; the events with the bucket they came in.
    fn run(&mut self, buckets: u64, others: &[(KeyHash, f64, f64)]) -> Vec<(u64, &'static str)> {
        let mut names = Vec::new();
        for at in 1..=buckets {
            names.extend(self.turn(others).iter().map(|event| (at, name(event))));
        }
        names
    }

    fn warm(action: Action) -> Self {
        let mut world = Self::new(action);
        assert_eq!(world.run(25, &[]), []);
        world
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Found(_) => "found",
        Event::Shadowed(_) => "shadow",
        Event::Tightened(_) => "tightened",
        Event::HeldBack(_) => "held back",
        Event::Released(_, why) => why.as_str(),
    }
}

#[test]
fn shadow_first_then_tighter_then_free() {
    let mut world = World::warm(Action::Tighten);
    let events = world.run(20, &[(FLOOD, 300.0, 0.0)]);
    assert_eq!(events, [(3, "found"), (3, "shadow"), (13, "tightened")]);
    let found = *world.watch.found().next().unwrap();
    assert_eq!((found.stage, found.rate_to, found.signal), (Stage::Tightened, 30.0, Signal::Rate));
    assert_eq!(world.run(8, &[]), [(6, "calm")], "it is quiet for ten seconds");
    assert_eq!(world.watch.found().count(), 0);
}

#[test]
fn nothing_holds_longer_than_its_time() {
    let mut world = World::warm(Action::Tighten);
    let events = world.run(64, &[(FLOOD, 300.0, 0.0)]);
    let expected = [(3, "found"), (3, "shadow"), (13, "tightened"), (43, "expired")];
    assert_eq!(events[..4], expected);
    assert_eq!(events[4..], [(46, "found"), (46, "shadow"), (56, "tightened")], "shadow again");
}

#[test]
fn who_only_observes_does_no_more() {
    let mut world = World::warm(Action::Observe);
    assert_eq!(world.run(100, &[(FLOOD, 300.0, 0.0)]), [(3, "found")]);
    let mut world = World::warm(Action::Shadow);
    let events = world.run(35, &[(FLOOD, 300.0, 0.0)]);
    assert_eq!(events, [(3, "found"), (3, "shadow"), (33, "expired")]);
}

#[test]
fn nobody_stands_out_in_the_beginning() {
    let mut world = World::new(Action::Tighten);
    assert_eq!(world.run(19, &[(FLOOD, 300.0, 0.0)]), []);
    let mut world = World::new(Action::Tighten);
    assert_eq!(world.run(100, &[(FLOOD, 300.0, 0.0)]), [], "it was always like that");
}

#[test]
fn a_short_peak_is_nothing() {
    let mut world = World::warm(Action::Tighten);
    for _ in 0..5 {
        assert_eq!(world.run(2, &[(FLOOD, 300.0, 0.0)]), []);
        assert_eq!(world.run(8, &[]), []);
    }
}

#[test]
fn failures_stand_out_however_slow_they_come() {
    let mut world = World::warm(Action::Tighten);
    let events = world.run(4, &[(FLOOD, 0.7, 0.95)]);
    assert_eq!(events, [(3, "found"), (3, "shadow")]);
    let found = *world.watch.found().next().unwrap();
    assert_eq!(found.signal, Signal::Failed);
    assert!((0.06..0.08).contains(&found.rate_to), "{found:?}");
}

#[test]
fn when_everybody_fails_nobody_stands_out() {
    let mut world = World::warm(Action::Tighten);
    let all: Vec<_> = (41..=200).map(|n| (KeyHash(n), 2.0, 0.7)).collect();
    assert_eq!(world.run(40, &all), []);
}

#[test]
fn exempt_clients_and_few_at_a_time() {
    let mut world = World::warm(Action::Tighten);
    world.exempt = Some(FLOOD);
    assert_eq!(world.run(40, &[(FLOOD, 300.0, 0.0)]), []);
    let mut world = World::warm(Action::Tighten);
    let three = [1_001, 1_002, 1_003].map(|n| (KeyHash(n), 300.0, 0.0));
    let events = world.run(20, &three);
    let count = |what: &str| events.iter().filter(|(_, name)| *name == what).count();
    assert_eq!((count("tightened"), count("held back")), (2, 1), "5 % of 41 clients");
}

#[test]
fn floods_of_found_clients_are_bounded() {
    let mut world = World::warm(Action::Tighten);
    let many: Vec<_> = (2_000..4_000).map(|n| (KeyHash(n), 3_000.0, 0.0)).collect();
    world.run(6, &many);
    assert!(world.watch.found().count() <= CLIENTS_FOUND_MAX);
}
