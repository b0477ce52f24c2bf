//! The walk over a tree: where it stands, and what it found wrong.

use std::collections::HashSet;
use std::fmt::Write;

use crate::problem::{Problem, did_you_mean, nearest};
use crate::tree::{Kind, Node};
use crate::value::Value;

/// Most problems kept of one document; what is beyond is counted.
pub const PROBLEMS_MAX: usize = 1_000;

/// What is said of a required key that is not there.
const MISSING: &str = "is missing";

/// Collects the problems of one walk.
#[derive(Debug, Default)]
pub struct Reader {
    path: Vec<Step>,
    problems: Vec<Problem>,
    left_off: usize,
}

/// One step down the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl Reader {
    /// All problems found; the last one says how many were left off.
    pub fn into_problems(mut self) -> Vec<Problem> {
        // A key that is misspelt is not missing too.
        let slips: HashSet<String> = self.problems.iter().filter_map(Problem::meant_path).collect();
        self.problems.retain(|problem| !(is_missing(problem) && slips.contains(&problem.path)));
        if self.left_off > 0 {
            self.problems.push(Problem::new("", format!("and {} more problems", self.left_off)));
        }
        self.problems
    }

    /// Notes a problem at `node`.
    pub fn problem(&mut self, node: &Node, message: impl Into<String>, hint: Option<String>) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.left_off += 1;
            return;
        }
        let line = (node.line > 0).then_some(node.line);
        let path = path_text(&self.path);
        self.problems.push(Problem { path, line, message: message.into(), hint });
    }

    /// Notes that something else was expected at `node`.
    pub fn expected(&mut self, node: &Node, what: &str) {
        self.problem(node, format!("expected {what}, found {}", node.described()), None);
    }

    /// Reads a value one step further down.
    pub fn inside<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let value = read(self);
        self.path.pop();
        value
    }

    /// Opens a map with these keys and no others; an unknown or repeated key is a problem.
    pub fn open(&mut self, node: &Node, known: &[&str], what: &str) {
        let Kind::Map(entries) = &node.kind else {
            return self.expected(node, what);
        };
        self.repeated(entries);
        for (key, value) in entries.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            self.unknown_key(key, value, known);
        }
    }

    /// Reads the value under `key`, or gives its default.
    pub fn field<T: Value>(&mut self, node: &Node, key: &str, default: Option<T>) -> T {
        match node.child(key) {
            Some(child) if child.kind != Kind::Null || !T::NULL_IS_ABSENT => {
                self.inside(Step::Key(key.into()), |reader| T::read(child, reader))
            }
            _ => default.unwrap_or_else(|| self.missing(node, key)),
        }
    }

    /// Notes keys that stand twice in a map.
    pub fn repeated(&mut self, entries: &[(String, Node)]) {
        let mut seen = HashSet::with_capacity(entries.len());
        for (key, value) in entries {
            if !seen.insert(key.as_str()) {
                self.inside(Step::Key(key.clone()), |reader| {
                    reader.problem(value, "this key stands twice", None);
                });
            }
        }
    }

    fn unknown_key(&mut self, key: &str, value: &Node, known: &[&str]) {
        let hint = nearest(key, known.iter().copied())
            .map(did_you_mean)
            .or_else(|| Some(format!("known keys: {}", known.join(", "))));
        self.inside(Step::Key(key.into()), |reader| reader.problem(value, "unknown key", hint));
    }

    fn missing<T: Value>(&mut self, node: &Node, key: &str) -> T {
        // A node that is no map was reported already, once.
        if matches!(node.kind, Kind::Map(_)) {
            self.inside(Step::Key(key.into()), |reader| reader.problem(node, MISSING, None));
        }
        T::placeholder()
    }
}

/// The path as messages show it: `sites[0].routes[2].action`.
pub fn path_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        push_step(&mut text, step);
    }
    text
}

/// The path of the value under `key` in the map at `path`.
pub fn key_path(path: &str, key: &str) -> String {
    let mut text = path.to_owned();
    push_step(&mut text, &Step::Key(key.to_owned()));
    text
}

/// The steps of a path as [`path_text`] wrote it; `None` when it is not one.
pub fn path_steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = next_step(rest)?;
        steps.push(step);
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    Some(steps)
}

fn push_step(text: &mut String, step: &Step) {
    // Writing into a String cannot fail.
    let _ = match step {
        Step::Index(index) => write!(text, "[{index}]"),
        Step::Key(key) if !is_plain(key) => write!(text, "[{}]", serde_json::json!(key)),
        Step::Key(key) if text.is_empty() => write!(text, "{key}"),
        Step::Key(key) => write!(text, ".{key}"),
    };
}

fn is_missing(problem: &Problem) -> bool {
    problem.message == MISSING
}

fn is_plain(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !key.is_empty() && key.bytes().all(plain)
}

fn next_step(path: &str) -> Option<(Step, &str)> {
    if path.starts_with("[\"") {
        let mut quoted = serde_json::Deserializer::from_str(&path[1..]).into_iter::<String>();
        let key = quoted.next()?.ok()?;
        let end = 1 + quoted.byte_offset();
        return Some((Step::Key(key), path[end..].strip_prefix(']')?));
    }
    if let Some(inner) = path.strip_prefix('[') {
        let end = inner.find(']')?;
        return Some((Step::Index(inner[..end].parse().ok()?), &inner[end + 1..]));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    Some((Step::Key(path[..end].into()), &path[end..]))
}
