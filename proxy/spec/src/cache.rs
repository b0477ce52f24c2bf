//! Cache policies: where they depart from the standard.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::reader::Reader;
use crate::resource::{resource, words};
use crate::tree::Node;
use crate::units::Size;

resource! {
    /// How answers are kept. What is absent is as RFC 9111 has it.
    pub struct CachePolicy {
        /// Its name.
        pub name: String,
        /// Lifetimes.
        pub ttl: TtlPolicy,
        /// How long after its lifetime an answer still serves.
        pub stale: StalePolicy,
        /// Lifetimes guessed from `Last-Modified`.
        pub heuristic: HeuristicPolicy = HeuristicPolicy::standard(),
        /// The part of the query in the key.
        pub query: QueryPolicy,
        /// Further parts of the key.
        pub key: KeyPolicy,
        /// Whether `Cache-Control` of requests is obeyed.
        pub request_directives: RequestDirectives = RequestDirectives::Honour,
        /// What to do with an answer that sets a cookie.
        pub set_cookie: SetCookie = SetCookie::Explicit,
        /// Fields that go before `Cache-Control`, in order of preference (RFC 9213).
        pub targeted: Vec<String> = vec!["cdn-cache-control".to_owned()],
        /// Whether `Surrogate-Control: max-age` is read.
        pub surrogate_control: bool = false,
        /// Whether `Surrogate-Key` and `Cache-Tag` go on to clients.
        pub expose_tags: bool = false,
        /// Largest body that is kept.
        pub object_bytes_max: Option<Size>,
    }
}

resource! {
    /// Lifetimes of answers. Text alone is `default`.
    pub struct TtlPolicy short "default" {
        /// Where the origin says nothing.
        pub default: Option<Duration>,
        /// In place of what the origin says. `no-store` and `private` keep their meaning.
        pub force: Option<Duration>,
        /// At least this, whatever the origin says.
        pub min: Option<Duration>,
        /// At most this, whatever the origin says.
        pub max: Option<Duration>,
        /// Of errors (400 and above) where the origin says nothing.
        pub negative: Option<Duration>,
        /// By status, where the origin says nothing: `{ "404": 5s }`.
        pub status: BTreeMap<String, Duration>,
    }
}

resource! {
    /// How long an answer serves after its lifetime, where the origin says nothing (RFC 5861).
    pub struct StalePolicy {
        /// While it is fetched anew in the background; not at all when absent.
        pub while_revalidate: Option<Duration>,
        /// When the origin fails; an hour when absent.
        pub if_error: Option<Duration>,
    }
}

resource! {
    /// Lifetimes guessed from `Last-Modified` (RFC 9111 section 4.2.2).
    pub struct HeuristicPolicy {
        /// Share of the time since then, in percent; 0 turns guessing off.
        pub percent: u8 = 10,
        /// The longest guess.
        pub max: Duration = Duration::from_secs(86_400),
    }
}

resource! {
    /// The part of the query in the key; the whole of it when nothing is said.
    pub struct QueryPolicy check only_one {
        /// All parameters but these. A name may end in `*`.
        pub drop: Vec<String>,
        /// Only these parameters. A name may end in `*`.
        pub only: Vec<String>,
        /// No parameter at all.
        pub ignore: bool = false,
        /// Whether the parameters are sorted first.
        pub sort: bool = false,
    }
}

resource! {
    /// Further parts of the key.
    pub struct KeyPolicy {
        /// Header fields of the request.
        pub headers: Vec<String>,
        /// Cookies.
        pub cookies: Vec<String>,
        /// A fixed text, which sets these answers apart from others of the same address.
        pub namespace: Option<String>,
    }
}

words! {
    /// Whether `Cache-Control` of requests is obeyed.
    pub enum RequestDirectives {
        /// As RFC 9111 section 5.2.1 says.
        Honour = "honour",
        /// As if there were none: clients cannot push requests through to the origin.
        Ignore = "ignore",
    }
}

words! {
    /// What to do with an answer that sets a cookie.
    pub enum SetCookie {
        /// Keep it only where it says itself for how long (`max-age`, `Expires`, a targeted field) or that it is `public`.
        Explicit = "explicit",
        /// Keep it only where it is meant for shared caches (`public`, `s-maxage`, a targeted field).
        SharedOnly = "shared_only",
        /// Keep it as any other (RFC 9111 section 7.3).
        Standard = "standard",
        /// Keep it without the cookie.
        Strip = "strip",
        /// Never keep it.
        Refuse = "refuse",
    }
}

impl HeuristicPolicy {
    fn standard() -> Self {
        Self { percent: 10, max: Duration::from_secs(86_400) }
    }
}

fn only_one(policy: &QueryPolicy, node: &Node, reader: &mut Reader) {
    let chosen = [!policy.drop.is_empty(), !policy.only.is_empty(), policy.ignore];
    if chosen.iter().filter(|chosen| **chosen).count() > 1 {
        reader.problem(node, "at most one of drop, only and ignore", None);
    }
}
