//! Cache policies: where they depart from the standard.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::reader::Reader;
use crate::resource::resource;
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
        /// The part of the query in the key.
        pub query: QueryPolicy,
        /// Header fields of the request that are part of the key.
        pub key_headers: Vec<String>,
        /// Cookies that are part of the key.
        pub key_cookies: Vec<String>,
        /// Whether the client's `Cache-Control` is heeded.
        pub heed_request: bool = false,
        /// Whether answers with `Set-Cookie` are kept, without that field.
        pub strip_set_cookie: bool = false,
        /// Largest body that is kept.
        pub body_bytes_max: Option<Size>,
        /// Whether answers carry `Cache-Status` (RFC 9211).
        pub cache_status: bool = true,
    }
}

resource! {
    /// Lifetimes of answers.
    pub struct TtlPolicy short "default" {
        /// Where the origin says nothing (RFC 9111 section 4.2.2).
        pub default: Option<Duration>,
        /// In place of what the origin says.
        pub force: Option<Duration>,
        /// At least this, whatever the origin says.
        pub min: Option<Duration>,
        /// At most this, whatever the origin says.
        pub max: Option<Duration>,
        /// By status, where the origin says nothing: `404: 5s`.
        pub status: BTreeMap<String, Duration>,
    }
}

resource! {
    /// How long an answer serves after its lifetime (RFC 5861).
    pub struct StalePolicy {
        /// While it is fetched anew in the background.
        pub while_revalidate: Option<Duration>,
        /// When the origin fails.
        pub if_error: Option<Duration>,
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

fn only_one(policy: &QueryPolicy, node: &Node, reader: &mut Reader) {
    let chosen = [!policy.drop.is_empty(), !policy.only.is_empty(), policy.ignore];
    if chosen.iter().filter(|chosen| **chosen).count() > 1 {
        reader.problem(node, "at most one of drop, only and ignore", None);
    }
}
