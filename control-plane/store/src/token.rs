//! Named tokens: only their hash is kept.

use sha2::{Digest, Sha256};
use tidegate_control_api::{Role, Token};
use tidegate_sql::{Error, from_row, params, statements};

use crate::audit::{self, AuditNew, hex};
use crate::{Result, Store, StoreError, micros_now};

statements! {
    pub(crate) STATEMENTS:
    TOKEN_ADD = "INSERT INTO token (name, role, digest, at) VALUES ($1, $2, $3, $4)";
    TOKEN_FIND = "SELECT name, role, at FROM token WHERE digest = $1";
    TOKENS_LIST = "SELECT name, role, at FROM token ORDER BY name";
    TOKEN_DROP = "DELETE FROM token WHERE name = $1";
}

struct Row {
    name: String,
    role: String,
    at: u64,
}

from_row!(Row { name, role, at });

impl Store {
    /// Makes a token known by the hash of its secret.
    pub async fn token_add(&self, name: &str, role: Role, secret: &str, actor: &str) -> Result<()> {
        let (name, digest, actor) = (name.to_owned(), digest(secret), actor.to_owned());
        self.db
            .write(async move |tx| {
                let added =
                    tx.exec(&TOKEN_ADD, params![&name, role.as_str(), &digest, micros_now()]).await;
                match added {
                    Err(Error::Unique { .. }) => {
                        Err(StoreError::Refused(format!("there is a token {name:?} already")))
                    }
                    other => Ok(other?),
                }?;
                let detail = serde_json::json!({ "role": role });
                let entry = AuditNew::ok(&actor, "token.add", name.as_str()).detail(detail);
                audit::append(tx, &entry).await
            })
            .await
    }

    /// The token with this secret.
    pub async fn token_find(&self, secret: &str) -> Result<Option<Token>> {
        let digest = digest(secret);
        let row: Option<Row> = self
            .db
            .read(async move |tx| Ok::<_, StoreError>(tx.opt(&TOKEN_FIND, params![&digest]).await?))
            .await?;
        row.map(Row::token).transpose()
    }

    /// All tokens by name.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let rows: Vec<Row> = self
            .db
            .read(async |tx| Ok::<_, StoreError>(tx.rows(&TOKENS_LIST, params![]).await?))
            .await?;
        rows.into_iter().map(Row::token).collect()
    }

    /// Ends a token.
    pub async fn token_drop(&self, name: &str, actor: &str) -> Result<()> {
        let (name, actor) = (name.to_owned(), actor.to_owned());
        self.db
            .write(async move |tx| {
                if tx.exec(&TOKEN_DROP, params![&name]).await? == 0 {
                    return Err(StoreError::NotFound(format!("token {name:?}")));
                }
                audit::append(tx, &AuditNew::ok(&actor, "token.drop", name.as_str())).await
            })
            .await
    }
}

fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

impl Row {
    fn token(self) -> Result<Token> {
        let role = Role::parse(&self.role)
            .ok_or_else(|| StoreError::corrupt(format!("token {:?}", self.name), &self.role))?;
        Ok(Token { name: self.name, role, at: self.at })
    }
}
