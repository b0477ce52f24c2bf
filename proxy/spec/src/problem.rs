//! What is wrong with a document: where, why, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One problem of a spec, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The place in the document, for example `sites[0].routes[2].action`; empty for the document itself.
    pub path: String,
    /// Line in the text the spec was read from, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What is wrong, lowercase, without full stop.
    pub message: String,
    /// What would be right, where that can be guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at `path`, with neither line nor hint.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, message: message.into(), hint: None }
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem with a hint `did you mean "x"?` when one of `known` is close to `written`.
    #[must_use]
    pub fn did_you_mean<'a>(
        mut self,
        written: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.hint = nearest(written, known).map(did_you_mean);
        self
    }

    /// The path that a misspelt key was probably meant to have, as its hint says.
    pub(crate) fn meant_path(&self) -> Option<String> {
        let name = self.hint.as_deref()?.strip_prefix("did you mean \"")?.strip_suffix("\"?")?;
        let map = self.path.rsplit_once('.').map_or("", |(map, _)| map);
        Some(crate::reader::key_path(map, name))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// The hint that `name` was probably meant.
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean \"{name}\"?")
}

/// The one of `known` that `written` was probably meant to be.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Two slips in a short word, about a third of a long one: further away is another word.
    let slips_max = (written.chars().count() / 3).max(2);
    known
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(slips, name)| *slips <= slips_max && *slips < name.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}
