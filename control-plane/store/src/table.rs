//! Tables: a base and the operations after it.

use tidegate_control_api::{BlobRef, Op, TableBase, TableHead, TableOp};
use tidegate_sql::{Tx, from_row, params, statements};

use crate::{Result, Store, StoreError, counter, micros_now};

/// Most operations of one append.
pub const OPS_PER_APPEND_MAX: usize = 10_000;
/// Operations kept although the base includes them, so that a short absence costs no new base.
pub const OPS_KEPT_MIN: u64 = 10_000;
const KEY_BYTES_MAX: usize = 1_024;
const NAME_BYTES_MAX: usize = 64;

statements! {
    pub(crate) STATEMENTS:
    OP_ADD = "INSERT INTO table_op (name, seq, op, key, value) VALUES ($1, $2, $3, $4, $5)";
    OPS_AFTER = "SELECT seq, op, key, value FROM table_op WHERE name = $1 AND seq > $2
         ORDER BY seq LIMIT $3";
    OPS_TRIM = "DELETE FROM table_op WHERE name = $1 AND seq <= $2";
    OP_FIRST = "SELECT seq FROM table_op WHERE name = $1 ORDER BY seq LIMIT 1";
    BASE_FIND = "SELECT generation, seq, sha256, bytes FROM table_base WHERE name = $1";
    BASE_PUT = "INSERT INTO table_base (name, generation, seq, sha256, bytes, at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, seq = excluded.seq,
           sha256 = excluded.sha256, bytes = excluded.bytes, at = excluded.at
         WHERE table_base.seq <= excluded.seq";
}

/// Part of a table, for one that has everything up to some operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePage {
    /// The generation of the base.
    pub generation: u64,
    /// The base, when the reader must start from it.
    pub base: Option<BlobRef>,
    /// Whether the reader must forget what it has.
    pub reset: bool,
    /// The operation before `ops`: the reader's own, or the last one of the base.
    pub from: u64,
    /// In order, gapless.
    pub ops: Vec<TableOp>,
}

struct OpRow {
    seq: u64,
    op: String,
    key: String,
    value: Option<String>,
}

from_row!(OpRow { seq, op, key, value });

struct BaseRow {
    generation: u64,
    seq: u64,
    sha256: String,
    bytes: u64,
}

from_row!(BaseRow { generation, seq, sha256, bytes });

impl Store {
    /// Appends operations, all or none; the sequence of the last. Durable when it returns.
    pub async fn table_append(&self, table: &str, ops: Vec<TableOp>) -> Result<u64> {
        check_name(table)?;
        ops.iter().try_for_each(check_key)?;
        if ops.len() > OPS_PER_APPEND_MAX {
            let text = format!("{} operations at once, at most {OPS_PER_APPEND_MAX}", ops.len());
            return Err(StoreError::Refused(text));
        }
        let table = table.to_owned();
        let announce = self.announce();
        self.db
            .write(async move |tx| {
                let last = append(tx, &table, &ops).await?;
                announce(tx);
                Ok(last)
            })
            .await
    }

    /// Where a table stands; zeros when it does not exist.
    pub async fn table_head(&self, table: &str) -> Result<TableHead> {
        Ok(self.heads().await?.tables.remove(table).unwrap_or_default())
    }

    /// What follows `after`, at most `limit` operations; with the base when the operations after
    /// `after` are not all kept, or when the reader starts from nothing.
    pub async fn table_after(&self, table: &str, after: u64, limit: usize) -> Result<TablePage> {
        let table = table.to_owned();
        self.db.read(async move |tx| page(tx, &table, after, limit).await).await
    }

    /// The base of a table with what it includes.
    pub async fn table_base(&self, table: &str) -> Result<Option<(u64, TableBase)>> {
        let table = table.to_owned();
        let row: Option<BaseRow> = self
            .db
            .read(async move |tx| Ok::<_, StoreError>(tx.opt(&BASE_FIND, params![&table]).await?))
            .await?;
        Ok(row.map(|row| (row.generation, TableBase { seq: row.seq, blob: row.blob() })))
    }

    /// Replaces the base, drops operations it includes but for a tail; the new generation. A base
    /// older than the one there, or ahead of the table, is refused.
    pub async fn table_base_put(&self, table: &str, base: TableBase) -> Result<TableHead> {
        check_name(table)?;
        let table = table.to_owned();
        let announce = self.announce();
        self.db
            .write(async move |tx| {
                let head = rebase(tx, &table, &base).await?;
                announce(tx);
                Ok(head)
            })
            .await
    }
}

async fn append(tx: &mut Tx, table: &str, ops: &[TableOp]) -> Result<u64> {
    let count = ops.len() as u64;
    let last = counter::advance(tx, &counter::table(table), count).await?;
    for (seq, op) in (last - count + 1..).zip(ops) {
        let value = op.value.as_ref().map(ToString::to_string);
        tx.exec(&OP_ADD, params![table, seq, op.op.as_str(), &op.key, value]).await?;
    }
    Ok(last)
}

async fn page(tx: &mut Tx, table: &str, after: u64, limit: usize) -> Result<TablePage> {
    let base = tx.opt::<BaseRow>(&BASE_FIND, params![table]).await?;
    let head = counter::current(tx, &counter::table(table)).await?;
    let first = tx.opt::<(u64,)>(&OP_FIRST, params![table]).await?.map_or(head + 1, |(seq,)| seq);
    let mut page = TablePage { from: after, ..TablePage::default() };
    if let Some(base) = &base {
        page.generation = base.generation;
    }
    // A reader ahead of the table has another table's past: a restored backup, a new database.
    let lost = after > head || after + 1 < first || after == 0;
    if lost {
        page.reset = true;
        page.from = base.as_ref().map_or(0, |base| base.seq);
        page.base = base.map(BaseRow::blob);
    }
    let rows = tx.rows::<OpRow>(&OPS_AFTER, params![table, page.from, limit]).await?;
    page.ops = rows.into_iter().map(OpRow::op).collect::<Result<_>>()?;
    Ok(page)
}

async fn rebase(tx: &mut Tx, table: &str, base: &TableBase) -> Result<TableHead> {
    let generation = counter::advance(tx, &counter::generation(table), 1).await?;
    let head = counter::advance(tx, &counter::table(table), 0).await?;
    let BlobRef { sha256, bytes } = &base.blob;
    let put = params![table, generation, base.seq, sha256, *bytes, micros_now()];
    if base.seq > head || tx.exec(&BASE_PUT, put).await? == 0 {
        let text = format!(
            "a base up to operation {} does not fit: table {table} is at {head}, \
             and a base must not be older than the one before",
            base.seq
        );
        return Err(StoreError::Refused(text));
    }
    tx.exec(&OPS_TRIM, params![table, base.seq.saturating_sub(OPS_KEPT_MIN)]).await?;
    Ok(TableHead { generation, seq: head })
}

fn check_name(table: &str) -> Result<()> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !table.is_empty() && table.len() <= NAME_BYTES_MAX && table.bytes().all(fine) {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "table name {table:?}: letters, digits, -, _ and ., at most {NAME_BYTES_MAX}"
    )))
}

fn check_key(op: &TableOp) -> Result<()> {
    if !op.key.is_empty() && op.key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    Err(StoreError::Refused(format!("a key has 1 to {KEY_BYTES_MAX} bytes, not {}", op.key.len())))
}

impl OpRow {
    fn op(self) -> Result<TableOp> {
        let what = || format!("table operation {}", self.seq);
        let op = Op::parse(&self.op).ok_or_else(|| StoreError::corrupt(what(), &self.op))?;
        let value = self.value.as_deref().map(serde_json::from_str).transpose();
        Ok(TableOp {
            op,
            key: self.key.clone(),
            value: value.map_err(|e| StoreError::corrupt(what(), e))?,
        })
    }
}

impl BaseRow {
    fn blob(self) -> BlobRef {
        BlobRef { sha256: self.sha256, bytes: self.bytes }
    }
}
