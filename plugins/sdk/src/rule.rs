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

/// What becomes of a request that a rule refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRefuse {
    /// It is answered with the refusal.
    #[default]
    Block,
    /// A browser is given a puzzle first, and passes when it has solved it; others are refused.
    Challenge,
    /// It is answered with the refusal, after ten seconds.
    Tarpit,
    /// It goes on; the origin sees the reason in `x-tidegate-refused`.
    Tag,
    /// It goes on; the reason is logged.
    Log,
}

/// The configuration of a rule together with what the SDK reads from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings<C> {
    /// Key `mode`, present for every rule.
    pub mode: Mode,
    /// Key `on_refuse`, present for every rule.
    pub on_refuse: OnRefuse,
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
    if !value.is_object() {
        return Err("the configuration must be an object".to_owned());
    }
    let mode = object_key(&mut value, "mode")?;
    let on_refuse = object_key(&mut value, "on_refuse")?;
    let config = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(Settings { mode, on_refuse, config })
}

/// Takes a key out of an object.
fn object_key<T: DeserializeOwned + Default>(
    value: &mut serde_json::Value,
    key: &str,
) -> Result<T, String> {
    let taken = value.as_object_mut().and_then(|object| object.remove(key));
    match taken.map(serde_json::from_value) {
        None => Ok(T::default()),
        Some(read) => read.map_err(|error| format!("{key}: {error}")),
    }
}
