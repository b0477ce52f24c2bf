//! Shorthand for the tests of this crate.

use tidegate_http::{FieldList, Method, ResponseHead};

use crate::meta::Meta;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::storable::{Asked, Decision, Plan, decide_store};

/// `Sat, 21 Nov 2026 00:00:00 GMT`, the time of every test unless it says otherwise.
pub(crate) const NOW_S: u64 = 1_795_219_200;
pub(crate) const NOW_MS: u64 = NOW_S * 1000;

/// Fields from lines `name: value`.
pub(crate) fn fields(text: &str) -> FieldList {
    text.lines()
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(n, v)| (n, v.trim()))
        .collect()
}

/// An HTTP date so many seconds from now.
pub(crate) fn date(offset_s: i64) -> String {
    let text = tidegate_http::date::format(NOW_S.saturating_add_signed(offset_s));
    String::from_utf8(text.to_vec()).unwrap()
}

/// The decision about a response `status` with these fields to a GET with these, both now.
pub(crate) fn decide(policy: &Policy, request: &str, status: u16, response: &str) -> Decision {
    let request = fields(request);
    let asked =
        Asked { method: Method::Get, fields: &request, origin: "https://a", request_ms: NOW_MS };
    decide_store(policy, &asked, &ResponseHead { status, fields: fields(response) }, NOW_MS)
}

/// The plan for a 200 that is stored.
pub(crate) fn plan(response: &str) -> Plan {
    match decide(&Policy::default(), "", 200, response) {
        Decision::Store(plan) => *plan,
        Decision::Pass(reason) => panic!("not stored: {}", reason.as_str()),
    }
}

/// The meta of a 200 that is stored.
pub(crate) fn meta(response: &str) -> Meta {
    plan(response).meta
}

/// Why a response is stored or not.
pub(crate) fn reason(request: &str, status: u16, response: &str) -> Reason {
    match decide(&Policy::default(), request, status, response) {
        Decision::Store(plan) => plan.reason,
        Decision::Pass(reason) => reason,
    }
}
