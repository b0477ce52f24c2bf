//! The link to the control plane: settings and keys come in, operations on links go out.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_control_client::api::{NodeKind, Problem, TableOp};
use tidegate_control_client::{
    Client, ClientError, Handler, SpecUpdate, Subscriber, SubscriberConfig, Subscription,
};
use tidegate_origin_kit::Settings;
use tidegate_origin_kit::settings::Sections;
use tidegate_origin_links::announce::{Announce, AnnounceError, Change, Op, Position};
use tidegate_origin_media::Signer;
use tidegate_sign::{Algorithm, Key, Keyset, KeysetOptions};
use tidegate_spec::{KeyMaterial, Spec};

use crate::{OriginConfig, merged};

/// The pushed table of the links.
const LINKS_TABLE: &str = "links";
/// The keyset that signs the demonstration's addresses.
const MEDIA_KEYSET: &str = "media";

/// Puts what arrives where the contexts read it.
pub(crate) struct Follower {
    settings: Settings,
    defaults: Sections,
    signer: Signer,
}

/// The table channel of the control plane as the log of the links.
struct Table(Client);

/// A connection that does not follow yet.
pub(crate) struct Link(Subscriber);

/// Prepares the connection, if there is to be one; nothing is sent yet.
pub(crate) fn connect(config: &OriginConfig) -> Result<Option<Link>, ClientError> {
    let Some((address, token)) = &config.control_plane else { return Ok(None) };
    let folder = config.data_dir.join("control");
    let mut subscriber = SubscriberConfig::new(address, token, &config.node, folder);
    subscriber.kind = NodeKind::Service;
    env!("CARGO_PKG_VERSION").clone_into(&mut subscriber.version);
    Subscriber::new(subscriber).map(|subscriber| Some(Link(subscriber)))
}

impl Link {
    /// The log that edges follow.
    pub(crate) fn log(&self) -> Arc<dyn Announce> {
        Arc::new(Table(self.0.client()))
    }

    /// Starts from the last settings on disk and follows the control plane from then on.
    pub(crate) async fn follow(self, follower: Follower) -> Subscription {
        self.0.start(Arc::new(follower)).await
    }
}

impl Follower {
    pub(crate) fn new(settings: Settings, defaults: Sections, signer: Signer) -> Self {
        Self { settings, defaults, signer }
    }
}

impl Handler for Follower {
    async fn on_spec(&self, update: SpecUpdate) -> Result<(), Vec<Problem>> {
        let keyset = media_keyset(&update.spec)?;
        let sections = merged(&self.defaults, update.spec.services.clone());
        if let Err(errors) = self.settings.replace(sections) {
            return Err(errors
                .into_iter()
                .map(|e| problem(format!("services.{}", e.section), e.message))
                .collect());
        }
        self.signer.set(keyset);
        tracing::info!(revision = update.revision, stored = update.stored, "settings in force");
        Ok(())
    }
}

impl Announce for Table {
    fn append<'a>(&'a self, ops: &'a [Op]) -> BoxFuture<'a, Result<(), AnnounceError>> {
        Box::pin(async move {
            let ops = ops.iter().map(table_op).collect();
            self.0.table_append(LINKS_TABLE, ops).await.map_err(failed).map(drop)
        })
    }

    fn position(&self) -> BoxFuture<'_, Result<Position, AnnounceError>> {
        Box::pin(async move {
            let head = self.0.table_head(LINKS_TABLE).await.map_err(failed)?;
            Ok(Position { generation: head.generation, seq: head.seq })
        })
    }

    fn base(&self, bytes: Vec<u8>, seq: u64) -> BoxFuture<'_, Result<(), AnnounceError>> {
        Box::pin(async move {
            self.0.table_base_put(LINKS_TABLE, seq, bytes.into()).await.map_err(failed).map(drop)
        })
    }
}

/// Edges read the key as domain and code with a slash between; neither has one.
fn table_op(op: &Op) -> TableOp {
    let key = format!("{}/{}", op.domain, op.code);
    match op.change {
        Change::Put => TableOp::put(key),
        Change::Change => TableOp::change(key),
        Change::Delete => TableOp::delete(key),
    }
}

fn failed(error: ClientError) -> AnnounceError {
    AnnounceError(error.to_string())
}

/// The keyset of the demonstration, when the spec has it and its keys are known here.
fn media_keyset(spec: &Spec) -> Result<Option<Arc<Keyset>>, Vec<Problem>> {
    let Some((index, written)) =
        spec.keysets.iter().enumerate().find(|(_, keyset)| keyset.name == MEDIA_KEYSET)
    else {
        return Ok(None);
    };
    let place = format!("keysets[{index}]");
    let refused = |message: String| vec![problem(place.clone(), message)];
    let keys = written.keys.iter().filter_map(|key| sign_key(key).transpose());
    let keys: Vec<Key> = keys.collect::<Result<_, String>>().map_err(refused)?;
    if keys.is_empty() {
        return Ok(None);
    }
    let options = KeysetOptions { name: written.name.clone(), keys, ..KeysetOptions::default() };
    Keyset::new(options).map(|keyset| Some(Arc::new(keyset))).map_err(|e| refused(e.to_string()))
}

/// A key that can sign; `None` for one whose material is not here.
fn sign_key(key: &tidegate_spec::Key) -> Result<Option<Key>, String> {
    let KeyMaterial::Secret(secret) = key.material() else { return Ok(None) };
    let algorithm: Algorithm =
        key.algorithm.as_str().parse().map_err(|_| "unknown algorithm".to_owned())?;
    Key::new(&key.id, algorithm, secret.expose()).map(Some).map_err(|e| e.to_string())
}

fn problem(path: String, message: String) -> Problem {
    Problem { path, line: None, message, hint: None }
}
