//! Scores how little a request resembles the browser that it claims to be, 0 (nothing odd) to 100,
//! labels it with the score, and refuses it from a threshold on.

use serde::Deserialize;
use tidegate_sdk::{Decision, Pattern, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Score from which the request carries `x-tidegate-bot-score`.
    pub tag_from: u32,
    /// Score from which it is refused; above 100 never.
    pub refuse_from: u32,
    /// Patterns of `user-agent` that score nothing although they are programs.
    pub known: Vec<Pattern>,
    /// TLS fingerprints (JA4, patterns) of programs: a browser's name over one of them is a lie.
    pub program_ja4: Vec<Pattern>,
}

impl Default for Config {
    fn default() -> Self {
        Self { tag_from: 30, refuse_from: 101, known: Vec::new(), program_ja4: Vec::new() }
    }
}

/// Words in `user-agent` that programs use about themselves.
const PROGRAMS: [&str; 16] = [
    "curl/",
    "wget/",
    "python-requests",
    "python-urllib",
    "aiohttp",
    "httpx",
    "go-http-client",
    "java/",
    "okhttp",
    "libwww-perl",
    "scrapy",
    "headlesschrome",
    "phantomjs",
    "node-fetch",
    "axios/",
    "ruby",
];

/// The rule.
#[derive(Debug)]
pub struct BotScore {
    config: Config,
}

impl Rule for BotScore {
    const NAME: &'static str = "bot_score";
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.refuse_from == 0 {
            return Err("refuse_from: 0 would refuse every request".into());
        }
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let agent = world.header("user-agent").unwrap_or_default().to_ascii_lowercase();
        if self.config.known.iter().any(|pattern| pattern.matches_lower(&agent)) {
            return Decision::Allow;
        }
        let score = self.score(world, &agent);
        if score >= self.config.refuse_from {
            return Decision::refuse("score", "The request does not look like a browser's.");
        }
        if score >= self.config.tag_from {
            return Decision::Tag { name: "bot-score".into(), value: score.to_string() };
        }
        Decision::Allow
    }
}

impl BotScore {
    fn score(&self, world: &dyn World, agent: &str) -> u32 {
        let browser = agent.starts_with("mozilla/5.0");
        let modern = browser && (agent.contains("chrome/") || agent.contains("firefox/"));
        let has = |name| world.header(name).is_some();
        let accept = world.header("accept").unwrap_or_default();
        let signs = [
            (agent.is_empty(), 60),
            (PROGRAMS.iter().any(|word| agent.contains(word)), 60),
            (!agent.is_empty() && agent.len() < 12, 20),
            (!has("accept-language"), if browser { 25 } else { 10 }),
            (!has("accept-encoding"), if browser { 25 } else { 10 }),
            (browser && (accept.is_empty() || accept == "*/*") && is_page(&world.path()), 20),
            (
                modern
                    && world.header(":scheme").as_deref() == Some("https")
                    && !has("sec-fetch-mode"),
                20,
            ),
            (
                agent.contains("chrome/")
                    && !agent.contains("mobile")
                    && !has("sec-ch-ua")
                    && !agent.contains("edg"),
                10,
            ),
            (browser && has("x-requested-with") && !has("referer"), 10),
            (browser && self.is_program(world), 50),
        ];
        signs.iter().filter(|(holds, _)| *holds).map(|(_, points)| points).sum::<u32>().min(100)
    }

    fn is_program(&self, world: &dyn World) -> bool {
        let Some(ja4) = world.property("tls.ja4") else { return false };
        self.config.program_ja4.iter().any(|pattern| pattern.matches(&ja4))
    }
}

/// Whether a browser would ask for this path by navigating to it.
fn is_page(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !name.contains('.') || name.ends_with(".html")
}

rule!(BotScore);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

    use crate::BotScore;

    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

    fn browser() -> FakeWorld {
        FakeWorld::new("GET", "/page")
            .with("user-agent", FIREFOX)
            .with("accept", "text/html,*/*;q=0.8")
            .with("accept-language", "en")
            .with("accept-encoding", "gzip, br")
            .with("sec-fetch-mode", "navigate")
    }

    fn score(json: &str, world: &FakeWorld) -> u32 {
        let rule = BotScore::new(settings(json.as_bytes()).unwrap().config).unwrap();
        match rule.decide(world) {
            Decision::Allow => 0,
            Decision::Tag { value, .. } => value.parse().unwrap(),
            Decision::Refuse(_) => 999,
        }
    }

    #[test]
    fn browsers_score_nothing_and_programs_much() {
        let all = r#"{"tag_from": 1}"#;
        assert_eq!(score(all, &browser()), 0);
        assert_eq!(score(all, &FakeWorld::new("GET", "/").with("user-agent", "curl/8.1.2")), 100);
        assert!(score(all, &FakeWorld::new("GET", "/")) >= 80);
    }

    #[test]
    fn a_browsers_name_alone_is_not_enough() {
        let bare = FakeWorld::new("GET", "/page").with("user-agent", FIREFOX);
        assert!(score("{}", &bare) >= 70);
        assert_eq!(score(r#"{"refuse_from": 70}"#, &bare), 999);
    }

    #[test]
    fn a_browsers_name_over_a_programs_fingerprint_is_a_lie() {
        let mut world = browser();
        world.knowing("tls.ja4", "t13d1812h1_85036bcba153_b26ce05bbdd6");
        assert_eq!(score("{}", &world), 0);
        assert_eq!(score(r#"{"program_ja4": ["t13d1812h1_*"]}"#, &world), 50);
    }

    #[test]
    fn known_programs_pass() {
        let world = FakeWorld::new("GET", "/").with("user-agent", "curl/8 our-monitor");
        assert_eq!(score(r#"{"known": ["*our-monitor"]}"#, &world), 0);
    }
}
