//! PostgreSQL: a pool, prepared statements kept per connection, retried closures.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::row::Inner;
use crate::tx::Engine;
use crate::{Error, FromRow, Options, Result, Row, Statement, Tx, Val};

/// The first pause before a closure is called again, in microseconds; doubled each time.
const PAUSE_MICROS: u64 = 1_000;
/// Connections kept beside the readers for writing.
const WRITERS: usize = 8;

/// A pool of PostgreSQL connections, all in one schema.
pub struct PgPool {
    pool: Pool,
    address: String,
}

pub(crate) struct PgTx {
    /// `None` only after the connection went back or was thrown away.
    client: Option<Object>,
    open: bool,
}

impl PgPool {
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self> {
        let address = without_password(url);
        let failed = |e: tokio_postgres::Error| Error::open(&address, e);
        let mut config: tokio_postgres::Config = url.parse().map_err(failed)?;
        let settings = format!("-c search_path={}", options.schema);
        config.options(&settings).application_name("tidegate");
        config.connect_timeout(Duration::from_secs(5));
        let manager = Manager::from_config(
            config,
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(options.readers + WRITERS)
            .build()
            .map_err(|e| Error::open(&address, e))?;
        let this = Self { pool, address };
        this.schema_create(options.schema).await?;
        Ok(this)
    }

    async fn schema_create(&self, schema: &str) -> Result<()> {
        let client = self.client().await?;
        let text = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
        match client.batch_execute(&text).await {
            // Two processes that create it at once: the loser finds it there.
            Err(e) if e.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(()),
            other => other.map_err(|e| engine_error("CREATE SCHEMA", e)),
        }
    }

    async fn client(&self) -> Result<Object> {
        self.pool.get().await.map_err(|e| Error::open(&self.address, e))
    }

    pub(crate) async fn begin_read(&self) -> Result<Tx> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    pub(crate) async fn begin_write(&self) -> Result<Tx> {
        self.begin("BEGIN").await
    }

    async fn begin(&self, text: &str) -> Result<Tx> {
        let client = self.client().await?;
        let mut tx = PgTx { client: Some(client), open: true };
        tx.script("BEGIN", text).await?;
        Ok(Tx::new(Engine::Pg(tx)))
    }

    pub(crate) async fn end_read(&self, mut tx: Tx) {
        self.rollback(&mut tx).await;
    }

    pub(crate) async fn commit(&self, tx: &mut Tx) -> Result<()> {
        tx.flush().await?;
        tx.script("COMMIT", "COMMIT").await?;
        if let Engine::Pg(pg) = &mut tx.engine {
            pg.open = false;
        }
        tx.after().into_iter().for_each(|f| f());
        Ok(())
    }

    pub(crate) async fn rollback(&self, tx: &mut Tx) {
        if let Engine::Pg(pg) = &mut tx.engine
            && pg.open
            && pg.script("ROLLBACK", "ROLLBACK").await.is_ok()
        {
            pg.open = false;
        }
    }

    pub(crate) async fn pause(&self, attempt: u32) {
        let base = PAUSE_MICROS << attempt.min(10);
        let jitter = getrandom::u64().unwrap_or(0) % base;
        tokio::time::sleep(Duration::from_micros(base + jitter)).await;
    }
}

impl PgTx {
    pub(crate) async fn rows<R: FromRow>(
        &mut self,
        statement: &Statement,
        params: &[Val<'_>],
    ) -> Result<Vec<R>> {
        let failed = |e| engine_error(statement.name(), e);
        let client = self.client()?;
        let prepared = client.prepare_cached(&statement.pg()).await.map_err(failed)?;
        let rows = client.query(&prepared, &as_sql(params)).await.map_err(failed)?;
        rows.iter().map(|row| R::from_row(&Row(Inner::Pg(row)))).collect()
    }

    pub(crate) async fn exec(&mut self, statement: &Statement, params: &[Val<'_>]) -> Result<u64> {
        let failed = |e| engine_error(statement.name(), e);
        let client = self.client()?;
        let prepared = client.prepare_cached(&statement.pg()).await.map_err(failed)?;
        client.execute(&prepared, &as_sql(params)).await.map_err(failed)
    }

    pub(crate) async fn script(&mut self, name: &'static str, text: &str) -> Result<()> {
        self.client()?.batch_execute(text).await.map_err(|e| engine_error(name, e))
    }

    pub(crate) async fn prepare(&mut self, statement: &Statement) -> Result<()> {
        let prepared = self.client()?.prepare(&statement.pg()).await;
        prepared.map(drop).map_err(|e| engine_error(statement.name(), e))
    }

    fn client(&self) -> Result<&Object> {
        self.client.as_ref().ok_or(Error::Closed)
    }
}

/// A transaction that was dropped half way (a cancelled request) must not go back to the pool.
impl Drop for PgTx {
    fn drop(&mut self) {
        if self.open
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
        }
    }
}

fn as_sql<'a>(params: &'a [Val<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn engine_error(statement: &'static str, error: tokio_postgres::Error) -> Error {
    let Some(code) = error.code().cloned() else {
        return Error::Engine { statement, source: error.into() };
    };
    let detail = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
    match code {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
            Error::Conflict { statement, detail }
        }
        SqlState::UNIQUE_VIOLATION => Error::Unique { statement, detail },
        SqlState::CHECK_VIOLATION
        | SqlState::NOT_NULL_VIOLATION
        | SqlState::FOREIGN_KEY_VIOLATION => Error::Constraint { statement, detail },
        _ => Error::Engine { statement, source: error.into() },
    }
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, host)) = rest.split_once('@') else { return url.to_owned() };
    let user = user.split_once(':').map_or(user, |(name, _)| name);
    format!("{scheme}://{user}@{host}")
}
