//! Sets traps: whoever asks for a path that no visitor ever sees is refused everywhere for a while.

use serde::Deserialize;
use tidegate_sdk::{Decision, Network, Pattern, Refusal, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Patterns of trap paths, besides the usual ones.
    pub paths: Vec<Pattern>,
    /// Whether the usual trap paths (`/.env`, `/wp-login.php`, ...) are traps here too.
    pub usual: bool,
    /// Seconds that a client stays refused.
    pub hold_s: u64,
    /// Traps that a client may step into before it is refused everywhere.
    pub strikes: u64,
    /// Clients that are never held: monitors, own scanners.
    pub except: Vec<Network>,
}

impl Default for Config {
    fn default() -> Self {
        Self { paths: Vec::new(), usual: true, hold_s: 3_600, strikes: 1, except: Vec::new() }
    }
}

/// Paths that scanners ask for and visitors do not.
const USUAL: [&str; 22] = [
    "/.env*",
    "/.git/*",
    "/.aws/*",
    "/.ssh/*",
    "/.svn/*",
    "/.htpasswd",
    "/.ds_store",
    "/wp-login.php",
    "/wp-admin/*",
    "/xmlrpc.php",
    "/wp-config*",
    "/phpmyadmin*",
    "/pma/*",
    "/vendor/phpunit/*",
    "/cgi-bin/*",
    "/boaform/*",
    "/actuator/*",
    "/solr/admin/*",
    "/hnap1*",
    "/server-status",
    "/etc/passwd",
    "/id_rsa",
];

/// The rule.
#[derive(Debug)]
pub struct Honeypot {
    config: Config,
}

impl Rule for Honeypot {
    const NAME: &'static str = "honeypot";
    type Config = Config;

    fn new(mut config: Config) -> Result<Self, String> {
        if config.hold_s == 0 || config.strikes == 0 {
            return Err("hold_s and strikes: must be at least 1".into());
        }
        if config.usual {
            config.paths.extend(USUAL.map(Pattern::new));
        }
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let excepted = |client| self.config.except.iter().any(|network| network.holds(client));
        if world.client().is_some_and(excepted) {
            return Decision::Allow;
        }
        let key = format!("honeypot:{}", world.client_key());
        let hold_ms = self.config.hold_s.saturating_mul(1_000);
        let path = world.path().to_ascii_lowercase();
        if self.config.paths.iter().any(|pattern| pattern.matches_lower(&path)) {
            world.count(&key, hold_ms, 1);
            return refusal(404, "trap", "Nothing is here.");
        }
        if world.count(&key, hold_ms, 0) >= self.config.strikes {
            return refusal(403, "held", "Requests from this network are refused for a while.");
        }
        Decision::Allow
    }
}

fn refusal(status: u16, reason: &'static str, detail: &str) -> Decision {
    Decision::Refuse(Refusal { status, reason, detail: detail.into(), retry_after_s: None })
}

rule!(Honeypot);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

    use crate::Honeypot;

    fn rule(json: &str) -> Honeypot {
        Honeypot::new(settings(json.as_bytes()).unwrap().config).unwrap()
    }

    fn status(rule: &Honeypot, world: &mut FakeWorld, client: &str, path: &str) -> u16 {
        world.next("GET", path).from(client);
        match rule.decide(world) {
            Decision::Refuse(refusal) => refusal.status,
            Decision::Allow | Decision::Tag { .. } => 200,
        }
    }

    #[test]
    fn who_steps_into_a_trap_is_held_for_a_while() {
        let (rule, mut world) = (rule(r#"{"hold_s": 60}"#), FakeWorld::new("GET", "/"));
        assert_eq!(status(&rule, &mut world, "192.0.2.1", "/"), 200);
        assert_eq!(status(&rule, &mut world, "192.0.2.1", "/.ENV.backup?x=1"), 404);
        assert_eq!(status(&rule, &mut world, "192.0.2.1", "/"), 403);
        assert_eq!(status(&rule, &mut world, "192.0.2.2", "/"), 200);
        world.later(60_000);
        assert_eq!(status(&rule, &mut world, "192.0.2.1", "/"), 200);
    }

    #[test]
    fn strikes_and_exceptions_are_kept() {
        let json = r#"{"strikes": 2, "usual": false, "paths": ["/trap"], "except": ["192.0.2.9"]}"#;
        let (rule, mut world) = (rule(json), FakeWorld::new("GET", "/"));
        assert_eq!(status(&rule, &mut world, "192.0.2.1", "/trap"), 404);
        assert_eq!(status(&rule, &mut world, "192.0.2.1", "/.env"), 200);
        assert_eq!(status(&rule, &mut world, "192.0.2.1", "/trap"), 404);
        assert_eq!(status(&rule, &mut world, "192.0.2.1", "/"), 403);
        assert_eq!(status(&rule, &mut world, "192.0.2.9", "/trap"), 200);
    }
}
