//! What a site's operator may change about caching, compiled.

/// How one route caches. [`Policy::default`] is the standard: the query is kept whole, freshness comes from
/// the response, request directives are honoured.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Which part of the query belongs to the key.
    pub query: QueryPolicy,
    /// Sort the parameters that are left, so that their order makes no difference.
    pub query_sort: bool,
    /// Further parts of the key.
    pub key_parts: Vec<KeyPart>,
    /// Freshness lifetimes that the operator sets.
    pub ttl: Ttl,
    /// Limits of heuristic freshness (RFC 9111 §4.2.2).
    pub heuristic: Heuristic,
    /// Stale windows used where the response names none (RFC 5861).
    pub stale: Stale,
    /// Whether `Cache-Control` of requests is obeyed.
    pub request_trust: RequestTrust,
    /// What to do with a response that sets a cookie.
    pub set_cookie: SetCookiePolicy,
    /// Targeted fields that go before `Cache-Control`, in order of preference, in lower case (RFC 9213 §2.2).
    pub targeted: Vec<Box<str>>,
    /// Read `Surrogate-Control: max-age` after the targeted fields and before `Cache-Control`.
    pub surrogate_control: bool,
    /// Let `Surrogate-Key` and `Cache-Tag` go on to clients.
    pub expose_tags: bool,
    /// The largest body that is stored, in bytes; `None` leaves the store's own limit.
    pub object_bytes_max: Option<u64>,
}

/// Which query parameters belong to the key. Names are compared as they stand in the normalised target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum QueryPolicy {
    /// The query as received.
    #[default]
    Keep,
    /// All but these parameters; a trailing `*` in a name matches any ending (`utm_*`).
    Drop(Vec<Box<str>>),
    /// Only these parameters; a trailing `*` as above.
    Only(Vec<Box<str>>),
    /// Without the query.
    Ignore,
}

/// A part of the key beside scheme, host, path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The value of a request field; name in lower case.
    Header(Box<str>),
    /// The value of one cookie.
    Cookie(Box<str>),
    /// A fixed text, for example a namespace.
    Const(Box<str>),
}

/// Freshness lifetimes set by the operator, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ttl {
    /// Used when the response states no lifetime, for a status that may be cached heuristically.
    pub default_s: Option<u32>,
    /// Used instead of whatever the response states. `no-store`, `private` and `no-cache` keep their meaning.
    pub force_s: Option<u32>,
    /// Lower bound of a lifetime that the response states.
    pub min_s: Option<u32>,
    /// Upper bound of every lifetime.
    pub max_s: Option<u32>,
    /// Negative caching: lifetime of an error (status 400 and above) that states none.
    pub negative_s: Option<u32>,
    /// Lifetime of a status that states none; goes before `default_s` and `negative_s`.
    pub by_status: Vec<(u16, u32)>,
}

/// Limits of heuristic freshness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heuristic {
    /// Per cent of the time since `Last-Modified`; 0 switches heuristics off.
    pub fraction_percent: u8,
    /// Upper bound in seconds.
    pub max_s: u32,
}

/// Stale windows in seconds, used where the response names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How long a stale answer may be given while it is validated in the background.
    pub while_revalidate_s: u32,
    /// How long a stale answer may stand in for an error.
    pub if_error_s: u32,
}

/// Whether `Cache-Control` of requests is obeyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestTrust {
    /// As RFC 9111 §5.2.1 says.
    #[default]
    Honour,
    /// As if the request had none: clients cannot push requests through to the origin.
    Ignore,
}

/// What to do with a response that sets a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetCookiePolicy {
    /// Store where the response itself says for how long, or that it is public; never on a guess.
    #[default]
    Explicit,
    /// Store only where the response opts in to shared caches: `public`, `s-maxage`, or a targeted field.
    SharedOnly,
    /// Store as any other response (RFC 9111 §7.3).
    Standard,
    /// Store without the cookie; only the client that caused the fetch receives it.
    Strip,
    /// Never store.
    Refuse,
}

/// A day: the longest lifetime guessed from `Last-Modified`.
const HEURISTIC_MAX_S: u32 = 86_400;
/// How long a stale answer may stand in for an unreachable origin unless the policy or the response says
/// otherwise; a response that forbids stale answers keeps doing so.
const IF_ERROR_S: u32 = 3_600;

impl Default for Policy {
    fn default() -> Self {
        Self {
            query: QueryPolicy::Keep,
            query_sort: false,
            key_parts: Vec::new(),
            ttl: Ttl::default(),
            heuristic: Heuristic::default(),
            stale: Stale::default(),
            request_trust: RequestTrust::Honour,
            set_cookie: SetCookiePolicy::Explicit,
            targeted: vec!["cdn-cache-control".into()],
            surrogate_control: false,
            expose_tags: false,
            object_bytes_max: None,
        }
    }
}

impl Default for Heuristic {
    fn default() -> Self {
        Self { fraction_percent: 10, max_s: HEURISTIC_MAX_S }
    }
}

impl Default for Stale {
    fn default() -> Self {
        Self { while_revalidate_s: 0, if_error_s: IF_ERROR_S }
    }
}
