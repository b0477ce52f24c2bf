//! Rate limits.

use std::time::Duration;

use tidegate_limit::{
    Algorithm, Cost, KeyPart, Missing, Mode, Period, Rate, Rule, RuleError, RuleOptions,
};
use tidegate_spec::{Limit, LimitAlgorithm, LimitMissing, LimitMode};

use super::Compiler;

const HOUR_SECS: u64 = 3_600;
const DAY_SECS: u64 = 24 * HOUR_SECS;

impl Compiler<'_> {
    pub(super) fn limits(&mut self) -> Vec<Rule> {
        let limits = self.spec.limits.iter().enumerate();
        limits.filter_map(|(index, limit)| self.limit(limit, &format!("limits[{index}]"))).collect()
    }

    fn limit(&mut self, limit: &Limit, path: &str) -> Option<Rule> {
        let key = self.limit_key(limit, path);
        let algorithm = self.algorithm(limit, path);
        let cost = self.cost(limit, path);
        self.percent(limit.enforce_percent.into(), &format!("{path}.enforce_percent"));
        let options = RuleOptions {
            mode: match limit.mode {
                LimitMode::Local => Mode::Local,
            },
            missing: match limit.missing {
                LimitMissing::ClientIp => Missing::ClientIp,
                LimitMissing::Share => Missing::Share,
                LimitMissing::Skip => Missing::Skip,
            },
            cost: cost?,
            enforce_per_mille: u16::from(limit.enforce_percent.min(100)) * 10,
            enabled: limit.enabled,
            ..RuleOptions::new(limit.name.as_str(), key?, algorithm?)
        };
        // A name that cannot be used is already in the list, with all others.
        match Rule::new(options) {
            Err(RuleError::Name(_)) => None,
            rule => self.ok(path, rule),
        }
    }

    fn limit_key(&mut self, limit: &Limit, path: &str) -> Option<Vec<KeyPart>> {
        let mut parts = Vec::with_capacity(limit.key.len());
        for (index, text) in limit.key.iter().enumerate() {
            let part = self.ok(&format!("{path}.key[{index}]"), text.parse());
            parts.extend(part);
        }
        (parts.len() == limit.key.len()).then_some(parts)
    }

    fn algorithm(&mut self, limit: &Limit, path: &str) -> Option<Algorithm> {
        let rate = Rate {
            count: limit.rate.count,
            period_us: limit.rate.per_secs.saturating_mul(1_000_000),
        };
        if limit.burst == Some(0) {
            self.problem(format!("{path}.burst"), "must be at least 1");
            return None;
        }
        if limit.burst.is_some() && limit.algorithm != LimitAlgorithm::TokenBucket {
            self.problem(format!("{path}.burst"), "only a token_bucket has a burst");
        }
        let count = u32::try_from(limit.rate.count).unwrap_or(u32::MAX);
        match limit.algorithm {
            LimitAlgorithm::TokenBucket => {
                Some(Algorithm::TokenBucket { rate, burst: limit.burst.unwrap_or(count) })
            }
            LimitAlgorithm::SlidingWindow => Some(Algorithm::SlidingWindow { rate }),
            LimitAlgorithm::Calendar => {
                let period = self.period(limit, path)?;
                let utc_offset_s = offset_secs(limit.utc_offset);
                Some(Algorithm::Calendar { limit: count, period, utc_offset_s })
            }
        }
    }

    fn period(&mut self, limit: &Limit, path: &str) -> Option<Period> {
        const WEEK: u64 = 7 * DAY_SECS;
        const MONTH: u64 = 30 * DAY_SECS;
        match limit.rate.per_secs {
            HOUR_SECS => Some(Period::Hour),
            DAY_SECS => Some(Period::Day),
            WEEK => Some(Period::Week),
            MONTH => Some(Period::Month),
            _ => {
                let message = "a calendar counts per h, d, 7d (week) or 30d (month)";
                self.problem(format!("{path}.rate"), message);
                None
            }
        }
    }

    fn cost(&mut self, limit: &Limit, path: &str) -> Option<Cost> {
        let path = format!("{path}.cost");
        if let Some(name) = limit.cost.strip_prefix("header:") {
            self.field_name(name, &path)?;
            return Some(Cost::Header(name.to_ascii_lowercase()));
        }
        let message = format!("\"{}\" is neither a number nor header:<name>", limit.cost);
        self.ok(&path, limit.cost.parse().map(Cost::Fixed).map_err(|_| message))
    }
}

fn offset_secs(offset: Duration) -> i32 {
    i32::try_from(offset.as_secs()).unwrap_or(0)
}
