//! Adds up small oddities of a request: none of them is reason enough alone.

use serde::Deserialize;
use tidegate_sdk::{Decision, Rule, World, decoded, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Points from which a request is refused; above 100 never.
    pub refuse_from: u32,
    /// Points from which it carries `x-tidegate-anomaly-score`.
    pub tag_from: u32,
    /// Bytes of a query from which it is odd.
    pub query_bytes: usize,
    /// Parameters of a query from which it is odd.
    pub parameters: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { refuse_from: 5, tag_from: 3, query_bytes: 2_048, parameters: 50 }
    }
}

/// The rule.
#[derive(Debug)]
pub struct AnomalyScore {
    config: Config,
}

/// Methods of ordinary traffic.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Texts that stand in attacks rather than in addresses, with their points.
const SIGNS: [(&str, u32); 16] = [
    ("../", 4),
    ("\0", 5),
    ("<script", 4),
    ("javascript:", 3),
    ("onerror=", 4),
    ("drop table", 4),
    ("'='", 3),
    (";cat ", 3),
    ("union select", 4),
    ("' or ", 3),
    ("/etc/", 3),
    ("${", 4),
    ("{{", 2),
    (";wget ", 4),
    ("|cat ", 4),
    ("--", 1),
];

impl Rule for AnomalyScore {
    const NAME: &'static str = "anomaly_score";
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.refuse_from == 0 {
            return Err("refuse_from must be 1 or more: 0 would refuse everybody".into());
        }
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let score = self.score(world);
        if score >= self.config.refuse_from {
            return Decision::refuse("score", "The request looks like an attack.");
        }
        if score >= self.config.tag_from {
            return Decision::Tag { name: "anomaly-score".into(), value: score.to_string() };
        }
        Decision::Allow
    }
}

impl AnomalyScore {
    fn score(&self, world: &dyn World) -> u32 {
        head(world) + self.target(world) + labels(world)
    }

    fn target(&self, world: &dyn World) -> u32 {
        let (path, query) = (world.path(), world.query().unwrap_or_default());
        let mut score = 0;
        let whole = format!("{path}?{query}");
        // Twice: what was encoded twice hides from those who decode once.
        let once = decoded(&whole);
        let twice = decoded(&once);
        let text = twice.to_ascii_lowercase();
        score += SIGNS
            .iter()
            .filter(|(sign, _)| text.contains(sign))
            .map(|(_, points)| points)
            .sum::<u32>();
        score += if once != twice { 3 } else { 0 };
        score += if query.len() >= self.config.query_bytes { 2 } else { 0 };
        score + if query.split('&').count() >= self.config.parameters { 2 } else { 0 }
    }
}

/// Fields that every browser sends, and methods that none does.
fn head(world: &dyn World) -> u32 {
    let absent = |name: &str| world.header(name).is_none_or(|value| value.is_empty());
    let mut score = 0;
    score += if absent("user-agent") { 2 } else { 0 };
    score += if absent("accept") { 1 } else { 0 };
    score += if absent("accept-language") { 1 } else { 0 };
    let method = world.method();
    score += if METHODS.contains(&method.as_str()) { 0 } else { 3 };
    let with_body = matches!(method.as_str(), "POST" | "PUT" | "PATCH");
    score += if with_body && absent("content-type") { 2 } else { 0 };
    let host = world.host();
    let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    score + if numeric || host.starts_with('[') { 2 } else { 0 }
}

/// What rules before this one have found.
fn labels(world: &dyn World) -> u32 {
    let label = |name: &str| world.property(&format!("label.{name}"));
    let bot = label("bot-score").and_then(|score| score.parse::<u32>().ok()).unwrap_or(0);
    let listed = label("reputation").is_some();
    bot / 25 + if listed { 2 } else { 0 }
}

rule!(AnomalyScore);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld};

    use crate::{AnomalyScore, Config};

    fn browser(target: &str) -> FakeWorld {
        FakeWorld::new("GET", target)
            .with("user-agent", "Mozilla/5.0")
            .with("accept", "text/html")
            .with("accept-language", "en")
    }

    #[test]
    fn points_add_up() {
        let rule = AnomalyScore::new(Config::default()).unwrap();
        assert_eq!(rule.decide(&browser("/a?b=c")), Decision::Allow);
        // No field but the address: 4 points.
        assert!(matches!(rule.decide(&FakeWorld::new("GET", "/")), Decision::Tag { .. }));
        assert!(matches!(rule.decide(&browser("/?f=%252e%252e%252fetc/")), Decision::Refuse(_)));
        assert!(AnomalyScore::new(Config { refuse_from: 0, ..Config::default() }).is_err());
    }
}
