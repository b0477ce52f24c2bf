//! `Cache-Status` (RFC 9211).

use std::io::Write as _;

use crate::reason::Reason;

/// Why a request went forward (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The cache was told not to handle it.
    Bypass,
    /// The method requires it.
    Method,
    /// Nothing stored for the URI.
    UriMiss,
    /// Something stored, no variant fits.
    VaryMiss,
    /// One of the two.
    Miss,
    /// Stored and fresh, but the request's directives require it.
    Request,
    /// Stored, but stale.
    Stale,
    /// Only a part is stored.
    Partial,
}

/// One member of `Cache-Status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// Answered without going forward.
    pub hit: bool,
    /// Went forward, and why.
    pub forward: Option<Forward>,
    /// Status of the next hop's answer.
    pub forward_status: Option<u16>,
    /// Freshness left in seconds, negative when stale.
    pub ttl_s: Option<i64>,
    /// The answer was stored.
    pub stored: bool,
    /// Shared the fetch of another request.
    pub collapsed: bool,
    /// The reason word.
    pub detail: Option<Reason>,
}

impl Forward {
    /// The token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }

    /// Why a request goes forward whose stored response was found to need validation.
    pub const fn of(reason: Reason) -> Self {
        match reason {
            Reason::RequestNoCache | Reason::RequestMaxAge | Reason::RequestMinFresh => {
                Self::Request
            }
            Reason::UriMiss | Reason::Purged => Self::UriMiss,
            Reason::VaryMiss => Self::VaryMiss,
            Reason::Method => Self::Method,
            Reason::Disabled => Self::Bypass,
            Reason::Partial => Self::Partial,
            Reason::Expired | Reason::NoCache | Reason::SoftPurged => Self::Stale,
            _ => Self::Miss,
        }
    }
}

impl CacheStatus {
    /// Appends the member, `tidegate; hit; ttl=30; detail=fresh`, without allocation of its own. `cache` is a token.
    pub fn write(&self, cache: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(cache.as_bytes());
        if self.hit {
            out.extend_from_slice(b"; hit");
        } else if let Some(forward) = self.forward {
            parameter(out, "fwd", forward.as_str());
            self.write_forward(out);
        }
        if let Some(ttl_s) = self.ttl_s {
            let _ = write!(out, "; ttl={ttl_s}");
        }
        if let Some(detail) = self.detail {
            parameter(out, "detail", detail.as_str());
        }
    }

    /// These say something only about a request that went forward (RFC 9211 §2.3, §2.5, §2.6).
    fn write_forward(&self, out: &mut Vec<u8>) {
        if let Some(status) = self.forward_status {
            let _ = write!(out, "; fwd-status={status}");
        }
        if self.stored {
            out.extend_from_slice(b"; stored");
        }
        if self.collapsed {
            out.extend_from_slice(b"; collapsed");
        }
    }
}

fn parameter(out: &mut Vec<u8>, name: &str, token: &str) {
    out.extend_from_slice(b"; ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(token.as_bytes());
}

#[cfg(test)]
mod tests;
