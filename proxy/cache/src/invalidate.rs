//! What an unsafe request invalidates (RFC 9111 §4.4, RFC 9875 §3).

use tidegate_http::{Fields, Method, ResponseHead, normalise_path};

use crate::tag::{TagId, groups};

/// Something stored that may no longer be served without validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// Every variant stored for this URL, `https://example.com/a?b`.
    Url(String),
    /// Everything in this cache group.
    Group(TagId),
}

/// What an answer to `method` on `url` invalidates: after an unsafe method with a status of 2xx or 3xx the URL
/// itself, and the URLs in `Location` and `Content-Location` when they have the same origin; and the groups that the
/// response names. `url` is absolute: `https://example.com/a?b`.
pub fn invalidations(method: Method<'_>, url: &str, response: &ResponseHead) -> Vec<Invalidation> {
    if method.is_safe() || !(200..400).contains(&response.status) {
        return Vec::new();
    }
    let mut all = vec![Invalidation::Url(url.into())];
    for name in ["location", "content-location"] {
        let reference = response.fields.first(name).and_then(|v| std::str::from_utf8(v).ok());
        let resolved = reference.and_then(|reference| resolve(url, reference.trim()));
        let resolved = resolved.filter(|other| same_origin(url, other)).map(Invalidation::Url);
        all.extend(resolved.filter(|new| !all.contains(new)));
    }
    let named = groups(&response.fields, "cache-group-invalidation", origin(url).unwrap_or(""));
    all.extend(named.into_iter().map(Invalidation::Group));
    all
}

/// Whether two absolute URLs have one scheme, host and port. Another origin's URL must not be invalidated
/// (RFC 9111 §4.4).
pub fn same_origin(a: &str, b: &str) -> bool {
    match (origin(a), origin(b)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// `https://example.com:8443` of an absolute URL, without a default port.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let default = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default).unwrap_or(authority);
    Some(&url[..scheme.len() + 3 + authority.len()])
}

/// A reference resolved against an absolute URL (RFC 3986 §5.2), without fragment.
fn resolve(base: &str, reference: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or("");
    let (scheme, _) = base.split_once("://")?;
    let root = origin(base)?;
    let base_path = base.split(['?', '#']).next()?.strip_prefix(origin_as_written(base)?)?;
    let (start, path) = match reference {
        "" => return None,
        r if r.contains("://") => return normal(r),
        r if r.starts_with("//") => return normal(&format!("{scheme}:{r}")),
        r if r.starts_with('/') => ("", r),
        r if r.starts_with('?') => (base_path, r),
        r => (&base_path[..base_path.rfind('/').map_or(0, |at| at + 1)], r),
    };
    let slash = if start.is_empty() && !path.starts_with('/') { "/" } else { "" };
    normal(&format!("{root}{slash}{start}{path}"))
}

/// An absolute URL with its path normalised as that of a request is.
fn normal(url: &str) -> Option<String> {
    let rest = url.strip_prefix(origin_as_written(url)?)?;
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let path = if path.is_empty() { "/" } else { path };
    let path = normalise_path(path).ok()?;
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    Some(format!("{}{path}{query}", origin(url)?.to_ascii_lowercase()))
}

fn origin_as_written(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    Some(&url[..end])
}

#[cfg(test)]
mod tests;
