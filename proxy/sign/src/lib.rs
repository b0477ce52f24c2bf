//! Signed URLs and access tokens: verifying them, and minting those of Tidegate's own format.
//!
//! The crate is pure: the caller says what time it is, and nothing is read or sent. [`verify`] is the
//! entry point; a [`Keyset`] says which formats and keys it accepts. Each format is one file and one
//! implementation of [`Scheme`]; [`native`] is Tidegate's own.
//!
//! What it is not: it keeps no state but a memory of signatures already found good, so a limit of uses per token is only handed on in the [`Grant`],
//! and it knows no countries, only compares the one it is given.
//!
//! **Invariant:** a [`Verified`] exists only because a signature was verified here.
//! **Invariant:** scopes are anchored at both ends and compared with the normalised path.
//! **Invariant:** signatures are compared in constant time, and before any other claim is believed.
//! **Invariant:** nothing of a grant or token remains in the path and query that are handed on.
//! **Invariant:** secrets appear in no `Debug` output.

mod carry;
mod cbor;
mod claims;
mod crypto;
mod denial;
mod der;
mod encode;
pub mod formats;
pub mod fuzz;
mod jose;
mod jwk;
mod key;
mod keyset;
mod mint;
pub mod native;
mod request;
mod scope;
mod seen;
mod settings;
#[cfg(test)]
mod testing;
mod verified;

pub use carry::{Carrier, cookie_without};
pub use denial::{Denial, Reason};
pub use key::{Algorithm, Key, KeyError};
pub use keyset::{FORMATS, Keyset, KeysetError, KeysetOptions, Scheme, verify};
pub use mint::{Claims, MintError, mint, mint_url};
pub use request::{Clock, Request};
pub use scope::{ClientPrefix, Scope};
pub use verified::{Grant, Verified};
