//! What differs between two specs, in the words of the spec.
//!
//! Resources are told apart by their names, routes by name or match, rules by their path, servers by their
//! URL: a route put in front of others is one addition, not a change of every route after it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::fleet::Spec;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Where, with names in place of numbers: `sites[demo].routes[/hello].action`.
    pub path: String,
    /// What stood there; a secret is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Json>,
    /// What stands there now; a secret is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Json>,
}

/// What happened at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// It has another value.
    Changed,
    /// The same things stand in another order; before and after are their names.
    Reordered,
}

/// Every difference; keys in the order of the alphabet, members of lists in theirs.
pub fn diff(old: &Spec, new: &Spec) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", "", &old.to_json(), &new.to_json(), &mut changes);
    changes
}

/// What is shown in place of a secret.
const HIDDEN: &str = "(secret)";

fn compare(path: &str, key: &str, old: &Json, new: &Json, changes: &mut Vec<Change>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Json::Object(old), Json::Object(new)) => compare_maps(path, old, new, changes),
        (Json::Array(old_items), Json::Array(new_items)) => {
            match (named(key, old_items), named(key, new_items)) {
                (Some(old), Some(new)) => compare_lists(path, key, &old, &new, changes),
                _ => {
                    changes.push(Change::new(ChangeKind::Changed, path, Some(old), Some(new), key))
                }
            }
        }
        _ => changes.push(Change::new(ChangeKind::Changed, path, Some(old), Some(new), key)),
    }
}

fn compare_maps(
    path: &str,
    old: &Map<String, Json>,
    new: &Map<String, Json>,
    changes: &mut Vec<Change>,
) {
    // Sorted: the map's own order depends on a feature that any crate of the build may turn on.
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let inner = crate::key_path(path, key);
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => compare(&inner, key, old, new, changes),
            // A list that begins or ends is told by its members.
            (Some(Json::Array(old)), None) if named(key, old).is_some() => {
                compare(&inner, key, &Json::Array(old.clone()), &Json::Array(Vec::new()), changes);
            }
            (None, Some(Json::Array(new))) if named(key, new).is_some() => {
                compare(&inner, key, &Json::Array(Vec::new()), &Json::Array(new.clone()), changes);
            }
            (old, new) => changes.push(Change::new(kind(old, new), &inner, old, new, key)),
        }
    }
}

type Named<'j> = Vec<(String, &'j Json)>;

fn compare_lists(
    path: &str,
    key: &str,
    old: &Named<'_>,
    new: &Named<'_>,
    changes: &mut Vec<Change>,
) {
    let find = |list: &Named<'_>, name: &str| list.iter().position(|(other, _)| other == name);
    for (name, item) in old {
        let inner = format!("{path}[{name}]");
        match find(new, name) {
            Some(place) => compare(&inner, "", item, new[place].1, changes),
            None => changes.push(Change::new(ChangeKind::Removed, &inner, Some(item), None, key)),
        }
    }
    for (name, item) in new.iter().filter(|(name, _)| find(old, name).is_none()) {
        let inner = format!("{path}[{name}]");
        changes.push(Change::new(ChangeKind::Added, &inner, None, Some(item), key));
    }
    let kept_old: Vec<&str> = names_in(old, new);
    let kept_new: Vec<&str> = names_in(new, old);
    if kept_old != kept_new {
        let (before, after) = (Json::from(kept_old), Json::from(kept_new));
        changes.push(Change::new(ChangeKind::Reordered, path, Some(&before), Some(&after), key));
    }
}

/// Names of `list` that `other` has too, in order.
fn names_in<'j>(list: &'j Named<'_>, other: &Named<'_>) -> Vec<&'j str> {
    let has = |name: &str| other.iter().any(|(there, _)| there == name);
    list.iter().map(|(name, _)| name.as_str()).filter(|name| has(name)).collect()
}

/// The items with their names, when each has one of its own.
fn named<'j>(key: &str, items: &'j [Json]) -> Option<Named<'j>> {
    let named: Option<Named<'_>> =
        items.iter().map(|item| Some((name_of(key, item)?, item))).collect();
    let named = named?;
    let mut names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let twice = names.windows(2).any(|pair| pair[0] == pair[1]);
    (!twice).then_some(named)
}

fn name_of(key: &str, item: &Json) -> Option<String> {
    if key == "servers" && item.is_string() {
        return item.as_str().map(str::to_owned);
    }
    let text = ["name", "id", "from", "url"].into_iter().find_map(|key| item.get(key)?.as_str());
    text.map(str::to_owned).or_else(|| item.get("match").map(match_text))
}

/// A match as people would say it: `GET,POST /x`.
fn match_text(matches: &Json) -> String {
    if let Some(path) = matches.as_str() {
        return path.to_owned();
    }
    let path = matches["path"].as_str().unwrap_or("");
    let methods = matches["methods"].as_array().map_or(&[][..], Vec::as_slice);
    let methods: Vec<&str> = methods.iter().filter_map(Json::as_str).collect();
    let headers = matches.get("headers").map(|tests| format!(" {tests}")).unwrap_or_default();
    let space = if methods.is_empty() { "" } else { " " };
    format!("{}{space}{path}{headers}", methods.join(","))
}

fn kind(old: Option<&Json>, new: Option<&Json>) -> ChangeKind {
    match (old, new) {
        (None, _) => ChangeKind::Added,
        (_, None) => ChangeKind::Removed,
        _ => ChangeKind::Changed,
    }
}

impl Change {
    fn new(
        kind: ChangeKind,
        path: &str,
        before: Option<&Json>,
        after: Option<&Json>,
        key: &str,
    ) -> Self {
        let shown = |value: &Json| hidden(key, value);
        Self { kind, path: path.to_owned(), before: before.map(shown), after: after.map(shown) }
    }
}

/// The value without its secrets.
fn hidden(key: &str, value: &Json) -> Json {
    match value {
        // Private keys of certificates are texts; keys of limits are lists.
        Json::String(_) if matches!(key, "secret" | "key") => HIDDEN.into(),
        Json::Array(items) => items.iter().map(|item| hidden("", item)).collect(),
        Json::Object(map) => {
            Json::Object(map.iter().map(|(key, value)| (key.clone(), hidden(key, value))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    }
}

/// `~ limits[per-client].rate: "20/s" -> "30/s"`
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Changed | ChangeKind::Reordered => '~',
        };
        write!(f, "{sign} {}", self.path)?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, ": {before} -> {after}"),
            (Some(value), None) | (None, Some(value)) => write!(f, ": {value}"),
            (None, None) => Ok(()),
        }
    }
}
