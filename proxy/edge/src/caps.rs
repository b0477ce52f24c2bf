//! How many connections there may be: in all, from one client, and in a TLS handshake. The memory for
//! it is fixed, whoever comes.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use tidegate_spec::NodeLimits;
use tidegate_telemetry::{ConnectionFault, Counter, Gauge};

/// Counts of one row. With as many connections as the node takes by default, a count holds one or two
/// clients.
const CLIENTS: usize = 1 << 16;
/// A client is over its limit when its counts in all rows are.
const ROWS: usize = 2;

/// The accounts of open connections.
pub(crate) struct Caps {
    limits: NodeLimits,
    open: AtomicU32,
    handshakes: AtomicU32,
    /// A sketch: clients that share a count in every row are taken for one, which nobody can bring
    /// about on purpose without knowing the hash keys.
    clients: [Box<[AtomicU32]>; ROWS],
    hashers: [RandomState; ROWS],
}

/// A connection that is open. Dropping it closes the account, however the task ends.
pub(crate) struct Open(Arc<Caps>);

/// A connection counted for its client.
pub(crate) struct OfClient {
    caps: Arc<Caps>,
    cells: [usize; ROWS],
}

/// A TLS handshake under way.
pub(crate) struct Shaking(Arc<Caps>);

// === impl Caps ===

impl Caps {
    pub(crate) fn new(limits: NodeLimits) -> Self {
        Self {
            limits,
            open: AtomicU32::new(0),
            handshakes: AtomicU32::new(0),
            clients: std::array::from_fn(|_| (0..CLIENTS).map(|_| AtomicU32::new(0)).collect()),
            hashers: std::array::from_fn(|_| RandomState::new()),
        }
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// Room for one connection more.
    pub(crate) fn connection(self: &Arc<Self>) -> Result<Open, ConnectionFault> {
        if self.open.fetch_add(1, Relaxed) >= self.limits.connections_max {
            self.open.fetch_sub(1, Relaxed);
            return Err(refused(ConnectionFault::TotalMax));
        }
        Counter::ConnectionsAccepted.inc();
        Gauge::ConnectionsOpen.add(1);
        Ok(Open(Arc::clone(self)))
    }

    /// Room for one connection more of this client.
    pub(crate) fn client(self: &Arc<Self>, address: IpAddr) -> Result<OfClient, ConnectionFault> {
        let key = client_key(address);
        let cells: [usize; ROWS] =
            std::array::from_fn(|row| self.hashers[row].hash_one(key) as usize % CLIENTS);
        let counted = OfClient { caps: Arc::clone(self), cells };
        let counts =
            cells.iter().zip(&self.clients).map(|(at, row)| row[*at].fetch_add(1, Relaxed));
        // All are counted up before any is judged: dropping `counted` takes all of them back.
        let least = counts.fold(u32::MAX, u32::min);
        match self.limits.connections_per_client_max {
            0 => Ok(counted),
            max if least < max => Ok(counted),
            _ => Err(refused(ConnectionFault::ClientMax)),
        }
    }

    /// Room for one TLS handshake more.
    pub(crate) fn handshake(self: &Arc<Self>) -> Result<Shaking, ConnectionFault> {
        let shaking = Shaking(Arc::clone(self));
        if self.handshakes.fetch_add(1, Relaxed) >= self.limits.handshakes_max {
            return Err(refused(ConnectionFault::HandshakesMax));
        }
        Ok(shaking)
    }
}

fn refused(fault: ConnectionFault) -> ConnectionFault {
    Counter::ConnectionsRefused.inc();
    fault
}

/// One IPv4 address, or one IPv6 /64, which is what one customer has at least.
fn client_key(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => 1 << 64 | u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> 64,
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
        Gauge::ConnectionsOpen.add(-1);
    }
}

impl Drop for OfClient {
    fn drop(&mut self) {
        for (at, row) in self.cells.iter().zip(&self.caps.clients) {
            row[*at].fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Shaking {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
