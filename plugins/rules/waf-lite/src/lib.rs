//! A small scoring filter against path traversal, SQL injection, cross-site scripting, and requests
//! for shells: each sign adds points, from a threshold on the request is refused.

use serde::Deserialize;
use tidegate_sdk::{Decision, Pattern, Phases, Rule, World, decoded, rule};

mod signs;

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Points from which a request is refused.
    pub threshold: u32,
    /// Points from which it carries `x-tidegate-anomaly`.
    pub tag_from: u32,
    /// Bytes of the body that are looked at; 0 leaves bodies alone.
    pub body_bytes_max: usize,
    /// Patterns of paths that are not looked at.
    pub except: Vec<Pattern>,
    /// Fields that are looked at besides path, query and body.
    pub headers: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            threshold: 5,
            tag_from: 3,
            body_bytes_max: 65_536,
            except: Vec::new(),
            headers: ["user-agent", "referer", "cookie"].map(str::to_owned).into(),
        }
    }
}

/// Bytes of a body that are looked at, at most.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The rule.
#[derive(Debug)]
pub struct WafLite {
    config: Config,
}

impl Rule for WafLite {
    const NAME: &'static str = "waf_lite";
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.threshold == 0 {
            return Err("threshold: 0 would refuse every request".into());
        }
        if config.body_bytes_max > BODY_BYTES_MAX {
            return Err(format!("body_bytes_max: at most {BODY_BYTES_MAX}"));
        }
        Ok(Self { config })
    }

    fn phases(&self) -> Phases {
        Phases { body_bytes_max: self.config.body_bytes_max, response: false }
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let path = world.path();
        if self.config.except.iter().any(|pattern| pattern.matches(&path)) {
            return Decision::Allow;
        }
        let points = self.points(world, &path);
        if points >= self.config.threshold {
            return Decision::refuse("score", "The request looks like an attack.");
        }
        if points >= self.config.tag_from {
            return Decision::Tag { name: "anomaly".into(), value: points.to_string() };
        }
        Decision::Allow
    }
}

impl WafLite {
    fn points(&self, world: &dyn World, path: &str) -> u32 {
        let headers = self.config.headers.iter().filter_map(|name| world.header(name));
        let body = world.body();
        let texts = headers
            .chain([path.to_owned(), world.query().unwrap_or_default()])
            .chain([String::from_utf8_lossy(&body).into_owned()]);
        texts.map(|text| signs::points(&plain(&text))).sum()
    }
}

/// What a server behind may make of a text: decoded twice, lower case, comments of SQL taken out,
/// runs of white space as one space.
fn plain(text: &str) -> String {
    let text = decoded(&decoded(text)).to_lowercase();
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("/*") {
        let Some(end) = rest[at + 2..].find("*/") else { break };
        plain.push_str(&rest[..at]);
        plain.push(' ');
        rest = &rest[at + 2 + end + 2..];
    }
    plain.push_str(rest);
    plain.retain(|c| c != '\0');
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

rule!(WafLite);

#[cfg(test)]
mod tests;
