//! Priorities (RFC 9218).

/// How a response stands among the others of its connection (RFC 9218 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    /// 0 first, 7 last.
    pub urgency: u8,
    /// Whether pieces are of use before the whole is there.
    pub incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Self { urgency: 3, incremental: false }
    }
}
