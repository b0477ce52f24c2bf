//! Every two seconds: what the workers saw, what is to be done about it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use tidegate_limit::{
    KeyHash, Rule,
    anomaly::{
        BUCKET_US, Bucket, Decay, Distinct, Event, Found, RouteBucket, RouteWatch, Stage, Watch,
    },
};
use tidegate_snapshot::{Anomaly, Snapshot};
use tidegate_telemetry::{Counter, Gauge};

use super::{
    super::tight::{Client, Tally, Tight},
    LimitState, Pushed, Saw, State, Watcher,
};
use crate::{Edge, clock::Now};

/// How many buckets different clients are counted for.
const CLIENTS_BUCKETS: u64 = 30;

/// Watches as long as the node runs. No bucket is left out because looking at the one before took its time.
pub(crate) fn watch(edge: Weak<Edge>) -> impl Future<Output = ()> + Send {
    let clock = edge.upgrade().map(|edge| edge.node.clock.clone());
    let begin = |now: Now| now.mono_us / BUCKET_US * BUCKET_US;
    let first_us = clock.as_ref().map_or(0, |clock| begin(clock.now()) + BUCKET_US);
    async move {
        let Some(clock) = clock else { return };
        let mut until_us = first_us;
        loop {
            clock.sleep_until(until_us).await;
            let Some(edge) = edge.upgrade() else { return };
            edge.watch_once().await;
            until_us = (until_us + BUCKET_US).max(begin(clock.now()));
        }
    }
}

impl Edge {
    async fn watch_once(&self) {
        let watcher = &self.node.watcher;
        let running = self.node.running.load_full();
        let snapshot = &running.snapshot;
        let none = snapshot.anomalies.iter().all(Option::is_none);
        if none && watcher.state().limits.is_empty() {
            return;
        }
        let saw = watcher.saw().await;
        let now = self.node.clock.now();
        let mut state = watcher.state();
        state.follow(snapshot, now.mono_us);
        // What was counted under the numbers of another configuration is left out.
        if std::mem::replace(&mut state.revision, snapshot.revision) != snapshot.revision {
            state.looks += 1;
            return;
        }
        state.buckets += 1;
        for (limit, anomaly) in watched(snapshot) {
            let hash = |value: &String| self.node.limit_table.key_of(limit, &[value]);
            let exempt: HashSet<KeyHash> = anomaly.exempt.iter().filter_map(hash).collect();
            state.turn_limit(limit.name(), anomaly, &exempt, &saw, now);
        }
        state.turn_routes(snapshot, &saw, now.mono_us);
        watcher.tighten(&mut state, snapshot, now);
        state.looks += 1;
    }
}

/// The limits whose clients are watched.
pub(super) fn watched(snapshot: &Snapshot) -> impl Iterator<Item = (&Rule, &Anomaly)> {
    let all = snapshot.limits.iter().zip(&snapshot.anomalies);
    all.filter_map(|(limit, anomaly)| Some((limit, anomaly.as_ref()?)))
}

// === impl State ===

impl State {
    /// Keeps what is still there, and begins what is new.
    fn follow(&mut self, snapshot: &Snapshot, now_us: u64) {
        self.limits.retain(|name, _| watched(snapshot).any(|(limit, _)| limit.name() == name));
        for (limit, anomaly) in watched(snapshot) {
            let settings = || anomaly.settings.clone();
            let fresh = || LimitState {
                watch: Watch::new(settings(), now_us),
                decay: Decay::new(),
                clients: <[Distinct; 2]>::default(),
                fleet: HashSet::new(),
            };
            let state = self.limits.entry(limit.name().to_owned()).or_insert_with(fresh);
            if *state.watch.settings() != anomaly.settings {
                state.watch.set(settings());
            }
        }
    }

    fn turn_limit(
        &mut self,
        name: &str,
        anomaly: &Anomaly,
        exempt: &HashSet<KeyHash>,
        saw: &Saw,
        now: Now,
    ) {
        let rotate = self.buckets.is_multiple_of(CLIENTS_BUCKETS);
        let Some(state) = self.limits.get_mut(name) else { return };
        if rotate {
            state.clients.swap(0, 1);
            state.clients[0].clear();
        }
        if let Some(clients) = saw.clients.get(usize::from(anomaly.number)) {
            state.clients[0].take(clients);
        }
        state.decay.turn(anomaly.number, &saw.requests, &saw.failed, &saw.denied);
        let fleet = &state.fleet;
        let mut bucket = Bucket {
            now_us: now.mono_us,
            clients: state.clients[0].estimate().max(state.clients[1].estimate()),
            decay: &mut state.decay,
            exempt: &|key| exempt.contains(&key) || fleet.contains(&key),
        };
        for event in state.watch.turn(&mut bucket) {
            tell(name, &event);
        }
    }

    fn turn_routes(&mut self, snapshot: &Snapshot, saw: &Saw, now_us: u64) {
        let mut here = HashSet::new();
        for (route, counts) in snapshot.routes.iter().zip(&saw.routes) {
            let limits = route.limits.iter().map(|index| &snapshot.anomalies[index.0 as usize]);
            let Some(anomaly) = limits.flatten().next() else { continue };
            let name = format!("{}/{}", snapshot.site(route.site).name, route.name);
            let watch = self.routes.entry(name.clone()).or_insert_with(|| RouteWatch::new(now_us));
            let bucket = RouteBucket { now_us, ..*counts };
            if watch.turn(&anomaly.settings, &bucket) {
                tell_route(&name, watch);
            }
            here.insert(name);
        }
        self.routes.retain(|name, _| here.contains(name));
    }
}

fn tell(limit: &str, event: &Event) {
    let (what, found, why) = match event {
        Event::Found(found) => {
            Counter::AnomalyClients.inc();
            ("a client stands out", found, "")
        }
        Event::Shadowed(found) => {
            Counter::AnomalyShadowed.inc();
            ("it is counted what a tighter limit would deny a client", found, "")
        }
        Event::Tightened(found) => {
            Counter::AnomalyTightened.inc();
            ("a client's limit is tightened", found, "")
        }
        Event::HeldBack(found) => {
            Counter::AnomalyHeldBack.inc();
            (
                "as many clients are tightened as may be: one more is not",
                found,
                "clients_max_percent",
            )
        }
        Event::Released(found, why) => {
            Counter::AnomalyReleased.inc();
            ("a client is released", found, why.as_str())
        }
    };
    let Found { key, signal, z, rate, usual, share, rate_to, .. } = found;
    tracing::warn!(
        limit,
        key = format!("{:016x}", key.0),
        signal = signal.as_str(),
        why,
        z = (z * 10.0).round() / 10.0,
        rate = (rate * 100.0).round() / 100.0,
        usual = (usual * 1000.0).round() / 1000.0,
        share = (share * 1000.0).round() / 1000.0,
        tightened_to = (rate_to * 100.0).round() / 100.0,
        "{what}"
    );
}

fn tell_route(route: &str, watch: &RouteWatch) {
    match watch.found() {
        None => tracing::warn!(route, "a route is as usual again"),
        Some(found) => {
            Counter::AnomalyRoutes.inc();
            tracing::warn!(
                route,
                signal = found.signal.as_str(),
                z = (found.z * 10.0).round() / 10.0,
                value = (found.value * 100.0).round() / 100.0,
                usual = (found.usual * 100.0).round() / 100.0,
                "a route stands out"
            );
        }
    }
}

impl LimitState {
    /// Who is no longer tightened by the fleet starts anew.
    fn follow_fleet(&mut self, now: HashSet<KeyHash>) {
        let before = std::mem::replace(&mut self.fleet, now);
        before.difference(&self.fleet).for_each(|key| self.decay.pardon(*key));
    }
}

// === impl Watcher ===

impl Watcher {
    /// Lays down who is tightened or in shadow from now on: found here, or on all nodes together.
    fn tighten(&self, state: &mut State, snapshot: &Snapshot, now: Now) {
        let mut pushed = self.pushed();
        pushed.retain(|_, entry| entry.until_us > now.mono_us);
        let mut tallies = HashMap::new();
        let mut clients = Vec::new();
        let mut counts = [0; 3];
        for (limit, _) in watched(snapshot) {
            let mut wanted: HashMap<u64, (Stage, f64, u64)> = HashMap::new();
            if let Some(limit_state) = state.limits.get_mut(limit.name()) {
                let of = |((name, key), entry): (&(String, u64), &Pushed)| {
                    let holds = name == limit.name() && entry.stage == Stage::Tightened;
                    holds.then_some(KeyHash(*key))
                };
                limit_state.follow_fleet(pushed.iter().filter_map(of).collect());
            }
            let found = state.limits.get(limit.name()).map(|state| state.watch.found());
            for found in found.into_iter().flatten() {
                counts[found.stage as usize] += 1;
                if let (Stage::Shadow | Stage::Tightened, Some(until_us)) =
                    (found.stage, found.until_us)
                {
                    // In shadow it may last longer than planned, until there is room.
                    let until_us = until_us.max(now.mono_us + 2 * BUCKET_US);
                    wanted.insert(found.key.0, (found.stage, found.rate_to, until_us));
                }
            }
            for ((_, key), entry) in pushed.iter().filter(|((name, _), _)| name == limit.name()) {
                let one = wanted.entry(*key).or_insert((entry.stage, entry.rate, entry.until_us));
                // The fleet's word counts where it goes further.
                if entry.stage > one.0 {
                    *one = (entry.stage, entry.rate, entry.until_us);
                }
            }
            for (key, (stage, rate, until_us)) in wanted {
                let place = (limit.name().to_owned(), key);
                let tally: Arc<Tally> = state.tallies.remove(&place).unwrap_or_default();
                tallies.insert(place, tally.clone());
                clients.extend(Client::new(KeyHash(key), stage, rate, until_us, limit, tally));
            }
        }
        clients.sort_unstable_by_key(|client| client.key.0);
        state.tallies = tallies;
        let [observed, shadow, tightened] = counts;
        Gauge::AnomalyClientsObserved.set(observed);
        Gauge::AnomalyClientsShadow.set(shadow);
        Gauge::AnomalyClientsTightened.set(tightened);
        let tight = (!clients.is_empty()).then(|| Arc::new(Tight { clients }));
        self.tight.store(tight);
    }
}
