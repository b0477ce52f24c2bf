//! Rate limits.

use crate::resource::{resource, words};
use crate::units::Rate;

resource! {
    /// So many requests of the same key per so long.
    pub struct Limit {
        /// Its name, as `RateLimit-Policy` shows it.
        pub name: String,
        /// What is counted apart: `client_ip`, `client_ip/24`, `header:X`, `cookie:X`, `query:X`, `host`, `method`, `route`, `path`, `const`.
        pub key: Vec<String> = vec!["client_ip".to_owned()],
        /// How many per how long.
        pub rate: Rate,
        /// How many at once after a pause; as many as the rate's count when absent.
        pub burst: Option<u64>,
        /// How it counts.
        pub algorithm: LimitAlgorithm = LimitAlgorithm::TokenBucket,
        /// Where it counts.
        pub mode: LimitMode = LimitMode::Local,
        /// What one request costs.
        pub cost: u32 = 1,
        /// What holds when the counters cannot be reached.
        pub on_failure: LimitFailure = LimitFailure::Open,
        /// Whether it only counts and logs, and refuses nothing.
        pub shadow: bool = false,
    }
}

words! {
    /// How a limit counts.
    pub enum LimitAlgorithm {
        /// Tokens drip in at the rate, up to the burst.
        TokenBucket = "token_bucket",
        /// Two windows, weighed by how much of the older still counts.
        SlidingWindow = "sliding_window",
    }
}

words! {
    /// Where a limit counts.
    pub enum LimitMode {
        /// On each node for itself.
        Local = "local",
    }
}

words! {
    /// What holds when the counters cannot be reached.
    pub enum LimitFailure {
        /// Requests pass.
        Open = "open",
        /// Requests are refused.
        Closed = "closed",
    }
}
