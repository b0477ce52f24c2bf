//! Text patterns of configurations: `*` stands for any run of characters, case does not matter.

use serde::Deserialize;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Pattern {
    /// The parts between the stars, lower case.
    parts: Vec<String>,
    open_start: bool,
    open_end: bool,
}

impl Pattern {
    /// Compiles a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let parts = text.split('*').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self { parts, open_start: text.starts_with('*'), open_end: text.ends_with('*') }
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.matches_lower(&text)
    }

    /// Whether the whole text matches, which is in lower case already.
    #[must_use]
    pub fn matches_lower(&self, mut text: &str) -> bool {
        let mut parts = self.parts.as_slice();
        if !self.open_start
            && let [first, rest @ ..] = parts
        {
            let Some(after) = text.strip_prefix(first.as_str()) else { return false };
            (text, parts) = (after, rest);
            if rest.is_empty() {
                return self.open_end || text.is_empty();
            }
        }
        if !self.open_end
            && let [rest @ .., last] = parts
        {
            let Some(before) = text.strip_suffix(last.as_str()) else { return false };
            (text, parts) = (before, rest);
        }
        for part in parts {
            let Some(at) = text.find(part.as_str()) else { return false };
            text = &text[at + part.len()..];
        }
        !self.parts.is_empty() || self.open_start || text.is_empty()
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, text, expected) in [
            ("curl*", "curl/8.1", true),
            ("curl*", "libcurl/8.1", false),
            ("*curl*", "LibCurl/8.1", true),
            ("*bot", "GoodBot", true),
            ("*bot", "bots", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("ab*ba", "aba", false),
            ("exact", "EXACT", true),
            ("exact", "exactly", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} over {text}");
        }
    }
}
