//! Cache policies.

use std::sync::Arc;
use std::time::Duration;

use tidegate_cache::{
    Heuristic, KeyPart, Policy, QueryPolicy, RequestTrust, SetCookiePolicy, Stale, Ttl,
};
use tidegate_spec::{CachePolicy, RequestDirectives, SetCookie, TtlPolicy, key_path};

use super::Compiler;

/// The policy that is always there: RFC 9111 with nothing changed.
pub(super) const STANDARD: &str = "standard";
/// The word for no cache at all.
pub(super) const OFF: &str = "off";

impl Compiler<'_> {
    pub(super) fn caches(&mut self) -> Vec<Arc<Policy>> {
        let policies = self.spec.cache_policies.iter().enumerate();
        policies
            .map(|(index, policy)| self.cache(policy, &format!("cache_policies[{index}]")))
            .collect()
    }

    fn cache(&mut self, policy: &CachePolicy, path: &str) -> Arc<Policy> {
        if [STANDARD, OFF].contains(&policy.name.as_str()) {
            self.problem(
                format!("{path}.name"),
                format!("\"{}\" has a fixed meaning", policy.name),
            );
        }
        self.percent(policy.heuristic.percent.into(), &format!("{path}.heuristic.percent"));
        let default = Policy::default();
        let stale = |value: Option<Duration>, default| value.map_or(default, whole_seconds);
        Arc::new(Policy {
            query: query(policy),
            query_sort: policy.query.sort,
            key_parts: self.key_parts(policy, path),
            ttl: self.ttl(&policy.ttl, &format!("{path}.ttl")),
            heuristic: Heuristic {
                fraction_percent: policy.heuristic.percent,
                max_s: whole_seconds(policy.heuristic.max),
            },
            stale: Stale {
                while_revalidate_s: stale(
                    policy.stale.while_revalidate,
                    default.stale.while_revalidate_s,
                ),
                if_error_s: stale(policy.stale.if_error, default.stale.if_error_s),
            },
            request_trust: match policy.request_directives {
                RequestDirectives::Honour => RequestTrust::Honour,
                RequestDirectives::Ignore => RequestTrust::Ignore,
            },
            set_cookie: match policy.set_cookie {
                SetCookie::Explicit => SetCookiePolicy::Explicit,
                SetCookie::SharedOnly => SetCookiePolicy::SharedOnly,
                SetCookie::Standard => SetCookiePolicy::Standard,
                SetCookie::Strip => SetCookiePolicy::Strip,
                SetCookie::Refuse => SetCookiePolicy::Refuse,
            },
            targeted: policy.targeted.iter().map(|name| name.to_ascii_lowercase().into()).collect(),
            surrogate_control: policy.surrogate_control,
            expose_tags: policy.expose_tags,
            object_bytes_max: policy.object_bytes_max.map(|size| size.0),
        })
    }

    fn ttl(&mut self, ttl: &TtlPolicy, path: &str) -> Ttl {
        if ttl.min.zip(ttl.max).is_some_and(|(min, max)| min > max) {
            self.problem(path.to_owned(), "min is longer than max");
        }
        let mut by_status = Vec::new();
        for (status, value) in &ttl.status {
            let path = key_path(&format!("{path}.status"), status);
            match status.parse().ok().filter(|status| (200..=599).contains(status)) {
                Some(status) => by_status.push((status, whole_seconds(*value))),
                None => {
                    self.problem(path, format!("\"{status}\" is no status between 200 and 599"))
                }
            }
        }
        Ttl {
            default_s: ttl.default.map(whole_seconds),
            force_s: ttl.force.map(whole_seconds),
            min_s: ttl.min.map(whole_seconds),
            max_s: ttl.max.map(whole_seconds),
            negative_s: ttl.negative.map(whole_seconds),
            by_status,
        }
    }

    fn key_parts(&mut self, policy: &CachePolicy, path: &str) -> Vec<KeyPart> {
        let mut parts = Vec::new();
        for (index, name) in policy.key.headers.iter().enumerate() {
            self.field_name(name, &format!("{path}.key.headers[{index}]"));
            parts.push(KeyPart::Header(name.to_ascii_lowercase().into()));
        }
        parts.extend(policy.key.cookies.iter().map(|name| KeyPart::Cookie(name.as_str().into())));
        parts.extend(policy.key.namespace.iter().map(|text| KeyPart::Const(text.as_str().into())));
        parts
    }
}

fn query(policy: &CachePolicy) -> QueryPolicy {
    let names = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
    match &policy.query {
        query if query.ignore => QueryPolicy::Ignore,
        query if !query.drop.is_empty() => QueryPolicy::Drop(names(&query.drop)),
        query if !query.only.is_empty() => QueryPolicy::Only(names(&query.only)),
        _ => QueryPolicy::Keep,
    }
}

/// Rounded up: a lifetime of half a second is not none.
fn whole_seconds(value: Duration) -> u32 {
    let up = value.as_secs() + u64::from(value.subsec_nanos() > 0);
    u32::try_from(up).unwrap_or(u32::MAX)
}
