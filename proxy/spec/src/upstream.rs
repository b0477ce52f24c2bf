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
        /// Most idle connections kept by each thread, for each server.
        pub keepalive_connections: u32 = 128,
        /// What is tried again.
        pub retries: RetryPolicy = RetryPolicy::standard(),
        /// Active health checks; none when absent.
        pub health: Option<HealthCheck>,
        /// TLS to `https` servers.
        pub tls: UpstreamTls = UpstreamTls::standard(),
    }
}

resource! {
    /// One server. Text alone is its URL.
    pub struct Server short "url" {
        /// `http://host:port`, `https://…`, `h2c://…` (HTTP/2 without TLS), or `unix:/path`.
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
        /// The same server for the same path, with bounded load.
        ConsistentHash = "consistent_hash",
    }
}

resource! {
    /// What is tried again. Only what is safe: idempotent, and nothing sent to the client yet.
    pub struct RetryPolicy {
        /// Most tries after the first.
        pub attempts: u32 = 2,
        /// Most retries beside the requests under way, in percent.
        pub budget_percent: u32 = 20,
    }
}

resource! {
    /// A request sent regularly to see whether a server lives.
    pub struct HealthCheck short "path" {
        /// Path asked for.
        pub path: String,
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
    }
}

resource! {
    /// TLS to a server.
    pub struct UpstreamTls {
        /// Name asked for and checked; the URL's host when absent.
        pub server_name: Option<String>,
        /// Whether the certificate is checked.
        pub verify: bool = true,
        /// PEM file of the authorities trusted; the system's when absent.
        pub ca_file: Option<String>,
    }
}

impl RetryPolicy {
    fn standard() -> Self {
        Self { attempts: 2, budget_percent: 20 }
    }
}

impl UpstreamTls {
    fn standard() -> Self {
        Self { server_name: None, verify: true, ca_file: None }
    }
}
