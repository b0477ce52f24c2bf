//! Tables: large or fast-moving data that is pushed beside the spec, in a sequence of its own.
//!
//! A table is a base (a blob that this API does not look into) and the operations after it. Its
//! sequence grows by one per operation and is never reused; a new base has a new generation and
//! says which operation it includes. Who resumes at `seq` gets the operations after it, or base and
//! operations when those are no longer kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::BlobRef;

/// What an operation does to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The key exists now.
    Put,
    /// The key existed and means something else now.
    Change,
    /// The key exists no more.
    Delete,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableOp {
    /// What it does.
    pub op: Op,
    /// To which key, at most 1,024 bytes.
    pub key: String,
    /// What the key means, where the table carries values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Operations to append, all or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableOps {
    /// In order, at most 10,000.
    pub ops: Vec<TableOp>,
}

/// Answer to an append: durable when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableSeq {
    /// Sequence of the last operation.
    pub seq: u64,
}

/// Where a table stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableHead {
    /// Generation of the base, 0 without one.
    pub generation: u64,
    /// Sequence of the last operation.
    pub seq: u64,
}

/// A new base for a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableBase {
    /// The uploaded blob.
    pub blob: BlobRef,
    /// The last operation that the base includes.
    pub seq: u64,
}

/// A line of the stream: a table moves on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEvent {
    /// The table's name.
    pub table: String,
    /// Generation of the base that these operations belong to.
    pub generation: u64,
    /// Sequence of the last operation here; without operations, of the last one in the base.
    pub seq: u64,
    /// The base to start from. Present at the start of a table and when a new base was made:
    /// everything known before is replaced by it and the operations that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BlobRef>,
    /// Whether what was known before is to be thrown away, also without a base.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reset: bool,
    /// In order, gapless, ending with `seq`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<TableOp>,
}

impl TableOp {
    /// The key exists now.
    pub fn put(key: impl Into<String>) -> Self {
        Self { op: Op::Put, key: key.into(), value: None }
    }

    /// The key means something else now.
    pub fn change(key: impl Into<String>) -> Self {
        Self { op: Op::Change, key: key.into(), value: None }
    }

    /// The key exists no more.
    pub fn delete(key: impl Into<String>) -> Self {
        Self { op: Op::Delete, key: key.into(), value: None }
    }
}

impl Op {
    /// The word used in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }

    /// The operation with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Put, Self::Change, Self::Delete].into_iter().find(|op| op.as_str() == word)
    }
}
