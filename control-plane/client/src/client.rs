//! Single calls: the admin verbs, and what services feed.

use std::path::Path;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderName, Method};
use serde::Serialize;
use serde_json::Value;
use tidegate_control_api::{
    AnomalyPage, Applied, AuditPage, BlobRef, Enrol, EnrolmentCreated, EnrolmentNew, NodeList,
    PluginList, PluginNew, PluginVersion, Purge, PurgeReport, RevisionPage, Role, Rollout,
    RolloutNew, TableBase, TableHead, TableOp, TableOps, TableSeq, Token, TokenCreated, TokenNew,
    Validation, paths,
};

use crate::transport::{Transport, headers};
use crate::{ClientError, Result, pack};

/// Header with the reason of a change.
const MESSAGE: HeaderName = HeaderName::from_static("x-tidegate-message");
/// Header with the plan of a rollout, JSON.
const ROLLOUT: HeaderName = HeaderName::from_static("x-tidegate-rollout");

/// Calls to one control plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) transport: Transport,
}

/// A spec as it was read, with what a change of it must name.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// For [`Apply::if_match`].
    pub etag: String,
    /// The spec, secrets replaced.
    pub spec: Value,
}

/// How a spec is applied.
#[derive(Clone, Debug, Default)]
pub struct Apply {
    /// The [`Fetched::etag`] it was made from; the call is refused when the spec moved on. Without
    /// it the last writer wins.
    pub if_match: Option<String>,
    /// Why.
    pub message: String,
    /// How it goes out; everybody at once by default.
    pub rollout: RolloutNew,
}

impl Client {
    /// A client for the control plane at `address` (`http://host:port`) with a token's secret.
    pub fn new(address: &str, token: &str) -> Result<Self> {
        Ok(Self { transport: Transport::new(address, token)? })
    }

    /// The address.
    pub fn address(&self) -> &str {
        self.transport.address()
    }

    /// The newest spec; none before the first.
    pub async fn spec_get(&self) -> Result<Option<Fetched>> {
        let asked = self.transport.send(Method::GET, paths::SPEC, headers(&[]), Bytes::new()).await;
        let response = match asked {
            Err(error) if error.status() == Some(404) => return Ok(None),
            other => other?,
        };
        let etag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        let body = self.transport.whole(response).await?;
        let spec = serde_json::from_slice(&body)
            .map_err(|e| self.transport.protocol(format!("spec: {e}")))?;
        Ok(Some(Fetched { etag, spec }))
    }

    /// The newest spec as YAML for people.
    pub async fn spec_get_yaml(&self) -> Result<String> {
        let accept = headers(&[(http::header::ACCEPT, "application/yaml")]);
        let response = self.transport.send(Method::GET, paths::SPEC, accept, Bytes::new()).await?;
        let body = self.transport.whole(response).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Applies a spec (YAML or JSON). Plugin modules that it names by file, relative to `folder`,
    /// are uploaded and named by hash instead.
    pub async fn spec_apply(&self, text: &str, folder: &Path, apply: &Apply) -> Result<Applied> {
        let packed = pack::pack(self, text, folder).await?;
        let plan = serde_json::to_string(&apply.rollout).unwrap_or_default();
        let message = paths::encode(&apply.message);
        let mut pairs = vec![(CONTENT_TYPE, "application/json"), (MESSAGE, message.as_str())];
        if let Some(tag) = &apply.if_match {
            pairs.push((IF_MATCH, tag));
        }
        if !apply.rollout.waves.is_empty() {
            pairs.push((ROLLOUT, &plan));
        }
        let body = Bytes::from(packed.text);
        let sent = self.transport.send(Method::PUT, paths::SPEC, headers(&pairs), body).await;
        let response = sent.map_err(|error| packed.lines.placed(error))?;
        let body = self.transport.whole(response).await?;
        serde_json::from_slice(&body).map_err(|e| self.transport.protocol(format!("spec: {e}")))
    }

    /// Checks a spec and says what it would change; uploads modules, changes nothing else.
    pub async fn spec_validate(&self, text: &str, folder: &Path) -> Result<Validation> {
        let packed = pack::pack(self, text, folder).await?;
        let body = Some(Bytes::from(packed.text));
        let checked = self.transport.call(Method::POST, paths::SPEC_VALIDATE, body).await;
        checked.map_err(|error| packed.lines.placed(error))
    }

    /// The history, newest first; `before` 0 begins at the newest.
    pub async fn revisions(&self, before: u64) -> Result<RevisionPage> {
        self.get(&format!("{}?before={before}", paths::REVISIONS)).await
    }

    /// One revision's spec, secrets replaced.
    pub async fn revision_get(&self, revision: u64) -> Result<Value> {
        self.get(&paths::fill(paths::REVISION, &[&revision.to_string()])).await
    }

    /// Makes an old revision's spec the newest.
    pub async fn rollback(&self, revision: u64) -> Result<Applied> {
        self.post(&paths::fill(paths::ROLLBACK, &[&revision.to_string()]), &()).await
    }

    /// The newest rollout.
    pub async fn rollout(&self) -> Result<Rollout> {
        self.get(paths::ROLLOUT).await
    }

    /// Gives the rollout's revision to everybody now.
    pub async fn rollout_promote(&self) -> Result<Rollout> {
        self.post(paths::ROLLOUT_PROMOTE, &()).await
    }

    /// Takes the rollout back.
    pub async fn rollout_abort(&self) -> Result<Rollout> {
        self.post(paths::ROLLOUT_ABORT, &()).await
    }

    /// Who runs what.
    pub async fn nodes_list(&self) -> Result<NodeList> {
        self.get(paths::NODES).await
    }

    /// Forgets a node that is gone for good.
    pub async fn node_drop(&self, node: &str) -> Result<()> {
        let path = paths::fill(paths::NODE, &[node]);
        self.transport.call_bytes(Method::DELETE, &path, None).await.map(drop)
    }

    /// Purges and waits until each live edge has carried it out, or for `purge.wait_ms`.
    pub async fn purge(&self, purge: &Purge) -> Result<PurgeReport> {
        self.post(paths::PURGES, purge).await
    }

    /// What has become of a purge.
    pub async fn purge_get(&self, seq: u64) -> Result<PurgeReport> {
        self.get(&paths::fill(paths::PURGE, &[&seq.to_string()])).await
    }

    /// Uploads bytes, unless they are there already.
    pub async fn blob_put(&self, bytes: Bytes) -> Result<BlobRef> {
        let sha256 = tidegate_spec::canonical::sha256_hex(&bytes);
        let path = paths::fill(paths::BLOB, &[&sha256]);
        let count = bytes.len() as u64;
        let there = self.transport.send(Method::HEAD, &path, headers(&[]), Bytes::new()).await;
        match there {
            Ok(_) => return Ok(BlobRef { sha256, bytes: count }),
            Err(error) if error.status() == Some(404) => {}
            Err(error) => return Err(error),
        }
        let kind = headers(&[(CONTENT_TYPE, "application/octet-stream")]);
        self.transport.send(Method::PUT, &path, kind, bytes).await?;
        Ok(BlobRef { sha256, bytes: count })
    }

    /// Every version in the plugin registry.
    pub async fn plugins(&self) -> Result<PluginList> {
        self.get(paths::PLUGINS).await
    }

    /// Uploads a module and has it checked and entered in the registry.
    pub async fn plugin_push(&self, module: Bytes, mut new: PluginNew) -> Result<PluginVersion> {
        new.sha256 = self.blob_put(module).await?.sha256;
        self.post(paths::PLUGINS, &new).await
    }

    /// Appends to a table; the sequence of the last operation, durable.
    pub async fn table_append(&self, table: &str, ops: Vec<TableOp>) -> Result<u64> {
        let path = paths::fill(paths::TABLE_OPS, &[table]);
        Ok(self.post::<_, TableSeq>(&path, &TableOps { ops }).await?.seq)
    }

    /// Where a table stands.
    pub async fn table_head(&self, table: &str) -> Result<TableHead> {
        self.get(&paths::fill(paths::TABLE, &[table])).await
    }

    /// Uploads a base and makes it the table's. `seq` is the last operation that it includes.
    pub async fn table_base_put(&self, table: &str, seq: u64, bytes: Bytes) -> Result<TableHead> {
        let base = TableBase { blob: self.blob_put(bytes).await?, seq };
        let path = paths::fill(paths::TABLE_BASE, &[table]);
        self.transport.call(Method::PUT, &path, Some(json(&base))).await
    }

    /// The audit log, newest first; `before` 0 begins at the newest.
    pub async fn audit(&self, before: u64, verify: bool) -> Result<AuditPage> {
        self.get(&format!("{}?before={before}&verify={verify}", paths::AUDIT)).await
    }

    /// All named tokens.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        self.get(paths::TOKENS).await
    }

    /// Makes a token.
    pub async fn token_add(&self, name: &str, role: Role) -> Result<TokenCreated> {
        self.post(paths::TOKENS, &TokenNew { name: name.to_owned(), role }).await
    }

    /// Ends a token.
    pub async fn token_drop(&self, name: &str) -> Result<()> {
        let path = paths::fill(paths::TOKEN, &[name]);
        self.transport.call_bytes(Method::DELETE, &path, None).await.map(drop)
    }

    /// Makes an invitation for a node. The secret in the answer is good once.
    pub async fn enrolment_add(&self, new: &EnrolmentNew) -> Result<EnrolmentCreated> {
        self.post(paths::ENROLMENTS, new).await
    }

    /// Hands in the invitation that this client was made with; the token in the answer speaks for
    /// this node alone and is to be kept in a file that only the node reads.
    pub async fn enrol(&self, node: &str) -> Result<TokenCreated> {
        self.post(paths::ENROL, &Enrol { node: node.to_owned() }).await
    }

    /// Exchanges counts of shared limits, as `tidegate_limit::global` writes them.
    pub async fn counters_exchange(&self, batch: Bytes) -> Result<Bytes> {
        let kind = headers(&[(CONTENT_TYPE, "application/x-tidegate-counters")]);
        let response = self.transport.send(Method::POST, paths::COUNTERS, kind, batch).await?;
        self.transport.whole(response).await
    }

    /// Clients and routes that stand out.
    pub async fn anomalies(&self) -> Result<AnomalyPage> {
        self.get(paths::ANOMALIES).await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.transport.call(Method::GET, path, None).await
    }

    pub(crate) async fn post<B: Serialize, T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T> {
        self.transport.call(Method::POST, path, Some(json(body))).await
    }

    /// Sends a report; the answer has no body.
    pub(crate) async fn report<B: Serialize>(&self, path: &str, body: &B) -> Result<()> {
        self.transport.call_bytes(Method::POST, path, Some(json(body))).await.map(drop)
    }
}

fn json(body: &impl Serialize) -> Bytes {
    // The types of the API have string keys and no failing Serialize.
    Bytes::from(serde_json::to_vec(body).unwrap_or_default())
}

pub(crate) fn read_file(path: &Path) -> Result<Bytes> {
    std::fs::read(path).map(Bytes::from).map_err(|e| ClientError::file(path, e))
}
