//! A first plugin.

/// Files of a new rule: path and contents. `name` is in lower case with hyphens; `sdk` is the
/// dependency on the SDK as it stands in a manifest, for example `{ path = "../../sdk" }`.
///
/// # Errors
/// When the name is no name for a crate.
pub fn template(name: &str, sdk: &str) -> Result<Vec<(String, String)>, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(good) {
        return Err(format!("{name:?} is no name for a rule; use letters, digits and hyphens"));
    }
    let fill = |text: &str| {
        let text = text.replace("@name@", name).replace("@word@", &name.replace('-', "_"));
        text.replace("@Type@", &type_name(name)).replace("@sdk@", sdk)
    };
    let files = [
        ("Cargo.toml", MANIFEST),
        ("src/lib.rs", SOURCE),
        ("cases.toml", CASES),
        ("README.md", README),
    ];
    Ok(files.map(|(path, text)| (path.to_owned(), fill(text))).into())
}

/// `bad-bot` as `BadBot`.
fn type_name(name: &str) -> String {
    let words = name.split('-').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

const MANIFEST: &str = r#"[package]
name = "@name@"
version = "0.1.0"
edition = "2024"
publish = false

[lib]
crate-type = ["cdylib", "rlib"]
doctest = false

[dependencies]
serde = { version = "1", features = ["derive"] }
tidegate-sdk = @sdk@
"#;

const SOURCE: &str = r##"//! Says what the rule is for.

use serde::Deserialize;
use tidegate_sdk::{Decision, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the field that marks a request.
    pub header: String,
}

/// The rule.
#[derive(Debug)]
pub struct @Type@ {
    config: Config,
}

impl Rule for @Type@ {
    const NAME: &'static str = "@word@";
    type Config = Config;

    fn new(mut config: Config) -> Result<Self, String> {
        config.header.make_ascii_lowercase();
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        match world.header(&self.config.header) {
            Some(_) => Decision::refuse("marked", "This request is not welcome."),
            None => Decision::Allow,
        }
    }
}

rule!(@Type@);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

    use crate::@Type@;

    #[test]
    fn a_marked_request_is_refused() {
        let rule = @Type@::new(settings(br#"{"header": "X-Mark"}"#).unwrap().config).unwrap();
        assert_eq!(rule.decide(&FakeWorld::new("GET", "/")), Decision::Allow);
        let marked = FakeWorld::new("GET", "/").with("x-mark", "1");
        assert!(matches!(rule.decide(&marked), Decision::Refuse(_)));
    }
}
"##;

const CASES: &str = r#"config = '{"header": "x-mark"}'

[[case]]
name = "a marked request is refused, others pass"

[[case.step]]
request = "GET /"
headers = { x-mark = "1" }
expect = { status = 403, metrics = { @word@_refused = 1 } }

[[case.step]]
request = "GET /"
expect = { status = 200, answered = false }

[[case]]
name = "a configuration without a header is an error"
config = "{}"
load_error = "header"
"#;

const README: &str = r"# @name@

Says what the rule is for.

| key | meaning | default |
|---|---|---|
| `header` | name of the field that marks a request | must be given |
";
