//! One open transaction.

use crate::lite::LiteTx;
use crate::pg::PgTx;
use crate::{Error, FromRow, Result, Statement, Val};

type AfterCommit = Box<dyn FnOnce() + Send>;

/// One open transaction on either engine. Enum dispatch: no trait object, no boxed future.
///
/// The only thing a closure may await. Effects are seen by nobody until the closure returned `Ok`
/// and the commit is durable.
pub struct Tx {
    pub(crate) engine: Engine,
    deferred: Vec<(Statement, Vec<Val<'static>>)>,
    after: Vec<AfterCommit>,
    conflicted: bool,
}

#[allow(clippy::large_enum_variant, reason = "one value a connection, never moved in bulk")]
pub(crate) enum Engine {
    Lite(LiteTx),
    Pg(PgTx),
}

impl Tx {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, deferred: Vec::new(), after: Vec::new(), conflicted: false }
    }

    /// All rows of a query.
    pub async fn rows<R: FromRow>(
        &mut self,
        statement: &Statement,
        params: &[Val<'_>],
    ) -> Result<Vec<R>> {
        let answer = match &mut self.engine {
            Engine::Lite(tx) => tx.rows(statement, params),
            Engine::Pg(tx) => tx.rows(statement, params).await,
        };
        self.noted(answer)
    }

    /// The first row of a query, or none.
    pub async fn opt<R: FromRow>(
        &mut self,
        statement: &Statement,
        params: &[Val<'_>],
    ) -> Result<Option<R>> {
        Ok(self.rows(statement, params).await?.into_iter().next())
    }

    /// The first row of a query; [`Error::NoRow`] when there is none.
    pub async fn one<R: FromRow>(
        &mut self,
        statement: &Statement,
        params: &[Val<'_>],
    ) -> Result<R> {
        self.opt(statement, params).await?.ok_or(Error::NoRow(statement.name()))
    }

    /// Runs a statement and gives the number of rows it changed.
    pub async fn exec(&mut self, statement: &Statement, params: &[Val<'_>]) -> Result<u64> {
        let answer = match &mut self.engine {
            Engine::Lite(tx) => tx.exec(statement, params),
            Engine::Pg(tx) => tx.exec(statement, params).await,
        };
        self.noted(answer)
    }

    /// Runs a statement just before the commit, after everything else the closure does. The rows
    /// that a layer above adds (outbox, jobs) go this way.
    pub fn defer(&mut self, statement: &Statement, params: Vec<Val<'static>>) {
        self.deferred.push((statement.clone(), params));
    }

    /// Calls `f` once the commit is durable; never when the closure failed or is tried again.
    pub fn after_commit(&mut self, f: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(f));
    }

    pub(crate) async fn script(&mut self, name: &'static str, text: &str) -> Result<()> {
        match &mut self.engine {
            Engine::Lite(tx) => tx.script(name, text),
            Engine::Pg(tx) => tx.script(name, text).await,
        }
    }

    pub(crate) async fn flush(&mut self) -> Result<()> {
        for (statement, params) in std::mem::take(&mut self.deferred) {
            self.exec(&statement, &params).await?;
        }
        Ok(())
    }

    /// Forgets what was deferred by a closure that failed.
    pub(crate) fn reset(&mut self) {
        self.deferred.clear();
        self.after.clear();
        self.conflicted = false;
    }

    pub(crate) fn after(&mut self) -> Vec<AfterCommit> {
        std::mem::take(&mut self.after)
    }

    /// Whether a statement met a conflict, whatever error the closure made of it.
    pub(crate) fn conflicted(&self) -> bool {
        self.conflicted
    }

    fn noted<T>(&mut self, answer: Result<T>) -> Result<T> {
        if let Err(error) = &answer {
            self.conflicted |= error.may_retry();
        }
        answer
    }
}
