//! What a rule is.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{Decision, World};

/// When a rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Holds the request body back, up to so many bytes, and decides when it is there.
    pub body_bytes_max: usize,
    /// Shows the rule the head of the response.
    pub response: bool,
}

impl Phases {
    /// Only the head of the request.
    pub const REQUEST: Self = Self { body_bytes_max: 0, response: false };
    /// The heads of request and response.
    pub const BOTH: Self = Self { body_bytes_max: 0, response: true };
}

/// A rule: configuration in, decisions out.
pub trait Rule: Sized + 'static {
    /// Name in problem documents and counters; letters, digits and `_`.
    const NAME: &'static str;

    /// What is written under `config`; unknown keys should be refused.
    type Config: DeserializeOwned;

    /// Makes the rule, or says what is wrong with the configuration.
    ///
    /// # Errors
    /// A text that names the key and the fix; the plugin is then refused.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// When the rule is asked.
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    /// Decides about a request. A rule that asked for the body decides twice: over the head alone,
    /// when only a refusal counts, and again with the body; it must not count a request twice.
    fn decide(&self, world: &dyn World) -> Decision;

    /// Watches the response; cannot change it.
    fn observe(&self, _world: &dyn World) {}
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Yes.
    #[default]
    Enforce,
    /// No: they are only counted, logged and attached as a label.
    Shadow,
}

/// The configuration of a rule together with what the SDK reads from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings<C> {
    /// Key `mode`, present for every rule.
    pub mode: Mode,
    /// The rest.
    pub config: C,
}

/// Reads a configuration: JSON, or nothing for `{}`.
///
/// # Errors
/// What is wrong with it.
pub fn settings<C: DeserializeOwned>(json: &[u8]) -> Result<Settings<C>, String> {
    let json = if json.trim_ascii().is_empty() { b"{}" } else { json };
    let mut value: serde_json::Value =
        serde_json::from_slice(json).map_err(|error| format!("not JSON: {error}"))?;
    let object = value.as_object_mut().ok_or("the configuration must be an object")?;
    let mode = object.remove("mode").map(serde_json::from_value).transpose();
    let mode = mode.map_err(|error| format!("mode: {error}"))?.unwrap_or_default();
    let config = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(Settings { mode, config })
}
