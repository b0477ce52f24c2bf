//! The whole spec.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use crate::cache::CachePolicy;
use crate::canonical;
use crate::keys::Keyset;
use crate::limit::{Counters, Limit};
use crate::link::{LinkDomain, RedirectTable};
use crate::list::List;
use crate::plugin::Plugin;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::resource::resource;
use crate::site::{Action, Match, ProxyAction, Route, Site};
use crate::tls::{Certificate, TlsSettings};
use crate::tree::Node;
use crate::upstream::{Server, Upstream};
use crate::value::Value;

resource! {
    /// The configuration of a fleet: what every edge serves, and the origin services' settings.
    pub struct Spec {
        /// What is served, by host.
        pub sites: Vec<Site>,
        /// Groups of servers that answer what the edge does not.
        pub upstreams: Vec<Upstream>,
        /// How answers are kept; routes name them.
        pub cache_policies: Vec<CachePolicy>,
        /// Rate limits; sites and routes name them.
        pub limits: Vec<Limit>,
        /// Where limits that nodes share are counted.
        pub counters: Counters,
        /// Keys that signed URLs are checked with.
        pub keysets: Vec<Keyset>,
        /// Certificates that TLS listeners show; the name a client asks for picks one.
        pub certificates: Vec<Certificate>,
        /// What holds for TLS on every listener.
        pub tls: TlsSettings,
        /// WebAssembly plugins (proxy-wasm); sites and routes name them.
        pub plugins: Vec<Plugin>,
        /// Lists that plugins ask by name.
        pub lists: Vec<List>,
        /// Domains of short links; routes name them.
        pub link_domains: Vec<LinkDomain>,
        /// Tables of redirects; sites name them.
        pub redirects: Vec<RedirectTable>,
        /// Settings of the origin services, by service.
        pub services: BTreeMap<String, Json>,
    }
}

impl Default for Spec {
    fn default() -> Self {
        Self::placeholder()
    }
}

impl Spec {
    /// The spec of a plain caching reverse proxy: every host and path goes to `origin_url`.
    pub fn proxy_to(origin_url: &str) -> Self {
        let upstream = Upstream {
            name: "origin".into(),
            servers: vec![Server { url: origin_url.into(), ..Server::placeholder() }],
            ..Upstream::placeholder()
        };
        let route = Route {
            matches: Match { path: "/*".into(), ..Match::placeholder() },
            action: Action::Proxy(ProxyAction {
                upstream: "origin".into(),
                ..ProxyAction::placeholder()
            }),
            ..Route::placeholder()
        };
        let site = Site {
            name: "default".into(),
            hosts: vec!["*".into()],
            routes: vec![route],
            ..Site::placeholder()
        };
        Self { sites: vec![site], upstreams: vec![upstream], ..Self::default() }
    }

    /// Reads a spec out of JSON that was parsed already.
    pub fn from_json(json: &Json) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::default();
        let spec = Self::read(&Node::from(json), &mut reader);
        let problems = reader.into_problems();
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    /// As JSON; keys that have their default are left out.
    pub fn to_json(&self) -> Json {
        self.write()
    }

    /// As YAML, for people.
    pub fn to_yaml(&self) -> String {
        canonical::yaml(&self.write())
    }

    /// SHA-256 of the canonical JSON, in hex: equal for specs that mean the same.
    pub fn hash(&self) -> String {
        canonical::sha256_hex(canonical::json(&self.write()).as_bytes())
    }

    /// The JSON Schema of a spec (draft 2020-12).
    pub fn json_schema() -> Json {
        let mut defs = Map::new();
        let reference = <Self as Value>::schema(&mut defs);
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Tidegate fleet spec",
            "allOf": [reference],
            "$defs": defs,
        })
    }
}

impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Self::from_json(&json).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
            serde::de::Error::custom(lines.join("; "))
        })
    }
}
