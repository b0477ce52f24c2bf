//! Lets a request pass when a field has (or has not) a value. The smallest useful rule, and the one
//! that benchmarks run.

use serde::Deserialize;
use tidegate_sdk::{Decision, Pattern, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the field.
    pub header: String,
    /// Refuses requests whose field matches.
    #[serde(default)]
    pub refuse: Option<Pattern>,
    /// Refuses requests whose field is absent or does not match.
    #[serde(default)]
    pub require: Option<Pattern>,
}

/// The rule.
#[derive(Debug)]
pub struct HeaderCheck {
    config: Config,
}

impl Rule for HeaderCheck {
    const NAME: &'static str = "header_check";
    type Config = Config;

    fn new(mut config: Config) -> Result<Self, String> {
        config.header.make_ascii_lowercase();
        if config.refuse.is_none() && config.require.is_none() {
            return Err("one of refuse and require must be given".into());
        }
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let value = world.header(&self.config.header);
        let matches =
            |pattern: &Pattern| value.as_deref().is_some_and(|value| pattern.matches(value));
        if self.config.refuse.as_ref().is_some_and(matches) {
            return Decision::refuse("refuse", "The request carries a refused field.");
        }
        if self.config.require.as_ref().is_some_and(|pattern| !matches(pattern)) {
            return Decision::refuse("require", "The request lacks a required field.");
        }
        Decision::Allow
    }
}

rule!(HeaderCheck);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

    use crate::HeaderCheck;

    fn refused(json: &str, value: Option<&str>) -> bool {
        let rule = HeaderCheck::new(settings(json.as_bytes()).unwrap().config).unwrap();
        let mut world = FakeWorld::new("GET", "/");
        if let Some(value) = value {
            world.set("x-key", value);
        }
        matches!(rule.decide(&world), Decision::Refuse(_))
    }

    #[test]
    fn a_matching_field_is_refused() {
        let json = r#"{"header": "X-Key", "refuse": "bad*"}"#;
        assert!(refused(json, Some("badger")));
        assert!(!refused(json, Some("good")));
        assert!(!refused(json, None));
    }

    #[test]
    fn a_required_field_must_match() {
        let json = r#"{"header": "x-key", "require": "good"}"#;
        assert!(!refused(json, Some("good")));
        assert!(refused(json, Some("bad")));
        assert!(refused(json, None));
    }

    #[test]
    fn a_rule_without_a_condition_is_an_error() {
        let settings = settings(br#"{"header": "x"}"#).unwrap();
        assert!(HeaderCheck::new(settings.config).is_err());
    }
}
