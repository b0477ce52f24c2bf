//! What an edge knows of short links: a filter of all codes, what changed since, and the links asked for often.
//!
//! # Life of a code
//!
//! - The links service builds a [`Filter`] of every code now and then (a generation, with the sequence
//!   number of the last change it holds) and appends each change to a numbered log.
//! - An edge takes a generation with [`Table::replace`] and the log with [`Table::apply`]. A change takes the
//!   code out of the hot map and the negative cache and keeps it in the delta until a generation
//!   holds it.
//! - [`Table::confirm`] notes that nothing was missing at that moment. Without a recent confirmation a code that
//!   is in neither filter nor delta is asked for, never called unknown.
//! - An answer of the links service is kept by [`Table::learn`] or [`Table::missed`] with the [`Ticket`] drawn before
//!   it was asked: when the code changed in between, the answer is not kept.
//!
//! Lookups and changes run at the same time, on any thread. Changes are applied by one thread at a time.

mod filter;
mod hash;
mod record;
mod table;

#[cfg(test)]
mod tests;

pub use filter::{Filter, FilterInvalid};
pub use record::{Record, RecordParts};
pub use table::{DELTA_CODES_MAX, NEGATIVE_US};
pub use table::{Gap, Limits, Lookup, Op, State, Table, Ticket};
