//! The compiled configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value as Json;
use tidegate_cache::Policy;
use tidegate_http::FieldList;
use tidegate_limit::Rule;
use tidegate_list::List;
use tidegate_route::{MethodSet, PathPattern, RouteId, Router, SiteId, Template, redirect};
use tidegate_sign::Keyset;

use crate::certificate::{Certificate, ClientAuthority};
use crate::compress::Compress;
use crate::edits::HeaderPolicy;
use crate::rewrite::Rewrite;

macro_rules! indexes {
    ($($(#[doc = $doc:literal])* $name:ident => $list:ident: $item:ty,)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl std::ops::Index<$name> for Snapshot {
            type Output = $item;

            fn index(&self, index: $name) -> &Self::Output {
                &self.$list[index.0 as usize]
            }
        }
    )*};
}

indexes! {
    /// Place of an upstream in [`Snapshot::upstreams`].
    UpstreamIndex => upstreams: tidegate_spec::Upstream,
    /// Place of a limit in [`Snapshot::limits`].
    LimitIndex => limits: Rule,
    /// Place of a keyset in [`Snapshot::keysets`].
    KeysetIndex => keysets: Option<Arc<Keyset>>,
    /// Place of a plugin in [`Snapshot::plugins`].
    PluginIndex => plugins: Plugin,
    /// Place of a link domain in [`Snapshot::link_domains`].
    LinkDomainIndex => link_domains: LinkDomain,
    /// Place of a redirect table in [`Snapshot::redirects`].
    RedirectsIndex => redirects: redirect::Table,
}

/// What an edge runs: everything resolved, nothing left to look up by name.
#[derive(Debug)]
pub struct Snapshot {
    /// Number of the revision; it only grows.
    pub revision: u64,
    /// SHA-256 of the spec's canonical JSON, in hex.
    pub hash: String,
    /// Finds the route of a request; its [`RouteId`] is the place in [`Self::routes`].
    pub router: Router,
    /// The sites; [`SiteId`] is the place here.
    pub sites: Vec<Site>,
    /// The routes of all sites.
    pub routes: Vec<Route>,
    /// The upstreams as written, every address and number checked.
    pub upstreams: Vec<tidegate_spec::Upstream>,
    /// The rate limits.
    pub limits: Vec<Rule>,
    /// How the clients of each limit are watched, in the order of [`Self::limits`].
    pub anomalies: Vec<Option<Anomaly>>,
    /// Where limits that nodes share are counted.
    pub counters: tidegate_spec::Counters,
    /// The keysets; `None` while a key of it is missing on this node, and then nothing verifies.
    pub keysets: Vec<Option<Arc<Keyset>>>,
    /// The certificates whose files are at hand.
    pub certificates: Vec<Certificate>,
    /// What holds for TLS everywhere.
    pub tls: TlsPolicy,
    /// The plugins.
    pub plugins: Vec<Plugin>,
    /// Lists that plugins ask, by name.
    pub lists: Vec<(Arc<str>, Arc<List>)>,
    /// The files that some of them are in, as written.
    pub list_files: Vec<Box<str>>,
    /// The domains of short links.
    pub link_domains: Vec<LinkDomain>,
    /// The redirect tables.
    pub redirects: Vec<redirect::Table>,
    /// Settings of the origin services.
    pub services: BTreeMap<String, Json>,
    /// Keys that are missing on this node, as `keyset/key`.
    pub missing_keys: Vec<String>,
}

/// How the clients of a limit are watched.
#[derive(Clone, Debug)]
pub struct Anomaly {
    /// Its number among the watched limits.
    pub number: u16,
    /// What stands out, and what is done about it.
    pub settings: tidegate_limit::anomaly::Settings,
    /// Keys that never stand out, as written.
    pub exempt: Vec<String>,
    /// Tiers whose clients never do.
    pub exempt_tiers: Vec<String>,
}

/// Most limits with watched clients on one route.
pub const WATCHED_PER_ROUTE_MAX: usize = 2;

/// A site.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub name: Arc<str>,
    /// Its hosts as written.
    pub hosts: Vec<String>,
    /// Tables looked up before the routes, in order.
    pub redirects: Box<[RedirectsIndex]>,
    /// Whose certificates its clients show; `None` when they need none.
    pub client_authority: Option<ClientAuthority>,
}

/// What holds for TLS everywhere.
#[derive(Clone, Debug)]
pub struct TlsPolicy {
    /// Whether TLS 1.2 is refused.
    pub tls13_only: bool,
    /// How often ticket keys change, seconds.
    pub ticket_period_s: u64,
    /// What ticket keys are derived from, the one for new tickets first; none when each process
    /// has its own.
    pub ticket_secrets: Vec<TicketSecret>,
}

/// A secret that ticket keys are derived from.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSecret(Vec<u8>);

/// A route, with what its site adds.
#[derive(Debug)]
pub struct Route {
    /// Its place in [`Snapshot::routes`].
    pub id: RouteId,
    /// Its site.
    pub site: SiteId,
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// The paths it takes.
    pub path: PathPattern,
    /// The methods it takes.
    pub methods: MethodSet,
    /// What answers.
    pub action: Action,
    /// Who may have it at all.
    pub access: Option<Box<Access>>,
    /// The keyset of signed URLs, when one is required.
    pub verify: Option<KeysetIndex>,
    /// Limits, the site's first.
    pub limits: Box<[LimitIndex]>,
    /// Whether the clients of one of them are watched.
    pub watched: bool,
    /// Whether one of the limits looks at a claim of the verified token.
    pub wants_claims: bool,
    /// Plugins in the order they see requests, the site's first.
    pub plugins: Box<[PluginIndex]>,
    /// How answers are kept; `None` passes every request.
    pub cache: Option<Arc<Policy>>,
    /// Delivery of segmented media.
    pub media: Option<Box<Media>>,
    /// Header edits, the site's first; `None` when there are none.
    pub headers: Option<Box<HeaderPolicy>>,
    /// Compression; `None` where there is none.
    pub compress: Option<Arc<Compress>>,
    /// Largest request body, bytes.
    pub body_bytes_max: Option<u64>,
    /// Longest time until the head of the answer.
    pub timeout: Option<Duration>,
    /// Protocols that a client may switch to, in lower case.
    pub upgrades: Box<[Box<str>]>,
}

/// Who may have what a route serves.
#[derive(Debug)]
pub struct Access {
    /// Only these countries; empty allows all.
    pub countries: Box<[[u8; 2]]>,
    /// None of these.
    pub countries_except: Box<[[u8; 2]]>,
    /// Hosts of the pages that may embed it; `None` allows all. A name with a dot in front stands for
    /// everything below it.
    pub referers: Option<Box<[Box<str>]>>,
    /// Whether a request that names no page passes.
    pub referer_empty: bool,
}

/// Delivery of segmented media.
#[derive(Debug)]
pub struct Media {
    /// What the addresses inside manifests carry.
    pub tokens: tidegate_spec::ManifestTokens,
    /// Life of minted tokens for segments, seconds.
    pub token_s: u64,
    /// Life of minted tokens for playlists, seconds.
    pub playlist_token_s: u64,
    /// Leading segments of the path that a minted token opens; 0 is the manifest's folder.
    pub token_segments: usize,
    /// Bytes of a slice.
    pub slice_bytes: Option<u64>,
    /// Segments fetched ahead.
    pub prefetch: usize,
    /// Whether answers carry `CMSD-Dynamic`.
    pub cmsd: bool,
    /// The upstream that stands in.
    pub standby: Option<UpstreamIndex>,
    /// Target durations without anything new after which a stream stands still.
    pub stalled_after: u64,
}

/// What answers a request.
#[derive(Debug)]
pub enum Action {
    /// An upstream, through the cache.
    Proxy {
        /// The upstream.
        upstream: UpstreamIndex,
        /// How the path changes.
        rewrite: Option<Rewrite>,
        /// The Host sent upstream; the client's when absent.
        host: Option<Box<str>>,
    },
    /// Another address.
    Redirect {
        /// Where to.
        to: Template,
        /// The status.
        status: u16,
        /// Whether the query is appended.
        keep_query: bool,
    },
    /// Short links; the code is the path's last parameter.
    Link(LinkDomainIndex),
    /// A ready answer.
    Respond(Respond),
    /// A content steering manifest.
    Steer(Box<Steer>),
}

/// Which way players take.
#[derive(Debug)]
pub struct Steer {
    /// The ways.
    pub pathways: Box<[tidegate_media::steering::Pathway]>,
    /// For each of them the upstream whose servers tell whether it is well.
    pub upstreams: Box<[Option<UpstreamIndex>]>,
    /// How long a player keeps to an answer, seconds.
    pub ttl_s: u32,
}

/// A ready answer.
#[derive(Clone, Debug)]
pub struct Respond {
    /// The status.
    pub status: u16,
    /// The header fields, `Content-Type` among them, `Content-Length` not.
    pub fields: FieldList,
    /// The body.
    pub body: Bytes,
}

/// A plugin.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// As written, every number checked.
    pub spec: tidegate_spec::Plugin,
    /// Its configuration as the plugin reads it: a text, JSON, or nothing.
    pub configuration: Bytes,
    /// What its instances read when they start, likewise.
    pub vm_configuration: Bytes,
}

/// A domain of short links.
#[derive(Clone, Debug)]
pub struct LinkDomain {
    /// Its name.
    pub name: Arc<str>,
    /// The upstream that knows every link.
    pub upstream: UpstreamIndex,
    /// The pushed table.
    pub table: Box<str>,
    /// The domain of its codes inside the table.
    pub domain: Box<str>,
    /// Whether codes are lowered first.
    pub ignore_case: bool,
    /// How far the table may lag, microseconds.
    pub lag_us_max: u64,
}

impl TicketSecret {
    /// Takes a secret.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The secret, for the code that derives keys.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketSecret(redacted)")
    }
}

impl Snapshot {
    /// The route of that number.
    pub fn route(&self, id: RouteId) -> &Route {
        &self.routes[id.0 as usize]
    }

    /// The site of that number.
    pub fn site(&self, id: SiteId) -> &Site {
        &self.sites[id.0 as usize]
    }

    /// The keyset, unless a key of it is missing on this node: then no signature is good.
    pub fn keyset(&self, index: KeysetIndex) -> Option<&Arc<Keyset>> {
        self[index].as_ref()
    }
}
