//! Notices clients that copy a site: very many different pages, pages without the files that a
//! browser loads with them, and numbers in paths walked one after the other.

use serde::Deserialize;
use tidegate_sdk::{Decision, Network, Pattern, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds that counts last from their first request.
    pub window_s: u64,
    /// Different pages of one client; 0 does not limit them.
    pub pages_max: u64,
    /// Pages after which a client must have loaded at least one asset for so many pages; 0 never.
    pub pages_before_assets: u64,
    /// Steps of one number in paths that otherwise stay the same (`/item/17`, `/item/18`, ...).
    pub sequence_max: u64,
    /// Patterns of paths that count as assets.
    pub assets: Vec<Pattern>,
    /// Clients that may: search engines, own tools.
    pub except: Vec<Network>,
    /// Only labels the request (`x-tidegate-scraper`) in place of refusing it.
    pub tag_only: bool,
}

impl Default for Config {
    fn default() -> Self {
        let assets = [
            "*.css", "*.js", "*.png", "*.jpg", "*.jpeg", "*.gif", "*.webp", "*.avif", "*.svg",
            "*.ico", "*.woff2", "*.json", "*.m3u8", "*.ts", "*.m4s",
        ];
        Self {
            window_s: 600,
            pages_max: 300,
            pages_before_assets: 40,
            sequence_max: 25,
            assets: assets.map(Pattern::new).into(),
            except: Vec::new(),
            tag_only: false,
        }
    }
}

/// The rule.
#[derive(Debug)]
pub struct Scraper {
    config: Config,
}

impl Rule for Scraper {
    const NAME: &'static str = "scraper";
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.window_s == 0 {
            return Err("window_s: must be at least 1".into());
        }
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let excepted = |client| self.config.except.iter().any(|network| network.holds(client));
        if world.method() != "GET" || world.client().is_some_and(excepted) {
            return Decision::Allow;
        }
        let (client, path) = (world.client_key(), world.path().to_ascii_lowercase());
        if self.config.assets.iter().any(|pattern| pattern.matches_lower(&path)) {
            world.count(&format!("scraper-assets:{client}"), self.window_ms(), 1);
            return Decision::Allow;
        }
        match self.suspicion(world, &client, &path) {
            None => Decision::Allow,
            Some(reason) if self.config.tag_only => {
                Decision::Tag { name: "scraper".into(), value: reason.into() }
            }
            Some(reason) => Decision::slow_down(
                reason,
                "Too many pages in a short time. An API or a dump may serve you better.",
                self.config.window_s,
            ),
        }
    }
}

impl Scraper {
    fn suspicion(&self, world: &dyn World, client: &str, path: &str) -> Option<&'static str> {
        let Config { pages_max, pages_before_assets, sequence_max, .. } = self.config;
        let window_ms = self.window_ms();
        let pages = world.distinct(&format!("scraper-pages:{client}"), path, window_ms);
        if pages_max > 0 && pages > pages_max {
            return Some("pages");
        }
        let assets = || world.count(&format!("scraper-assets:{client}"), window_ms, 0);
        if pages_before_assets > 0 && pages > pages_before_assets && assets() == 0 {
            return Some("no_assets");
        }
        let steps = self.sequence(world, client, path);
        (sequence_max > 0 && steps > sequence_max).then_some("sequence")
    }

    /// Steps so far along the last number of this path.
    fn sequence(&self, world: &dyn World, client: &str, path: &str) -> u64 {
        let Some((before, number, after)) = split_number(path) else { return 0 };
        let window_ms = self.window_ms();
        let at = |number: u64| format!("scraper-at:{client}:{before}#{number}{after}");
        let neighbour =
            number.checked_sub(1).is_some_and(|last| world.count(&at(last), window_ms, 0) > 0)
                || world.count(&at(number + 1), window_ms, 0) > 0;
        // Asking for the same page again is no step.
        let fresh = world.count(&at(number), window_ms, 1) == 1;
        let steps = format!("scraper-steps:{client}:{before}#{after}");
        world.count(&steps, window_ms, u64::from(neighbour && fresh))
    }

    fn window_ms(&self) -> u64 {
        self.config.window_s.saturating_mul(1_000)
    }
}

/// The last number of a path, with what stands around it.
fn split_number(path: &str) -> Option<(&str, u64, &str)> {
    let end = path.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = path[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + path[at..].chars().next().map_or(1, char::len_utf8));
    let number: u64 = path[start..end].parse().ok()?;
    Some((&path[..start], number.min(u64::MAX - 1), &path[end..]))
}

rule!(Scraper);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

    use crate::{Scraper, split_number};

    fn rule(json: &str) -> Scraper {
        Scraper::new(settings(json.as_bytes()).unwrap().config).unwrap()
    }

    fn reason(rule: &Scraper, world: &mut FakeWorld, path: &str) -> Option<&'static str> {
        world.next("GET", path);
        match rule.decide(world) {
            Decision::Refuse(refusal) => Some(refusal.reason),
            Decision::Allow | Decision::Tag { .. } => None,
        }
    }

    #[test]
    fn numbers_walked_one_by_one_are_noticed_in_both_directions() {
        for numbers in [(1..=30).collect::<Vec<_>>(), (1..=30).rev().collect()] {
            let (rule, mut world) = (rule("{}"), FakeWorld::new("GET", "/"));
            let reasons: Vec<_> = numbers
                .iter()
                .map(|n| reason(&rule, &mut world, &format!("/item/{n}.html")))
                .collect();
            assert_eq!(reasons[..26], [None; 26]);
            assert_eq!(reasons[26..], [Some("sequence"); 4]);
        }
    }

    #[test]
    fn a_reader_who_jumps_around_and_reloads_passes() {
        let (rule, mut world) = (rule("{}"), FakeWorld::new("GET", "/"));
        for round in 0..200 {
            let page = [3, 900, 4, 77, 12, 3][round % 6];
            assert_eq!(reason(&rule, &mut world, &format!("/item/{page}")), None);
            assert_eq!(reason(&rule, &mut world, "/style.css"), None);
        }
    }

    #[test]
    fn pages_without_assets_are_noticed() {
        let json = r#"{"pages_before_assets": 5, "sequence_max": 0}"#;
        let (rule, mut world) = (rule(json), FakeWorld::new("GET", "/"));
        let mut visit = |path: &str| reason(&rule, &mut world, path);
        for page in ["a", "b", "c", "d", "e"] {
            assert_eq!(visit(&format!("/{page}")), None);
        }
        assert_eq!(visit("/f"), Some("no_assets"));
        assert_eq!(visit("/logo.PNG"), None);
        assert_eq!(visit("/f"), None);
    }

    #[test]
    fn different_pages_have_a_limit_that_ends() {
        let json = r#"{"pages_max": 3, "window_s": 60}"#;
        let (rule, mut world) = (rule(json), FakeWorld::new("GET", "/"));
        for page in ["a", "b", "c", "a"] {
            assert_eq!(reason(&rule, &mut world, &format!("/{page}")), None);
        }
        assert_eq!(reason(&rule, &mut world, "/d"), Some("pages"));
        world.later(60_000);
        assert_eq!(reason(&rule, &mut world, "/d"), None);
    }

    #[test]
    fn the_last_number_of_a_path_is_found() {
        assert_eq!(split_number("/a/17"), Some(("/a/", 17, "")));
        assert_eq!(split_number("/2024/é9.html"), Some(("/2024/é", 9, ".html")));
        assert_eq!(split_number("7"), Some(("", 7, "")));
        assert_eq!(split_number("/none"), None);
        assert_eq!(split_number("/99999999999999999999999"), None);
    }
}
