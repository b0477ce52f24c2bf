//! JSON in one form only, its hash, and YAML for people.

use std::fmt::Write;

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

/// JSON with sorted keys and no space, so that equal values are equal bytes.
pub fn json(value: &Json) -> String {
    let mut text = String::new();
    push_json(&mut text, value);
    text
}

/// SHA-256 in lowercase hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// YAML in block style; texts that YAML could take for something else are quoted.
pub fn yaml(value: &Json) -> String {
    let mut text = String::new();
    push_yaml(&mut text, value, 0);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.trim_start_matches('\n').to_owned()
}

fn push_json(text: &mut String, value: &Json) {
    match value {
        Json::Array(items) => {
            push_joined(text, '[', items, push_json);
            text.push(']');
        }
        Json::Object(map) => {
            // Sorted here: the map keeps insertion order when some crate of the build turns that on.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            push_joined(text, '{', &entries, |text, (key, value)| {
                text.push_str(&Json::String((*key).clone()).to_string());
                text.push(':');
                push_json(text, value);
            });
            text.push('}');
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

fn push_joined<T>(text: &mut String, open: char, items: &[T], push: impl Fn(&mut String, &T)) {
    text.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push(text, item);
    }
}

fn push_yaml(text: &mut String, value: &Json, depth: usize) {
    match value {
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                push_line(text, depth, "-");
                push_yaml_item(text, item, depth);
            }
        }
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in for_people(map) {
                push_line(text, depth, &format!("{}:", yaml_text(key)));
                push_yaml_under(text, value, depth);
            }
        }
        Json::String(word) => text.push_str(&yaml_text(word)),
        other => text.push_str(&other.to_string()),
    }
}

/// What something is called first, then what it takes, then the rest by the alphabet.
fn for_people(map: &Map<String, Json>) -> Vec<(&String, &Json)> {
    let mut entries: Vec<_> = map.iter().collect();
    let first = ["name", "id", "hosts", "match", "from"];
    let rank = |key: &str| first.iter().position(|word| *word == key).unwrap_or(first.len());
    entries.sort_by_key(|(key, _)| (rank(key), *key));
    entries
}

/// A map inside a list begins on the line of its dash.
fn push_yaml_item(text: &mut String, item: &Json, depth: usize) {
    let mut inner = String::new();
    push_yaml(&mut inner, item, depth + 1);
    text.push(' ');
    text.push_str(inner.trim_start());
}

fn push_yaml_under(text: &mut String, value: &Json, depth: usize) {
    let nested = value.as_object().is_some_and(|map| !map.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty());
    if !nested {
        text.push(' ');
    }
    push_yaml(text, value, depth + 1);
}

fn push_line(text: &mut String, depth: usize, line: &str) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push_str(line);
}

/// A text as YAML: bare where nothing else could be meant, otherwise quoted as in JSON.
fn yaml_text(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let first = |c: char| c.is_ascii_alphabetic() || c == '/';
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let bare = word.starts_with(first)
        && !word.ends_with(' ')
        && word.chars().all(safe)
        && !reserved.contains(&word.to_ascii_lowercase().as_str());
    if bare { word.to_owned() } else { Json::String(word.to_owned()).to_string() }
}
