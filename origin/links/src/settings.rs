//! The section `links` of the services' settings.

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_origin_kit::auth::Access;
use url::Url;

use crate::model::code::Alphabet;
use crate::model::target::Policy;

/// The domain that a request without one means.
pub const DEFAULT_DOMAIN: &str = "default";

/// The section as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinksSettings {
    /// What short addresses of the default domain begin with, such as `https://go.example`.
    pub short_base: String,
    /// Case does not count in the default domain.
    pub ignore_case: bool,
    /// Further domains by name.
    pub domains: BTreeMap<String, DomainSettings>,
    /// Hosts besides those of the domains that links must not lead to.
    pub own_hosts: Vec<String>,
    /// Schemes of targets; `http` and `https` when empty.
    pub schemes: Vec<String>,
    /// Lets targets in private networks pass.
    pub allow_private_targets: bool,
    /// Who may create and change links; everybody when empty.
    pub api_keys: Access,
}

/// A further domain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainSettings {
    /// What its short addresses begin with.
    pub short_base: String,
    /// Whether `Abc` and `abc` are the same code.
    #[serde(default)]
    pub ignore_case: bool,
}

/// A domain as the application uses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Domain<'a> {
    pub(crate) name: &'a str,
    pub(crate) short_base: &'a str,
    pub(crate) ignore_case: bool,
}

impl LinksSettings {
    /// The domain called `name`.
    pub(crate) fn domain<'a>(&'a self, name: &'a str) -> Option<Domain<'a>> {
        if name == DEFAULT_DOMAIN {
            let (short_base, ignore_case) = (self.short_base.as_str(), self.ignore_case);
            return Some(Domain { name, short_base, ignore_case });
        }
        let (name, domain) = self.domains.get_key_value(name)?;
        Some(Domain { name, short_base: &domain.short_base, ignore_case: domain.ignore_case })
    }

    /// The domain whose short addresses are on `host`; the default one when none is.
    pub(crate) fn domain_of_host(&self, host: &str) -> Domain<'_> {
        let name =
            self.domains.iter().find(|(_, d)| host_of(&d.short_base).as_deref() == Some(host));
        let name = name.map_or(DEFAULT_DOMAIN, |(name, _)| name);
        let (short_base, ignore_case) = (self.short_base.as_str(), self.ignore_case);
        self.domain(name).unwrap_or(Domain { name: DEFAULT_DOMAIN, short_base, ignore_case })
    }

    /// What targets are checked against.
    pub(crate) fn policy(&self) -> Policy {
        let bases = self.domains.values().map(|d| &d.short_base).chain([&self.short_base]);
        let own = bases.filter_map(|base| host_of(base)).chain(self.own_hosts.iter().cloned());
        Policy {
            schemes: self.schemes.clone(),
            own_hosts: own.collect(),
            private: self.allow_private_targets,
        }
    }
}

impl Domain<'_> {
    /// The code as it is stored.
    pub(crate) fn fold(&self, code: &str) -> String {
        if self.ignore_case { code.to_ascii_lowercase() } else { code.to_owned() }
    }

    pub(crate) fn alphabet(&self) -> Alphabet {
        if self.ignore_case { Alphabet::Base36 } else { Alphabet::Base62 }
    }

    /// The whole short address of a code.
    pub(crate) fn short_url(&self, code: &str) -> String {
        format!("{}/{code}", self.short_base.trim_end_matches('/'))
    }
}

fn host_of(base: &str) -> Option<String> {
    Url::parse(base).ok()?.host_str().map(str::to_owned)
}
