//! Rate limits.

use std::time::Duration;

use crate::resource::{resource, words};
use crate::units::Rate;

resource! {
    /// So many requests of the same key per so long.
    pub struct Limit {
        /// Its name, as `RateLimit-Policy` shows it.
        pub name: String,
        /// What is counted apart: `client_ip`, `client_ip/24/56`, `header:X`, `cookie:X`, `query:X`, `host`, `method`, `path`, `route`, `const`.
        pub key: Vec<String> = vec!["client_ip".to_owned()],
        /// How many per how long.
        pub rate: Rate,
        /// How many at once after a pause; as many as the rate's count when absent.
        pub burst: Option<u32>,
        /// How it counts.
        pub algorithm: LimitAlgorithm = LimitAlgorithm::TokenBucket,
        /// Where it counts.
        pub mode: LimitMode = LimitMode::Local,
        /// What happens to a request that lacks a part of the key.
        pub missing: LimitMissing = LimitMissing::ClientIp,
        /// What one request costs: a number, or `header:X` for the number in a field.
        pub cost: String = "1".to_owned(),
        /// Share of the keys on which it is enforced, in percent; 0 only counts and logs.
        pub enforce_percent: u8 = 100,
        /// Whether it counts at all.
        pub enabled: bool = true,
        /// With `calendar`: how far the clock it goes by is ahead of UTC.
        pub utc_offset: Duration = Duration::ZERO,
    }
}

words! {
    /// How a limit counts.
    pub enum LimitAlgorithm {
        /// Tokens drip in at the rate, up to the burst.
        TokenBucket = "token_bucket",
        /// At most the rate in any span of its length.
        SlidingWindow = "sliding_window",
        /// At most the rate's count in each hour, day, week (`/7d`) or month (`/30d`) of the calendar.
        Calendar = "calendar",
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
