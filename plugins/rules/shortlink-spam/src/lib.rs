//! Guards the place where short links are made: looks at the address that is to be shortened.

use serde::Deserialize;
use tidegate_sdk::{Decision, Pattern, Phases, Refusal, Rule, World, field, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Patterns of the paths that make links.
    pub paths: Vec<Pattern>,
    /// Field of the form or JSON body that holds the address.
    pub field: String,
    /// Patterns of hosts that may not be linked.
    pub refuse_hosts: Vec<Pattern>,
    /// Names of lists of hosts that may not be linked.
    pub refuse_lists: Vec<String>,
    /// Patterns of hosts that are shorteners themselves.
    pub shorteners: Vec<Pattern>,
    /// Links of one client in `window_s` seconds.
    pub links_max: u64,
    /// Seconds that the count lasts from its first link.
    pub window_s: u64,
    /// Refuses addresses whose host is a number, carries a user, or mixes alphabets.
    pub strict: bool,
}

impl Default for Config {
    fn default() -> Self {
        let shorteners = ["bit.ly", "t.co", "tinyurl.com", "is.gd", "goo.gl", "ow.ly", "cutt.ly"];
        Self {
            paths: ["/api/links", "/v1/links"].map(Pattern::new).into(),
            field: "url".into(),
            refuse_hosts: Vec::new(),
            refuse_lists: Vec::new(),
            shorteners: shorteners.map(Pattern::new).into(),
            links_max: 60,
            window_s: 3_600,
            strict: true,
        }
    }
}

/// Remembered of a request that has been counted.
const COUNTED: &str = "counted";
/// Bytes of the body that are searched for the address.
const BODY_BYTES_MAX: usize = 16_384;

/// The rule.
#[derive(Debug)]
pub struct ShortlinkSpam {
    config: Config,
}

impl Rule for ShortlinkSpam {
    const NAME: &'static str = "shortlink_spam";
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.paths.is_empty() || config.field.is_empty() {
            return Err("paths and field: must not be empty".into());
        }
        Ok(Self { config })
    }

    fn phases(&self) -> Phases {
        Phases { body_bytes_max: BODY_BYTES_MAX, response: false }
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let path = world.path();
        let here = self.config.paths.iter().any(|pattern| pattern.matches(&path));
        if !here || world.method() != "POST" {
            return Decision::Allow;
        }
        if self.is_too_fast(world) {
            let wait = self.config.window_s;
            return Decision::slow_down("rate", "Too many links in a short time.", wait);
        }
        let Some(url) = field(&world.body(), &self.config.field) else { return Decision::Allow };
        match self.objection(world, url.trim()) {
            Some(reason) => Decision::Refuse(Refusal {
                status: 422,
                reason,
                detail: "This address cannot be shortened.".into(),
                retry_after_s: None,
            }),
            None => Decision::Allow,
        }
    }
}

impl ShortlinkSpam {
    fn is_too_fast(&self, world: &dyn World) -> bool {
        let key = format!("shortlink:{}", world.client_key());
        // Asked twice, for the head and with the body, but this is one link.
        let fresh = world.recall() != COUNTED;
        world.remember(COUNTED);
        let window_ms = self.config.window_s.saturating_mul(1_000);
        world.count(&key, window_ms, u64::from(fresh)) > self.config.links_max
    }

    fn objection(&self, world: &dyn World, url: &str) -> Option<&'static str> {
        let lower = url.to_lowercase();
        let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
        let Some(rest) = rest else { return Some("scheme") };
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_end_matches('.');
        // A host is refused with all below it.
        let among = |patterns: &[Pattern]| {
            patterns.iter().any(|pattern| parents(host).any(|name| pattern.matches_lower(name)))
        };
        let config = &self.config;
        if host.is_empty() {
            return Some("host");
        }
        if among(&config.refuse_hosts) || listed(world, &config.refuse_lists, host) {
            return Some("listed");
        }
        if among(&config.shorteners) || host == world.host() {
            return Some("shortener");
        }
        if config.strict && authority.contains('@') {
            return Some("user");
        }
        (config.strict && is_odd(host)).then_some("odd_host")
    }
}

/// A host is listed with its whole name or one of its parents.
fn listed(world: &dyn World, lists: &[String], host: &str) -> bool {
    lists.iter().any(|list| parents(host).any(|name| world.listed(list, name)))
}

/// The whole name and its parents, down to two labels.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    let names =
        std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, rest)| rest));
    names.filter(|name| name.contains('.'))
}

/// Numbers in place of a name, and names of mixed or disguised alphabets.
fn is_odd(host: &str) -> bool {
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.') || host.starts_with("0x");
    let plain = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    let disguised = host.split('.').any(|label| {
        let letters = label.chars().any(|c| c.is_ascii_alphabetic());
        letters && !label.is_ascii()
    });
    numeric || plain || disguised || host.split('.').any(|label| label.starts_with("xn--"))
}

rule!(ShortlinkSpam);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

    use crate::ShortlinkSpam;

    fn reason(json: &str, url: &str) -> Option<&'static str> {
        let rule = ShortlinkSpam::new(settings(json.as_bytes()).unwrap().config).unwrap();
        let mut world = FakeWorld::new("POST", "/api/links");
        world.listing("phishing", "evil.example").carrying(&format!("{{\"url\": \"{url}\"}}"));
        match rule.decide(&world) {
            Decision::Refuse(refusal) => Some(refusal.reason),
            Decision::Allow | Decision::Tag { .. } => None,
        }
    }

    #[test]
    fn addresses_are_judged_by_their_host() {
        let json = r#"{"refuse_hosts": ["*.bad.example"], "refuse_lists": ["phishing"]}"#;
        for (url, expected) in [
            ("https://good.example/page", None),
            ("HTTP://good.example:8080/?q=bit.ly", None),
            ("ftp://good.example/", Some("scheme")),
            ("javascript:alert(1)", Some("scheme")),
            ("https:///path", Some("host")),
            ("https://www.bad.example/", Some("listed")),
            ("https://login.evil.example./x", Some("listed")),
            ("https://notevil.example/x", None),
            ("https://a.b.bad.example/", Some("listed")),
            ("https://bit.ly/abc", Some("shortener")),
            ("https://EXAMPLE.com/abc", Some("shortener")),
            ("https://bank.example@evil2.example/", Some("user")),
            ("https://192.0.2.1/", Some("odd_host")),
            ("https://3221225985/", Some("odd_host")),
            ("https://xn--pypal-4ve.example/", Some("odd_host")),
            ("https://pаypal.example/", Some("odd_host")),
        ] {
            assert_eq!(reason(json, url), expected, "{url}");
        }
    }

    #[test]
    fn one_client_makes_so_many_links() {
        let rule = ShortlinkSpam::new(settings(br#"{"links_max": 2}"#).unwrap().config).unwrap();
        let mut world = FakeWorld::new("GET", "/");
        let mut word = || {
            world.next("POST", "/api/links").carrying("url=https://good.example/");
            rule.decide(&world).word()
        };
        assert_eq!([word(), word(), word()], ["allowed", "allowed", "refused"]);
    }
}
