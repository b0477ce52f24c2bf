//! One [`Db`] over SQLite and PostgreSQL: the same DDL, the same statements, the same closures.
//!
//! It opens an engine by its address (`sqlite:path`, `postgres://...`), runs migrations, and runs
//! closures in transactions. It is not a query builder and not an object mapper: statements are
//! plain text in the subset that both engines read alike, declared once by [`statements!`] so that
//! a test can prepare each of them on both.
//!
//! **Invariant:** a write that returned `Ok` is durable; on SQLite many closures may share one
//! commit, and none is answered before it.
//! **Invariant:** a closure awaits nothing but its [`Tx`]; on SQLite it runs on the only writer
//! thread, on PostgreSQL it may be called again after a serialisation failure.
//! **Invariant:** an error or a panic in one closure undoes that closure alone.
//!
//! Entry type: [`Db`].

mod db;
mod error;
mod lite;
mod migrate;
mod pg;
mod row;
mod statement;
pub mod testing;
#[cfg(test)]
mod tests;
mod tx;
mod val;

pub use db::{Address, Db, Options, Synchronous};
pub use error::Error;
pub use migrate::Migration;
pub use row::{FromRow, FromVal, Row};
pub use statement::Statement;
pub use tx::Tx;
pub use val::Val;

/// What a call into the database gives, unless the closure has an error type of its own.
pub type Result<T> = std::result::Result<T, Error>;
