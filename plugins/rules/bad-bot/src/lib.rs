//! Refuses clients that say themselves that they are unwanted: by their `user-agent`, or by a mark
//! that some field of theirs carries.

use serde::Deserialize;
use tidegate_sdk::{Decision, Pattern, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Patterns of `user-agent`; `*` stands for any run of characters, case does not matter.
    pub user_agents: Vec<Pattern>,
    /// Patterns that pass although one of `user_agents` matches.
    pub except: Vec<Pattern>,
    /// Refuses requests without a `user-agent`.
    pub refuse_empty: bool,
    /// Fields that mark a request by their value.
    pub marks: Vec<Mark>,
}

/// A field and the value that marks a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Name of the field.
    pub header: String,
    /// Its value; `*` for any.
    pub value: Pattern,
}

/// The rule.
#[derive(Debug)]
pub struct BadBot {
    config: Config,
}

impl Rule for BadBot {
    const NAME: &'static str = "bad_bot";
    type Config = Config;

    fn new(mut config: Config) -> Result<Self, String> {
        for mark in &mut config.marks {
            mark.header.make_ascii_lowercase();
            if mark.header.is_empty() {
                return Err("marks: a header must have a name".into());
            }
        }
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        if self.is_marked(world) {
            return Decision::refuse("mark", "Automated requests are not welcome here.");
        }
        match world.header("user-agent") {
            Some(agent) if !agent.is_empty() => self.decide_agent(&agent.to_ascii_lowercase()),
            _ if self.config.refuse_empty => {
                Decision::refuse("empty", "The request does not say which program sent it.")
            }
            _ => Decision::Allow,
        }
    }
}

impl BadBot {
    fn is_marked(&self, world: &dyn World) -> bool {
        let holds = |mark: &Mark| {
            world.header(&mark.header).is_some_and(|value| mark.value.matches(&value))
        };
        self.config.marks.iter().any(holds)
    }

    fn decide_agent(&self, agent: &str) -> Decision {
        let any = |patterns: &[Pattern]| patterns.iter().any(|one| one.matches_lower(agent));
        if any(&self.config.user_agents) && !any(&self.config.except) {
            return Decision::refuse("user_agent", "Automated requests are not welcome here.");
        }
        Decision::Allow
    }
}

rule!(BadBot);

#[cfg(test)]
mod tests;
