//! Clients that stand out.

use std::time::Duration;

use crate::resource::{resource, words};

resource! {
    /// Watches the clients of a limit, and the routes it holds on, for what is unusual. Text alone is `action`.
    pub struct AnomalyPolicy short "action" {
        /// What is done about clients that stand out.
        pub action: AnomalyAction = AnomalyAction::Observe,
        /// What is looked at.
        pub signals: Vec<AnomalySignal> = vec![AnomalySignal::Rate, AnomalySignal::Failed, AnomalySignal::Denied],
        /// How many usual deviations above what is usual a client stands out.
        pub z: u8 = 6,
        /// Clients slower than this share of the limit's rate do not stand out by their rate, in percent.
        pub rate_min_percent: u8 = 10,
        /// Fewer requests of the last minutes say nothing.
        pub requests_min: u32 = 20,
        /// A smaller share of failures or denials does not stand out, in percent.
        pub share_min_percent: u8 = 50,
        /// A client is tightened to this share of the rate at which it was found, in percent.
        pub tighten_to_percent: u8 = 10,
        /// How long it is only counted what the tighter limit would deny.
        pub shadow_for: Duration = Duration::from_secs(60),
        /// How long the tighter limit holds at most.
        pub tighten_for: Duration = Duration::from_secs(600),
        /// Who keeps quiet for so long is released before.
        pub calm_for: Duration = Duration::from_secs(30),
        /// How long a node learns before anybody stands out.
        pub warm_up: Duration = Duration::from_secs(300),
        /// How many of the active clients are tightened at the same time at most, in percent; always one.
        pub clients_max_percent: u8 = 5,
        /// Keys that never stand out; for limits with a key of one part.
        pub exempt: Vec<String>,
        /// Tiers whose clients never stand out.
        pub exempt_tiers: Vec<String>,
    }
}

words! {
    /// What is done about clients that stand out.
    pub enum AnomalyAction {
        /// They are listed, counted and logged.
        Observe = "observe",
        /// What a tighter limit would deny is counted too.
        Shadow = "shadow",
        /// After that the tighter limit holds for a while.
        Tighten = "tighten",
    }
}

words! {
    /// What is looked at.
    pub enum AnomalySignal {
        /// Requests a second.
        Rate = "rate",
        /// Share of the answers with a status of 400 or more.
        Failed = "failed",
        /// Share of the requests that the limit denies.
        Denied = "denied",
    }
}
