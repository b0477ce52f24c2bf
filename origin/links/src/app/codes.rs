//! The next code: a process takes a range of numbers at a time and gives them in permuted order. What is
//! left of a range when the process ends is never used.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use tidegate_origin_kit::Fault;
use tidegate_sql::Db;

use crate::model::code::{self, Alphabet};
use crate::model::permutation::Permutation;
use crate::settings::Domain;
use crate::store;

/// Numbers taken at a time.
pub(crate) const RANGE_CODES: u64 = 4096;

/// The ranges of this process.
pub(crate) struct Codes {
    key: [u8; 16],
    ranges: Mutex<HashMap<String, Range<u64>>>,
}

impl Codes {
    /// `secret` is the same for every process that shares the database, for ever.
    pub(crate) fn new(secret: &[u8]) -> Self {
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(secret) {
            *to = *from;
        }
        Self { key, ranges: Mutex::new(HashMap::new()) }
    }

    /// A code that was never given in this domain, unless somebody chose it as an alias.
    pub(crate) async fn next(&self, db: &Db, domain: Domain<'_>) -> Result<String, Fault> {
        let order = self.order(domain.alphabet());
        loop {
            let number = self.number(db, domain.name).await?;
            let code = code::numbered(domain.alphabet(), &order, number);
            let code = code.ok_or_else(|| Fault::bug("all codes of the domain are given"))?;
            if !code::is_reserved(&code) {
                return Ok(code);
            }
        }
    }

    fn order(&self, alphabet: Alphabet) -> Permutation {
        Permutation::new(&self.key, alphabet.size())
    }

    async fn number(&self, db: &Db, domain: &str) -> Result<u64, Fault> {
        loop {
            if let Some(number) = self.taken(domain) {
                return Ok(number);
            }
            let name = domain.to_owned();
            let start = db.write(async move |tx| store::counter_take(tx, &name, RANGE_CODES).await);
            let start = start.await?;
            // Of two that come here at the same time, the second gives up the first one's range.
            self.ranges().insert(domain.to_owned(), start..start + RANGE_CODES);
        }
    }

    fn taken(&self, domain: &str) -> Option<u64> {
        self.ranges().get_mut(domain)?.next()
    }

    fn ranges(&self) -> std::sync::MutexGuard<'_, HashMap<String, Range<u64>>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
