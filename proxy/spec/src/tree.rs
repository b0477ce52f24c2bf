//! A YAML document (JSON is YAML) as a tree that remembers the line of every node.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::problem::Problem;

/// Largest document that is read.
pub const DOCUMENT_BYTES_MAX: usize = 256 << 20;
/// Deepest nesting of lists and maps.
pub const DEPTH_MAX: usize = 64;
/// Most nodes of a tree beyond those written out: what aliases may add.
pub const ALIAS_NODES_MAX: usize = 100_000;

/// One value of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Line, counted from 1; 0 when it did not come from a text.
    pub line: u32,
}

/// The forms a value has.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing written, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text, quoted or not.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written.
    Map(Vec<(String, Node)>),
}

/// Reads one document; the problems are those of YAML itself.
pub fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    if text.len() > DOCUMENT_BYTES_MAX {
        let message = format!("the document is larger than {DOCUMENT_BYTES_MAX} bytes");
        return Err(vec![Problem::new("", message)]);
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| vec![scan_problem(&error)])?;
        builder.event(event, span).map_err(|problem| vec![problem])?;
    }
    let problems = std::mem::take(&mut builder.problems);
    if problems.is_empty() { Ok(builder.finish()) } else { Err(problems) }
}

impl Node {
    /// A node that did not come from a text.
    pub fn bare(kind: Kind) -> Self {
        Self { kind, line: 0 }
    }

    /// The value under `key`, when this is a map that has it.
    pub fn child(&self, key: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The text, when this is one.
    pub fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    /// How messages call it, for example `the number 2` or `a list`.
    pub fn described(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".into(),
            Kind::Bool(value) => format!("\"{value}\""),
            Kind::Integer(value) => format!("the number {value}"),
            Kind::Float(value) => format!("the number {value}"),
            Kind::Text(text) => format!("\"{}\"", shortened(text)),
            Kind::List(_) => "a list".into(),
            Kind::Map(_) => "a map".into(),
        }
    }

    fn from_plain(text: &str) -> Kind {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            _ => number(text).unwrap_or_else(|| Kind::Text(text.into())),
        }
    }
}

impl From<&serde_json::Value> for Node {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        Self::bare(match value {
            Json::Null => Kind::Null,
            Json::Bool(value) => Kind::Bool(*value),
            Json::Number(number) => self::number(&number.to_string()).unwrap_or(Kind::Null),
            Json::String(text) => Kind::Text(text.clone()),
            Json::Array(items) => Kind::List(items.iter().map(Self::from).collect()),
            Json::Object(map) => {
                Kind::Map(map.iter().map(|(key, value)| (key.clone(), value.into())).collect())
            }
        })
    }
}

/// At most the first 60 characters, for messages.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// YAML 1.2 core schema, section 10.3.2, without octal and hexadecimal.
fn number(text: &str) -> Option<Kind> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let first = digits.bytes().next()?;
    if !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Kind::Integer);
    }
    let plain =
        digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    let value: f64 = text.parse().ok().filter(|value: &f64| plain && value.is_finite())?;
    Some(Kind::Float(value))
}

fn scan_problem(error: &saphyr_parser::ScanError) -> Problem {
    let message = format!("not YAML: {}", error.info());
    Problem { line: u32::try_from(error.marker().line()).ok(), ..Problem::new("", message) }
}

/// A list or map that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, in a map.
    key: Option<String>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: std::collections::HashMap<usize, Node>,
    alias_nodes: usize,
    problems: Vec<Problem>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        match event {
            Event::DocumentStart(_) => self.document(line),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let kind =
                    if plain { Node::from_plain(&text) } else { Kind::Text(text.into_owned()) };
                self.value(Node { kind, line }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.push(Kind::List(Vec::new()), line, anchor),
            Event::MappingStart(anchor, _) => self.push(Kind::Map(Vec::new()), line, anchor),
            Event::SequenceEnd | Event::MappingEnd => self.pop(),
            Event::Alias(anchor) => self.alias(anchor, line),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self, line: u32) -> Result<(), Problem> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let problem = Problem::new("", "a second document begins here")
            .hint("a spec is one document: remove the \"---\"");
        Err(Problem { line: Some(line), ..problem })
    }

    fn push(&mut self, kind: Kind, line: u32, anchor: usize) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            let problem = Problem::new("", format!("nested deeper than {DEPTH_MAX} levels"));
            return Err(Problem { line: Some(line), ..problem });
        }
        self.open.push(Open { node: Node { kind, line }, anchor, key: None });
        Ok(())
    }

    fn pop(&mut self) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        self.value(open.node, open.anchor)
    }

    fn alias(&mut self, anchor: usize, line: u32) -> Result<(), Problem> {
        let Some(node) = self.anchors.get(&anchor) else {
            let problem = Problem::new("", "this alias stands inside the value it names");
            return Err(Problem { line: Some(line), ..problem });
        };
        // Counted before the copy: nine lines of aliases can otherwise ask for terabytes.
        self.alias_nodes += count(node);
        if self.alias_nodes > ALIAS_NODES_MAX {
            let problem = Problem::new("", format!("aliases add over {ALIAS_NODES_MAX} values"));
            return Err(Problem { line: Some(line), ..problem });
        }
        let copy = node.clone();
        self.value(copy, 0)
    }

    fn value(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.kind, open.key.take()) {
            (Kind::Map(entries), Some(key)) => entries.push((key, node)),
            (Kind::Map(_), None) => self.key(node)?,
            (Kind::List(items), _) => items.push(node),
            _ => {}
        }
        Ok(())
    }

    fn key(&mut self, node: Node) -> Result<(), Problem> {
        let line = Some(node.line);
        let key = match node.kind {
            Kind::Text(text) => text,
            Kind::Integer(value) => value.to_string(),
            Kind::Bool(value) => value.to_string(),
            Kind::Null | Kind::Float(_) | Kind::List(_) | Kind::Map(_) => {
                let problem = Problem::new("", "a key must be a word");
                return Err(Problem { line, ..problem });
            }
        };
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        open.key = Some(key);
        Ok(())
    }

    fn finish(self) -> Node {
        self.root.unwrap_or_else(|| Node::bare(Kind::Null))
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::List(items) => items.iter().map(count).sum(),
        Kind::Map(entries) => entries.iter().map(|(_, node)| count(node)).sum(),
        Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) => 0,
    }
}
