//! Who may do what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, tokens included.
    Admin,
    /// Changes the spec, rolls out and back, purges.
    Operator,
    /// Purges, nothing else.
    Purger,
    /// Reads everything but secrets.
    Viewer,
    /// An edge: watches, fetches blobs, reports on itself.
    Node,
    /// An origin service: watches its settings, feeds tables, purges what it changed.
    Service,
}

/// One thing that an endpoint asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read the spec (without secrets), revisions, rollout.
    SpecRead,
    /// Change the spec, roll back, steer a rollout.
    SpecWrite,
    /// Read who runs what.
    NodesRead,
    /// Forget a node.
    NodesWrite,
    /// Purge and see what became of it.
    Purge,
    /// Fetch a blob.
    BlobRead,
    /// Upload a blob.
    BlobWrite,
    /// Append to a table and replace its base.
    TableWrite,
    /// Read the stream.
    Watch,
    /// Report acknowledgements and heartbeats of oneself.
    Report,
    /// Read the audit log.
    AuditRead,
    /// Make and end tokens.
    TokensWrite,
    /// Read the server's own metrics.
    Metrics,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Operator, Self::Purger, Self::Viewer, Self::Node, Self::Service];

    /// The word used in files, on the command line and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Purger => "purger",
            Self::Viewer => "viewer",
            Self::Node => "node",
            Self::Service => "service",
        }
    }

    /// The role with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether this role has that permission.
    pub fn may(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            // An admin does not pass for a node: its reports would be lies.
            Self::Admin => permission != P::Report,
            Self::Operator => !matches!(permission, P::Report | P::TokensWrite | P::TableWrite),
            Self::Purger => matches!(permission, P::Purge),
            Self::Viewer => matches!(
                permission,
                P::SpecRead | P::NodesRead | P::Watch | P::AuditRead | P::Metrics
            ),
            Self::Node => matches!(permission, P::Watch | P::BlobRead | P::Report),
            Self::Service => matches!(
                permission,
                P::Watch | P::BlobRead | P::BlobWrite | P::TableWrite | P::Report | P::Purge
            ),
        }
    }

    /// Whether this role is a node's: it gets the spec with its secrets and appears in the list.
    pub fn is_node(self) -> bool {
        matches!(self, Self::Node | Self::Service)
    }
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 13] = [
        Self::SpecRead,
        Self::SpecWrite,
        Self::NodesRead,
        Self::NodesWrite,
        Self::Purge,
        Self::BlobRead,
        Self::BlobWrite,
        Self::TableWrite,
        Self::Watch,
        Self::Report,
        Self::AuditRead,
        Self::TokensWrite,
        Self::Metrics,
    ];

    /// The word used in a refusal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpecRead => "spec:read",
            Self::SpecWrite => "spec:write",
            Self::NodesRead => "nodes:read",
            Self::NodesWrite => "nodes:write",
            Self::Purge => "purge",
            Self::BlobRead => "blob:read",
            Self::BlobWrite => "blob:write",
            Self::TableWrite => "table:write",
            Self::Watch => "watch",
            Self::Report => "report",
            Self::AuditRead => "audit:read",
            Self::TokensWrite => "tokens:write",
            Self::Metrics => "metrics",
        }
    }
}
