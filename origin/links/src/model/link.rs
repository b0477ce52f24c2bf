//! A link as it is kept, and what a visitor of it gets.

use serde::{Deserialize, Serialize};
use tidegate_origin_kit::Micros;
use utoipa::ToSchema;

use super::rule::{Rule, Visitor};

/// The status codes with which a link may answer (RFC 9110 section 15.4).
pub(crate) const REDIRECTS: [u16; 4] = [301, 302, 307, 308];

/// Whether a link is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It redirects.
    Active,
    /// Its owner switched it off; it can be switched on again.
    Disabled,
    /// Taken down by the operator.
    Blocked,
    /// Deleted; the code is never given again.
    Deleted,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The code, folded to small letters where the domain ignores case.
    pub(crate) code: String,
    /// The name of its domain.
    pub(crate) domain: String,
    /// Grows with every change.
    pub(crate) version: i64,
    pub(crate) state: State,
    pub(crate) target: String,
    /// One of [`REDIRECTS`].
    pub(crate) status: u16,
    pub(crate) valid_since: Option<Micros>,
    pub(crate) expires_at: Option<Micros>,
    pub(crate) visits_max: Option<i64>,
    /// Counted only while there is a `visits_max`.
    pub(crate) visits: i64,
    pub(crate) unlisted: bool,
    /// The API key that made it.
    pub(crate) owner: String,
    pub(crate) created_at: Micros,
    pub(crate) updated_at: Micros,
    pub(crate) extra: Extra,
}

/// What no query looks at; kept as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extra {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    /// Hash, as [`super::password`] makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) rules: Vec<Rule>,
}

/// What a visitor gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// The way to the target.
    Redirect { status: u16, location: &'a str },
    /// It does not answer yet.
    Early,
    /// It was there once.
    Gone,
    /// Taken down.
    Legal,
}

impl State {
    /// The word in the database.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Blocked => "blocked",
            Self::Deleted => "deleted",
        }
    }

    /// The state of a word of the database.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Disabled, Self::Blocked, Self::Deleted]
            .into_iter()
            .find(|s| s.word() == word)
    }
}

impl Link {
    /// What a visitor gets at `now`, when nothing about the visitor counts.
    pub(crate) fn verdict(&self, now: Micros) -> Verdict<'_> {
        match self.state {
            State::Blocked => return Verdict::Legal,
            State::Disabled | State::Deleted => return Verdict::Gone,
            State::Active => {}
        }
        if self.valid_since.is_some_and(|since| now < since) {
            return Verdict::Early;
        }
        let over = self.expires_at.is_some_and(|end| now >= end);
        let used_up = self.visits_max.is_some_and(|max| self.visits >= max);
        if over || used_up {
            return Verdict::Gone;
        }
        Verdict::Redirect { status: self.status, location: &self.target }
    }

    /// Whether every visitor gets the same answer, so that an edge may remember it until `expires_at`.
    pub(crate) fn is_hot(&self) -> bool {
        self.visits_max.is_none() && self.extra.password.is_none() && self.extra.rules.is_empty()
    }

    /// Where a visitor goes at `now`: the first rule that fits, or the target of all others.
    pub(crate) fn target_for(&self, visitor: &Visitor<'_>, now: Micros) -> &str {
        let rule = self.extra.rules.iter().find(|rule| rule.fits(visitor, now));
        rule.map_or(&self.target, |rule| &rule.url)
    }

    /// Text that a search looks through, in small letters.
    pub(crate) fn search_text(&self) -> String {
        let title = self.extra.title.as_deref().unwrap_or("");
        format!("{} {} {} {}", self.code, self.target, title, self.extra.tags.join(" "))
            .to_lowercase()
    }
}
