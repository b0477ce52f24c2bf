//! What changed between two specs, in words of resources: things with a name are compared by name.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_control_api::{Change, ChangeKind};
use tidegate_control_store::REDACTED;

/// Changes listed; a spec that differs in more is another spec.
const CHANGES_MAX: usize = 1_000;

/// Every difference, secrets replaced.
pub(crate) fn diff(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(before), Some(after), &mut changes);
    changes
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<Change>) {
    if before == after || out.len() >= CHANGES_MAX {
        return;
    }
    match (before, after) {
        (Some(Value::Object(_)), Some(Value::Object(_))) => objects(path, before, after, out),
        (Some(Value::Array(old)), Some(Value::Array(new))) => arrays(path, old, new, out),
        _ => out.push(change(path, before, after)),
    }
}

fn objects(path: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<Change>) {
    let keys = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_object).map(|o| o.keys().cloned().collect()).unwrap_or_default()
    };
    let all: BTreeSet<String> = keys(before).into_iter().chain(keys(after)).collect();
    for key in all {
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let (old, new) = (before.and_then(|v| v.get(&key)), after.and_then(|v| v.get(&key)));
        // A list that is left out is an empty one: then its things are added or removed by name.
        let empty = Value::Array(Vec::new());
        match (old, new) {
            (None, Some(Value::Array(_))) => compare(&inner, Some(&empty), new, out),
            (Some(Value::Array(_)), None) => compare(&inner, old, Some(&empty), out),
            _ => compare(&inner, old, new, out),
        }
    }
}

fn arrays(path: &str, old: &[Value], new: &[Value], out: &mut Vec<Change>) {
    let Some(names) = named(old).zip(named(new)) else {
        for index in 0..old.len().max(new.len()) {
            compare(&format!("{path}[{index}]"), old.get(index), new.get(index), out);
        }
        return;
    };
    let (old_names, new_names) = names;
    let gone = old_names.iter().filter(|name| !new_names.contains(name));
    for name in gone.chain(&new_names) {
        let find = |names: &[String], list: &'_ [Value]| {
            names.iter().position(|other| other == name).map(|at| list[at].clone())
        };
        let (before, after) = (find(&old_names, old), find(&new_names, new));
        compare(&format!("{path}[{name}]"), before.as_ref(), after.as_ref(), out);
    }
}

/// The names of a list's things, when each has one of its own.
fn named(list: &[Value]) -> Option<Vec<String>> {
    let name = |value: &Value| {
        let found = value.get("name").or_else(|| value.get("id"))?;
        found.as_str().map(str::to_owned)
    };
    let names: Vec<String> = list.iter().map(name).collect::<Option<_>>()?;
    let distinct: BTreeSet<&String> = names.iter().collect();
    (distinct.len() == names.len()).then_some(names)
}

fn change(path: &str, before: Option<&Value>, after: Option<&Value>) -> Change {
    let kind = match (before, after) {
        (None, _) => ChangeKind::Added,
        (_, None) => ChangeKind::Removed,
        _ => ChangeKind::Changed,
    };
    let secret = path.rsplit('.').next().is_some_and(is_secret);
    let shown = |value: Option<&Value>| value.map(|value| masked(value, secret));
    Change { path: path.to_owned(), kind, before: shown(before), after: shown(after) }
}

/// Texts under these keys are secrets: keys of keysets, private keys of certificates.
fn is_secret(key: &str) -> bool {
    matches!(key, "secret" | "key")
}

fn masked(value: &Value, secret: bool) -> Value {
    match value {
        Value::String(_) if secret => REDACTED.into(),
        Value::Array(items) => items.iter().map(|item| masked(item, false)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), masked(value, is_secret(key)))).collect()
        }
        other => other.clone(),
    }
}
