//! A spec together with the text it came from.

use std::collections::HashSet;

use crate::fleet::Spec;
use crate::problem::Problem;
use crate::reader::{Reader, Step, path_steps};
use crate::tree::{self, Kind, Node};
use crate::value::Value;

/// A spec that was read, with its problems and the lines of its values.
#[derive(Debug)]
pub struct Document {
    spec: Spec,
    problems: Vec<Problem>,
    root: Node,
}

/// Reads a spec from YAML or JSON; every problem of the text comes back at once.
pub fn read(text: &str) -> Result<Spec, Vec<Problem>> {
    Document::parse(text)?.into_spec()
}

impl Document {
    /// Reads a text. Only what is not YAML at all is an error here: a document with problems still has a
    /// spec, with stand-ins for what could not be read, so that a compiler can look for more.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let root = tree::parse(text)?;
        let mut reader = Reader::default();
        let spec =
            if root.kind == Kind::Null { Spec::default() } else { Spec::read(&root, &mut reader) };
        let mut problems = reader.into_problems();
        problems.sort_by_key(line_order);
        Ok(Self { spec, problems, root })
    }

    /// The spec; with stand-ins where [`Self::problems`] has entries.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What the reader found wrong.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The spec, when nothing is wrong with it.
    pub fn into_spec(self) -> Result<Spec, Vec<Problem>> {
        if self.problems.is_empty() { Ok(self.spec) } else { Err(self.problems) }
    }

    /// The line of the value at `path`, or of the nearest value around it.
    pub fn line(&self, path: &str) -> Option<u32> {
        let mut node = &self.root;
        for step in path_steps(path)? {
            let Some(next) = step_into(node, &step) else { break };
            node = next;
        }
        (node.line > 0).then_some(node.line)
    }

    /// Joins problems that a compiler found in [`Self::spec`] with the reader's own: gives them their
    /// lines, leaves out what stands at a place that the reader refused already, and sorts by line.
    pub fn join(self, found: Vec<Problem>) -> Vec<Problem> {
        let slips: HashSet<String> = self.problems.iter().filter_map(Problem::meant_path).collect();
        let mut all = self.problems.clone();
        for problem in found {
            let refused = self.problems.iter().any(|known| is_under(&problem.path, &known.path));
            if !refused && !slips.contains(&problem.path) {
                let line = self.line(&problem.path);
                all.push(Problem { line, ..problem });
            }
        }
        all.sort_by_key(line_order);
        all
    }
}

fn step_into<'n>(node: &'n Node, step: &Step) -> Option<&'n Node> {
    match (step, &node.kind) {
        (Step::Key(key), _) => node.child(key),
        (Step::Index(index), Kind::List(items)) => items.get(*index),
        (Step::Index(_), _) => None,
    }
}

/// Whether `path` is `other` or lies inside it.
fn is_under(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn line_order(problem: &Problem) -> u32 {
    problem.line.unwrap_or(u32::MAX)
}
