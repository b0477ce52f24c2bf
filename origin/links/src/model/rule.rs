//! Rules by which visitors are told apart: tried in order, the first that fits decides the target.

use serde::{Deserialize, Serialize};
use tidegate_origin_kit::{Micros, Moment};
use utoipa::ToSchema;

/// Rules of one link.
pub(crate) const RULES_MAX: usize = 20;

/// One rule: every condition that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rule {
    /// Where visitors go that fit.
    pub(crate) url: String,
    /// `ios`, `android`, `phone`, `desktop`: one of them fits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) device: Vec<Device>,
    /// Countries (ISO 3166-1 alpha-2): one of them fits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) country: Vec<String>,
    /// Languages (`de`, `en-GB`): the visitor's first choice is one of them or a kind of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) language: Vec<String>,
    /// From this moment on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Moment>,
    /// Before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Moment>,
}

/// What a visitor looks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Device {
    /// iPhone, iPad.
    Ios,
    /// Android.
    Android,
    /// Any phone.
    Phone,
    /// Anything else.
    Desktop,
}

/// What is known of a visitor; taken from the request and forgotten with it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Visitor<'a> {
    pub(crate) agent: &'a str,
    /// `Accept-Language`.
    pub(crate) languages: &'a str,
    pub(crate) country: &'a str,
}

impl Rule {
    /// Whether a visitor fits at `now`.
    pub(crate) fn fits(&self, visitor: &Visitor<'_>, now: Micros) -> bool {
        let in_time =
            self.after.is_none_or(|m| now >= m.0) && self.before.is_none_or(|m| now < m.0);
        in_time
            && (self.device.is_empty() || self.device.iter().any(|d| d.is_of(visitor.agent)))
            && (self.country.is_empty()
                || self.country.iter().any(|c| c.eq_ignore_ascii_case(visitor.country)))
            && (self.language.is_empty()
                || self.language.iter().any(|l| speaks(visitor.languages, l)))
    }
}

impl Device {
    fn is_of(self, agent: &str) -> bool {
        let ios = agent.contains("iPhone") || agent.contains("iPad") || agent.contains("iPod");
        let android = agent.contains("Android");
        let phone = agent.contains("iPhone") || (android && agent.contains("Mobile"));
        match self {
            Self::Ios => ios,
            Self::Android => android,
            Self::Phone => phone,
            Self::Desktop => !ios && !android,
        }
    }
}

/// Whether the first choice in `Accept-Language` (RFC 9110 section 12.5.4) is `wanted` or a kind of it.
fn speaks(languages: &str, wanted: &str) -> bool {
    let first = languages.split([',', ';']).next().unwrap_or("").trim();
    let Some(head) = first.get(..wanted.len()) else { return false };
    head.eq_ignore_ascii_case(wanted)
        && matches!(first.as_bytes().get(wanted.len()), None | Some(b'-'))
}
