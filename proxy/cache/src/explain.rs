//! Every sum behind a decision, for people.

use crate::directive::RequestDirectives;
use crate::freshness::{AgeSums, Lifetime};
use crate::meta::Meta;
use crate::reuse::{Evaluation, evaluate};

/// Why a stored response would or would not answer now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Status of the stored response.
    pub status: u16,
    /// `field=value` of each field it varies by.
    pub variant: Vec<String>,
    /// The terms of its age.
    pub sums: AgeSums,
    /// apparent_age in milliseconds.
    pub apparent_age_ms: u64,
    /// response_delay in milliseconds.
    pub response_delay_ms: u64,
    /// corrected_age_value in milliseconds.
    pub corrected_age_value_ms: u64,
    /// corrected_initial_age in milliseconds.
    pub corrected_initial_age_ms: u64,
    /// resident_time in milliseconds.
    pub resident_ms: u64,
    /// freshness_lifetime and its source.
    pub lifetime: Lifetime,
    /// Stale windows in seconds: while validating, on error.
    pub stale_windows_s: (u32, u32),
    /// The verdict with current_age and the freshness left.
    pub evaluation: Evaluation,
}

/// The sums of a stored response for a request.
pub fn explain(
    meta: &Meta,
    request: &RequestDirectives,
    stale_from_ms: Option<u64>,
    now_ms: u64,
) -> Explanation {
    let sums = meta.sums;
    Explanation {
        status: meta.status,
        variant: meta.vary.readable(),
        sums,
        apparent_age_ms: sums.apparent_age_ms(),
        response_delay_ms: sums.response_delay_ms(),
        corrected_age_value_ms: sums.corrected_age_value_ms(),
        corrected_initial_age_ms: sums.corrected_initial_age_ms(),
        resident_ms: now_ms.saturating_sub(sums.response_ms),
        lifetime: meta.lifetime,
        stale_windows_s: (meta.while_revalidate_s, meta.if_error_s),
        evaluation: evaluate(meta, request, stale_from_ms, now_ms),
    }
}
