//! Campaign parameters that are added to a target.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

/// Values of the campaign parameters; absent ones are left out, present ones replace what the address has.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Utm {
    pub(crate) source: Option<String>,
    pub(crate) medium: Option<String>,
    pub(crate) campaign: Option<String>,
    pub(crate) term: Option<String>,
    pub(crate) content: Option<String>,
}

impl Utm {
    /// The address with the parameters; an address that cannot be read stays as it is, to be refused later.
    pub(crate) fn apply(&self, address: &str) -> String {
        let Ok(mut url) = Url::parse(address) else { return address.to_owned() };
        let set = self.pairs();
        if set.is_empty() {
            return address.to_owned();
        }
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| !set.iter().any(|(other, _)| other == name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(set);
        url.into()
    }

    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("utm_source", &self.source),
            ("utm_medium", &self.medium),
            ("utm_campaign", &self.campaign),
            ("utm_term", &self.term),
            ("utm_content", &self.content),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}
