//! One route: whether it is as usual. A crowd is no attack, so a route that stands out is shown, with how many clients
//! there are and how much of it one of them does.

use super::series::Series;
use super::watch::Signal;
use super::{BUCKET_US, Settings};

const FLAGS_MIN: u32 = 3;
const FLAGS_OF: u8 = 0b1_1111;
/// Spread of a route's rate at least, as a share of it.
const SPREAD_MIN: f64 = 0.1;
/// Spread of a share at least.
const SHARE_SPREAD_MIN: f64 = 0.02;
/// What is unusual for so long is usual from then on, microseconds.
const FROZEN_US_MAX: u64 = 1_800_000_000;

/// What a route was asked in one bucket.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteBucket {
    /// Microseconds of a clock that never steps back.
    pub now_us: u64,
    /// Requests.
    pub requests: u64,
    /// Answers with a status of 400 or more.
    pub failed: u64,
    /// Requests that a watched limit denied.
    pub denied: u64,
}

/// A route that stands out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RouteFound {
    /// By what.
    pub signal: Signal,
    /// How far, in usual deviations.
    pub z: f64,
    /// What it is: requests a second, or a share.
    pub value: f64,
    /// What is usual.
    pub usual: f64,
    /// Since when, microseconds of the caller's clock.
    pub since_us: u64,
}

/// Watches one route.
#[derive(Debug)]
pub struct RouteWatch {
    began_us: u64,
    /// Of the rate, the share of failures and of denials.
    series: [Series; 3],
    flags: u8,
    found: Option<RouteFound>,
    suspected_us: u64,
    calm_since_us: Option<u64>,
    rate: f64,
}

impl RouteWatch {
    /// Watches from `now_us` on.
    pub fn new(now_us: u64) -> Self {
        Self {
            began_us: now_us,
            series: [const { Series::new() }; 3],
            flags: 0,
            found: None,
            suspected_us: 0,
            calm_since_us: None,
            rate: 0.0,
        }
    }

    /// What stands out, if anything.
    pub fn found(&self) -> Option<&RouteFound> {
        self.found.as_ref()
    }

    /// Requests a second in the last bucket.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The usual rate, once enough was seen.
    pub fn usual_rate(&self) -> Option<f64> {
        self.series[0].centre().map(|centre| centre.at)
    }

    /// Takes the next bucket in; true when the route begins or ends to stand out.
    pub fn turn(&mut self, settings: &Settings, bucket: &RouteBucket) -> bool {
        let seconds = BUCKET_US as f64 / 1e6;
        self.rate = bucket.requests as f64 / seconds;
        let share = |part: u64| part as f64 / bucket.requests.max(1) as f64;
        let values = [self.rate, share(bucket.failed), share(bucket.denied)];
        let score = self.score(settings, bucket, &values, seconds);
        let flagged = score.as_ref().is_some_and(|found| found.z >= settings.z);
        self.flags = (self.flags << 1 | u8::from(flagged)) & FLAGS_OF;
        if self.flags == 1 {
            self.suspected_us = bucket.now_us;
        }
        let frozen = self.flags != 0 || self.found.is_some();
        let too_long = bucket.now_us.saturating_sub(self.suspected_us) > FROZEN_US_MAX;
        if !frozen || too_long {
            self.series[0].push(values[0]);
            if bucket.requests > 0 {
                self.series[1].push(values[1]);
                self.series[2].push(values[2]);
            }
        }
        self.decide(settings, bucket.now_us, score)
    }

    fn score(
        &self,
        settings: &Settings,
        bucket: &RouteBucket,
        values: &[f64; 3],
        seconds: f64,
    ) -> Option<RouteFound> {
        if bucket.now_us < self.began_us.saturating_add(settings.warm_up_us) {
            return None;
        }
        let requests = bucket.requests as f64;
        let signals = [Signal::Rate, Signal::Failed, Signal::Denied];
        let scores = signals.into_iter().enumerate().filter_map(|(at, signal)| {
            let enough = requests >= settings.requests_min
                && (signal == Signal::Rate || values[at] >= settings.share_min);
            if !enough || !settings.signals.contains(&signal) {
                return None;
            }
            let usual = self.series[at].centre()?;
            let floor = match signal {
                Signal::Rate => (SPREAD_MIN * usual.at).max((usual.at.max(1.0) / seconds).sqrt()),
                _ => SHARE_SPREAD_MIN.max((usual.at * (1.0 - usual.at) / requests).sqrt()),
            };
            let z = usual.z(values[at], floor);
            let since_us = bucket.now_us;
            Some(RouteFound { signal, z, value: values[at], usual: usual.at, since_us })
        });
        scores.max_by(|a, b| a.z.total_cmp(&b.z))
    }

    fn decide(&mut self, settings: &Settings, now_us: u64, score: Option<RouteFound>) -> bool {
        let z = score.as_ref().map_or(0.0, |score| score.z);
        if let Some(found) = &mut self.found {
            if z >= settings.z / 2.0 {
                self.calm_since_us = None;
                if let Some(score) = score {
                    *found = RouteFound { since_us: found.since_us, ..score };
                }
                return false;
            }
            found.z = z;
            let since_us = *self.calm_since_us.get_or_insert(now_us);
            let over = now_us - since_us >= settings.calm_us;
            if over {
                (self.found, self.flags, self.calm_since_us) = (None, 0, None);
            }
            return over;
        }
        let begins = self.flags.count_ones() >= FLAGS_MIN && z >= settings.z;
        if begins {
            self.found = score;
            self.calm_since_us = None;
        }
        begins
    }
}
