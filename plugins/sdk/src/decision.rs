//! What a rule decides.

/// Decision about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing to object.
    Allow,
    /// It goes on and carries a label that later plugins, the log and the origin can read.
    Tag {
        /// Name; the origin sees it as the field `x-tidegate-<name>`.
        name: String,
        /// Value.
        value: String,
    },
    /// It is answered here.
    Refuse(Refusal),
}

impl Decision {
    /// Refuses with status 403.
    #[must_use]
    pub fn refuse(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::Refuse(Refusal { status: 403, reason, detail: detail.into(), retry_after_s: None })
    }

    /// Refuses with status 429 and says when to come back.
    #[must_use]
    pub fn slow_down(reason: &'static str, detail: impl Into<String>, retry_after_s: u64) -> Self {
        let retry_after_s = Some(retry_after_s);
        Self::Refuse(Refusal { status: 429, reason, detail: detail.into(), retry_after_s })
    }

    /// The word for logs and counters.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Tag { .. } => "tagged",
            Self::Refuse(_) => "refused",
        }
    }
}

/// A refusal, answered as a problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Short word for logs: which part of the rule objected.
    pub reason: &'static str,
    /// A sentence for the person who was refused; it must not teach an attacker how to pass.
    pub detail: String,
    /// Seconds after which another attempt makes sense.
    pub retry_after_s: Option<u64>,
}

impl Refusal {
    /// The body of the answer.
    #[must_use]
    pub fn body(&self, rule: &str) -> Vec<u8> {
        let title = match self.status {
            404 => "Not Found",
            429 => "Too Many Requests",
            _ => "Forbidden",
        };
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "rule": rule,
        });
        let mut body = problem.to_string().into_bytes();
        body.push(b'\n');
        body
    }
}
