//! A tree of path patterns, one level a segment.
//!
//! Why segments and hashes rather than a radix tree over bytes: parameters and rests begin at slashes, so
//! nothing is gained by splitting inside a segment, and one hash lookup costs the same among ten
//! children and among a hundred thousand. A path without parameters is one lookup of the whole path.
//!
//! A lookup goes back and tries a less specific branch when the tests of the more specific ones fail. It visits
//! each node at most once, so the work is bounded by the patterns configured, whatever the path.

use std::ops::Range;

use hashbrown::HashMap;

use crate::pattern::{PathPattern, Segment};

/// Most parameters of a pattern, the rest included.
pub const PARAMS_MAX: usize = 8;

/// Where the parameters stand in a path. It borrows nothing, so that it can be kept beside the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    spans: [(u32, u32); PARAMS_MAX],
    len: u8,
}

/// Patterns, each with a number.
#[derive(Clone, Debug)]
pub struct PathTree {
    literal: HashMap<Box<str>, Vec<u32>>,
    nodes: Vec<Branch>,
}

#[derive(Clone, Debug, Default)]
struct Branch {
    texts: Texts,
    param: Option<u32>,
    exact: Vec<u32>,
    rest: Vec<u32>,
}

/// The children of a branch by their text. Most branches have one: it needs no table, which would be two
/// more waits for memory.
#[derive(Clone, Debug, Default)]
enum Texts {
    #[default]
    None,
    One(Box<str>, u32),
    Many(HashMap<Box<str>, u32>),
}

impl Default for PathTree {
    fn default() -> Self {
        Self { literal: HashMap::new(), nodes: vec![Branch::default()] }
    }
}

impl PathTree {
    /// Adds a pattern; of patterns with the same shape the one added first is tried first.
    pub fn insert(&mut self, pattern: &PathPattern, number: u32) {
        if let Some(path) = pattern.literal() {
            self.literal.entry(path.into()).or_default().push(number);
            return;
        }
        let mut at = 0;
        for segment in pattern.segments() {
            at = self.descend(at, segment);
        }
        let node = &mut self.nodes[at as usize];
        if pattern.takes_rest() { node.rest.push(number) } else { node.exact.push(number) }
    }

    /// The most specific pattern that takes `path` and that `accept` takes as well.
    pub fn find(&self, path: &str, mut accept: impl FnMut(u32) -> bool) -> Option<(u32, Params)> {
        if let Some(numbers) = self.literal.get(path)
            && let Some(number) = numbers.iter().find(|number| accept(**number))
        {
            return Some((*number, Params::default()));
        }
        let mut walk = Walk { tree: self, path, params: Params::default(), accept };
        let start = usize::from(path.starts_with('/'));
        walk.node(0, start).map(|number| (number, walk.params))
    }

    fn descend(&mut self, at: u32, segment: &Segment) -> u32 {
        let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let node = &mut self.nodes[at as usize];
        let found = match segment {
            Segment::Text(text) => node.texts.get_or_insert(text, next),
            Segment::Param(_) => *node.param.get_or_insert(next),
        };
        if found == next {
            self.nodes.push(Branch::default());
        }
        found
    }
}

impl Texts {
    fn get(&self, text: &str) -> Option<u32> {
        match self {
            Self::None => None,
            Self::One(only, child) => (**only == *text).then_some(*child),
            Self::Many(children) => children.get(text).copied(),
        }
    }

    fn get_or_insert(&mut self, text: &str, child: u32) -> u32 {
        if let Some(there) = self.get(text) {
            return there;
        }
        let new = (text.into(), child);
        *self = match std::mem::take(self) {
            Self::None => Self::One(new.0, new.1),
            Self::One(only, its) => Self::Many([(only, its), new].into_iter().collect()),
            Self::Many(mut children) => {
                children.insert(new.0, new.1);
                Self::Many(children)
            }
        };
        child
    }
}

impl Params {
    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The text of one of them inside the path that was looked up; empty when there is none.
    pub fn text<'p>(&self, index: usize, path: &'p str) -> &'p str {
        self.span(index).and_then(|span| path.get(span)).unwrap_or("")
    }

    /// The last of them inside the path: the rest, or the last parameter.
    pub fn last<'p>(&self, path: &'p str) -> &'p str {
        self.len().checked_sub(1).map_or("", |index| self.text(index, path))
    }

    fn span(&self, index: usize) -> Option<Range<usize>> {
        let (start, end) = *self.spans[..self.len()].get(index)?;
        Some(start as usize..end as usize)
    }

    fn push(&mut self, start: usize, end: usize) {
        // Patterns with more parameters were refused, paths beyond 4 GiB too.
        if let Some(slot) = self.spans.get_mut(usize::from(self.len)) {
            *slot = (start as u32, end as u32);
            self.len += 1;
        }
    }
}

struct Walk<'t, F> {
    tree: &'t PathTree,
    path: &'t str,
    params: Params,
    accept: F,
}

impl<F: FnMut(u32) -> bool> Walk<'_, F> {
    /// Tries what lies below `node`; the segment to match begins at `start`.
    fn node(&mut self, node: u32, start: usize) -> Option<u32> {
        let tree = self.tree;
        let branch = &tree.nodes[node as usize];
        let segment = &self.path[start..];
        let end = segment.find('/').map_or(self.path.len(), |at| start + at);
        let segment = &self.path[start..end];
        if let Some(next) = branch.texts.get(segment)
            && let Some(found) = self.below(next, end)
        {
            return Some(found);
        }
        if let Some(next) = branch.param
            && !segment.is_empty()
        {
            let before = self.params;
            self.params.push(start, end);
            if let Some(found) = self.below(next, end) {
                return Some(found);
            }
            self.params = before;
        }
        let found = self.first(&branch.rest)?;
        self.params.push(start, self.path.len());
        Some(found)
    }

    /// After a segment that ends at `end`: the path is over, or goes on behind the slash.
    fn below(&mut self, node: u32, end: usize) -> Option<u32> {
        if end < self.path.len() {
            return self.node(node, end + 1);
        }
        let tree = self.tree;
        self.first(&tree.nodes[node as usize].exact)
    }

    fn first(&mut self, numbers: &[u32]) -> Option<u32> {
        numbers.iter().copied().find(|number| (self.accept)(*number))
    }
}
