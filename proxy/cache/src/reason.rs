//! The words for why the cache did what it did.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// Why the cache stored, served, validated or passed; the same word in `Cache-Status`, log and metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, for the table of names.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word, lower case with hyphens.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

reasons! {
    /// Stored: the response states its lifetime.
    Explicit = "explicit",
    /// Stored: the operator's lifetime applies.
    PolicyTtl = "policy-ttl",
    /// Stored: lifetime guessed from `Last-Modified` (RFC 9111 §4.2.2).
    Heuristic = "heuristic",
    /// Stored without lifetime, for validation.
    ValidateAlways = "validate-always",
    /// Not stored: the method's answers are not reusable here.
    Method = "method",
    /// Not stored: an interim status, 304, or one whose meaning is not known.
    Status = "status",
    /// Not stored: partial content.
    Partial = "partial",
    /// Not stored: `no-store` of the response.
    NoStore = "no-store",
    /// Not stored: `no-store` of the request.
    RequestNoStore = "request-no-store",
    /// Not stored: `private`.
    Private = "private",
    /// Not stored: the request carried `Authorization` and the response does not allow it (RFC 9111 §3.5).
    Authorization = "authorization",
    /// Not stored: the response sets a cookie and the policy does not allow it.
    SetCookie = "set-cookie",
    /// Not stored: neither a lifetime nor a validator.
    NoFreshness = "no-freshness",
    /// Not stored: `Vary: *`, or more fields than are kept.
    Vary = "vary",
    /// Not stored: larger than the limit.
    TooLarge = "too-large",
    /// Not stored: no room for another fill.
    FillMemory = "fill-memory",
    /// Not stored: a policy or plugin said so.
    Disabled = "disabled",
    /// Served: fresh.
    Fresh = "fresh",
    /// Served: stale, and the client said that it accepts this (`max-stale`).
    MaxStale = "max-stale",
    /// Served: stale while a validation runs.
    WhileRevalidate = "stale-while-revalidate",
    /// Served: stale because the origin failed.
    IfError = "stale-if-error",
    /// Validated: the lifetime is over.
    Expired = "expired",
    /// Validated: `no-cache` of the response.
    NoCache = "no-cache",
    /// Validated: `no-cache` of the request.
    RequestNoCache = "request-no-cache",
    /// Validated: older than `max-age` of the request.
    RequestMaxAge = "request-max-age",
    /// Validated: not fresh for as long as `min-fresh` of the request asks.
    RequestMinFresh = "request-min-fresh",
    /// Validated: marked stale by a soft purge.
    SoftPurged = "soft-purged",
    /// Not found.
    UriMiss = "uri-miss",
    /// Found, but no variant fits the request.
    VaryMiss = "vary-miss",
    /// Not found, and `only-if-cached` forbids to ask: 504.
    OnlyIfCached = "only-if-cached",
    /// Gone by purge.
    Purged = "purged",
    /// Waited for the fetch of another request.
    Collapsed = "collapsed",
    /// Went alone: the last answer for this key could not be shared.
    HitForMiss = "hit-for-miss",
    /// The fill broke off.
    FillFailed = "fill-failed",
    /// The reader fell too far behind a fill that is not kept.
    Lagged = "lagged",
}

#[cfg(test)]
mod tests;
