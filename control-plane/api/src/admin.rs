//! What the admin verbs send and get.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use utoipa::{IntoParams, ToSchema};

use crate::Role;

/// A blob by its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct BlobRef {
    /// Lower-case hex SHA-256 of the bytes.
    pub sha256: String,
    /// How many bytes.
    pub bytes: u64,
}

/// One revision in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// Its number; they only grow.
    pub revision: u64,
    /// Hash of the spec with its secrets filled in: what nodes report.
    pub hash: String,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// When.
    pub at: u64,
    /// The revision whose spec this one took up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<u64>,
}

/// Answer of `GET /v1/revisions`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionPage {
    /// The revisions.
    pub revisions: Vec<Revision>,
    /// `before` of the next page, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Answer of a change of the spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The revision that the fleet is to run.
    pub revision: Revision,
    /// False when the spec was that already: no new revision was made.
    pub changed: bool,
    /// What changed against the revision before.
    pub changes: Vec<Change>,
}

/// Answer of `POST /v1/spec/validate` and of `POST /v1/spec/diff`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Validation {
    /// The revision it was compared with.
    pub base: Option<u64>,
    /// What would change.
    pub changes: Vec<Change>,
}

/// What kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another value.
    Changed,
}

/// One difference between two specs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Where; resources go by name: `sites[demo].routes[2].action`.
    pub path: String,
    /// What kind.
    pub kind: ChangeKind,
    /// The value before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place.
    pub seq: u64,
    /// When.
    pub at: u64,
    /// Who: the token's name, or `-` without one.
    pub actor: String,
    /// What was done or tried, such as `spec.put`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// `ok`, or why it was refused.
    pub outcome: String,
    /// More, such as the changes.
    pub detail: Value,
    /// Hash over this entry and the hash of the one before.
    pub hash: String,
}

/// Answer of `GET /v1/audit`, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Whether every hash follows from the one before, over the whole log; asked for by `verify=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// `before` of the next page, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its name; the author of what it changes.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub at: u64,
    /// The only node that it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// An invitation to be made for one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentNew {
    /// `node` or `service`.
    pub role: Role,
    /// The only name it is good for; any when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How long it is good for, in seconds; at most a week.
    #[serde(default = "enrolment_seconds_default")]
    pub seconds: u64,
}

/// An invitation that was made; the secret is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentCreated {
    /// What the node hands in as its bearer token, once.
    pub secret: String,
    /// When it ends.
    pub expires: u64,
}

/// A node hands in its invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Enrol {
    /// The name it takes.
    pub node: String,
}

impl std::fmt::Debug for EnrolmentCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolmentCreated").field("expires", &self.expires).finish_non_exhaustive()
    }
}

fn enrolment_seconds_default() -> u64 {
    3_600
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenNew {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// A token that was made; the secret is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What goes after `Authorization: Bearer`.
    pub secret: String,
}

impl std::fmt::Debug for TokenCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCreated").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Validation {
    /// Nothing would change.
    pub fn is_same(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Which part of the history.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RevisionsQuery {
    /// Revisions before this one; 0 begins at the newest.
    #[serde(default)]
    pub before: u64,
}

/// Which part of the audit log.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Entries before this one; 0 begins at the newest.
    #[serde(default)]
    pub before: u64,
    /// Whether to check every hash of the whole log.
    #[serde(default)]
    pub verify: bool,
}
