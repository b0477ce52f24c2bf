//! Which of the servers on one database keeps the counts of limits, and what they must not forget.
//!
//! The owner raises its beat as long as it lives. No clock of one machine is held against another's: a server
//! that sees the same beat for long enough by its own clock takes over, and only from that beat.

use tidegate_sql::{Tx, from_row, params, statements};

use crate::{Result, Store};

statements! {
    pub(crate) STATEMENTS:
    OWNER_ADD = "INSERT INTO counts_owner (id, holder, address, beat) VALUES (1, $1, $2, 1)
         ON CONFLICT (id) DO NOTHING";
    OWNER_BEAT = "UPDATE counts_owner SET beat = beat + 1, address = $2
         WHERE id = 1 AND holder = $1";
    OWNER_TAKE = "UPDATE counts_owner SET holder = $1, address = $2, beat = beat + 1
         WHERE id = 1 AND holder = $3 AND beat = $4";
    OWNER_LEAVE = "DELETE FROM counts_owner WHERE id = 1 AND holder = $1";
    OWNER_FIND = "SELECT holder, address, beat FROM counts_owner WHERE id = 1";
    HELD_PUT = "INSERT INTO counts_held (key, record) VALUES ($1, $2)
         ON CONFLICT (key) DO UPDATE SET record = excluded.record";
    HELD_LIST = "SELECT record FROM counts_held";
}

/// The server that keeps the counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountsOwner {
    /// It, by a word of its own.
    pub holder: String,
    /// Where the others reach it, `host:port`.
    pub address: String,
    /// Grows as long as it lives.
    pub beat: u64,
}

from_row!(CountsOwner { holder, address, beat });

impl Store {
    /// Raises the beat of the owner, if it is this one, and makes it the owner when there is none. Gives
    /// whoever is the owner now.
    pub async fn counts_beat(&self, holder: &str, address: &str) -> Result<Option<CountsOwner>> {
        let (holder, address) = (holder.to_owned(), address.to_owned());
        self.db
            .write(async move |tx| {
                tx.exec(&OWNER_ADD, params![&holder, &address]).await?;
                tx.exec(&OWNER_BEAT, params![&holder, &address]).await?;
                Ok(tx.opt::<CountsOwner>(&OWNER_FIND, params![]).await?)
            })
            .await
    }

    /// Takes over from an owner whose beat stood still; false when somebody else was faster, or it lives.
    pub async fn counts_take(
        &self,
        holder: &str,
        address: &str,
        from: &CountsOwner,
    ) -> Result<bool> {
        let (holder, address, from) = (holder.to_owned(), address.to_owned(), from.clone());
        self.db
            .write(async move |tx| {
                let params = params![&holder, &address, &from.holder, from.beat];
                Ok(tx.exec(&OWNER_TAKE, params).await? > 0)
            })
            .await
    }

    /// The owner stops, so that another need not wait.
    pub async fn counts_leave(&self, holder: &str) -> Result<()> {
        let holder = holder.to_owned();
        self.db
            .write(async move |tx| {
                tx.exec(&OWNER_LEAVE, params![&holder]).await?;
                Ok(())
            })
            .await
    }

    /// Writes down what the next owner must know, by key.
    pub async fn counts_keep(&self, records: Vec<(u64, Vec<u8>)>) -> Result<()> {
        self.db
            .write(async move |tx| {
                for (key, record) in &records {
                    tx.exec(&HELD_PUT, params![format!("{key:016x}"), record]).await?;
                }
                Ok(())
            })
            .await
    }

    /// All that was written down.
    pub async fn counts_kept(&self) -> Result<Vec<Vec<u8>>> {
        let read = async |tx: &mut Tx| -> Result<Vec<(Vec<u8>,)>> {
            Ok(tx.rows(&HELD_LIST, params![]).await?)
        };
        Ok(self.db.read(read).await?.into_iter().map(|(record,)| record).collect())
    }
}
