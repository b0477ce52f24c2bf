//! Named tokens: only their hash is kept.

use sha2::{Digest, Sha256};
use tidegate_control_api::{Role, Token};
use tidegate_sql::{Error, from_row, params, statements};

use crate::audit::{self, AuditNew, hex};
use crate::{Result, Store, StoreError, micros_now};

statements! {
    pub(crate) STATEMENTS:
    TOKEN_ADD = "INSERT INTO token (name, role, digest, at, node) VALUES ($1, $2, $3, $4, $5)";
    TOKEN_FIND = "SELECT name, role, at, node FROM token WHERE digest = $1";
    TOKENS_LIST = "SELECT name, role, at, node FROM token ORDER BY name";
    ENROLMENT_ADD = "INSERT INTO enrolment (digest, role, node, expires, author)
         VALUES ($1, $2, $3, $4, $5)";
    ENROLMENT_USE = "UPDATE enrolment SET used_by = $2
         WHERE digest = $1 AND used_by IS NULL AND expires > $3 AND COALESCE(node, $2) = $2
         RETURNING role";
    ENROLMENTS_TRIM = "DELETE FROM enrolment WHERE expires < $1";
    TOKEN_DROP = "DELETE FROM token WHERE name = $1";
}

struct Row {
    name: String,
    role: String,
    at: u64,
    node: Option<String>,
}

from_row!(Row { name, role, at, node });

/// An invitation for one node, to be used once.
#[derive(Clone)]
pub struct Enrolment {
    /// What the node hands in; only its hash is kept.
    pub secret: String,
    /// `node` or `service`.
    pub role: Role,
    /// The only name it is good for; any when left out.
    pub node: Option<String>,
    /// When it ends.
    pub expires: u64,
}

impl Store {
    /// Makes a token known by the hash of its secret.
    pub async fn token_add(&self, name: &str, role: Role, secret: &str, actor: &str) -> Result<()> {
        let (name, digest, actor) = (name.to_owned(), digest(secret), actor.to_owned());
        self.db
            .write(async move |tx| {
                let params = params![&name, role.as_str(), &digest, micros_now(), None::<&str>];
                let added = tx.exec(&TOKEN_ADD, params).await;
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

    /// Makes an invitation.
    pub async fn enrolment_add(&self, new: Enrolment, actor: &str) -> Result<()> {
        let actor = actor.to_owned();
        self.db
            .write(async move |tx| {
                tx.exec(&ENROLMENTS_TRIM, params![micros_now()]).await?;
                let (digest, role) = (digest(&new.secret), new.role.as_str());
                let params = params![digest, role, new.node.as_ref(), new.expires, &actor];
                tx.exec(&ENROLMENT_ADD, params).await?;
                let subject = new.node.as_deref().unwrap_or("any node");
                let detail = serde_json::json!({ "role": role, "expires": new.expires });
                let entry = AuditNew::ok(&actor, "enrolment.add", subject).detail(detail);
                audit::append(tx, &entry).await
            })
            .await
    }

    /// Uses an invitation: from now on `secret` is the token of this node, and an earlier token of
    /// the same node ends. `None` when the invitation is unknown, used, too old or another node's.
    pub async fn enrol(&self, invitation: &str, node: &str, secret: &str) -> Result<Option<Role>> {
        let (invitation, secret) = (digest(invitation), digest(secret));
        let node = node.to_owned();
        self.db
            .write(async move |tx| {
                let now = micros_now();
                let params = params![&invitation, &node, now];
                let used = tx.opt::<(String,)>(&ENROLMENT_USE, params).await?;
                let Some((role,)) = used else { return Ok(None) };
                let name = format!("node:{node}");
                tx.exec(&TOKEN_DROP, params![&name]).await?;
                tx.exec(&TOKEN_ADD, params![&name, &role, &secret, now, &node]).await?;
                audit::append(tx, &AuditNew::ok(&name, "enrol", node.as_str())).await?;
                Role::parse(&role).map(Some).ok_or_else(|| StoreError::corrupt("enrolment", role))
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
        Ok(Token { name: self.name, role, at: self.at, node: self.node })
    }
}
