//! TLS for client connections, by rustls with the ring provider.
//!
//! [`Tls`] holds what a node shows: certificates by name, ticket keys, the authorities of clients'
//! certificates. It is swapped whole when the configuration or a file changes; handshakes under way
//! keep what they began with. [`accept`] takes a connection through its handshake and gives a
//! [`TlsStream`] with the [`TlsFacts`] of the connection.
//!
//! What it is not: it opens no listener, reads no spec and counts no connection.
//!
//! **Invariant:** bytes from the network give a connection or a [`Failure`], never a panic; the memory of
//! a handshake is bounded before its first byte is judged.
//! **Invariant:** key material is in no `Debug`, log or metric.
//! **Invariant:** a [`PeerIdentity`] exists only where a client's certificate was verified against the
//! authority it names.

mod facts;
mod failure;
mod fingerprint;
mod handshake;
mod hello;
mod self_signed;
mod store;
mod stream;
mod tickets;

pub mod fuzz;

#[cfg(test)]
mod tests;

pub use facts::{PeerIdentity, Protocol, TlsFacts};
pub use failure::Failure;
pub use fingerprint::Fingerprint;
pub use handshake::accept;
pub use self_signed::{SelfSignedError, self_signed};
pub use store::{Prepared, Tls, TlsError};
pub use stream::TlsStream;
