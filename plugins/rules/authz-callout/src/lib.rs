//! Asks a service whether a request may pass, and remembers what it said.
//!
//! The service gets a GET with the fields of the request that the configuration names, and with
//! `x-original-method`, `-host`, `-path`. A status of 2xx lets the request pass; 401, 403 and 429 are
//! passed on; anything else, and silence, is the failure that `on_error` decides about.

use serde::Deserialize;

/// What is written under `config`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the upstream; the plugin's `upstreams` must allow it.
    pub upstream: String,
    /// Path that is asked.
    #[serde(default = "path")]
    pub path: String,
    /// How long the answer may take.
    #[serde(default = "timeout")]
    pub timeout_ms: u64,
    /// Whether requests pass when the service fails.
    #[serde(default)]
    pub on_error: OnError,
    /// Fields of the request that the service sees; answers are remembered by them.
    #[serde(default = "headers")]
    pub headers: Vec<String>,
    /// How long an answer is remembered; 0: not at all.
    #[serde(default)]
    pub remember_s: u64,
}

/// What becomes of a request that the service did not judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// 503.
    #[default]
    Refuse,
    /// It passes.
    Pass,
}

fn path() -> String {
    "/authorize".into()
}

const fn timeout() -> u64 {
    500
}

fn headers() -> Vec<String> {
    vec!["authorization".into(), "cookie".into()]
}

/// What an answer of the service means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The request passes.
    Pass,
    /// It is answered with this status.
    Refuse(u16),
    /// The service failed.
    Failed,
}

/// Reads a configuration.
///
/// # Errors
/// What is wrong with it.
pub fn read(json: &[u8]) -> Result<Config, String> {
    let mut config: Config = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if !config.path.starts_with('/') {
        return Err(format!("path {:?} must begin with /", config.path));
    }
    config.headers.iter_mut().for_each(|name| name.make_ascii_lowercase());
    Ok(config)
}

/// What a status of the service means; `None` for no answer.
#[must_use]
pub fn judge(status: Option<u16>) -> Judgement {
    match status {
        Some(200..=299) => Judgement::Pass,
        Some(status @ (401 | 403 | 429)) => Judgement::Refuse(status),
        _ => Judgement::Failed,
    }
}

#[cfg(target_arch = "wasm32")]
mod module;

#[cfg(test)]
mod tests {
    use crate::{Judgement, OnError, judge, read};

    #[test]
    fn answers_mean_what_they_say() {
        assert_eq!(judge(Some(204)), Judgement::Pass);
        assert_eq!(judge(Some(403)), Judgement::Refuse(403));
        for status in [None, Some(302), Some(404), Some(500)] {
            assert_eq!(judge(status), Judgement::Failed);
        }
    }

    #[test]
    fn a_configuration_names_the_upstream() {
        let config = read(br#"{"upstream": "risk", "headers": ["X-Key"]}"#).unwrap();
        assert_eq!((config.headers[0].as_str(), config.on_error), ("x-key", OnError::Refuse));
        assert!(read(b"{}").unwrap_err().contains("upstream"));
        assert!(read(br#"{"upstream": "a", "path": "b"}"#).unwrap_err().contains("begin with /"));
    }
}
