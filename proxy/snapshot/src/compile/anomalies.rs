//! Clients that stand out.

use std::time::Duration;

use tidegate_limit::KeyPart;
use tidegate_limit::anomaly::{Action, Settings, Signal};
use tidegate_spec::{AnomalyAction, AnomalyPolicy, AnomalySignal, Limit, LimitAlgorithm, Problem};

use super::Compiler;
use crate::snapshot::Anomaly;

/// Most limits whose clients are watched.
pub(super) const WATCHED_MAX: usize = 16;

impl Compiler<'_> {
    /// One for each limit, in their order.
    pub(super) fn anomalies(&mut self) -> Vec<Option<Anomaly>> {
        let mut anomalies = Vec::with_capacity(self.spec.limits.len());
        let mut number = 0;
        for (index, limit) in self.spec.limits.iter().enumerate() {
            let path = format!("limits[{index}].anomaly");
            let anomaly = limit.anomaly.as_ref().map(|policy| {
                number += 1;
                self.anomaly(limit, policy, number - 1, &path)
            });
            if anomaly.is_some() && usize::from(number) > WATCHED_MAX {
                self.problem(path, format!("at most {WATCHED_MAX} limits can be watched"));
            }
            anomalies.push(anomaly);
        }
        anomalies
    }

    fn anomaly(
        &mut self,
        limit: &Limit,
        policy: &AnomalyPolicy,
        number: u16,
        path: &str,
    ) -> Anomaly {
        if matches!(limit.algorithm, LimitAlgorithm::Calendar | LimitAlgorithm::Concurrency) {
            let problem = Problem::new(path, "only limits with a rate can be watched");
            let hint = "token_bucket, leaky_bucket and sliding_window have one";
            self.problems.push(problem.hint(hint));
        }
        if policy.signals.is_empty() {
            self.problem(format!("{path}.signals"), "say what to look at: rate, failed, denied");
        }
        if policy.z < 3 {
            let problem = Problem::new(format!("{path}.z"), "must be at least 3");
            self.problems.push(problem.hint("one in a thousand is above 3 by chance"));
        }
        self.anomaly_shares(policy, path);
        self.anomaly_times(policy, path);
        self.exempt(limit, policy, path);
        Anomaly {
            number,
            settings: settings(limit, policy),
            exempt: policy.exempt.clone(),
            exempt_tiers: policy.exempt_tiers.clone(),
        }
    }

    fn anomaly_shares(&mut self, policy: &AnomalyPolicy, path: &str) {
        let shares = [
            ("rate_min_percent", policy.rate_min_percent),
            ("share_min_percent", policy.share_min_percent),
            ("clients_max_percent", policy.clients_max_percent),
        ];
        for (key, share) in shares {
            self.percent(share.into(), &format!("{path}.{key}"));
        }
        if !(1..=90).contains(&policy.tighten_to_percent) {
            let message = format!("must lie between 1 and 90, it is {}", policy.tighten_to_percent);
            let problem = Problem::new(format!("{path}.tighten_to_percent"), message);
            self.problems.push(problem.hint("a pushed entry can block a key for good"));
        }
    }

    fn anomaly_times(&mut self, policy: &AnomalyPolicy, path: &str) {
        let times = [
            ("shadow_for", policy.shadow_for),
            ("tighten_for", policy.tighten_for),
            ("calm_for", policy.calm_for),
            ("warm_up", policy.warm_up),
        ];
        for (key, time) in times {
            self.duration(time, &format!("{path}.{key}"));
        }
    }

    fn exempt(&mut self, limit: &Limit, policy: &AnomalyPolicy, path: &str) {
        if !policy.exempt.is_empty() && limit.key.len() != 1 {
            let message =
                "keys of several parts cannot be exempt; use tiers, or `when` of the limit";
            self.problem(format!("{path}.exempt"), message);
        }
        let part = limit.key.first().and_then(|part| part.parse::<KeyPart>().ok());
        if let Some(part @ KeyPart::ClientIp { .. }) = part {
            for (index, value) in policy.exempt.iter().enumerate() {
                if value.parse::<std::net::IpAddr>().is_err() {
                    let message = format!("\"{value}\" is no address, which {part} is");
                    self.problem(format!("{path}.exempt[{index}]"), message);
                }
            }
        }
        let tiers = limit.tiers.as_ref().map(|tiers| tiers.of.as_slice()).unwrap_or_default();
        for (index, name) in policy.exempt_tiers.iter().enumerate() {
            if !tiers.iter().any(|tier| tier.value == *name) {
                let message = format!("the limit has no tier \"{name}\"");
                self.problem(format!("{path}.exempt_tiers[{index}]"), message);
            }
        }
    }
}

fn settings(limit: &Limit, policy: &AnomalyPolicy) -> Settings {
    let share = |percent: u8| f64::from(percent.min(100)) / 100.0;
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let per_s = |rate: tidegate_spec::Rate| rate.count as f64 * 1e6 / rate.per_us.max(1) as f64;
    let rate_limit = limit.rate.map_or(0.0, per_s);
    let signal = |signal: &AnomalySignal| match signal {
        AnomalySignal::Rate => Signal::Rate,
        AnomalySignal::Failed => Signal::Failed,
        AnomalySignal::Denied => Signal::Denied,
    };
    Settings {
        signals: policy.signals.iter().map(signal).collect(),
        action: match policy.action {
            AnomalyAction::Observe => Action::Observe,
            AnomalyAction::Shadow => Action::Shadow,
            AnomalyAction::Tighten => Action::Tighten,
        },
        z: policy.z.into(),
        rate_min: rate_limit * share(policy.rate_min_percent),
        rate_limit,
        requests_min: policy.requests_min.into(),
        share_min: share(policy.share_min_percent),
        to: share(policy.tighten_to_percent),
        shadow_us: us(policy.shadow_for),
        tighten_us: us(policy.tighten_for),
        calm_us: us(policy.calm_for),
        warm_up_us: us(policy.warm_up),
        clients_max: share(policy.clients_max_percent),
    }
}
