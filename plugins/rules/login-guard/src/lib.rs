//! Slows down credential stuffing: counts failed logins, as the origin answers them, per client, per
//! account and per TLS fingerprint, and how many accounts one client tries.

use serde::Deserialize;
use tidegate_sdk::{Decision, Pattern, Phases, Rule, World, field, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Patterns of the paths that log in.
    pub paths: Vec<Pattern>,
    /// Methods that log in.
    #[serde(default = "post")]
    pub methods: Vec<String>,
    /// Field of the form or JSON body that names the account; without it accounts are not counted.
    #[serde(default)]
    pub account_field: Option<String>,
    /// Statuses that mean a failed login.
    #[serde(default = "refusals")]
    pub failures: Vec<u16>,
    /// Seconds that a count lasts from its first failure.
    #[serde(default = "ten_minutes")]
    pub window_s: u64,
    /// Failures of one client.
    #[serde(default = "ten")]
    pub per_client_max: u64,
    /// Failures of one account, from wherever they come.
    #[serde(default = "twenty")]
    pub per_account_max: u64,
    /// Failures of one TLS fingerprint; 0 does not count them.
    #[serde(default)]
    pub per_ja4_max: u64,
    /// Accounts that one client may fail to enter.
    #[serde(default = "five")]
    pub accounts_per_client_max: u64,
}

fn post() -> Vec<String> {
    vec!["POST".into()]
}

fn refusals() -> Vec<u16> {
    vec![401, 403]
}

fn ten_minutes() -> u64 {
    600
}

fn five() -> u64 {
    5
}

fn ten() -> u64 {
    10
}

fn twenty() -> u64 {
    20
}

/// Bytes of the body that are searched for the account.
const BODY_BYTES_MAX: usize = 8_192;
/// Bytes of an account's name; longer ones are cut.
const ACCOUNT_BYTES_MAX: usize = 128;

/// The rule.
#[derive(Debug)]
pub struct LoginGuard {
    config: Config,
}

impl Rule for LoginGuard {
    const NAME: &'static str = "login_guard";
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.paths.is_empty() {
            return Err("paths: name at least one path that logs in".into());
        }
        if config.window_s == 0 {
            return Err("window_s: must be at least 1".into());
        }
        Ok(Self { config })
    }

    fn phases(&self) -> Phases {
        let body_bytes_max = if self.config.account_field.is_some() { BODY_BYTES_MAX } else { 0 };
        Phases { body_bytes_max, response: true }
    }

    fn decide(&self, world: &dyn World) -> Decision {
        if !self.is_login(world) {
            return Decision::Allow;
        }
        let account = self.account(world);
        // The response no longer has the body: it has to know what was tried.
        world.remember(&format!("login {account}"));
        match self.exceeded(world, &account) {
            Some(reason) => Decision::slow_down(
                reason,
                "Too many failed logins. Wait a while, or reset the password.",
                self.config.window_s,
            ),
            None => Decision::Allow,
        }
    }

    fn observe(&self, world: &dyn World) {
        let noted = world.recall();
        let Some(account) = noted.strip_prefix("login ") else { return };
        if !self.config.failures.contains(&world.status()) {
            return;
        }
        for (key, _, _) in self.counters(world, account) {
            world.count(&key, self.window_ms(), 1);
        }
        if !account.is_empty() {
            let tried = format!("login-tried:{}", world.client_key());
            let tried = world.distinct(&tried, account, self.window_ms());
            if tried >= self.config.accounts_per_client_max {
                world.count(&format!("login-many:{}", world.client_key()), self.window_ms(), 1);
            }
        }
    }
}

impl LoginGuard {
    fn is_login(&self, world: &dyn World) -> bool {
        let path = world.path();
        self.config.methods.contains(&world.method())
            && self.config.paths.iter().any(|pattern| pattern.matches(&path))
    }

    fn account(&self, world: &dyn World) -> String {
        let name = self.config.account_field.as_deref();
        let account = name.and_then(|name| field(&world.body(), name)).unwrap_or_default();
        account.trim().to_lowercase().chars().take(ACCOUNT_BYTES_MAX).collect()
    }

    /// Keys, limits and the word for each count that applies.
    fn counters(&self, world: &dyn World, account: &str) -> Vec<(String, u64, &'static str)> {
        let config = &self.config;
        let client = format!("login-client:{}", world.client_key());
        let mut counters = vec![(client, config.per_client_max, "client")];
        if !account.is_empty() {
            counters.push((format!("login-account:{account}"), config.per_account_max, "account"));
        }
        if config.per_ja4_max > 0
            && let Some(ja4) = world.property("tls.ja4")
        {
            counters.push((format!("login-ja4:{ja4}"), config.per_ja4_max, "ja4"));
        }
        counters
    }

    fn exceeded(&self, world: &dyn World, account: &str) -> Option<&'static str> {
        let window_ms = self.window_ms();
        if world.count(&format!("login-many:{}", world.client_key()), window_ms, 0) > 0 {
            return Some("accounts");
        }
        let mut counters = self.counters(world, account).into_iter();
        counters
            .find(|(key, most, _)| world.count(key, window_ms, 0) >= *most)
            .map(|(_, _, word)| word)
    }

    fn window_ms(&self) -> u64 {
        self.config.window_s.saturating_mul(1_000)
    }
}

rule!(LoginGuard);

#[cfg(test)]
mod tests;
