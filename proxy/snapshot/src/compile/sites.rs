//! Sites and routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_cache::Policy;
use tidegate_http::FieldList;
use tidegate_limit::CHARGES_MAX;
use tidegate_route::router::shadowed;
use tidegate_route::{
    FieldTest, HostPattern, MethodSet, PathPattern, RouteId, Router, Rule, SiteId, SiteRules,
    Template,
};
use tidegate_spec::{Problem, ProxyAction, RedirectAction, RespondAction, key_path};

use super::Compiler;
use super::caches::{OFF, STANDARD};
use super::names::Kind;
use crate::compress::Compress;
use crate::edits::HeaderPolicy;
use crate::material::Material;
use crate::rewrite::Rewrite;
use crate::snapshot::{
    Action, KeysetIndex, LimitIndex, LinkDomainIndex, Media, PluginIndex, RedirectsIndex, Respond,
    Route, Site, UpstreamIndex, WATCHED_PER_ROUTE_MAX,
};

/// What the routes of a site take over from it.
struct Shared<'s> {
    id: SiteId,
    spec: &'s tidegate_spec::Site,
    limits: Vec<u32>,
    plugins: Vec<u32>,
    headers: HeaderPolicy,
    compress: Option<Arc<Compress>>,
    caches: &'s [Arc<Policy>],
    standard: Arc<Policy>,
}

impl<'s> Compiler<'s> {
    pub(super) fn sites(
        &mut self,
        caches: &[Arc<Policy>],
        material: &Material,
    ) -> (Vec<Site>, Vec<Route>, Option<Router>) {
        let mut sites = Vec::new();
        let mut routes = Vec::new();
        let mut rules = Vec::new();
        let standard = Arc::new(Policy::default());
        for (number, spec) in (0..).zip(&self.spec.sites) {
            let path = format!("sites[{number}]");
            sites.push(self.site(spec, &path, material));
            let shared = Shared {
                id: SiteId(number),
                spec,
                limits: self.resolve_all(Kind::Limit, &spec.limits, &format!("{path}.limits")),
                plugins: self.resolve_all(Kind::Plugin, &spec.plugins, &format!("{path}.plugins")),
                headers: self.headers(&spec.headers, &format!("{path}.headers")),
                compress: self.compress(spec.compress.as_ref(), &format!("{path}.compress")),
                caches,
                standard: Arc::clone(&standard),
            };
            rules.push(self.site_rules(&shared, &path, &mut routes));
        }
        let router = self.router(rules);
        (sites, routes, router)
    }

    fn site(&mut self, spec: &tidegate_spec::Site, path: &str, material: &Material) -> Site {
        if spec.hosts.is_empty() {
            let problem = Problem::new(format!("{path}.hosts"), "a site needs at least one host");
            self.problems.push(problem.hint("\"*\" takes every host that no other site has"));
        }
        let redirects =
            self.resolve_all(Kind::Redirects, &spec.redirects, &format!("{path}.redirects"));
        Site {
            name: spec.name.as_str().into(),
            hosts: spec.hosts.clone(),
            client_authority: self.client_authority(spec.tls.as_ref(), path, material),
            redirects: redirects.into_iter().map(RedirectsIndex).collect(),
        }
    }

    fn site_rules(
        &mut self,
        shared: &Shared<'_>,
        path: &str,
        routes: &mut Vec<Route>,
    ) -> SiteRules {
        let mut hosts = Vec::new();
        for (index, host) in shared.spec.hosts.iter().enumerate() {
            let parsed = self.ok(&format!("{path}.hosts[{index}]"), HostPattern::parse(host));
            // A stand-in keeps the places of the others; the problem above stops the compilation.
            hosts.push(
                parsed.unwrap_or_else(|| HostPattern::Exact(format!("?{path}.{index}").into())),
            );
        }
        let mut rules = Vec::new();
        let mut places = Vec::new();
        for (index, spec) in shared.spec.routes.iter().enumerate() {
            let path = format!("{path}.routes[{index}]");
            let id = RouteId(u32::try_from(routes.len()).unwrap_or(u32::MAX));
            let Some((route, fields)) = self.route(spec, id, shared, &path) else { continue };
            let (path, methods) = (route.path.clone(), route.methods.clone());
            rules.push(Rule { id, path, methods, fields });
            places.push(index);
            routes.push(route);
        }
        for (later, earlier) in shadowed(&rules) {
            let path = format!("{path}.routes[{}]", places[later]);
            let message = format!("never matches: routes[{}] takes all of it", places[earlier]);
            let hint = "put the route with more conditions first, or remove one";
            self.problems.push(Problem::new(path, message).hint(hint));
        }
        SiteRules { hosts, rules }
    }

    fn router(&mut self, rules: Vec<SiteRules>) -> Option<Router> {
        let twice = match Router::build(rules) {
            Ok(router) => return Some(router),
            Err(twice) => twice,
        };
        for host in twice {
            let site = &self.spec.sites[host.again.0 as usize];
            let first = &self.spec.sites[host.first.0 as usize].name;
            let name = &site.hosts[host.host_index];
            let path = format!("sites[{}].hosts[{}]", host.again.0, host.host_index);
            self.problem(path, format!("host \"{name}\" is already of site \"{first}\""));
        }
        None
    }

    fn route(
        &mut self,
        spec: &tidegate_spec::Route,
        id: RouteId,
        shared: &Shared<'_>,
        path: &str,
    ) -> Option<(Route, Vec<FieldTest>)> {
        let methods = self.methods(&spec.matches.methods, &format!("{path}.match.methods"));
        let fields = self.field_tests(&spec.matches.headers, &format!("{path}.match.headers"));
        let limits = self.resolve_all(Kind::Limit, &spec.limits, &format!("{path}.limits"));
        let plugins = self.resolve_all(Kind::Plugin, &spec.plugins, &format!("{path}.plugins"));
        let verify = spec.verify.as_ref().and_then(|verify| {
            self.resolve(Kind::Keyset, &verify.keyset, &format!("{path}.verify.keyset"))
        });
        let cache = self.route_cache(spec, shared, path);
        let access = self.access(spec, path);
        let media = self.media(spec, path);
        let cache = if media.is_some() { cache.map(super::media::with_directives) } else { cache };
        let headers = self.headers(&spec.headers, &format!("{path}.headers"));
        if let Some(timeout) = spec.timeout {
            self.duration(timeout, &format!("{path}.timeout"));
        }
        let pattern = self.path_pattern(&spec.matches.path, || format!("{path}.match.path"));
        // The action is looked at even when the path is wrong: its own problems belong into the list.
        let stand_in = || PathPattern::parse("/*").ok();
        let action = self.action(
            &spec.action,
            pattern.as_ref().or(stand_in().as_ref())?,
            &format!("{path}.action"),
        );
        let limits: Box<[LimitIndex]> = joined(&shared.limits, limits).map(LimitIndex).collect();
        if limits.len() > CHARGES_MAX {
            let message = format!(
                "{} limits hold here, the site's included; a request is checked against at most {CHARGES_MAX}",
                limits.len()
            );
            self.problem(format!("{path}.limits"), message);
        }
        let watches = |limit: &&LimitIndex| {
            self.spec.limits.get(limit.0 as usize).is_some_and(|limit| limit.anomaly.is_some())
        };
        let watched = limits.iter().filter(watches).count();
        if watched > WATCHED_PER_ROUTE_MAX {
            let message = format!(
                "the clients of {watched} limits are watched here, the site's included; {WATCHED_PER_ROUTE_MAX} can be"
            );
            self.problem(format!("{path}.limits"), message);
        }
        let headers = HeaderPolicy {
            request: shared.headers.request.then(&headers.request),
            response: shared.headers.response.then(&headers.response),
            hsts: headers.hsts.or_else(|| shared.headers.hsts.clone()),
            cors: headers.cors.or_else(|| shared.headers.cors.clone()),
        };
        let compress = match &spec.compress {
            Some(own) => self.compress(Some(own), &format!("{path}.compress")),
            None => shared.compress.clone(),
        };
        // A manifest of one viewer's own cannot have a coded form for everybody.
        let own = |media: &Media| media.tokens != tidegate_spec::ManifestTokens::Keep;
        let compress = compress.filter(|_| !media.as_deref().is_some_and(own));
        // A preflight is for this route, whatever methods it takes.
        let methods = match &headers.cors {
            Some(_) if !spec.matches.methods.is_empty() => {
                let words = spec.matches.methods.iter().map(String::as_str);
                MethodSet::of(words.chain(["OPTIONS"]))
            }
            _ => methods,
        };
        let route = Route {
            id,
            site: shared.id,
            name: route_name(spec, shared.spec),
            path: pattern?,
            methods,
            action: action?,
            access,
            verify: verify.map(KeysetIndex),
            limits,
            watched: watched > 0,
            wants_claims: false,
            plugins: joined(&shared.plugins, plugins).map(PluginIndex).collect(),
            cache,
            media,
            headers: (!headers.is_empty()).then(|| Box::new(headers)),
            compress,
            body_bytes_max: spec.body_bytes_max.map(|size| size.0),
            timeout: spec.timeout,
            upgrades: self.upgrades(&spec.upgrades, path),
        };
        Some((route, fields))
    }

    fn route_cache(
        &mut self,
        spec: &tidegate_spec::Route,
        shared: &Shared<'_>,
        path: &str,
    ) -> Option<Arc<Policy>> {
        let (name, path) = match (&spec.cache, &shared.spec.cache) {
            (Some(name), _) => (name.as_str(), format!("{path}.cache")),
            (None, Some(name)) => (name.as_str(), format!("sites[{}].cache", shared.id.0)),
            (None, None) => (STANDARD, String::new()),
        };
        match name {
            STANDARD => Some(Arc::clone(&shared.standard)),
            OFF => None,
            name => {
                // The site's own policy is asked for by every route; one problem is enough.
                if self.problems.iter().any(|problem| problem.path == path) {
                    return None;
                }
                let place = self.resolve(Kind::CachePolicy, name, &path)?;
                shared.caches.get(place as usize).cloned()
            }
        }
    }

    fn upgrades(&mut self, words: &[String], path: &str) -> Box<[Box<str>]> {
        for (index, word) in words.iter().enumerate() {
            if word.is_empty() || !word.bytes().all(is_token_byte) {
                let message = format!("\"{word}\" is no name of a protocol");
                self.problem(format!("{path}.upgrades[{index}]"), message);
            }
        }
        words.iter().map(|word| word.to_ascii_lowercase().into()).collect()
    }

    fn methods(&mut self, words: &[String], path: &str) -> MethodSet {
        for (index, word) in words.iter().enumerate() {
            let token = !word.is_empty() && word.bytes().all(is_token_byte);
            if !token || word.to_ascii_uppercase() != *word {
                let problem =
                    Problem::new(format!("{path}[{index}]"), format!("\"{word}\" is no method"));
                self.problems.push(problem.hint(format!("write {}", word.to_ascii_uppercase())));
            }
        }
        MethodSet::of(words.iter().map(String::as_str))
    }

    fn field_tests(
        &mut self,
        tests: &BTreeMap<String, tidegate_spec::FieldTest>,
        path: &str,
    ) -> Vec<FieldTest> {
        let mut compiled = Vec::new();
        for (name, test) in tests {
            let path = key_path(path, name);
            self.field_name(name, &path);
            let name: Box<str> = name.to_ascii_lowercase().into();
            match (&test.is, &test.prefix, test.present) {
                (Some(is), None, None) => compiled.push(FieldTest::Is(name, is.as_str().into())),
                (None, Some(prefix), None) => {
                    compiled.push(FieldTest::Prefix(name, prefix.as_str().into()));
                }
                (None, None, Some(true)) => compiled.push(FieldTest::Present(name)),
                (None, None, Some(false)) => compiled.push(FieldTest::Absent(name)),
                _ => self.problem(path, "expected exactly one of: is, prefix, present"),
            }
        }
        compiled
    }

    fn action(
        &mut self,
        action: &tidegate_spec::Action,
        pattern: &PathPattern,
        path: &str,
    ) -> Option<Action> {
        let path = format!("{path}.{}", action.key());
        match action {
            tidegate_spec::Action::Proxy(proxy) => self.proxy(proxy, pattern, &path),
            tidegate_spec::Action::Redirect(redirect) => self.redirect(redirect, pattern, &path),
            tidegate_spec::Action::Respond(respond) => self.respond(respond, &path),
            tidegate_spec::Action::Link(name) => self.link(name, pattern, &path),
            tidegate_spec::Action::Steer(steer) => self.steer(steer, &path),
        }
    }

    fn proxy(&mut self, proxy: &ProxyAction, pattern: &PathPattern, path: &str) -> Option<Action> {
        let upstream = self.resolve(Kind::Upstream, &proxy.upstream, &format!("{path}.upstream"));
        let rewrite = match &proxy.rewrite {
            Some(rewrite) => self.rewrite(rewrite, pattern, &format!("{path}.rewrite")),
            None => None,
        };
        let host = proxy.host.as_deref().map(Into::into);
        if proxy.host.as_deref().is_some_and(|host| !is_authority(host)) {
            self.problem(
                format!("{path}.host"),
                "a Host is a name or address, with a port or without",
            );
        }
        Some(Action::Proxy { upstream: UpstreamIndex(upstream?), rewrite, host })
    }

    fn rewrite(
        &mut self,
        rewrite: &tidegate_spec::Rewrite,
        pattern: &PathPattern,
        path: &str,
    ) -> Option<Rewrite> {
        let prefixes =
            [("strip_prefix", &rewrite.strip_prefix), ("add_prefix", &rewrite.add_prefix)];
        if let Some(text) = &rewrite.path {
            if prefixes.iter().any(|(_, prefix)| prefix.is_some()) {
                self.problem(path.to_owned(), "either path, or strip_prefix and add_prefix");
            }
            let path = format!("{path}.path");
            if !text.starts_with('/') {
                self.problem(path.clone(), "a path begins with \"/\"");
            }
            return self.ok(&path, Template::parse(text, pattern)).map(Rewrite::Path);
        }
        for (key, prefix) in prefixes {
            if prefix.as_ref().is_some_and(|prefix| !prefix.starts_with('/')) {
                self.problem(format!("{path}.{key}"), "a path begins with \"/\"");
            }
        }
        let trimmed = |prefix: &Option<String>| -> Box<str> {
            prefix.as_deref().unwrap_or("").trim_end_matches('/').into()
        };
        Some(Rewrite::Prefix {
            strip: trimmed(&rewrite.strip_prefix),
            add: trimmed(&rewrite.add_prefix),
        })
    }

    fn redirect(
        &mut self,
        spec: &RedirectAction,
        pattern: &PathPattern,
        path: &str,
    ) -> Option<Action> {
        self.redirect_status(spec.status, format!("{path}.status"));
        let to = self.location(&spec.to, pattern, || format!("{path}.to"))?;
        Some(Action::Redirect { to, status: spec.status, keep_query: spec.keep_query })
    }

    fn respond(&mut self, spec: &RespondAction, path: &str) -> Option<Action> {
        if !(200..=599).contains(&spec.status) {
            self.problem(format!("{path}.status"), "a status lies between 200 and 599");
        }
        let mut fields = FieldList::default();
        if !spec.body.is_empty() {
            let path = format!("{path}.content_type");
            self.ok(&path, fields.try_push("content-type", &spec.content_type));
        }
        for (name, value) in &spec.headers {
            let path = key_path(&format!("{path}.headers"), name);
            self.ok(&path, fields.try_push(name.to_ascii_lowercase(), value));
        }
        let body = Bytes::copy_from_slice(spec.body.as_bytes());
        Some(Action::Respond(Respond { status: spec.status, fields, body }))
    }

    fn link(&mut self, name: &str, pattern: &PathPattern, path: &str) -> Option<Action> {
        if pattern.names().next().is_none() {
            let problem = Problem::new(path, "the path has no parameter that could be the code");
            self.problems.push(problem.hint("match /{code}"));
        }
        self.resolve(Kind::LinkDomain, name, path).map(LinkDomainIndex).map(Action::Link)
    }
}

/// The site's, then those of the route that are not the site's too.
fn joined(site: &[u32], route: Vec<u32>) -> impl Iterator<Item = u32> {
    site.iter().copied().chain(route.into_iter().filter(|place| !site.contains(place)))
}

fn route_name(route: &tidegate_spec::Route, site: &tidegate_spec::Site) -> Arc<str> {
    match &route.name {
        Some(name) => name.as_str().into(),
        None => format!("{} {}", site.name, route.matches.path).into(),
    }
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(super) fn is_authority(host: &str) -> bool {
    !host.is_empty()
        && !host.contains(['/', '?', '#', '@', ' '])
        && url::Url::parse(&format!("http://{host}/")).is_ok()
}
