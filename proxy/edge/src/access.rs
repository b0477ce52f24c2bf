//! Who may have what a route serves: countries, and pages that embed it.

use tidegate_http::Known;
use tidegate_snapshot::Access;
use tidegate_telemetry::{Phase, Reason};

use crate::{
    answer::{Answer, Local},
    request::{Routed, Stop},
};

/// Refuses clients of other countries and pages of other sites, with 403.
pub(crate) fn check(routed: Routed<'_>) -> Result<Routed<'_>, Stop<'_>> {
    let Some(access) = &routed.route().access else { return Ok(routed) };
    let cx = routed.received.cx;
    let head = routed.received.head;
    let country = || cx.node.countries.of(cx.client.ip());
    if !in_country(access, country) {
        let detail = "this is not available where you are";
        return Err(refuse(routed, Reason::CountryRefused, detail));
    }
    let page = head.field(Known::Referer).or_else(|| head.field(Known::Origin));
    if !from_page(access, page) {
        return Err(refuse(routed, Reason::RefererRefused, "another site must not embed this"));
    }
    Ok(routed)
}

fn refuse<'r>(routed: Routed<'r>, reason: Reason, detail: &str) -> Stop<'r> {
    let local = Local::problem(Phase::Denied, 403, reason, detail);
    routed.stop(Answer::Local(local.with("Cache-Control", "no-store")))
}

fn in_country<'c>(access: &Access, country: impl Fn() -> Option<&'c str>) -> bool {
    if access.countries.is_empty() && access.countries_except.is_empty() {
        return true;
    }
    let country = country();
    let is_in = |list: &[[u8; 2]]| {
        country.is_some_and(|country| list.iter().any(|code| code == country.as_bytes()))
    };
    (access.countries.is_empty() || is_in(&access.countries)) && !is_in(&access.countries_except)
}

fn from_page(access: &Access, page: Option<&[u8]>) -> bool {
    let Some(hosts) = &access.referers else { return true };
    let Some(page) = page else { return access.referer_empty };
    let Some(host) = host_of(page) else { return false };
    hosts.iter().any(|allowed| match allowed.strip_prefix('.') {
        Some(_) => host.len() > allowed.len() && host.ends_with(&**allowed),
        None => host == **allowed,
    })
}

/// The host of a page's address, without its port unless it is an IPv6 one.
fn host_of(page: &[u8]) -> Option<String> {
    let page = std::str::from_utf8(page).ok()?;
    let (_, rest) = page.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    Some(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(hosts: &[&str], empty: bool) -> Access {
        Access {
            countries: Box::new([*b"DE"]),
            countries_except: Box::new([]),
            referers: Some(hosts.iter().map(|host| Box::from(*host)).collect()),
            referer_empty: empty,
        }
    }

    #[test]
    fn pages_are_told_by_their_hosts() {
        let access = access(&["example.com", ".example.org"], false);
        let page = |text: &str| from_page(&access, Some(text.as_bytes()));
        assert!(page("https://Example.com:8443/a?b"));
        assert!(page("https://a.example.org"));
        assert!(!page("https://example.org/"));
        assert!(!page("https://badexample.org/"));
        assert!(!page("https://example.com.evil/"));
        assert!(!page("https://example.com@evil/"));
        assert!(!page("null"));
        assert!(!from_page(&access, None));
    }

    #[test]
    fn an_unknown_country_is_none_of_those_allowed() {
        let mut access = access(&[], true);
        assert!(in_country(&access, || Some("DE")));
        assert!(!in_country(&access, || Some("FR")));
        assert!(!in_country(&access, || None));
        access.countries_except = std::mem::take(&mut access.countries);
        assert!(!in_country(&access, || Some("DE")));
        assert!(in_country(&access, || None));
    }
}
