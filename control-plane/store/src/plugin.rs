//! The registry of plugin modules: name and version to a blob's hash.

use tidegate_control_api::PluginVersion;
use tidegate_sql::{Error, from_row, params, statements};

use crate::audit::{self, AuditNew};
use crate::{Result, Store, StoreError};

statements! {
    pub(crate) STATEMENTS:
    PLUGIN_ADD = "INSERT INTO plugin
         (name, version, sha256, bytes, cases, signature, public_key, author, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    PLUGIN_FIND = "SELECT name, version, sha256, bytes, cases, signature, public_key, author, at
         FROM plugin WHERE name = $1 AND version = $2";
    PLUGINS_LIST = "SELECT name, version, sha256, bytes, cases, signature, public_key, author, at
         FROM plugin ORDER BY name, at DESC";
}

struct Row {
    name: String,
    version: String,
    sha256: String,
    bytes: u64,
    cases: u64,
    signature: Option<String>,
    public_key: Option<String>,
    author: String,
    at: u64,
}

from_row!(Row { name, version, sha256, bytes, cases, signature, public_key, author, at });

impl Store {
    /// Enters a version. What a version is never changes: entering the same again is fine, another
    /// module under its name is refused.
    pub async fn plugin_add(&self, new: PluginVersion) -> Result<PluginVersion> {
        self.db
            .write(async move |tx| {
                let params = params![&new.name, &new.version];
                if let Some(row) = tx.opt::<Row>(&PLUGIN_FIND, params).await? {
                    return if row.sha256 == new.sha256 {
                        Ok(row.into())
                    } else {
                        Err(taken(&new))
                    };
                }
                let params = params![
                    &new.name,
                    &new.version,
                    &new.sha256,
                    new.bytes,
                    new.cases,
                    new.signature.as_ref(),
                    new.public_key.as_ref(),
                    &new.author,
                    new.at
                ];
                match tx.exec(&PLUGIN_ADD, params).await {
                    Err(Error::Unique { .. }) => Err(taken(&new)),
                    other => Ok(other?),
                }?;
                let detail = serde_json::json!({ "sha256": new.sha256, "cases": new.cases });
                let subject = format!("{}@{}", new.name, new.version);
                let entry = AuditNew::ok(&new.author, "plugin.push", subject).detail(detail);
                audit::append(tx, &entry).await?;
                Ok(new.clone())
            })
            .await
    }

    /// A version, when it was pushed.
    pub async fn plugin_find(&self, name: &str, version: &str) -> Result<Option<PluginVersion>> {
        let (name, version) = (name.to_owned(), version.to_owned());
        let row: Option<Row> = self
            .db
            .read(async move |tx| {
                Ok::<_, StoreError>(tx.opt(&PLUGIN_FIND, params![&name, &version]).await?)
            })
            .await?;
        Ok(row.map(PluginVersion::from))
    }

    /// Every version, by name, the newest first.
    pub async fn plugins(&self) -> Result<Vec<PluginVersion>> {
        let rows: Vec<Row> = self
            .db
            .read(async |tx| Ok::<_, StoreError>(tx.rows(&PLUGINS_LIST, params![]).await?))
            .await?;
        Ok(rows.into_iter().map(PluginVersion::from).collect())
    }
}

fn taken(new: &PluginVersion) -> StoreError {
    let PluginVersion { name, version, .. } = new;
    StoreError::Refused(format!("{name}@{version} is another module already; raise the version"))
}

impl From<Row> for PluginVersion {
    fn from(row: Row) -> Self {
        let Row { name, version, sha256, bytes, cases, signature, public_key, author, at } = row;
        Self { name, version, sha256, bytes, cases, signature, public_key, author, at }
    }
}
