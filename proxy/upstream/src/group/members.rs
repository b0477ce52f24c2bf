//! The servers a group can choose from right now.

use std::sync::Arc;

use super::Server;

/// The servers a group can choose from right now; replaced as a whole when a name resolves anew.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// Servers in the order of the configuration, a name's addresses beside each other.
    pub(crate) servers: Vec<Arc<Server>>,
    /// For each priority level, lowest first, the order in which servers take turns.
    pub(crate) levels: Vec<Level>,
}

/// The servers of one priority.
#[derive(Debug)]
pub(crate) struct Level {
    /// Indexes into the servers, each as often as its weight says, spread out.
    pub(crate) turns: Vec<u32>,
    /// Each server once.
    pub(crate) servers: Vec<u32>,
}

/// Turns of one level are kept below this; greater weights are scaled down.
const TURNS_MAX: u64 = 4096;

impl Members {
    /// Puts servers into levels and turns.
    pub(crate) fn new(servers: Vec<Arc<Server>>) -> Self {
        let mut priorities: Vec<u32> = servers.iter().map(|s| s.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let levels = priorities.into_iter().map(|p| Level::new(&servers, p)).collect();
        Self { servers, levels }
    }
}

impl Level {
    fn new(all: &[Arc<Server>], priority: u32) -> Self {
        let (servers, weights): (Vec<u32>, Vec<u64>) = (0_u32..)
            .zip(all)
            .filter(|(_, s)| s.priority == priority && s.weight > 0)
            .map(|(index, s)| (index, u64::from(s.weight)))
            .unzip();
        let turns = turns(&scaled(weights)).into_iter().map(|i| servers[i]).collect();
        Self { turns, servers }
    }
}

/// Weights divided by their common divisor, and further when their sum is beyond [`TURNS_MAX`].
fn scaled(mut weights: Vec<u64>) -> Vec<u64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    weights.iter_mut().for_each(|w| *w /= divisor);
    let sum: u64 = weights.iter().sum();
    if sum > TURNS_MAX {
        weights.iter_mut().for_each(|w| *w = (*w * TURNS_MAX / sum).max(1));
    }
    weights
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The smooth order: at each turn the server that is furthest behind its share goes.
fn turns(weights: &[u64]) -> Vec<usize> {
    let sum: i64 = weights.iter().map(|w| i64::try_from(*w).unwrap_or(0)).sum();
    let mut credit = vec![0_i64; weights.len()];
    let mut order = Vec::new();
    for _ in 0..sum {
        for (c, w) in credit.iter_mut().zip(weights) {
            *c += i64::try_from(*w).unwrap_or(0);
        }
        // The first of equals, so that equal weights go in the order of the configuration.
        let next = (0..credit.len()).rev().max_by_key(|i| credit[*i]).unwrap_or(0);
        credit[next] -= sum;
        order.push(next);
    }
    order
}
