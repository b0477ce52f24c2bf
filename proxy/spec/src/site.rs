//! Sites and routes: what is matched, and what is done.

use std::collections::BTreeMap;

use crate::compress::CompressPolicy;
use crate::media::{CountryPolicy, MediaPolicy, RefererPolicy, SteerAction};
use crate::resource::{choice, resource};
use crate::tls::SiteTls;
use crate::units::Size;
use std::time::Duration;

resource! {
    /// A set of hosts and what they serve.
    pub struct Site {
        /// Its name in logs, metrics and purges.
        pub name: String,
        /// Exact hosts, `*.example.com` (any depth below), or `*` for every other host.
        pub hosts: Vec<String>,
        /// What is served; the most specific path wins, then the order here.
        pub routes: Vec<Route>,
        /// Redirect tables looked up before the routes, in order.
        pub redirects: Vec<String>,
        /// Limits that hold on every route of the site, before the route's own.
        pub limits: Vec<String>,
        /// Plugins that run on every route of the site, before the route's own.
        pub plugins: Vec<String>,
        /// Cache policy of routes that name none.
        pub cache: Option<String>,
        /// Header edits on every route of the site, before the route's own.
        pub headers: HeaderPolicy,
        /// Compression on routes that say nothing of it.
        pub compress: Option<CompressPolicy>,
        /// What is asked of clients' certificates; nothing when absent.
        pub tls: Option<SiteTls>,
    }
}

resource! {
    /// One match and its action.
    pub struct Route {
        /// Its name in logs and metrics; the site's name and the path when absent.
        pub name: Option<String>,
        /// Which requests it takes.
        pub matches as "match": Match,
        /// What answers them.
        pub action: Action,
        /// Countries that may have it.
        pub countries: Option<CountryPolicy>,
        /// Pages that may embed it.
        pub referers: Option<RefererPolicy>,
        /// Requires a signed URL.
        pub verify: Option<VerifyPolicy>,
        /// Rate limits; all are checked before any is charged.
        pub limits: Vec<String>,
        /// Plugins, in the order they run.
        pub plugins: Vec<String>,
        /// Cache policy by name, `standard` (RFC 9111), or `off`.
        pub cache: Option<String>,
        /// Delivery of segmented media.
        pub media: Option<MediaPolicy>,
        /// Header edits.
        pub headers: HeaderPolicy,
        /// Compression, in place of the site's.
        pub compress: Option<CompressPolicy>,
        /// Largest request body taken; a larger one is answered 413.
        pub body_bytes_max: Option<Size>,
        /// Longest time until the answer's head; then 504.
        pub timeout: Option<Duration>,
        /// Protocols that a client may switch to; a request for another one goes on without it.
        pub upgrades: Vec<String> = vec!["websocket".to_owned()],
    }
}

resource! {
    /// Which requests a route takes. All of it must hold.
    pub struct Match short "path" {
        /// `/x` exactly, `/x/*` everything below, `/u/{id}` with a parameter of one segment.
        pub path: String,
        /// Methods; every method when absent. GET takes HEAD too.
        pub methods: Vec<String>,
        /// Header fields that must hold, by lowercase name.
        pub headers: BTreeMap<String, FieldTest>,
    }
}

resource! {
    /// What must hold of a header field. Text alone means `is`.
    pub struct FieldTest short "is" {
        /// The whole value.
        pub is: Option<String>,
        /// How the value begins.
        pub prefix: Option<String>,
        /// Whether the field is there at all.
        pub present: Option<bool>,
    }
}

choice! {
    /// What answers a request.
    pub enum Action {
        /// An answer from here: a small text.
        Respond(RespondAction) = "respond",
        /// The servers of an upstream, through the cache.
        Proxy(ProxyAction) = "proxy",
        /// Another address.
        Redirect(RedirectAction) = "redirect",
        /// The short links of a domain; the path's last parameter is the code.
        Link(String) = "link",
        /// A content steering manifest for HLS and DASH players.
        Steer(SteerAction) = "steer",
    }
}

resource! {
    /// Passing to an upstream. Text alone is the upstream's name.
    pub struct ProxyAction short "upstream" {
        /// The upstream's name.
        pub upstream: String,
        /// How the path changes on the way.
        pub rewrite: Option<Rewrite>,
        /// The Host sent upstream; the client's own when absent.
        pub host: Option<String>,
    }
}

resource! {
    /// How a path changes on its way upstream. Text alone is the new path.
    pub struct Rewrite short "path" {
        /// The new path; `{rest}` and the match's parameters are filled in.
        pub path: Option<String>,
        /// Taken from the front of the path.
        pub strip_prefix: Option<String>,
        /// Put before the path, after stripping.
        pub add_prefix: Option<String>,
    }
}

resource! {
    /// A redirect. Text alone is where to.
    pub struct RedirectAction short "to" {
        /// Address or absolute path; `{rest}` and the match's parameters are filled in.
        pub to: String,
        /// 301, 302, 303, 307 or 308.
        pub status: u16 = 302,
        /// Whether the request's query is appended.
        pub keep_query: bool = false,
    }
}

resource! {
    /// An answer made here.
    pub struct RespondAction {
        /// Status code.
        pub status: u16 = 200,
        /// The body.
        pub body: String = String::new(),
        /// Content-Type of the body.
        pub content_type: String = "text/plain; charset=utf-8".to_owned(),
        /// More header fields.
        pub headers: BTreeMap<String, String>,
    }
}

resource! {
    /// How a request proves that it was allowed. Text alone is the keyset.
    pub struct VerifyPolicy short "keyset" {
        /// The keyset's name.
        pub keyset: String,
    }
}

resource! {
    /// Header edits in both directions.
    pub struct HeaderPolicy {
        /// On the request, before it goes upstream.
        pub request: HeaderEdits,
        /// On the answer, before it goes to the client.
        pub response: HeaderEdits,
        /// `Strict-Transport-Security` on answers that go out under https.
        pub hsts: Option<Hsts>,
        /// Who else's pages may read answers (CORS); preflight requests are answered here.
        pub cors: Option<Cors>,
    }
}

resource! {
    /// Tells browsers to come back by https only (RFC 6797). Text alone is `max_age`.
    pub struct Hsts short "max_age" {
        /// For how long.
        pub max_age: Duration = Duration::from_secs(31_536_000),
        /// Whether every subdomain is meant too.
        pub include_subdomains: bool = false,
        /// Whether browsers may build it in; asks for a year and for subdomains.
        pub preload: bool = false,
    }
}

resource! {
    /// Who else's pages may read answers (the Fetch standard's CORS protocol). The edge's word goes
    /// in place of the origin's.
    pub struct Cors {
        /// Origins: `https://app.example`, `https://*.app.example` (any depth below), or `*`.
        pub origins: Vec<String>,
        /// Methods that a preflight allows.
        pub methods: Vec<String> = ["GET", "HEAD", "POST"].map(str::to_owned).to_vec(),
        /// Request fields that a preflight allows.
        pub headers: Vec<String>,
        /// Response fields that pages may read beside the safe ones.
        pub expose: Vec<String>,
        /// Whether cookies may come along; not together with the origin `*`.
        pub credentials: bool = false,
        /// How long a browser may remember a preflight.
        pub max_age: Duration = Duration::from_secs(600),
    }
}

resource! {
    /// Header edits: remove, then set, then add. Values may hold `{client_ip}`, `{host}`, `{scheme}`,
    /// `{method}`, `{path}`, `{query}`, `{request_id}`, `{site}`, `{route}` and `{node}`.
    pub struct HeaderEdits {
        /// Fields that are replaced.
        pub set: BTreeMap<String, String>,
        /// Fields that get one more line.
        pub add: BTreeMap<String, String>,
        /// Fields that are taken away.
        pub remove: Vec<String>,
    }
}

impl HeaderEdits {
    /// Whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}
