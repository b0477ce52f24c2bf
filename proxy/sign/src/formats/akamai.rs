//! Akamai EdgeAuth 2.0.
//!
//! `ip=..~st=..~exp=..~acl=..~id=..~data=..~hmac=..`. The MAC covers the text before `~hmac` as it stands
//! and then, in the token nowhere to be seen, `~url=<path>` (when there is no `acl`) and `~salt=<salt>`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::carry::{self, Names, Rest};
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::{hex, percent_decoded};
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::scope::wildcard;
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "akamai";

const TOKEN_BYTES_MAX: usize = 2048;
const FIELDS: [&str; 6] = ["ip", "st", "exp", "acl", "id", "data"];

/// EdgeAuth with its settings: `parameter`, `header`, `salt`, `hash`, `field_delimiter`, `acl_delimiter`.
pub(crate) struct Akamai {
    parameter: String,
    joint: char,
    acl_joint: char,
    header: Option<String>,
    salt: Option<String>,
    method: Method,
}

struct Token<'t> {
    signed: &'t str,
    mac: Vec<u8>,
    fields: [Option<&'t str>; FIELDS.len()],
}

impl Akamai {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let parameter = settings.name("parameter", "__token__")?;
        let header = settings.optional("header").map(str::to_ascii_lowercase);
        let salt = settings.optional("salt").map(str::to_owned);
        let method = match settings.text("hash", "sha256").as_str() {
            "sha256" => Method::HmacSha256,
            "sha1" => Method::HmacSha1,
            "md5" => Method::HmacMd5,
            _ => return Err(settings.wrong("hash", "must be sha256, sha1 or md5")),
        };
        let joint = settings.character("field_delimiter", '~')?;
        let acl_joint = settings.character("acl_delimiter", '!')?;
        settings.done()?;
        Ok(Self { parameter, joint, acl_joint, header, salt, method })
    }

    fn check(
        &self,
        text: &str,
        rest: &Rest<'_>,
        keys: &[Key],
        request: &Request<'_>,
        clock: Clock,
    ) -> Result<Grant, Reason> {
        let token = Token::parse(text, self.joint).ok_or(Reason::TokenMalformed)?;
        let key = self.signer(&token, keys, rest)?;
        let expires_s = token.check_time(clock)?;
        token.check_request(request, self.acl_joint)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(expires_s);
        grant.session = token.field("id").map(Into::into);
        Ok(grant)
    }

    fn signer<'k>(
        &self,
        token: &Token<'_>,
        keys: &'k [Key],
        rest: &Rest<'_>,
    ) -> Result<&'k Key, Reason> {
        let verify = |url: Option<&str>| {
            let message = self.message(token.signed, url);
            crypto::verify(keys, None, self.method, message.as_bytes(), &token.mac)
        };
        if token.field("acl").is_some() {
            return verify(None);
        }
        // Signers escape the URL or do not, each language in its own way, and some sign the query with it; the
        // token does not tell which.
        let mut outcome = Err(Reason::SignatureInvalid);
        for url in urls(rest) {
            outcome = verify(Some(&url));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn message(&self, signed: &str, url: Option<&str>) -> String {
        let mut message = signed.to_owned();
        for (name, value) in [("url=", url), ("salt=", self.salt.as_deref())] {
            if let Some(value) = value {
                message.push(self.joint);
                message.push_str(name);
                message.push_str(value);
            }
        }
        message
    }
}

impl Scheme for Akamai {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let field = self.header.as_deref();
        let names = Names { parameter: &self.parameter, cookie: &self.parameter, field };
        let (text, rest) = carry::find(request, &names)?;
        let grant =
            self.check(text, &rest, keys, request, clock).or_else(|reason| match reason {
                // A client may have escaped what was meant to stand bare.
                Reason::TokenMalformed | Reason::SignatureInvalid if text.contains('%') => {
                    let bare = percent_decoded(text).ok_or(reason)?;
                    self.check(&bare, &rest, keys, request, clock)
                }
                _ => Err(reason),
            })?;
        Ok(Verified::new(grant, rest))
    }
}

impl fmt::Debug for Akamai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Akamai").field("parameter", &self.parameter).finish_non_exhaustive()
    }
}

impl<'t> Token<'t> {
    fn parse(text: &'t str, joint: char) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, mac) = text.rsplit_once(&format!("{joint}hmac="))?;
        let mut token = Self { signed, mac: hex(mac)?, fields: [None; FIELDS.len()] };
        for field in signed.split(joint) {
            let (name, value) = field.split_once('=')?;
            let slot = &mut token.fields[FIELDS.iter().position(|known| *known == name)?];
            slot.is_none().then(|| *slot = Some(value))?;
        }
        Some(token)
    }

    fn field(&self, name: &str) -> Option<&'t str> {
        self.fields[FIELDS.iter().position(|known| *known == name)?]
    }

    /// Java's signer escapes the list, the others do not. Without a slash it opens nothing as it stands.
    fn acl(&self) -> Result<Option<Cow<'t, str>>, Reason> {
        let Some(acl) = self.field("acl") else { return Ok(None) };
        match acl.contains('/') {
            true => Ok(Some(acl.into())),
            false => percent_decoded(acl).map(Some).ok_or(Reason::TokenMalformed),
        }
    }

    fn check_time(&self, clock: Clock) -> Result<u64, Reason> {
        let seconds = |text: &str| text.parse::<u64>().map_err(|_| Reason::TokenMalformed);
        if let Some(start) = self.field("st")
            && clock.is_before(seconds(start)?)
        {
            return Err(Reason::NotYetValid);
        }
        let expires_s = seconds(self.field("exp").ok_or(Reason::TokenMalformed)?)?;
        if clock.is_past(expires_s) { Err(Reason::Expired) } else { Ok(expires_s) }
    }

    fn check_request(&self, request: &Request<'_>, acl_joint: char) -> Result<(), Reason> {
        let path = request.path.as_bytes();
        let opens = |acl: &str| acl.split(acl_joint).any(|glob| wildcard(glob.as_bytes(), path));
        if !self.acl()?.is_none_or(|acl| opens(&acl)) {
            return Err(Reason::ScopeMismatch);
        }
        let Some(ip) = self.field("ip") else { return Ok(()) };
        let ip = percent_decoded(ip).and_then(|ip| ip.parse::<IpAddr>().ok());
        match ip.ok_or(Reason::TokenMalformed)?.to_canonical() == request.client.to_canonical() {
            true => Ok(()),
            false => Err(Reason::ClientMismatch),
        }
    }
}

/// What may have been signed as the URL: the path, or path and query, as they are or escaped in lower case with the
/// characters left bare that Python's `quote_plus`, JavaScript's `encodeURIComponent` without `'*`, and Java's
/// `URLEncoder` leave.
fn urls<'u>(rest: &'u Rest<'_>) -> impl Iterator<Item = Cow<'u, str>> {
    const BARE: [&[u8]; 3] = [b"-_.~", b"-_.!()", b"-_.*"];
    let whole = rest.query.as_ref().map(|query| Cow::from([&rest.path, "?", query].concat()));
    let plain = [Some(Cow::Borrowed(&*rest.path)), whole].into_iter().flatten();
    plain.flat_map(|url| {
        let escaped = BARE.map(|bare| Cow::Owned(escaped(&url, bare)));
        std::iter::once(url).chain(escaped)
    })
}

fn escaped(text: &str, bare: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for b in text.bytes() {
        match b {
            b if b.is_ascii_alphanumeric() || bare.contains(&b) => out.push(b.into()),
            _ => out.push_str(&format!("%{b:02x}")),
        }
    }
    out
}

/// Fuzz body: any text as the fields of a token.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = [text.trim_end_matches('~'), "~hmac=00"].concat();
    if let Some(token) = Token::parse(&text, '~') {
        let _ = token.check_time(Clock { now_s: 1, skew_s: 0 });
        let _ = token.check_request(&Request::fuzzed(), '!');
    }
}
