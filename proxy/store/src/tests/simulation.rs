//! Random clients, origins and purges against a naive model. `TIDEGATE_SIM_SEED` runs one seed, `TIDEGATE_SIM_STEPS`
//! sets the steps of each.
//!
//! Whatever happens, an answer is, byte for byte, one version of what its client asked for; it was fetched after every
//! hard purge that came before the client; it is not older than its lifetime and windows allow; and no two
//! fetches that could be shared run for the same thing.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tidegate_cache::{
    ByteRange, Policy, RequestDirectives, TagId, Verdict, evaluate, may_serve_on_error,
};
use tidegate_http::ResponseHead;

use super::support::*;
use crate::{Arrival, Fill, FillError, FillStop, Flight, Object, Purge, PurgeKind, Reader, Store};

const SEEDS: u64 = 20;
const STEPS: u64 = 4_000;
const PATHS: u64 = 6;
/// More at once would only wait.
const CLIENTS_MAX: usize = 30;
const LIFETIME_MS: u64 = 10_000;
const WHILE_REVALIDATE_MS: u64 = 3_000;
const IF_ERROR_MS: u64 = 8_000;

#[test]
fn no_wrong_byte_no_stale_past_its_bound_no_second_fetch() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let steps = number("TIDEGATE_SIM_STEPS").unwrap_or(STEPS);
    let seeds = number("TIDEGATE_SIM_SEED").map_or(0..SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let mut world = World::new(seed);
        (0..steps).for_each(|_| world.step());
        assert!(world.answers > steps / 20, "seed {seed}: only {} answers", world.answers);
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

struct World {
    seed: u64,
    dice: Dice,
    store: Store,
    now_ms: u64,
    /// The origin's current version of each path.
    versions: HashMap<u64, u64>,
    /// When each path was last purged for good.
    purged_ms: HashMap<u64, u64>,
    fetches: Vec<Fetch>,
    clients: Vec<Client>,
    answers: u64,
}

struct Fetch {
    fill: Option<Fill>,
    ask: Ask,
    path: u64,
    variant: u64,
    version: u64,
    /// What is left to send; `None` before the head.
    left: Option<Vec<u8>>,
}

struct Client {
    reader: Reader,
    ask: Ask,
    path: u64,
    variant: u64,
    range: Option<ByteRange>,
    /// When it came; what was purged before must not reach it.
    came_ms: u64,
    body: Option<Vec<u8>>,
}

/// The bytes of a version: a length of its own and a pattern that no other version has.
fn content(path: u64, variant: u64, version: u64) -> Vec<u8> {
    let mut dice = Dice(path << 40 | variant << 32 | version);
    let length = 20 + dice.below(6_000) as usize;
    let mut bytes = format!("{path}/{variant}/{version}/").into_bytes();
    bytes.resize_with(length, || dice.roll() as u8);
    bytes
}

/// Path, variant and version, as the first bytes of a body tell.
fn label(body: &[u8]) -> (u64, u64, u64) {
    let mut parts = body.split(|b| *b == b'/');
    let mut number = || std::str::from_utf8(parts.next().unwrap()).unwrap().parse().unwrap();
    (number(), number(), number())
}

fn varies(path: u64) -> bool {
    path % 2 == 1
}

/// Some paths are never shareable.
fn shareable(path: u64) -> bool {
    path % 5 != 4
}

fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Fetch {
    fn variant_sent(&self) -> u64 {
        if varies(self.path) { self.variant } else { 0 }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut config = config();
        // Small enough that objects are evicted and fills outgrow it.
        config.ram_bytes = 64 << 10;
        config.object_bytes_max = 5 << 10;
        config.fills_bytes_max = 24 << 10;
        config.window_bytes = 1 << 10;
        Self {
            seed,
            dice: Dice(seed),
            store: Store::new(config),
            now_ms: NOW_MS,
            versions: HashMap::new(),
            purged_ms: HashMap::new(),
            fetches: Vec::new(),
            clients: Vec::new(),
            answers: 0,
        }
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0..4 if self.clients.len() < CLIENTS_MAX => self.client_comes(),
            4..9 => self.origin_sends(),
            0..16 => self.client_reads(),
            16 => self.now_ms += self.dice.below(1_500),
            17 => *self.versions.entry(self.dice.below(PATHS)).or_default() += 1,
            18 if self.dice.one_in(4) => self.purge(),
            19 if self.dice.one_in(8) => drop(self.store.sweep()),
            _ => self.somebody_leaves(),
        }
        self.check_fetches();
        let stats = self.store.stats();
        assert!(stats.bytes <= stats.bytes_max, "seed {}", self.seed);
    }

    fn client_comes(&mut self) {
        let (path, variant) = (self.dice.below(PATHS), self.dice.below(3));
        let ask = ask(&self.store, &format!("/{path}"), &format!("v: {variant}")).at(self.now_ms);
        let none = RequestDirectives::default();
        let stored = ask.lookup(&self.store).ok();
        let Some(object) = stored else { return self.begin(ask, path, variant, None) };
        let found = evaluate(object.meta(), &none, object.stale_from_ms(), self.now_ms);
        match found.verdict {
            Verdict::Serve => self.check_object(&object, path, variant, LIFETIME_MS, self.now_ms),
            Verdict::ServeAndValidate => {
                let bound = LIFETIME_MS + WHILE_REVALIDATE_MS;
                self.check_object(&object, path, variant, bound, self.now_ms);
                self.begin(ask, path, variant, Some(object));
            }
            Verdict::Validate => self.begin(ask, path, variant, Some(object)),
            Verdict::Unsatisfied => unreachable!(),
        }
    }

    fn begin(&mut self, ask: Ask, path: u64, variant: u64, stale: Option<Arc<Object>>) {
        let mut reader = match self.store.begin(&ask.wanted(), stale.as_ref()) {
            Flight::Ready(_) => return,
            Flight::Join(reader) => reader,
            Flight::Lead(fill, reader) => {
                let version = self.versions.get(&path).copied().unwrap_or_default();
                let ask = ask.clone();
                self.fetches.push(Fetch {
                    fill: Some(fill),
                    ask,
                    path,
                    variant,
                    version,
                    left: None,
                });
                reader
            }
        };
        let range = self.dice.one_in(4).then(|| {
            let start = self.dice.below(30);
            ByteRange { start, end: start + 1 + self.dice.below(4_000) }
        });
        range.into_iter().for_each(|range| reader.only(range));
        let came_ms = self.now_ms;
        self.clients.push(Client { reader, ask, path, variant, range, came_ms, body: None });
    }

    fn origin_sends(&mut self) {
        if self.fetches.is_empty() {
            return;
        }
        let index = self.dice.below(self.fetches.len() as u64) as usize;
        let mut fetch = self.fetches.swap_remove(index);
        let goes_on = match fetch.left {
            None => self.origin_sends_head(&mut fetch),
            Some(_) => self.origin_sends_body(&mut fetch),
        };
        if goes_on {
            self.fetches.push(fetch);
        }
    }

    fn origin_sends_head(&mut self, fetch: &mut Fetch) -> bool {
        let body = content(fetch.path, fetch.variant_sent(), fetch.version);
        let fill = fetch.fill.as_mut().unwrap();
        if self.dice.one_in(8) {
            return self.origin_fails(fetch);
        }
        let etag = format!("\"{}-{}-{}\"", fetch.path, fetch.variant, fetch.version);
        let unchanged = fill
            .stale()
            .is_some_and(|stale| stale.meta().validators.etag.as_deref() == Some(etag.as_bytes()));
        let mut head = format!("etag: {etag}\nsurrogate-key: t{}", fetch.path);
        head += match shareable(fetch.path) {
            true => "\ncache-control: max-age=10, stale-while-revalidate=3, stale-if-error=8",
            false => "\ncache-control: no-store",
        };
        if varies(fetch.path) {
            head += "\nvary: v";
        }
        let asked_ms = fetch.ask.now_ms;
        if unchanged {
            let answer = ResponseHead { status: 304, fields: fields(&head) };
            let fill = fetch.fill.take().unwrap();
            let freshened =
                fill.not_modified(&Policy::default(), &fetch.ask.asked(), &answer, asked_ms);
            assert!(freshened.is_ok());
            return false;
        }
        if self.dice.one_in(2) {
            head += &format!("\ncontent-length: {}", body.len());
        }
        fetch.ask.head(fill, 200, &head);
        fetch.left = Some(body);
        true
    }

    /// The fetch fails; a stale response stands in where it may.
    fn origin_fails(&mut self, fetch: &mut Fetch) -> bool {
        let fill = fetch.fill.take().unwrap();
        let none = RequestDirectives::default();
        let may = |object: &Arc<Object>| {
            may_serve_on_error(object.meta(), &none, object.stale_from_ms(), self.now_ms)
        };
        if fill.stale().is_some_and(may) {
            let object = fill.serve_stale().unwrap();
            let age_ms = self.now_ms - object.meta().sums.request_ms;
            assert!(age_ms <= LIFETIME_MS + IF_ERROR_MS, "seed {}: stale too long", self.seed);
        }
        false
    }

    fn origin_sends_body(&mut self, fetch: &mut Fetch) -> bool {
        let left = fetch.left.as_mut().unwrap();
        if self.dice.one_in(25) {
            return false;
        }
        let count = (1 + self.dice.below(2_500) as usize).min(left.len());
        let piece: Vec<u8> = left.drain(..count).collect();
        let sent = now(fetch.fill.as_mut().unwrap().body(Bytes::from(piece.clone())));
        match sent {
            Some(Ok(())) => {}
            Some(Err(FillStop::Abandoned)) => return false,
            Some(Err(FillStop::TooLong)) => panic!("seed {}: too long", self.seed),
            // Back-pressure: nothing was taken.
            None => {
                left.splice(0..0, piece);
                return true;
            }
        }
        if left.is_empty() {
            fetch.fill.take().unwrap().finish().unwrap();
            return false;
        }
        true
    }

    fn client_reads(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let index = self.dice.below(self.clients.len() as u64) as usize;
        let mut client = self.clients.swap_remove(index);
        if client.body.is_none() {
            match now(client.reader.head()) {
                None => return self.clients.push(client),
                Some(Err(_)) => return,
                Some(Ok(Arrival::Again)) => {
                    let ask = client.ask.at(self.now_ms);
                    let stale = ask.lookup(&self.store).ok();
                    return self.begin(ask, client.path, client.variant, stale);
                }
                Some(Ok(Arrival::Object(object))) => {
                    // Its age was checked when it was handed out; this client may read it much later.
                    let (path, variant) = (client.path, client.variant);
                    return self.check_object(&object, path, variant, u64::MAX, client.came_ms);
                }
                Some(Ok(Arrival::Stream(_))) => client.body = Some(Vec::new()),
            }
        }
        self.client_reads_body(client);
    }

    fn client_reads_body(&mut self, mut client: Client) {
        match now(client.reader.chunk()) {
            None => self.clients.push(client),
            Some(Ok(Some(piece))) => {
                client.body.as_mut().unwrap().extend_from_slice(&piece);
                self.clients.push(client);
            }
            Some(Ok(None)) => self.check_body(&client),
            Some(Err(FillError::Length { .. })) => panic!("seed {}: length", self.seed),
            Some(Err(FillError::Broken | FillError::Lagged)) => {}
        }
    }

    fn check_body(&mut self, client: &Client) {
        let body = client.body.as_ref().unwrap();
        // Ranges do not show which version they are of: any version that the origin has had will do.
        let newest = self.versions.get(&client.path).copied().unwrap_or_default();
        let variant = if varies(client.path) { client.variant } else { 0 };
        let found = (0..=newest).any(|version| {
            let whole = content(client.path, variant, version);
            let range = client.range.map_or(0..whole.len(), |range| {
                let clip = |at: u64| (at as usize).min(whole.len());
                clip(range.start)..clip(range.end)
            });
            *body == whole[range]
        });
        assert!(found, "seed {}: wrong bytes for {}", self.seed, client.path);
        self.answers += 1;
    }

    fn check_object(
        &mut self,
        object: &Object,
        path: u64,
        variant: u64,
        bound_ms: u64,
        came_ms: u64,
    ) {
        let body = bytes_of(object);
        let (path_found, variant_found, version) = label(&body);
        let seed = self.seed;
        assert_eq!(body, content(path_found, variant_found, version), "seed {seed}");
        let wanted = if varies(path) { variant } else { 0 };
        assert_eq!((path_found, variant_found), (path, wanted), "seed {seed}");
        let fetched_ms = object.meta().sums.request_ms;
        assert!(self.now_ms - fetched_ms <= bound_ms, "seed {seed}: stale past its bound");
        let purged_ms = self.purged_ms.get(&path).copied().unwrap_or_default();
        let before = purged_ms > 0 && purged_ms <= came_ms && fetched_ms < purged_ms;
        assert!(!before, "seed {seed}: served although purged");
        self.answers += 1;
    }

    fn purge(&mut self) {
        let path = self.dice.below(PATHS);
        let (purge, hits): (Purge, Vec<u64>) = match self.dice.below(4) {
            0 => (Purge::Url(format!("https://a.example/{path}")), vec![path]),
            1 => (Purge::Tag(TagId::new(format!("t{path}").as_bytes())), vec![path]),
            2 => (Purge::Key(ask(&self.store, &format!("/{path}"), "").key), vec![path]),
            _ => (Purge::Host("a.example".into()), (0..PATHS).collect()),
        };
        // A millisecond of its own, so that before and after can be told apart.
        self.now_ms += 1;
        if self.dice.one_in(3) {
            return self.store.purge(&purge, PurgeKind::Soft { now_ms: self.now_ms });
        }
        self.store.purge(&purge, PurgeKind::Hard);
        for path in hits {
            self.purged_ms.insert(path, self.now_ms);
        }
        self.now_ms += 1;
    }

    fn somebody_leaves(&mut self) {
        if !self.clients.is_empty() && self.dice.one_in(2) {
            let index = self.dice.below(self.clients.len() as u64) as usize;
            self.clients.swap_remove(index);
        }
    }

    /// Of the fills that can be joined no two are for the same path and variant, unless a purge came between.
    fn check_fetches(&self) {
        for path in 0..PATHS {
            let key = ask(&self.store, &format!("/{path}"), "").key;
            let shard = self.store.0.flights.shard(key);
            let flights = shard.fills.get(&key).map(Vec::as_slice).unwrap_or_default();
            let mut wanted: Vec<_> = flights
                .iter()
                .filter(|flight| flight.is_joinable())
                .map(|flight| {
                    let variant = flight.request.text("v").filter(|_| varies(path));
                    (flight.generation, variant)
                })
                .collect();
            wanted.sort_unstable();
            let before = wanted.len();
            wanted.dedup();
            assert_eq!(wanted.len(), before, "seed {}: two fetches for /{path}", self.seed);
        }
    }
}
