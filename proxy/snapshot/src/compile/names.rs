//! Names of resources: unique, well formed, and found when referred to.

use std::collections::HashMap;

use tidegate_spec::{Problem, Spec};

use super::Compiler;

/// Longest name.
const NAME_BYTES_MAX: usize = 64;

/// What can be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Site,
    Upstream,
    CachePolicy,
    Limit,
    Keyset,
    Certificate,
    Plugin,
    List,
    LinkDomain,
    Redirects,
}

/// Every name, by kind: in the order of the spec, and with its first place.
pub(crate) struct Names<'s> {
    lists: HashMap<Kind, Vec<&'s str>>,
    places: HashMap<(Kind, &'s str), u32>,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Site,
        Self::Upstream,
        Self::CachePolicy,
        Self::Limit,
        Self::Keyset,
        Self::Certificate,
        Self::Plugin,
        Self::List,
        Self::LinkDomain,
        Self::Redirects,
    ];

    /// The list in the spec, and what one of it is called.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Site => ("sites", "site"),
            Self::Upstream => ("upstreams", "upstream"),
            Self::CachePolicy => ("cache_policies", "cache policy"),
            Self::Limit => ("limits", "limit"),
            Self::Keyset => ("keysets", "keyset"),
            Self::Certificate => ("certificates", "certificate"),
            Self::Plugin => ("plugins", "plugin"),
            Self::List => ("lists", "list"),
            Self::LinkDomain => ("link_domains", "link domain"),
            Self::Redirects => ("redirects", "redirect table"),
        }
    }

    fn names(self, spec: &Spec) -> Vec<&str> {
        fn all<T>(list: &[T], name: impl Fn(&T) -> &str) -> Vec<&str> {
            list.iter().map(name).collect()
        }
        match self {
            Self::Site => all(&spec.sites, |site| &site.name),
            Self::Upstream => all(&spec.upstreams, |upstream| &upstream.name),
            Self::CachePolicy => all(&spec.cache_policies, |policy| &policy.name),
            Self::Limit => all(&spec.limits, |limit| &limit.name),
            Self::Keyset => all(&spec.keysets, |keyset| &keyset.name),
            Self::Certificate => all(&spec.certificates, |certificate| &certificate.name),
            Self::Plugin => all(&spec.plugins, |plugin| &plugin.name),
            Self::List => all(&spec.lists, |list| &list.name),
            Self::LinkDomain => all(&spec.link_domains, |domain| &domain.name),
            Self::Redirects => all(&spec.redirects, |table| &table.name),
        }
    }
}

impl<'s> Names<'s> {
    pub(crate) fn of(spec: &'s Spec) -> Self {
        let lists: HashMap<_, _> = Kind::ALL.iter().map(|kind| (*kind, kind.names(spec))).collect();
        let mut places = HashMap::new();
        for (kind, names) in &lists {
            for (place, name) in (0..).zip(names) {
                places.entry((*kind, *name)).or_insert(place);
            }
        }
        Self { lists, places }
    }

    fn list(&self, kind: Kind) -> &[&'s str] {
        self.lists.get(&kind).map_or(&[], Vec::as_slice)
    }
}

impl Compiler<'_> {
    /// Reports names that cannot be used and names that stand twice.
    pub(super) fn check_names(&mut self) {
        for kind in Kind::ALL {
            let (list, word) = kind.words();
            let mut first: HashMap<&str, usize> = HashMap::new();
            let names = self.names.list(kind).to_vec();
            for (index, name) in names.into_iter().enumerate() {
                let path = format!("{list}[{index}].name");
                if !is_name(name) {
                    let problem = Problem::new(path, format!("{name:?} cannot be a name"));
                    let hint =
                        format!("1 to {NAME_BYTES_MAX} letters, digits, \".\", \"_\" and \"-\"");
                    self.problems.push(problem.hint(hint));
                } else if let Some(earlier) = first.get(name) {
                    let message =
                        format!("{word} \"{name}\" is defined twice, first at {list}[{earlier}]");
                    self.problem(path, message);
                } else {
                    first.insert(name, index);
                }
            }
        }
    }

    /// The place of the `kind` called `name`; a name that nobody has is a problem at `path`.
    pub(super) fn resolve(&mut self, kind: Kind, name: &str, path: &str) -> Option<u32> {
        if let Some(place) = self.names.places.get(&(kind, name)) {
            return Some(*place);
        }
        let known = self.names.list(kind);
        let (list, word) = kind.words();
        let mut problem = Problem::new(path, format!("there is no {word} \"{name}\""))
            .did_you_mean(name, known.iter().copied());
        if problem.hint.is_none() {
            problem.hint = Some(match known {
                [] => format!("define it under {list}"),
                known => format!("known: {}", first_names(known)),
            });
        }
        self.problems.push(problem);
        None
    }

    /// The places of all names; each unknown one is a problem.
    pub(super) fn resolve_all(&mut self, kind: Kind, names: &[String], path: &str) -> Vec<u32> {
        let mut places = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(place) = self.resolve(kind, name, &path) else { continue };
            if places.contains(&place) {
                self.problem(path, format!("\"{name}\" stands twice"));
            } else {
                places.push(place);
            }
        }
        places
    }
}

fn first_names(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(8).copied().collect();
    let more = if names.len() > shown.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(inner)
}
