//! The suite of the ABI: a module that asks the host every question, and the answers that it must get.

use super::{
    Report, WorkbenchError,
    cases::{Cases, Step},
    run_cases,
};

/// `plugins/conformance`, as it is built there.
const MODULE: &[u8] = include_bytes!("../../testdata/conformance.wasm");
/// The questions with the answers of this host.
const CASES: &str = include_str!("../../../../plugins/conformance/cases.toml");

/// A question as it is put over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Name of the case.
    pub name: String,
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Fields.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<String>,
    /// Words that the answer must contain.
    pub answer: String,
    /// Fields that the answer must have.
    pub answer_headers: Vec<(String, String)>,
}

/// Puts every question to this host.
///
/// # Errors
/// When the host does not start.
pub fn abi_suite() -> Result<Report, WorkbenchError> {
    run_cases(MODULE, CASES)
}

/// The module that asks, for another host.
#[must_use]
pub const fn abi_module() -> &'static [u8] {
    MODULE
}

/// The questions, for a host that is asked over HTTP and runs [`abi_module`] on every path.
///
/// # Errors
/// None but a defect of the file of cases.
pub fn abi_questions() -> Result<Vec<Question>, WorkbenchError> {
    let cases: Cases =
        toml::from_str(CASES).map_err(|error| WorkbenchError::Cases(error.to_string()))?;
    let steps = cases.cases.iter().flat_map(|case| case.steps.iter().map(move |step| (case, step)));
    Ok(steps.map(|(case, step)| question(&case.name, step)).collect())
}

fn question(name: &str, step: &Step) -> Question {
    let (method, target) = step.request.split_once(' ').unwrap_or(("GET", &step.request));
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    Question {
        name: name.to_owned(),
        method: method.to_owned(),
        target: target.to_owned(),
        headers: pairs(&step.headers),
        body: step.body.clone(),
        answer: step.expect.body.clone().unwrap_or_default(),
        answer_headers: pairs(&step.expect.answer_headers),
    }
}
