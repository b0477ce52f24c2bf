//! Whether a response may be stored, and with what meaning (RFC 9111 §3).

use tidegate_http::{FieldList, Fields, Method, ResponseHead, date};

use crate::directive::{RequestDirectives, ResponseDirectives};
use crate::freshness::{
    AgeSums, Lifetime, LifetimeSource, is_heuristically_cacheable, lifetime, stated,
};
use crate::meta::{Meta, Validators};
use crate::policy::{Policy, RequestTrust, SetCookiePolicy};
use crate::reason::Reason;
use crate::tag::{TAG_FIELDS, tags_of};
use crate::targeted;
use crate::vary::Vary;

/// The request that a response answers.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Method as the client sent it.
    pub method: Method<'a>,
    /// The client's fields.
    pub fields: &'a dyn Fields,
    /// `https://example.com`, the scope of cache groups.
    pub origin: &'a str,
    /// When the request was sent on, unix milliseconds.
    pub request_ms: u64,
}

/// What is done with a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Keep it.
    Store(Box<Plan>),
    /// Let it pass.
    Pass(Reason),
}

/// How a response is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What later decisions need.
    pub meta: Meta,
    /// Why it is kept.
    pub reason: Reason,
    /// Whether requests that wait for the same fetch may have this answer too: it is fresh, or may be served stale,
    /// without validation.
    pub shareable: bool,
    /// The largest body that the policy lets be stored, in bytes.
    pub object_bytes_max: Option<u64>,
}

/// Directives in force for this cache, and the lifetime they state.
struct Rules {
    directives: ResponseDirectives,
    stated: Option<Lifetime>,
    targeted: bool,
}

/// Whether to store the final response to a request, and how.
pub fn decide_store(
    policy: &Policy,
    asked: &Asked<'_>,
    response: &ResponseHead,
    response_ms: u64,
) -> Decision {
    if asked.method != Method::Get {
        return Decision::Pass(Reason::Method);
    }
    decide_get(policy, asked, response.status, &response.fields, response_ms)
        .map_or_else(Decision::Pass, |plan| Decision::Store(Box::new(plan)))
}

/// Whether the meaning of a final status is known here, as `must-understand` asks (RFC 9111 §5.2.2.3). 206 is not:
/// a part is no answer for the whole.
pub const fn is_understood(status: u16) -> bool {
    matches!(
        status,
        200..=205
            | 300..=303
            | 305
            | 307
            | 308
            | 400..=418
            | 421..=426
            | 428
            | 429
            | 431
            | 451
            | 500..=508
            | 511
    )
}

/// The same for a response to GET whose fields stand alone, as after a validation.
pub(crate) fn decide_get(
    policy: &Policy,
    asked: &Asked<'_>,
    status: u16,
    fields: &FieldList,
    response_ms: u64,
) -> Result<Plan, Reason> {
    let sums = AgeSums::of(fields, asked.request_ms, response_ms);
    let rules = Rules::of(policy, fields, &sums);
    check_status(status)?;
    check_directives(policy, asked, status, &rules.directives)?;
    check_authorization(asked, &rules)?;
    check_set_cookie(policy, fields, &rules)?;
    let vary = Vary::of(fields, asked.fields).ok_or(Reason::Vary)?;
    let lifetime = lifetime(policy, status, fields, &rules.directives, rules.stated, &sums);
    let meta = rules.meta(policy, asked, status, fields, sums, lifetime, vary);
    check_usable(status, &rules, &meta)?;
    let shareable = !meta.no_cache
        && meta.fresh_for_ms(response_ms) + i64::from(meta.while_revalidate_s) * 1000 > 0;
    let object_bytes_max = policy.object_bytes_max;
    Ok(Plan { reason: reason(lifetime.source), shareable, meta, object_bytes_max })
}

impl Rules {
    /// The first valid targeted field replaces `Cache-Control` and `Expires` (RFC 9213 §2.2).
    fn of(policy: &Policy, fields: &FieldList, sums: &AgeSums) -> Self {
        if let Some(directives) = targeted::directives(policy, fields) {
            let seconds = directives.s_maxage_s.or(directives.max_age_s);
            let stated =
                seconds.map(|seconds| Lifetime { seconds, source: LifetimeSource::Targeted });
            return Self { directives, stated, targeted: true };
        }
        let directives = ResponseDirectives::of(fields);
        let surrogate = targeted::surrogate(policy, fields);
        let stated = surrogate.or_else(|| stated(fields, &directives, sums));
        Self { directives, stated, targeted: surrogate.is_some() }
    }

    fn meta(
        &self,
        policy: &Policy,
        asked: &Asked<'_>,
        status: u16,
        fields: &FieldList,
        sums: AgeSums,
        lifetime: Lifetime,
        vary: Vary,
    ) -> Meta {
        let (while_revalidate_s, if_error_s) = self.stale_windows(policy);
        Meta {
            status,
            sums,
            lifetime,
            while_revalidate_s,
            if_error_s,
            must_revalidate: self.forbids_stale() || self.directives.s_maxage_s.is_some(),
            no_cache: self.directives.no_cache,
            immutable: self.directives.immutable,
            validators: Validators::of(fields),
            vary,
            tags: tags_of(fields, asked.origin),
            withheld: self.withheld(policy, fields),
        }
    }

    /// Directives that no window overrides (RFC 9111 §4.2.4).
    const fn forbids_stale(&self) -> bool {
        let d = &self.directives;
        d.must_revalidate || d.proxy_revalidate || d.no_cache
    }

    /// Windows named by the response; else the operator's, unless `s-maxage` forbids stale answers
    /// (RFC 9111 §5.2.2.10; sites combine it with RFC 5861, which names its windows).
    fn stale_windows(&self, policy: &Policy) -> (u32, u32) {
        let d = &self.directives;
        if self.forbids_stale() {
            return (0, 0);
        }
        let allowed = |seconds| if d.s_maxage_s.is_some() { 0 } else { seconds };
        (
            d.stale_while_revalidate_s.unwrap_or_else(|| allowed(policy.stale.while_revalidate_s)),
            d.stale_if_error_s.unwrap_or_else(|| allowed(policy.stale.if_error_s)),
        )
    }

    /// Fields that later answers must not repeat (RFC 9111 §5.2.2.4, §5.2.2.7) or that the operator withholds.
    fn withheld(&self, policy: &Policy, fields: &FieldList) -> Box<[Box<str>]> {
        let named = self.directives.no_cache_fields.iter().chain(&self.directives.private_fields);
        let mut withheld: Vec<Box<str>> = named.filter(|name| fields.has(name)).cloned().collect();
        if policy.set_cookie == SetCookiePolicy::Strip && fields.has("set-cookie") {
            withheld.push("set-cookie".into());
        }
        // How one client stands is no news for another (draft-ietf-httpapi-ratelimit-headers).
        for name in ["ratelimit", "ratelimit-policy"] {
            if fields.has(name) {
                withheld.push(name.into());
            }
        }
        let tags = TAG_FIELDS.iter().filter(|name| !policy.expose_tags && fields.has(name));
        withheld.extend(tags.map(|name| Box::from(*name)));
        withheld.into()
    }
}

impl Validators {
    /// The validators among a response's fields.
    pub fn of(fields: &dyn Fields) -> Self {
        Self {
            etag: fields.first("etag").filter(|tag| !tag.is_empty()).map(Box::from),
            last_modified_s: fields.first("last-modified").and_then(date::parse),
        }
    }
}

fn check_status(status: u16) -> Result<(), Reason> {
    match status {
        206 => Err(Reason::Partial),
        0..200 | 304 | 600.. => Err(Reason::Status),
        _ => Ok(()),
    }
}

fn check_directives(
    policy: &Policy,
    asked: &Asked<'_>,
    status: u16,
    directives: &ResponseDirectives,
) -> Result<(), Reason> {
    if directives.must_understand && !is_understood(status) {
        return Err(Reason::Status);
    }
    if directives.no_store && !directives.must_understand {
        return Err(Reason::NoStore);
    }
    if directives.private {
        return Err(Reason::Private);
    }
    let heeds = policy.request_trust == RequestTrust::Honour;
    if heeds && RequestDirectives::of(asked.fields).no_store {
        return Err(Reason::RequestNoStore);
    }
    Ok(())
}

/// RFC 9111 §3.5.
fn check_authorization(asked: &Asked<'_>, rules: &Rules) -> Result<(), Reason> {
    if asked.fields.has("authorization") && !rules.directives.allows_shared() {
        return Err(Reason::Authorization);
    }
    Ok(())
}

fn check_set_cookie(policy: &Policy, fields: &FieldList, rules: &Rules) -> Result<(), Reason> {
    let named = |names: &[Box<str>]| names.iter().any(|name| **name == *"set-cookie");
    let d = &rules.directives;
    if !fields.has("set-cookie") || named(&d.private_fields) || named(&d.no_cache_fields) {
        return Ok(());
    }
    let allowed = match policy.set_cookie {
        SetCookiePolicy::Standard | SetCookiePolicy::Strip => true,
        SetCookiePolicy::Refuse => false,
        SetCookiePolicy::Explicit => d.public || rules.stated.is_some(),
        SetCookiePolicy::SharedOnly => d.public || d.s_maxage_s.is_some() || rules.targeted,
    };
    if allowed { Ok(()) } else { Err(Reason::SetCookie) }
}

/// The last condition of RFC 9111 §3, and that there is some use in it: fresh for a while, able to be validated, or
/// allowed to be stale.
fn check_usable(status: u16, rules: &Rules, meta: &Meta) -> Result<(), Reason> {
    let d = &rules.directives;
    let cacheable = meta.lifetime.source != LifetimeSource::None
        || d.public
        || is_heuristically_cacheable(status);
    let stale_use = d.stale_while_revalidate_s.is_some() || d.stale_if_error_s.is_some();
    let useful = meta.lifetime.seconds > 0 || meta.validators.any() || stale_use;
    if cacheable && useful { Ok(()) } else { Err(Reason::NoFreshness) }
}

const fn reason(source: LifetimeSource) -> Reason {
    match source {
        LifetimeSource::Forced | LifetimeSource::Policy => Reason::PolicyTtl,
        LifetimeSource::Heuristic => Reason::Heuristic,
        LifetimeSource::None => Reason::ValidateAlways,
        _ => Reason::Explicit,
    }
}

#[cfg(test)]
mod tests;
