//! What the edge keeps: stored responses in RAM (and on disk behind [`Tier`]), the fills that bring them in, and
//! the purges that take them out.
//!
//! It makes no caching decisions, those are `tidegate_cache`'s, and speaks to no origin: the caller fetches and
//! hands over what arrives.
//!
//! **Invariant:** a lookup takes no lock for writing and allocates nothing.
//! **Invariant:** an answer is complete or its readers see an error; a [`Fill`] that is dropped unfinished never looks
//! like an end.
//! **Invariant:** at most one fill that others can join runs for a key and variant.
//! **Invariant:** what was fetched before a purge is not served after it returned.
//! **Invariant:** bytes in RAM stay under [`Config::ram_bytes`], bytes of running fills under
//! [`Config::fills_bytes_max`] plus one window each, coded forms of stored responses under [`Config::forms_bytes_max`].
//!
//! Entry: [`Store::lookup`], then [`Store::recall`], then [`Store::begin`].

mod body;
mod config;
mod disk;
mod fill;
mod flight;
mod flights;
mod forms;
mod object;
mod purge;
mod reader;
mod slot;
mod stats;
mod store;
mod tier;

pub use body::Body;
pub use config::Config;
pub use disk::{DiskConfig, DiskError, DiskStats, DiskTier};
pub use fill::{Fill, FillStop};
pub use flight::{FillError, FillHead};
pub use forms::{Charge, Form, Forms, FormsBudget};
pub use object::Object;
pub use purge::{PURGES_MAX, Purge, PurgeKind};
pub use reader::{Arrival, Reader};
pub use stats::Stats;
pub use store::{Flight, Store, Wanted};
pub use tier::{PurgeRecord, Recalled, Tier};

#[cfg(test)]
mod tests;
