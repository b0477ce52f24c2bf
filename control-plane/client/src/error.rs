//! Why a call failed.

use tidegate_control_api::{Fault, Problem};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of the control plane cannot be used.
    #[error("control plane address {address:?}: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there.
    #[error("the control plane at {address} cannot be reached: {source}")]
    Unreachable {
        /// The address.
        address: String,
        /// What the transport said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The control plane refused.
    #[error("{0}")]
    Refused(Box<Fault>),
    /// The spec that was to be sent has problems of its own.
    #[error("{}", listed(.0))]
    Spec(Vec<Problem>),
    /// The answer is not what the API promises.
    #[error("the control plane at {address} answered something else than expected: {reason}")]
    Protocol {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file here cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes do not have the hash they were asked for by.
    #[error("blob {0} arrived with other bytes")]
    BlobCorrupt(String),
}

impl ClientError {
    pub(crate) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    /// The problems of a spec, when it was refused for those.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Refused(fault) => &fault.problems,
            Self::Spec(problems) => problems,
            _ => &[],
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(fault) => Some(fault.status),
            _ => None,
        }
    }
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("the specification has {} problem(s){}", problems.len(), lines.concat())
}
