//! Keeps other sites from embedding media: looks at where a browser says the request comes from.

use serde::Deserialize;
use tidegate_sdk::{Decision, Pattern, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Patterns of the paths that are guarded.
    pub paths: Vec<Pattern>,
    /// Patterns of hosts that may embed, besides the request's own host.
    #[serde(default)]
    pub hosts: Vec<Pattern>,
    /// Whether requests that do not say where they come from pass: links in mail, privacy tools,
    /// players of phones.
    #[serde(default = "yes")]
    pub allow_unknown: bool,
    /// Query parameters whose presence excepts a request: a signature that another step verifies.
    #[serde(default)]
    pub signed_by: Vec<String>,
}

fn yes() -> bool {
    true
}

/// The rule.
#[derive(Debug)]
pub struct Hotlink {
    config: Config,
}

impl Rule for Hotlink {
    const NAME: &'static str = "hotlink";
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.paths.is_empty() {
            return Err("paths: name at least one path to guard".into());
        }
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let path = world.path();
        if !self.config.paths.iter().any(|pattern| pattern.matches(&path)) || self.is_signed(world)
        {
            return Decision::Allow;
        }
        let origin = world.header("referer").or_else(|| world.header("origin"));
        let host = origin.as_deref().and_then(host_of);
        match host {
            Some(host) if self.may_embed(&host, &world.host()) => Decision::Allow,
            Some(_) => Decision::refuse("referer", "This file may not be embedded by other sites."),
            None => self.decide_unknown(world),
        }
    }
}

impl Hotlink {
    fn is_signed(&self, world: &dyn World) -> bool {
        let query = world.query().unwrap_or_default();
        let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        names.any(|name| self.config.signed_by.iter().any(|signed| signed == name))
    }

    fn may_embed(&self, host: &str, own: &str) -> bool {
        host == own || self.config.hosts.iter().any(|pattern| pattern.matches(host))
    }

    /// Browsers tell without a referer whether another site embeds (Fetch Metadata).
    fn decide_unknown(&self, world: &dyn World) -> Decision {
        let site = world.header("sec-fetch-site");
        match site.as_deref() {
            Some("cross-site") => {
                Decision::refuse("cross_site", "This file may not be embedded by other sites.")
            }
            Some("same-origin" | "same-site" | "none") => Decision::Allow,
            _ if self.config.allow_unknown => Decision::Allow,
            _ => Decision::refuse("unknown", "The request does not say where it comes from."),
        }
    }
}

/// Host of an absolute URL, lower case, without port and user.
fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

rule!(Hotlink);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

    use crate::Hotlink;

    const CONFIG: &str =
        r#"{"paths": ["/media/*"], "hosts": ["*.partner.example"], "signed_by": ["tg"]}"#;

    fn refused(json: &str, path: &str, fields: &[(&str, &str)]) -> bool {
        let rule = Hotlink::new(settings(json.as_bytes()).unwrap().config).unwrap();
        let mut world = FakeWorld::new("GET", path);
        for (name, value) in fields {
            world.set(name, value);
        }
        matches!(rule.decide(&world), Decision::Refuse(_))
    }

    #[test]
    fn only_own_and_named_hosts_embed() {
        for (referer, expected) in [
            ("https://example.com/page", false),
            ("https://EXAMPLE.com:443/page", false),
            ("https://www.partner.example/", false),
            ("https://thief.example/", true),
            ("https://example.com@thief.example/", true),
            ("https://example.com.thief.example/", true),
        ] {
            assert_eq!(
                refused(CONFIG, "/media/a.jpg", &[("referer", referer)]),
                expected,
                "{referer}"
            );
        }
    }

    #[test]
    fn other_paths_and_signed_requests_pass() {
        let thief = [("referer", "https://thief.example/")];
        assert!(!refused(CONFIG, "/page", &thief));
        assert!(!refused(CONFIG, "/media/a.jpg?x=1&tg=abc", &thief));
        assert!(refused(CONFIG, "/media/a.jpg?x=tg", &thief));
    }

    #[test]
    fn without_a_referer_fetch_metadata_decides() {
        assert!(!refused(CONFIG, "/media/a.jpg", &[]));
        assert!(refused(CONFIG, "/media/a.jpg", &[("sec-fetch-site", "cross-site")]));
        assert!(!refused(CONFIG, "/media/a.jpg", &[("sec-fetch-site", "same-site")]));
        let strict = r#"{"paths": ["/media/*"], "allow_unknown": false}"#;
        assert!(refused(strict, "/media/a.jpg", &[]));
        assert!(!refused(strict, "/media/a.jpg", &[("sec-fetch-site", "none")]));
    }
}
