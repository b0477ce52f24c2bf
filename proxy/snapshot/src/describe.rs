//! A snapshot as JSON for people: what runs, without secrets.

use serde_json::{Value as Json, json};

use crate::snapshot::{Action, Route, Snapshot};

impl Snapshot {
    /// What runs: revision, hash, sites with their routes, and the names and sizes of everything else.
    pub fn describe(&self) -> Json {
        json!({
            "revision": self.revision,
            "hash": self.hash,
            "sites": self.sites.iter().enumerate().map(|(number, site)| json!({
                "name": &*site.name,
                "hosts": site.hosts,
                "redirects": site.redirects.len(),
                "routes": self.routes_of(number),
            })).collect::<Vec<_>>(),
            "upstreams": self.upstreams.iter().map(|upstream| json!({
                "name": upstream.name,
                "servers": upstream.servers.iter().map(|server| &server.url).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "limits": self.limits.iter().map(|limit| limit.name()).collect::<Vec<_>>(),
            "keysets": self.keysets.iter().flatten().map(|keyset| json!({
                "name": keyset.name(),
                "keys": keyset.keys().iter().map(|key| key.id()).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "certificates": self.certificates.iter().map(|certificate| json!({
                "name": certificate.name,
                "hosts": certificate.hosts,
                "not_after_unix_s": certificate.not_after_unix_s,
                "default": certificate.default,
            })).collect::<Vec<_>>(),
            "missing_keys": self.missing_keys,
            "plugins": self.plugins.iter().map(|plugin| &plugin.spec.name).collect::<Vec<_>>(),
            "lists": self.lists.iter().map(|(name, list)| json!({
                "name": &**name,
                "kind": list.kind().as_str(),
                "entries": list.entries(),
            })).collect::<Vec<_>>(),
            "link_domains": self.link_domains.iter().map(|domain| &*domain.name).collect::<Vec<_>>(),
            "redirects": self.redirects.iter().map(|table| table.len()).collect::<Vec<_>>(),
        })
    }

    fn routes_of(&self, site: usize) -> Vec<Json> {
        let routes = self.routes.iter().filter(|route| route.site.0 as usize == site);
        routes.map(|route| self.describe_route(route)).collect()
    }

    fn describe_route(&self, route: &Route) -> Json {
        json!({
            "name": &*route.name,
            "action": self.describe_action(&route.action),
            "signed": route.verify.is_some(),
            "cached": route.cache.is_some(),
            "limits": route.limits.iter().map(|index| self[*index].name()).collect::<Vec<_>>(),
            "plugins": route.plugins.iter().map(|i| &self[*i].spec.name).collect::<Vec<_>>(),
        })
    }

    fn describe_action(&self, action: &Action) -> String {
        match action {
            Action::Proxy { upstream, .. } => format!("proxy {}", self[*upstream].name),
            Action::Redirect { status, .. } => format!("redirect {status}"),
            Action::Link(domain) => format!("link {}", self[*domain].name),
            Action::Respond(respond) => format!("respond {}", respond.status),
            Action::Steer(steer) => format!("steer {}", steer.pathways.len()),
        }
    }
}
