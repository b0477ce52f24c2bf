//! Rate limits.

use std::time::Duration;

use crate::anomaly::AnomalyPolicy;
use crate::resource::{resource, words};
use crate::units::Rate;

resource! {
    /// So many requests of the same key per so long.
    pub struct Limit {
        /// Its name, as `RateLimit-Policy` shows it.
        pub name: String,
        /// What is counted apart: `client_ip`, `client_ip/24/56`, `api_key`, `header:X`, `cookie:X`, `query:X`, `claim:X` of the verified token, `country`, `host`, `method`, `path`, `route`, `const`; several together.
        pub key: Vec<String> = vec!["client_ip".to_owned()],
        /// What a request must be like for the limit to apply: all of these.
        pub when: Vec<LimitCondition>,
        /// How many per how long; not with `concurrency`.
        pub rate: Option<Rate>,
        /// With `token_bucket`: how many at once after a pause; as many as the rate's count when absent.
        pub burst: Option<u32>,
        /// With `leaky_bucket`: how many may wait for their turn; as many as the rate's count when absent.
        pub queue: Option<u32>,
        /// With `concurrency`: how many at the same time.
        pub at_once: Option<u32>,
        /// With `concurrency`: a request counts no longer than this.
        pub hold_max: Duration = Duration::from_secs(3_600),
        /// How it counts.
        pub algorithm: LimitAlgorithm = LimitAlgorithm::TokenBucket,
        /// Other numbers for some clients.
        pub tiers: Option<LimitTiers>,
        /// Where it counts.
        pub mode: LimitMode = LimitMode::Local,
        /// With `approx`: from this share of the limit on a key is counted as `lease` counts, in percent; 0 for never.
        pub near_percent: u8 = 80,
        /// With `approx`, `lease` and `strict`: what holds while the shared counts are out of reach.
        pub on_store_failure: LimitFailure,
        /// What happens to a request that lacks a part of the key.
        pub missing: LimitMissing = LimitMissing::ClientIp,
        /// What one request costs: a number, `header:X` for the number in a request field; or, paid after the answer, `bytes/64KiB`, `response_header:X`, `status:5xx=10,404=5`.
        pub cost: String = "1".to_owned(),
        /// Share of the keys on which it is enforced, in percent; 0 only counts and logs.
        pub enforce_percent: u8 = 100,
        /// Whether it counts at all.
        pub enabled: bool = true,
        /// Whether admitted requests get `RateLimit` fields too, not only denied ones.
        pub show: bool = false,
        /// With `calendar`: how far the clock it goes by is ahead of UTC.
        pub utc_offset: Duration = Duration::ZERO,
        /// Watches its clients for what is unusual; nobody does when absent.
        pub anomaly: Option<AnomalyPolicy>,
    }
}

resource! {
    /// What holds while the shared counts are out of reach.
    pub struct LimitFailure {
        /// At first.
        pub first: LimitFallback = LimitFallback::Share,
        /// Later.
        pub then: LimitFallback = LimitFallback::Share,
        /// How much later.
        pub after: Duration = Duration::from_secs(30),
    }
}

words! {
    /// What stands in for a shared count.
    pub enum LimitFallback {
        /// This node's share of the limit, as it was last known.
        Share = "safe_share",
        /// Everything passes.
        Open = "open",
        /// Nothing passes.
        Closed = "closed",
    }
}

resource! {
    /// Where limits that nodes share are counted.
    pub struct Counters {
        /// Addresses of Redis or Valkey servers, `redis://host:port/db`; keys are spread over them. Without any, the
        /// control plane counts.
        pub redis: Vec<String>,
        /// Whether the addresses are those of one cluster.
        pub cluster: bool = false,
        /// A file on each node with the password.
        pub password_file: Option<String>,
        /// How many nodes share the limits, as long as nobody has said.
        pub nodes: u16 = 4,
        /// How long a request waits for an answer before its node decides alone.
        pub ask_timeout: Duration = Duration::from_millis(20),
    }
}

resource! {
    /// Something a request must be like.
    pub struct LimitCondition {
        /// What is looked at: `method`, `host`, `path`, or any other part of a key but the client's address.
        pub part: String,
        /// One of these must be its value: a text, a beginning with `*` behind it, `*` for any value.
        pub is: Vec<String>,
        /// None of these may be.
        pub is_not: Vec<String>,
    }
}

resource! {
    /// Other numbers for some clients.
    pub struct LimitTiers {
        /// What tells the tier, a part of a key; take a verified claim or an API key, or clients choose themselves.
        pub by: String,
        /// The tiers.
        pub of: Vec<LimitTier>,
    }
}

resource! {
    /// The numbers of one tier.
    pub struct LimitTier {
        /// The value that tells it.
        pub value: String,
        /// In place of the limit's.
        pub rate: Option<Rate>,
        /// In place of the limit's; without one as many as the rate's count.
        pub burst: Option<u32>,
        /// In place of the limit's.
        pub at_once: Option<u32>,
    }
}

words! {
    /// How a limit counts.
    pub enum LimitAlgorithm {
        /// Tokens drip in at the rate, up to the burst.
        TokenBucket = "token_bucket",
        /// One after the other at the rate: who comes early waits, up to `queue` of them.
        LeakyBucket = "leaky_bucket",
        /// At most the rate in any span of its length.
        SlidingWindow = "sliding_window",
        /// At most the rate's count in each hour, day, week (`/7d`) or month (`/30d`) of the calendar.
        Calendar = "calendar",
        /// At most `at_once` at the same time.
        Concurrency = "concurrency",
    }
}

words! {
    /// Where a limit counts.
    pub enum LimitMode {
        /// On each node for itself.
        Local = "local",
        /// On all nodes together: each admits on its own and tells the others ten times a second.
        Approx = "approx",
        /// On all nodes together, exactly: nodes fetch tokens in advance.
        Lease = "lease",
        /// On all nodes together, exactly: each request is asked for.
        Strict = "strict",
    }
}

words! {
    /// What happens to a request that lacks a part of the key.
    pub enum LimitMissing {
        /// The client's address stands in.
        ClientIp = "client_ip",
        /// All such requests are counted together.
        Share = "share",
        /// The limit does not apply.
        Skip = "skip",
    }
}
