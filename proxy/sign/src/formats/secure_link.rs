//! nginx's `secure_link` with `secure_link_md5`.
//!
//! The template is nginx's own, for instance `$secure_link_expires$uri$remote_addr $secret`; `$secret` is a
//! key of the keyset, so that the secret need not stand in the configuration. The token is the MD5 of the
//! expanded template as base64url without padding, in the parameter `md5`; `expires` is the end.

use std::collections::BTreeMap;
use std::fmt;

use md5::{Digest, Md5};

use crate::carry::{self, Rest};
use crate::denial::Reason;
use crate::encode::{base64url_exact, percent_decoded, same};
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "secure-link";

const TEMPLATE_PIECES_MAX: usize = 32;

/// secure_link with its settings: `template` (required), `md5`, `expires`.
pub(crate) struct SecureLink {
    template: Vec<Piece>,
    md5: String,
    expires: String,
}

/// A piece of the template. It may be part of a secret, so it has no `Debug`.
enum Piece {
    Text(String),
    Secret,
    Expires,
    Uri,
    RemoteAddr,
    Host,
    Scheme,
    RequestMethod,
    Argument(String),
    Field(String),
}

impl SecureLink {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let template = settings.required("template")?;
        let problem = "must be text with $secure_link_expires, $uri, $remote_addr, $host, $scheme, \
                       $request_method, $arg_<name>, $http_<name>, $secret";
        let template = parse(template).ok_or_else(|| settings.wrong("template", problem))?;
        let (md5, expires) = (settings.name("md5", "md5")?, settings.name("expires", "expires")?);
        settings.done()?;
        Ok(Self { template, md5, expires })
    }

    fn message(&self, key: &Key, request: &Request<'_>, expires: &str) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        for piece in &self.template {
            match piece {
                Piece::Text(text) => message.extend_from_slice(text.as_bytes()),
                Piece::Secret => message.extend_from_slice(key.secret()?),
                Piece::Expires => message.extend_from_slice(expires.as_bytes()),
                // nginx decodes $uri.
                Piece::Uri => message.extend_from_slice(percent_decoded(request.path)?.as_bytes()),
                Piece::RemoteAddr => {
                    message.extend_from_slice(request.client.to_canonical().to_string().as_bytes());
                }
                Piece::Host => message.extend_from_slice(request.host.as_bytes()),
                Piece::Scheme => {
                    message.extend_from_slice(if request.https { b"https" } else { b"http" });
                }
                Piece::RequestMethod => message.extend_from_slice(request.method.as_bytes()),
                Piece::Argument(name) => {
                    let value = carry::parameter(request.query, name).ok()?;
                    message.extend_from_slice(value.unwrap_or_default().as_bytes());
                }
                Piece::Field(name) => {
                    message.extend_from_slice(request.fields.first(name).unwrap_or_default());
                }
            }
        }
        Some(message)
    }
}

impl Scheme for SecureLink {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let of = |name| carry::parameter(request.query, name).map_err(|_| Reason::TokenMalformed);
        let hash = of(&self.md5)?.ok_or(Reason::TokenMissing)?;
        let hash: [u8; 16] =
            base64url_exact(hash.trim_end_matches('=')).ok_or(Reason::TokenMalformed)?;
        let timed = self.template.iter().any(|piece| matches!(piece, Piece::Expires));
        let expires = if timed { of(&self.expires)?.ok_or(Reason::TokenMalformed)? } else { "" };
        let signs = |key: &&Key| {
            let message = self.message(key, request, expires);
            message.is_some_and(|message| same(&Md5::digest(&message), &hash))
        };
        let key = keys.iter().find(signs).ok_or(Reason::SignatureInvalid)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        if timed {
            let expires_s = expires.parse().map_err(|_| Reason::TokenMalformed)?;
            if clock.is_past(expires_s) {
                return Err(Reason::Expired);
            }
            grant.expires_s = Some(expires_s);
        }
        Ok(Verified::new(grant, Rest::without(request, &[&self.md5, &self.expires])))
    }
}

impl fmt::Debug for SecureLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureLink").field("md5", &self.md5).finish_non_exhaustive()
    }
}

fn parse(template: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        if at > 0 {
            pieces.push(Piece::Text(rest[..at].to_owned()));
        }
        let (name, after) = name(&rest[at + 1..])?;
        pieces.push(variable(name)?);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    (1..=TEMPLATE_PIECES_MAX).contains(&pieces.len()).then_some(pieces)
}

/// `name` or `{name}`, and what follows.
fn name(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}');
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    Some(text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len())))
}

fn variable(name: &str) -> Option<Piece> {
    Some(match name {
        "secret" => Piece::Secret,
        "secure_link_expires" => Piece::Expires,
        "uri" => Piece::Uri,
        "remote_addr" => Piece::RemoteAddr,
        "host" => Piece::Host,
        "scheme" => Piece::Scheme,
        "request_method" => Piece::RequestMethod,
        _ => match name.strip_prefix("arg_") {
            Some(argument) => Piece::Argument(argument.to_owned()),
            None => Piece::Field(name.strip_prefix("http_")?.replace('_', "-")),
        },
    })
}
