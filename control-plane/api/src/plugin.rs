//! The registry of plugin modules.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A version of a plugin's module, checked when it was pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginVersion {
    /// Its name: what a spec calls `registry: name@version`.
    pub name: String,
    /// Its version; what it stands for never changes.
    pub version: String,
    /// Lower-case hex SHA-256 of the module.
    pub sha256: String,
    /// How many bytes.
    pub bytes: u64,
    /// Test cases that it passed when it was pushed.
    pub cases: u64,
    /// Ed25519 signature of the module, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The key that it was verified with, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Who pushed it.
    pub author: String,
    /// When.
    pub at: u64,
}

/// Asks for a module that was uploaded as a blob to be checked and entered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginNew {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Hash of the uploaded module.
    pub sha256: String,
    /// Test cases as a file of them is written, TOML; run before the version is entered.
    #[serde(default)]
    pub cases: String,
    /// Ed25519 signature of the module, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The key to verify it with, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// Answer of `GET /v1/plugins`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginList {
    /// By name, the newest first.
    pub plugins: Vec<PluginVersion>,
}
