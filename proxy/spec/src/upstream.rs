//! Upstreams: servers, how one is chosen, how faults are met.

use std::time::Duration;

use crate::resource::{resource, words};

resource! {
    /// A group of servers that give the same answers.
    pub struct Upstream {
        /// Its name.
        pub name: String,
        /// The servers.
        pub servers: Vec<Server>,
        /// How a server is chosen.
        pub balance: Balance = Balance::RoundRobin,
        /// Longest time to a connection, TLS included.
        pub connect_timeout: Duration = Duration::from_secs(2),
        /// Longest wait for the head of the answer.
        pub first_byte_timeout: Duration = Duration::from_secs(30),
        /// Longest pause inside a body, either way.
        pub between_bytes_timeout: Duration = Duration::from_secs(30),
        /// How long an idle connection is kept for the next request.
        pub keepalive: Duration = Duration::from_secs(60),
        /// Longest time of a whole exchange, tries included; no bound when absent.
        pub total_timeout: Option<Duration>,
        /// What is tried again.
        pub retries: RetryPolicy = RetryPolicy::standard(),
        /// When a server is left out because requests to it fail.
        pub ejection: Ejection = Ejection::standard(),
        /// Active health checks; none when absent.
        pub health: Option<HealthCheck>,
        /// What may be under way at once.
        pub breaker: Breaker = Breaker::standard(),
        /// TLS to `https` servers.
        pub tls: UpstreamTls = UpstreamTls::standard(),
    }
}

resource! {
    /// One server. Text alone is its URL.
    pub struct Server short "url" {
        /// `http://host:port`, `https://…`, `h2c://…` (HTTP/2 without TLS), `h2://…` (HTTP/2 only), or `unix:/path`.
        pub url: String,
        /// Its share of the requests, beside the others' weights.
        pub weight: u32 = 1,
        /// Used only when every server of a lower number is down.
        pub priority: u8 = 0,
    }
}

words! {
    /// How a server is chosen.
    pub enum Balance {
        /// In turn, by weight.
        RoundRobin = "round_robin",
        /// The less busy of two picked at random.
        LeastRequests = "least_requests",
        /// The same server for the same host and directory, with bounded load.
        ConsistentHash = "consistent_hash",
    }
}

resource! {
    /// What is tried again. Only what is safe: idempotent, and nothing sent to the client yet.
    pub struct RetryPolicy {
        /// Most tries after the first.
        pub attempts: u32 = 1,
        /// Most retries at one time, in percent of the requests under way.
        pub budget_percent: u32 = 20,
        /// Retries at one time that are always allowed.
        pub budget_min: u32 = 3,
    }
}

resource! {
    /// A request sent regularly to see whether a server lives.
    pub struct HealthCheck short "path" {
        /// Path asked for.
        pub path: String,
        /// The Host sent; the server's own when absent.
        pub host: Option<String>,
        /// Time between two checks of a server.
        pub interval: Duration = Duration::from_secs(5),
        /// Longest wait for the answer.
        pub timeout: Duration = Duration::from_secs(2),
        /// Status that means healthy; any 2xx or 3xx when absent.
        pub status: Option<u16>,
        /// Successes in a row that bring a server back.
        pub healthy_after: u32 = 2,
        /// Failures in a row that take a server out.
        pub unhealthy_after: u32 = 3,
        /// What the first 16 KiB of the body must contain.
        pub body_contains: Option<String>,
    }
}

resource! {
    /// TLS to a server.
    pub struct UpstreamTls {
        /// Name asked for and checked; the URL's host when absent.
        pub server_name: Option<String>,
        /// Whether the certificate is checked.
        pub verify: bool = true,
    }
}

resource! {
    /// When a server is left out because requests to it fail.
    pub struct Ejection {
        /// Faults in a row that put it out; 0 never does.
        pub consecutive_faults: u32 = 5,
        /// How long the first time lasts; the next ones grow by as much each.
        pub base: Duration = Duration::from_secs(5),
        /// The longest time.
        pub max: Duration = Duration::from_secs(60),
        /// The most servers that may be out at once, in percent.
        pub ejected_percent_max: u32 = 50,
    }
}

resource! {
    /// What may be under way at once; 0 is no limit. What is beyond is answered 503.
    pub struct Breaker {
        /// Requests to the whole group.
        pub requests_max: u32 = 0,
        /// Requests to one server.
        pub server_requests_max: u32 = 0,
    }
}

impl RetryPolicy {
    fn standard() -> Self {
        Self { attempts: 1, budget_percent: 20, budget_min: 3 }
    }
}

impl Ejection {
    fn standard() -> Self {
        let (base, max) = (Duration::from_secs(5), Duration::from_secs(60));
        Self { consecutive_faults: 5, base, max, ejected_percent_max: 50 }
    }
}

impl Breaker {
    fn standard() -> Self {
        Self { requests_max: 0, server_requests_max: 0 }
    }
}

impl UpstreamTls {
    fn standard() -> Self {
        Self { server_name: None, verify: true }
    }
}
