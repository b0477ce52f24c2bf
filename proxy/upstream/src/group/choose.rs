//! How a server is chosen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::members::{Level, Members};
use super::{Group, Server};
use crate::config::Balance;

/// A server of the bounded-load hash may carry this much more than its fair share, in percent.
const HASH_LOAD_PERCENT_MAX: u64 = 125;

/// What a choice knows of the exchange it serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// Servers already tried; chosen again only when no other is left.
    pub(crate) tried: &'a [Arc<Server>],
    /// For groups that choose by hash.
    pub(crate) hash_key: Option<u64>,
}

/// How picky a pass over the servers is; each pass is tried only when the one before found none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Well, and not tried by this exchange.
    Untried,
    /// Well.
    Well,
    /// Any not tried: when every server looks broken, the view is more likely wrong than right.
    Panic,
    /// Any at all.
    Any,
}

impl Group {
    /// Chooses a server; `None` when the group has none or every one is full.
    pub(crate) fn choose(&self, wish: Wish<'_>) -> Option<Arc<Server>> {
        let members = self.members.load();
        let now_us = self.clock.now_us();
        for pass in [Pass::Untried, Pass::Well, Pass::Panic, Pass::Any] {
            for level in &members.levels {
                let fits = |server: &Server| self.fits(server, pass, wish, now_us);
                if let Some(server) = self.choose_in(level, &members, wish, &fits) {
                    return Some(Arc::clone(server));
                }
            }
        }
        None
    }

    fn fits(&self, server: &Server, pass: Pass, wish: Wish<'_>, now_us: u64) -> bool {
        let tried = || wish.tried.iter().any(|t| std::ptr::eq(&raw const **t, server));
        let well = || server.is_available(now_us);
        server.has_room(self.config.breaker.server_exchanges_max)
            && match pass {
                Pass::Untried => well() && !tried(),
                Pass::Well => well(),
                Pass::Panic => !tried(),
                Pass::Any => true,
            }
    }

    fn choose_in<'m>(
        &self,
        level: &Level,
        members: &'m Members,
        wish: Wish<'_>,
        fits: &dyn Fn(&Server) -> bool,
    ) -> Option<&'m Arc<Server>> {
        let servers = &members.servers;
        match (self.config.balance, wish.hash_key) {
            (Balance::LeastRequests, _) => least_requests(level, servers, fits),
            (Balance::Hash, Some(key)) => by_hash(level, servers, key, fits),
            (Balance::RoundRobin | Balance::Hash, _) => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                in_turn(level, servers, turn, fits)
            }
        }
    }
}

fn in_turn<'m>(
    level: &Level,
    servers: &'m [Arc<Server>],
    turn: usize,
    fits: &dyn Fn(&Server) -> bool,
) -> Option<&'m Arc<Server>> {
    let len = level.turns.len();
    (0..len)
        .map(|step| &servers[level.turns[turn.wrapping_add(step) % len] as usize])
        .find(|server| fits(server))
}

/// The less loaded of two drawn at random (Mitzenmacher's power of two choices).
fn least_requests<'m>(
    level: &Level,
    servers: &'m [Arc<Server>],
    fits: &dyn Fn(&Server) -> bool,
) -> Option<&'m Arc<Server>> {
    let one = in_turn(level, servers, draw(), fits)?;
    let other = in_turn(level, servers, draw(), &|s| !std::ptr::eq(s, &raw const **one) && fits(s));
    let load = |s: &Arc<Server>| {
        u64::from(s.state.under_way.load(Ordering::Relaxed)) * 1000 / u64::from(s.weight.max(1))
    };
    Some(other.filter(|other| load(other) < load(one)).unwrap_or(one))
}

/// Rendezvous hashing; a server loaded beyond its bound is passed over, so that one hot key
/// cannot overrun the server that owns it.
fn by_hash<'m>(
    level: &Level,
    servers: &'m [Arc<Server>],
    key: u64,
    fits: &dyn Fn(&Server) -> bool,
) -> Option<&'m Arc<Server>> {
    let fitting = || level.servers.iter().map(|i| &servers[*i as usize]).filter(|s| fits(s));
    let (mut load, mut weight) = (0_u64, 0_u64);
    for server in fitting() {
        load += u64::from(server.state.under_way.load(Ordering::Relaxed));
        weight += u64::from(server.weight);
    }
    let within = |server: &&Arc<Server>| {
        let own = u64::from(server.state.under_way.load(Ordering::Relaxed));
        let share = (load + 1) * u64::from(server.weight) * HASH_LOAD_PERCENT_MAX;
        own * 100 * weight.max(1) < share.max(100 * weight)
    };
    let score = |server: &&Arc<Server>| score(key, server);
    fitting().filter(within).max_by_key(score).or_else(|| fitting().max_by_key(score))
}

/// Weighted rendezvous score in integers: the hash is the time an exponential clock rings, so
/// `weight / -ln(u)`; kept in fixed point by the bit length, which is exact enough to balance.
fn score(key: u64, server: &Server) -> u64 {
    let mut hash = key;
    for byte in server.label.bytes() {
        hash = mix(hash ^ u64::from(byte));
    }
    #[expect(clippy::cast_precision_loss, reason = "a score needs no more than 53 bits")]
    let unit = ((hash >> 11) as f64 + 1.0) / ((1_u64 << 53) as f64 + 1.0);
    let score = f64::from(server.weight) / -unit.ln();
    score.to_bits()
}

/// The finaliser of splitmix64.
const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number to draw a server with; spread well, not secret.
fn draw() -> usize {
    static DRAWS: AtomicU64 = AtomicU64::new(0);
    let drawn = mix(DRAWS.fetch_add(1, Ordering::Relaxed));
    usize::try_from(drawn >> 1).unwrap_or(usize::MAX)
}
