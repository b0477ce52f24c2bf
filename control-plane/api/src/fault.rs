//! The one shape of an error answer (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};
use tidegate_spec::Problem;
use utoipa::ToSchema;

/// An error answer, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// A short word for programs, such as `spec-invalid`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// All problems of a document, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub problems: Vec<Problem>,
}

impl Fault {
    /// A fault without problems of a document.
    pub fn new(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            problems: Vec::new(),
        }
    }

    /// 422 with every problem of a spec.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        let detail = format!("{} problem(s), nothing was changed", problems.len());
        Self {
            problems,
            ..Self::new(422, "spec-invalid", "the specification has problems", detail)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.title, self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Fault {}
