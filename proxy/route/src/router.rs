//! From host, method, path and fields to a route.

use hashbrown::HashMap;
use tidegate_http::{Fields, Method};

use crate::method::MethodSet;
use crate::pattern::{HostPattern, PathPattern};
use crate::tree::{Params, PathTree};

/// Number of a route, given by its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// Number of a site: its place in what [`Router::build`] was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

/// The hosts of a site and its routes in order.
#[derive(Clone, Debug)]
pub struct SiteRules {
    /// Its hosts.
    pub hosts: Vec<HostPattern>,
    /// Its routes.
    pub rules: Vec<Rule>,
}

/// What a route takes.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The route.
    pub id: RouteId,
    /// Its paths.
    pub path: PathPattern,
    /// Its methods.
    pub methods: MethodSet,
    /// What must hold of the header fields; all of it.
    pub fields: Vec<FieldTest>,
}

/// What must hold of one header field. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldTest {
    /// The value is exactly this.
    Is(Box<str>, Box<str>),
    /// The value begins with this.
    Prefix(Box<str>, Box<str>),
    /// The field is there.
    Present(Box<str>),
    /// The field is not there.
    Absent(Box<str>),
}

/// The route found, and where its parameters stand in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The site.
    pub site: SiteId,
    /// The route.
    pub route: RouteId,
    /// The parameters.
    pub params: Params,
}

/// Two sites claim the same host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("host stands in two sites")]
pub struct HostTwice {
    /// The site that had it first.
    pub first: SiteId,
    /// The site that claims it again.
    pub again: SiteId,
    /// Which of that site's hosts.
    pub host_index: usize,
}

/// Finds the route of a request.
#[derive(Clone, Debug, Default)]
pub struct Router {
    exact: HashMap<Box<str>, SiteId>,
    below: HashMap<Box<str>, SiteId>,
    any: Option<SiteId>,
    sites: Vec<Paths>,
}

#[derive(Clone, Debug, Default)]
struct Paths {
    tree: PathTree,
    rules: Vec<Tests>,
}

#[derive(Clone, Debug)]
struct Tests {
    id: RouteId,
    methods: MethodSet,
    fields: Box<[FieldTest]>,
}

impl Router {
    /// Builds a router; every host that stands twice is an error.
    pub fn build(sites: Vec<SiteRules>) -> Result<Self, Vec<HostTwice>> {
        let mut router = Self::default();
        let mut twice = Vec::new();
        for (site, rules) in (0..).map(SiteId).zip(sites) {
            for (host_index, host) in rules.hosts.iter().enumerate() {
                if let Some(first) = router.claim(host, site) {
                    twice.push(HostTwice { first, again: site, host_index });
                }
            }
            router.sites.push(Paths::new(rules.rules));
        }
        if twice.is_empty() { Ok(router) } else { Err(twice) }
    }

    /// The route of a request. `host` is in lower case without port, `path` is normalised.
    pub fn find(
        &self,
        host: &str,
        method: Method<'_>,
        path: &str,
        fields: &dyn Fields,
    ) -> Option<Match> {
        self.find_in(self.site(host)?, method, path, fields)
    }

    /// The site of a host: the exact one, then the longest domain above it, then the one for all others.
    pub fn site(&self, host: &str) -> Option<SiteId> {
        if let Some(site) = self.exact.get(host) {
            return Some(*site);
        }
        if !self.below.is_empty()
            && let Some(site) = self.site_above(host)
        {
            return Some(site);
        }
        self.any
    }

    /// The route of a request whose site is known.
    pub fn find_in(
        &self,
        site: SiteId,
        method: Method<'_>,
        path: &str,
        fields: &dyn Fields,
    ) -> Option<Match> {
        let paths = self.sites.get(site.0 as usize)?;
        let accept = |number: u32| paths.rules[number as usize].accept(method, fields);
        let (number, params) = paths.tree.find(path, accept)?;
        Some(Match { site, route: paths.rules[number as usize].id, params })
    }

    fn claim(&mut self, host: &HostPattern, site: SiteId) -> Option<SiteId> {
        match host {
            HostPattern::Exact(name) => self.exact.insert(name.clone(), site),
            HostPattern::Below(name) => self.below.insert(name.clone(), site),
            HostPattern::Any => self.any.replace(site),
        }
    }

    fn site_above(&self, host: &str) -> Option<SiteId> {
        let dots = host.bytes().enumerate().filter(|(at, byte)| *byte == b'.' && *at > 0);
        dots.map(|(at, _)| &host[at..]).find_map(|domain| self.below.get(domain)).copied()
    }
}

/// Rules that can never match, each with the earlier rule that takes everything they would take.
pub fn shadowed(rules: &[Rule]) -> Vec<(usize, usize)> {
    let mut by_path: HashMap<String, Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let same = by_path.entry(shape(&rule.path)).or_default();
        if let Some(earlier) = same.iter().find(|earlier| rules[**earlier].covers(rule)) {
            found.push((index, *earlier));
        }
        same.push(index);
    }
    found
}

impl Rule {
    /// Whether it takes every request with this path that `other` takes.
    fn covers(&self, other: &Self) -> bool {
        let implied = |test: &FieldTest| other.fields.iter().any(|given| given.implies(test));
        self.methods.covers(&other.methods) && self.fields.iter().all(implied)
    }
}

impl FieldTest {
    fn name(&self) -> &str {
        match self {
            Self::Is(name, _)
            | Self::Prefix(name, _)
            | Self::Present(name)
            | Self::Absent(name) => name,
        }
    }

    /// Whether it holds.
    pub fn holds(&self, fields: &dyn Fields) -> bool {
        let value = fields.first(self.name());
        match (self, value) {
            (Self::Is(_, wanted), Some(value)) => value == wanted.as_bytes(),
            (Self::Prefix(_, wanted), Some(value)) => value.starts_with(wanted.as_bytes()),
            (Self::Present(_), value) => value.is_some(),
            (Self::Absent(_), value) => value.is_none(),
            (Self::Is(..) | Self::Prefix(..), None) => false,
        }
    }

    fn implies(&self, other: &Self) -> bool {
        if self.name() != other.name() {
            return false;
        }
        match (self, other) {
            (Self::Is(_, value) | Self::Prefix(_, value), Self::Prefix(_, start)) => {
                value.starts_with(&**start)
            }
            (Self::Is(..) | Self::Prefix(..), Self::Present(_)) => true,
            _ => self == other,
        }
    }
}

impl Paths {
    fn new(rules: Vec<Rule>) -> Self {
        let mut paths = Self::default();
        for (number, rule) in (0..).zip(rules) {
            paths.tree.insert(&rule.path, number);
            let Rule { id, methods, fields, .. } = rule;
            paths.rules.push(Tests { id, methods, fields: fields.into() });
        }
        paths
    }
}

impl Tests {
    fn accept(&self, method: Method<'_>, fields: &dyn Fields) -> bool {
        self.methods.has(method) && self.fields.iter().all(|test| test.holds(fields))
    }
}

/// A text that is the same for patterns of the same shape.
fn shape(path: &PathPattern) -> String {
    use crate::pattern::Segment;
    let mut text = String::new();
    for segment in path.segments() {
        text.push('/');
        match segment {
            Segment::Text(word) => text.push_str(word),
            // Braces cannot stand in a text segment.
            Segment::Param(_) => text.push_str("{}"),
        }
    }
    text.push_str(if path.takes_rest() { "/*" } else { "" });
    text
}
