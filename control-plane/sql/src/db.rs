//! The database: opened by its address, used by closures.

use std::path::PathBuf;
use std::sync::Arc;

use crate::lite::Lite;
use crate::pg::PgPool;
use crate::{Error, Migration, Result, Tx, migrate};

/// How many times a write is called before its conflict becomes the caller's error.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// A database on one of the two engines. Cheap to clone.
#[derive(Clone)]
pub enum Db {
    /// SQLite in a file: one writer thread, some reader threads.
    Lite(Arc<Lite>),
    /// PostgreSQL: a pool of connections.
    Pg(Arc<PgPool>),
}

/// Where a database is: `sqlite:<path>` or `postgres://user@host/db`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A file; its folder is created when missing.
    Lite(PathBuf),
    /// A connection string.
    Pg(String),
}

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The PostgreSQL schema that holds the tables, created when missing; on SQLite the file itself
    /// is the separation and this is ignored. Lower-case letters, digits and `_`.
    pub schema: &'static str,
    /// Schema changes to run at opening.
    pub migrations: &'static [Migration],
    /// Reader threads (SQLite) or connections (PostgreSQL).
    pub readers: usize,
    /// What an acknowledged write survives (SQLite only; PostgreSQL decides on its own server).
    pub synchronous: Synchronous,
}

/// What an acknowledged write survives on SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// Loss of power: one fsync per group of writes.
    Full,
    /// A crash of the process; the last writes may be lost with the machine's power.
    Normal,
}

impl Options {
    /// Durable writes, four readers.
    pub const fn new(schema: &'static str, migrations: &'static [Migration]) -> Self {
        Self { schema, migrations, readers: 4, synchronous: Synchronous::Full }
    }
}

impl Address {
    /// Reads an address; anything but the two schemes is [`Error::Address`].
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(Error::Address(text.to_owned())),
                path => Ok(Self::Lite(path.into())),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Pg(text.to_owned()));
        }
        Err(Error::Address(text.to_owned()))
    }
}

impl Db {
    /// Opens the database at `address` and runs the migrations.
    pub async fn open(address: &str, options: &Options) -> Result<Self> {
        let db = match Address::parse(address)? {
            Address::Lite(path) => Self::Lite(Arc::new(Lite::open(&path, options)?)),
            Address::Pg(url) => Self::Pg(Arc::new(PgPool::open(&url, options).await?)),
        };
        migrate::run(&db, options.migrations).await?;
        Ok(db)
    }

    /// Runs a closure that only reads, on one snapshot of the data.
    pub async fn read<T, E, F>(&self, f: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: AsyncFnOnce(&mut Tx) -> std::result::Result<T, E> + Send + 'static,
    {
        match self {
            Self::Lite(lite) => lite.read(f).await,
            Self::Pg(pool) => {
                let mut tx = pool.begin_read().await?;
                let answer = f(&mut tx).await;
                pool.end_read(tx).await;
                answer
            }
        }
    }

    /// Runs a closure that writes. `Ok` means durable. On PostgreSQL it is called again, at most
    /// eight times with growing pauses, when it met a serialisation failure or a deadlock.
    pub async fn write<T, E, F>(&self, f: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: AsyncFn(&mut Tx) -> std::result::Result<T, E> + Send + Sync + 'static,
    {
        match self {
            Self::Lite(lite) => lite.write(f).await,
            Self::Pg(pool) => {
                let mut attempt = 1;
                loop {
                    let mut tx = pool.begin_write().await?;
                    let answer = match f(&mut tx).await {
                        Ok(value) => match pool.commit(&mut tx).await {
                            Ok(()) => return Ok(value),
                            Err(error) => Err(error.into()),
                        },
                        Err(error) => Err(error),
                    };
                    pool.rollback(&mut tx).await;
                    if !tx.conflicted() || attempt == ATTEMPTS_MAX {
                        return answer;
                    }
                    pool.pause(attempt).await;
                    attempt += 1;
                }
            }
        }
    }

    /// `"sqlite"` or `"postgres"`.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Lite(_) => "sqlite",
            Self::Pg(_) => "postgres",
        }
    }
}
