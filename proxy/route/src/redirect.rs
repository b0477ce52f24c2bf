//! Tables of redirects: up to a million exact paths, prefixes and patterns.

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::pattern::PathPattern;
use crate::template::Template;
use crate::tree::PathTree;

/// Most rules of a table.
pub const RULES_MAX: usize = 2_000_000;

/// One redirect.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The paths it takes.
    pub from: PathPattern,
    /// Where to.
    pub to: Template,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Whether the request's query is appended.
    pub keep_query: bool,
}

/// Where a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The status of the answer.
    pub status: u16,
    /// The `Location`.
    pub location: Cow<'a, str>,
}

/// A table of redirects. Exact paths come first, then the most specific pattern, then the order.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Paths and targets of all exact rules, end to end: a million of them are two allocations.
    text: String,
    /// Where each stands; kept in the hash table itself, so that a lookup waits for memory twice.
    exact: HashTable<Exact>,
    hasher: DefaultHashBuilder,
    tree: PathTree,
    patterns: Vec<Rule>,
}

#[derive(Clone, Copy, Debug)]
struct Exact {
    start: u32,
    path_len: u16,
    to_len: u16,
    status: u16,
    keep_query: bool,
}

impl Table {
    /// Builds a table; of rules with the same path the first counts.
    pub fn build(rules: impl IntoIterator<Item = Rule>) -> Self {
        let mut table = Self::default();
        for rule in rules.into_iter().take(RULES_MAX) {
            table.insert(rule);
        }
        table
    }

    /// How many rules it has.
    pub fn len(&self) -> usize {
        self.exact.len() + self.patterns.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The redirect of a normalised path. Allocates only where parameters or a query are filled in.
    pub fn find(&self, path: &str, query: Option<&str>) -> Option<Target<'_>> {
        if let Some(rule) = self.find_exact(path) {
            let location = Cow::Borrowed(self.to(rule));
            let location = if rule.keep_query { with_query(location, query) } else { location };
            return Some(Target { status: rule.status, location });
        }
        let (number, params) = self.tree.find(path, |_| true)?;
        let rule = &self.patterns[number as usize];
        let mut location = String::new();
        rule.to.render(path, &params, &mut location);
        let location = Cow::Owned(location);
        let location = if rule.keep_query { with_query(location, query) } else { location };
        Some(Target { status: rule.status, location })
    }

    fn find_exact(&self, path: &str) -> Option<Exact> {
        let hash = self.hasher.hash_one(path);
        self.exact.find(hash, |rule| path_of(&self.text, *rule) == path).copied()
    }

    fn insert(&mut self, rule: Rule) {
        let exact = rule.from.literal().zip(rule.to.constant()).and_then(|(from, to)| {
            let lengths = (u16::try_from(from.len()).ok()?, u16::try_from(to.len()).ok()?);
            let start = u32::try_from(self.text.len()).ok()?;
            Some((from, to, lengths, start))
        });
        let Some((from, to, (path_len, to_len), start)) = exact else {
            self.tree.insert(&rule.from, u32::try_from(self.patterns.len()).unwrap_or(u32::MAX));
            return self.patterns.push(rule);
        };
        if self.find_exact(&from).is_some() {
            return;
        }
        self.text.push_str(&from);
        self.text.push_str(to);
        let Rule { status, keep_query, .. } = rule;
        let hash = self.hasher.hash_one(from.as_str());
        let exact = Exact { start, path_len, to_len, status, keep_query };
        let Self { exact: table, text, hasher, .. } = self;
        table.insert_unique(hash, exact, |other| hasher.hash_one(path_of(text, *other)));
    }

    fn to(&self, rule: Exact) -> &str {
        let start = rule.start as usize + usize::from(rule.path_len);
        &self.text[start..start + usize::from(rule.to_len)]
    }
}

fn path_of(text: &str, rule: Exact) -> &str {
    let start = rule.start as usize;
    &text[start..start + usize::from(rule.path_len)]
}

/// Appends the query before the fragment, after the target's own query.
pub fn with_query<'a>(location: Cow<'a, str>, query: Option<&str>) -> Cow<'a, str> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return location };
    let (address, fragment) = match location.find('#') {
        Some(at) => location.split_at(at),
        None => (&*location, ""),
    };
    let joint = if !address.contains('?') {
        "?"
    } else if address.ends_with(['?', '&']) {
        ""
    } else {
        "&"
    };
    Cow::Owned(format!("{address}{joint}{query}{fragment}"))
}
