//! Rate limits.

use std::time::Duration;

use tidegate_limit::{
    Algorithm, Condition, Cost, Fallback, KeyPart, Later, Missing, Mode, OnFailure, Period, Rate,
    Rule, RuleError, RuleOptions, StatusCost, Tiers,
};
use tidegate_spec::{
    Limit, LimitAlgorithm, LimitCondition, LimitFallback, LimitMissing, LimitMode, LimitTier,
    LimitTiers,
    units::{Rate as RateText, parse_size},
};

use super::Compiler;

const HOUR_US: u64 = 3_600_000_000;
const DAY_US: u64 = 24 * HOUR_US;

/// The numbers of a limit or of one of its tiers, and where they stand.
struct Numbers<'p> {
    rate: Option<RateText>,
    burst: Option<u32>,
    at_once: Option<u32>,
    path: &'p str,
}

impl Compiler<'_> {
    pub(super) fn limits(&mut self) -> Vec<Rule> {
        let limits = self.spec.limits.iter().enumerate();
        limits.filter_map(|(index, limit)| self.limit(limit, &format!("limits[{index}]"))).collect()
    }

    pub(super) fn counters(&mut self) -> tidegate_spec::Counters {
        let counters = &self.spec.counters;
        for (index, url) in counters.redis.iter().enumerate() {
            if !url.starts_with("redis://") {
                let message = format!("\"{url}\" is not of the form redis://host:port");
                self.problem(format!("counters.redis[{index}]"), message);
            }
        }
        if counters.nodes == 0 {
            self.problem("counters.nodes".to_owned(), "at least one node shares the limits");
        }
        counters.clone()
    }

    fn limit(&mut self, limit: &Limit, path: &str) -> Option<Rule> {
        let key = self.limit_key(&limit.key, &format!("{path}.key"));
        let numbers =
            Numbers { rate: limit.rate, burst: limit.burst, at_once: limit.at_once, path };
        let algorithm = self.algorithm(limit, &numbers);
        self.misplaced(limit, path);
        let cost = self.cost(limit, path);
        let when = self.conditions(&limit.when, &format!("{path}.when"));
        let tiers = limit.tiers.as_ref().map(|tiers| self.tiers(limit, tiers, path));
        self.percent(limit.enforce_percent.into(), &format!("{path}.enforce_percent"));
        self.percent(limit.near_percent.into(), &format!("{path}.near_percent"));
        let options = RuleOptions {
            mode: match limit.mode {
                LimitMode::Local => Mode::Local,
                LimitMode::Approx => Mode::Approx,
                LimitMode::Lease => Mode::Lease,
                LimitMode::Strict => Mode::Strict,
            },
            near: (u32::from(limit.near_percent.min(100)) * u32::from(u16::MAX) / 100) as u16,
            on_failure: OnFailure {
                first: fallback(limit.on_store_failure.first),
                then: fallback(limit.on_store_failure.then),
                after_us: u64::try_from(limit.on_store_failure.after.as_micros())
                    .unwrap_or(u64::MAX),
            },
            missing: match limit.missing {
                LimitMissing::ClientIp => Missing::ClientIp,
                LimitMissing::Share => Missing::Share,
                LimitMissing::Skip => Missing::Skip,
            },
            cost: cost?,
            enforce_per_mille: u16::from(limit.enforce_percent.min(100)) * 10,
            enabled: limit.enabled,
            tiers: match tiers {
                None => None,
                Some(tiers) => Some(tiers?),
            },
            when: when?,
            shown: limit.show,
            ..RuleOptions::new(limit.name.as_str(), key?, algorithm?)
        };
        // A name that cannot be used is already in the list, with all others.
        match Rule::new(options) {
            Err(RuleError::Name(_)) => None,
            rule => self.ok(path, rule),
        }
    }

    fn limit_key(&mut self, texts: &[String], path: &str) -> Option<Vec<KeyPart>> {
        let mut parts = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            parts.extend(self.ok(&format!("{path}[{index}]"), text.parse()));
        }
        (parts.len() == texts.len()).then_some(parts)
    }

    /// A part that has a text: an address is cut and hashed, never compared.
    fn text_part(&mut self, text: &str, path: &str) -> Option<KeyPart> {
        match self.ok(path, text.parse())? {
            KeyPart::ClientIp { .. } => {
                self.problem(
                    path.to_owned(),
                    "the client's address cannot be compared with a text",
                );
                None
            }
            part => Some(part),
        }
    }

    fn conditions(&mut self, when: &[LimitCondition], path: &str) -> Option<Vec<Condition>> {
        let mut conditions = Vec::with_capacity(when.len());
        for (index, condition) in when.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if condition.is.is_empty() && condition.is_not.is_empty() {
                self.problem(path.clone(), "say what it must be (is) or must not be (is_not)");
            }
            let part = self.text_part(&condition.part, &format!("{path}.part"));
            let (is, is_not) = (condition.is.clone(), condition.is_not.clone());
            conditions.extend(part.map(|part| Condition { part, is, is_not }));
        }
        (conditions.len() == when.len()).then_some(conditions)
    }

    fn tiers(&mut self, limit: &Limit, tiers: &LimitTiers, path: &str) -> Option<Tiers> {
        let by = self.text_part(&tiers.by, &format!("{path}.tiers.by"));
        let mut of = Vec::with_capacity(tiers.of.len());
        for (index, tier) in tiers.of.iter().enumerate() {
            let path = format!("{path}.tiers.of[{index}]");
            let LimitTier { value, rate, burst, at_once } = tier;
            let numbers = Numbers {
                rate: rate.or(limit.rate),
                burst: *burst,
                at_once: at_once.or(limit.at_once),
                path: &path,
            };
            of.extend(self.algorithm(limit, &numbers).map(|numbers| (value.clone(), numbers)));
        }
        (of.len() == tiers.of.len()).then_some(Tiers { by: by?, of })
    }

    /// Numbers that the algorithm does not look at.
    fn misplaced(&mut self, limit: &Limit, path: &str) {
        use LimitAlgorithm::{Concurrency, LeakyBucket, TokenBucket};
        let here = limit.algorithm;
        let alone = [
            (
                limit.burst.is_some() && here != TokenBucket,
                "burst",
                "only a token_bucket has a burst",
            ),
            (
                limit.queue.is_some() && here != LeakyBucket,
                "queue",
                "only a leaky_bucket has a queue",
            ),
            (limit.at_once.is_some() && here != Concurrency, "at_once", "only concurrency has it"),
            (
                limit.rate.is_some() && here == Concurrency,
                "rate",
                "concurrency has no rate; say at_once",
            ),
        ];
        if limit.mode != LimitMode::Local && !matches!(here, TokenBucket | LimitAlgorithm::Calendar)
        {
            let message = "only token_bucket and calendar can be counted on all nodes together";
            self.problem(format!("{path}.mode"), message);
        }
        for (_, key, message) in alone.into_iter().filter(|(wrong, ..)| *wrong) {
            self.problem(format!("{path}.{key}"), message);
        }
    }

    fn algorithm(&mut self, limit: &Limit, numbers: &Numbers<'_>) -> Option<Algorithm> {
        let path = numbers.path;
        if limit.algorithm == LimitAlgorithm::Concurrency {
            let Some(limit_at) = numbers.at_once.filter(|count| *count > 0) else {
                self.problem(format!("{path}.at_once"), "concurrency needs a number above zero");
                return None;
            };
            let hold_us = u64::try_from(limit.hold_max.as_micros()).unwrap_or(u64::MAX);
            return Some(Algorithm::Concurrency { limit: limit_at, hold_us });
        }
        let Some(rate) = numbers.rate else {
            self.problem(format!("{path}.rate"), "say how many per how long, such as 50/s");
            return None;
        };
        if numbers.burst == Some(0) {
            self.problem(format!("{path}.burst"), "must be at least 1");
            return None;
        }
        let count = u32::try_from(rate.count).unwrap_or(u32::MAX);
        let per = Rate { count: rate.count, period_us: rate.per_us };
        match limit.algorithm {
            LimitAlgorithm::TokenBucket => {
                Some(Algorithm::TokenBucket { rate: per, burst: numbers.burst.unwrap_or(count) })
            }
            LimitAlgorithm::LeakyBucket => {
                Some(Algorithm::LeakyBucket { rate: per, queue: limit.queue.unwrap_or(count) })
            }
            LimitAlgorithm::SlidingWindow => Some(Algorithm::SlidingWindow { rate: per }),
            LimitAlgorithm::Calendar => {
                let period = self.period(rate, path)?;
                let utc_offset_s = offset_secs(limit.utc_offset);
                Some(Algorithm::Calendar { limit: count, period, utc_offset_s })
            }
            LimitAlgorithm::Concurrency => None,
        }
    }

    fn period(&mut self, rate: RateText, path: &str) -> Option<Period> {
        const WEEK: u64 = 7 * DAY_US;
        const MONTH: u64 = 30 * DAY_US;
        match rate.per_us {
            HOUR_US => Some(Period::Hour),
            DAY_US => Some(Period::Day),
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
        let cost = limit.cost.as_str();
        if let Some(name) = cost.strip_prefix("header:") {
            self.field_name(name, &path)?;
            return Some(Cost::Header(name.to_ascii_lowercase()));
        }
        let later = self.later(cost, &path)?;
        if let Some(later) = later {
            let counted = [LimitAlgorithm::Concurrency, LimitAlgorithm::LeakyBucket];
            if counted.contains(&limit.algorithm) {
                self.problem(path, "this algorithm cannot be charged after the answer");
                return None;
            }
            return Some(Cost::Later(later));
        }
        let message = format!(
            "\"{cost}\" is no number, header:<name>, bytes/<size>, response_header:<name> or status:<codes>=<cost>"
        );
        self.ok(&path, cost.parse().map(Cost::Fixed).map_err(|_| message))
    }

    /// A cost that only the answer tells; `Some(None)` when the text says something else.
    fn later(&mut self, cost: &str, path: &str) -> Option<Option<Later>> {
        if let Some(size) = cost.strip_prefix("bytes/") {
            let per = parse_size(size).map(|size| size.0).filter(|per| *per > 0);
            let per = self.ok(path, per.ok_or(format!("\"{size}\" is no size such as 64KiB")))?;
            return Some(Some(Later::Bytes { per }));
        }
        if let Some(name) = cost.strip_prefix("response_header:") {
            self.field_name(name, path)?;
            return Some(Some(Later::Field(name.to_ascii_lowercase())));
        }
        let Some(costs) = cost.strip_prefix("status:") else { return Some(None) };
        let costs = costs.split(',').map(status_cost).collect::<Result<_, _>>();
        Some(Some(Later::Status(self.ok(path, costs)?)))
    }
}

/// `404=5` or `5xx=10`.
fn status_cost(text: &str) -> Result<StatusCost, String> {
    let wrong = || format!("\"{text}\" is not of the form 404=5 or 5xx=10");
    let (codes, cost) = text.trim().split_once('=').ok_or_else(wrong)?;
    let cost = cost.trim().parse().map_err(|_| wrong())?;
    let (from, to) = match codes.trim().strip_suffix("xx") {
        Some(class) => {
            let class: u16 = class.parse().map_err(|_| wrong())?;
            (class.saturating_mul(100), class.saturating_mul(100).saturating_add(99))
        }
        None => {
            let code = codes.trim().parse().map_err(|_| wrong())?;
            (code, code)
        }
    };
    if (100..=599).contains(&from) { Ok(StatusCost { from, to, cost }) } else { Err(wrong()) }
}

fn fallback(word: LimitFallback) -> Fallback {
    match word {
        LimitFallback::Share => Fallback::Share,
        LimitFallback::Open => Fallback::Open,
        LimitFallback::Closed => Fallback::Closed,
    }
}

fn offset_secs(offset: Duration) -> i32 {
    i32::try_from(offset.as_secs()).unwrap_or(0)
}
