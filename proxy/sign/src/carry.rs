//! Where tokens travel, and the request without them.

use std::borrow::Cow;

use tidegate_http::Fields;

use crate::denial::Reason;
use crate::request::Request;

#[cfg(test)]
mod tests;

/// How a token came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// As query parameters, already taken off.
    Query,
    /// As a path segment, already taken off.
    Path,
    /// As cookies of these names; see [`cookie_without`].
    Cookies(Vec<Cow<'static, str>>),
    /// As a request field of this name.
    Header(Cow<'static, str>),
}

/// A request's path and query without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rest<'r> {
    pub(crate) carrier: Carrier,
    pub(crate) path: Cow<'r, str>,
    pub(crate) query: Option<Cow<'r, str>>,
}

/// A `Cookie` line without the cookies of these names; `None` when nothing is left.
pub fn cookie_without(line: &[u8], names: &[impl AsRef<str>]) -> Option<Vec<u8>> {
    let kept: Vec<&[u8]> = line
        .split(|&b| b == b';')
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && !names.iter().any(|name| is_named(pair, name.as_ref())))
        .collect();
    (!kept.is_empty()).then(|| kept.join(&b"; "[..]))
}

impl<'r> Rest<'r> {
    /// Path and query as they came, for tokens that travel in a field.
    pub(crate) fn whole(request: &Request<'r>, carrier: Carrier) -> Self {
        Self { carrier, path: request.path.into(), query: request.query.map(Into::into) }
    }

    /// Without the named query parameters.
    pub(crate) fn without(request: &Request<'r>, names: &[&str]) -> Self {
        let query = request.query.and_then(|query| query_without(query, names));
        Self { carrier: Carrier::Query, path: request.path.into(), query }
    }

    /// Scheme, host, path and what is left of the query.
    pub(crate) fn url(&self, request: &Request<'_>) -> String {
        let mut url = request.origin();
        url.push_str(&self.path);
        if let Some(query) = &self.query {
            url.push('?');
            url.push_str(query);
        }
        url
    }

    /// With another path.
    pub(crate) fn at_path(request: &Request<'r>, path: String) -> Self {
        Self { carrier: Carrier::Path, path: path.into(), query: request.query.map(Into::into) }
    }
}

/// A token in a query parameter, a cookie or a field, in this order.
pub(crate) fn find<'r>(
    request: &Request<'r>,
    names: &Names<'_>,
) -> Result<(&'r str, Rest<'r>), Reason> {
    match parameter(request.query, names.parameter) {
        Err(Twice) => return Err(Reason::TokenMalformed),
        Ok(Some(token)) => return Ok((token, Rest::without(request, &[names.parameter]))),
        Ok(None) => {}
    }
    if let Some(token) = cookie(request.fields, names.cookie) {
        let names = vec![names.cookie.to_owned().into()];
        return Ok((token, Rest::whole(request, Carrier::Cookies(names))));
    }
    let name = names.field.ok_or(Reason::TokenMissing)?;
    let token = header(request.fields, name).ok_or(Reason::TokenMissing)?;
    Ok((token, Rest::whole(request, Carrier::Header(name.to_owned().into()))))
}

/// What a token's parameter, cookie and field (lower case) are called.
pub(crate) struct Names<'n> {
    pub(crate) parameter: &'n str,
    pub(crate) cookie: &'n str,
    pub(crate) field: Option<&'n str>,
}

/// The raw value of the only query parameter of this name. Twice the same name is an attempt to let
/// two readers see two tokens, and counts as unreadable.
pub(crate) fn parameter<'r>(query: Option<&'r str>, name: &str) -> Result<Option<&'r str>, Twice> {
    let mut values = parameters(query).filter(|(key, _)| *key == name).map(|(_, value)| value);
    let first = values.next();
    match values.next() {
        Some(_) => Err(Twice),
        None => Ok(first),
    }
}

/// A parameter came twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Twice;

/// Names and values as sent.
pub(crate) fn parameters(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The value of the first cookie of this name.
pub(crate) fn cookie<'r>(fields: &'r dyn Fields, name: &str) -> Option<&'r str> {
    let line = fields.first("cookie")?;
    crumbs(line, name).next()
}

/// A request's fields with all `Cookie` lines as one.
pub(crate) struct OneCookieLine<'f> {
    fields: &'f dyn Fields,
    line: Vec<u8>,
}

impl<'f> OneCookieLine<'f> {
    pub(crate) fn new(fields: &'f dyn Fields) -> Self {
        let mut lines = Vec::new();
        fields.each(&mut |name, value| {
            if name.eq_ignore_ascii_case(b"cookie") {
                lines.push(value.to_vec());
            }
        });
        Self { fields, line: lines.join(&b"; "[..]) }
    }
}

impl Fields for OneCookieLine<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        match name.eq_ignore_ascii_case("cookie") {
            true => Some(&self.line),
            false => self.fields.first(name),
        }
    }

    fn each(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.fields.each(&mut |name, value| match name.eq_ignore_ascii_case(b"cookie") {
            true => {}
            false => f(name, value),
        });
        f(b"cookie", &self.line);
    }
}

/// The values of all cookies of this name, in all lines (HTTP/2 splits them, RFC 9113 8.2.3).
pub(crate) fn cookies(fields: &dyn Fields, name: &str) -> Vec<String> {
    let mut values = Vec::new();
    fields.each(&mut |field, line| {
        if field.eq_ignore_ascii_case(b"cookie") {
            values.extend(crumbs(line, name).map(str::to_owned));
        }
    });
    values
}

fn crumbs<'l>(line: &'l [u8], name: &str) -> impl Iterator<Item = &'l str> {
    let pairs = line.split(|&b| b == b';').map(<[u8]>::trim_ascii);
    pairs
        .filter(move |pair| is_named(pair, name))
        .filter_map(move |pair| std::str::from_utf8(&pair[name.len() + 1..]).ok())
}

/// The value of the first field of this name (lower case).
pub(crate) fn header<'r>(fields: &'r dyn Fields, name: &str) -> Option<&'r str> {
    std::str::from_utf8(fields.first(name)?).ok()
}

/// A path segment `name=value`, and the path without it.
pub(crate) fn segment<'r>(path: &'r str, name: &str) -> Option<(&'r str, String)> {
    let mut start = 0;
    while let Some(slash) = path[start..].find('/') {
        let from = start + slash + 1;
        let end = path[from..].find('/').map_or(path.len(), |next| from + next);
        if let Some(value) = path[from..end].strip_prefix(name).and_then(|v| v.strip_prefix('=')) {
            let rest = if end == path.len() { "/" } else { &path[end..] };
            return Some((value, [&path[..from - 1], rest].concat()));
        }
        start = end;
    }
    None
}

fn query_without<'r>(query: &'r str, names: &[&str]) -> Option<Cow<'r, str>> {
    let stays = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        !names.contains(&name)
    };
    let all = query.split('&').count();
    let kept = query.split('&').filter(stays).count();
    match kept {
        0 => None,
        _ if kept == all => Some(query.into()),
        _ => Some(contiguous(query, names).unwrap_or_else(|| {
            query.split('&').filter(stays).collect::<Vec<_>>().join("&").into()
        })),
    }
}

/// The usual case: the one parameter to take off stands first or last, and the rest can be borrowed.
fn contiguous<'r>(query: &'r str, names: &[&str]) -> Option<Cow<'r, str>> {
    let is_token =
        |pair: &str| names.contains(&pair.split_once('=').map_or(pair, |(name, _)| name));
    let mut rest = query;
    while let Some((first, after)) = rest.split_once('&').filter(|(first, _)| is_token(first)) {
        debug_assert!(rest.starts_with(first));
        rest = after;
    }
    while let Some((before, _)) = rest.rsplit_once('&').filter(|(_, last)| is_token(last)) {
        rest = before;
    }
    (!rest.split('&').any(is_token)).then_some(Cow::Borrowed(rest))
}

fn is_named(pair: &[u8], name: &str) -> bool {
    pair.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
}
