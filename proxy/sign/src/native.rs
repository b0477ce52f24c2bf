//! Tidegate's own token.
//!
//! ```text
//! tg1.<key id>.<end>.<scope>[.<claim>...].<signature>
//! tg1.k1.1767225600.pL21lZGlhL3Nob3cv.3kq2...
//! ```
//!
//! Every piece consists of letters, digits, `-`, `_` and `~`, so a token needs no escape in a query, a
//! path segment, a cookie or a field. The signature covers the text before it as it stands, `tg1`
//! included. Times are Unix seconds in decimal. A piece begins with its letter:
//!
//! | letter | claim |
//! |---|---|
//! | `x` | the path whose SHA-256 begins with these 16 bytes |
//! | `p` | the path prefix, by whole segments |
//! | `g` | a glob of paths |
//! | `n` | not valid before |
//! | `i` | client range: bits, `~`, the bytes that hold them |
//! | `h` | host |
//! | `m` | methods, with `~` between (without: GET, HEAD, OPTIONS) |
//! | `c` | countries, with `~` between |
//! | `s` | session |
//! | `u` | most uses |
//!
//! Texts and bytes are base64url without padding. There is exactly one of `x`, `p`, `g`; no letter comes
//! twice; an unknown letter makes the token unreadable. The token travels as the query parameter `tg`,
//! the path segment `tg=...`, the cookie `tg` or the field `tidegate-token`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;

use crate::carry::{self, Carrier, Rest, Twice};
use crate::crypto::{Method, verifies};
use crate::denial::Reason;
use crate::encode::{base64url, base64url_exact};
use crate::key::{Algorithm, Key};
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::scope::{ClientPrefix, glob, is_below};
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub const FORMAT: &str = "tidegate";
/// The version with which a token begins.
pub const VERSION: &str = "tg1";
/// Name of query parameter, path segment and cookie, unless the settings name another.
pub const PARAMETER: &str = "tg";
/// Name of the request field.
pub const FIELD: &str = "tidegate-token";
/// Largest token, bytes.
pub const TOKEN_BYTES_MAX: usize = 2048;
/// Methods of a token that names none.
pub const METHODS_DEFAULT: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// Longest prefix, glob, host or session in a token, bytes.
pub const SCOPE_BYTES_MAX: usize = 1024;

const PATH_HASH_BYTES: usize = 16;

/// The native format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    parameter: String,
}

/// A token's pieces, still encoded.
#[derive(Debug, Default, PartialEq, Eq)]
struct Token<'t> {
    key_id: &'t str,
    expires_s: u64,
    signed: &'t str,
    signature: &'t str,
    claims: [Option<&'t str>; LETTERS.len()],
}

const LETTERS: [u8; 10] = *b"xpgnihmcsu";

impl Default for Native {
    fn default() -> Self {
        Self { parameter: PARAMETER.to_owned() }
    }
}

impl Native {
    /// With the settings of the configuration: `parameter`.
    ///
    /// # Errors
    /// [`KeysetError::Setting`] for any other, or a name that needs escapes.
    pub fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let parameter = settings.name("parameter", PARAMETER)?;
        settings.done()?;
        Ok(Self { parameter })
    }

    fn find<'r>(&self, request: &Request<'r>) -> Result<(&'r str, Rest<'r>), Reason> {
        let name = self.parameter.as_str();
        match carry::parameter(request.query, name) {
            Err(Twice) => return Err(Reason::TokenMalformed),
            Ok(Some(token)) => return Ok((token, Rest::without(request, &[name]))),
            Ok(None) => {}
        }
        if let Some((token, path)) = carry::segment(request.path, name) {
            return Ok((token, Rest::at_path(request, path)));
        }
        if let Some(token) = carry::cookie(request.fields, name) {
            return Ok((
                token,
                Rest::whole(request, Carrier::Cookies(vec![name.to_owned().into()])),
            ));
        }
        let token = carry::header(request.fields, FIELD).ok_or(Reason::TokenMissing)?;
        Ok((token, Rest::whole(request, Carrier::Header(FIELD.into()))))
    }
}

impl Scheme for Native {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let (text, rest) = self.find(request)?;
        let token = Token::parse(text).ok_or(Reason::TokenMalformed)?;
        let key = keys.iter().find(|key| key.id() == token.key_id).ok_or(Reason::KeyUnknown)?;
        token.check_signature(key)?;
        token.check_time(clock)?;
        token.check_request(request, &rest.path)?;
        Ok(Verified::new(token.grant(key)?, rest))
    }
}

impl<'t> Token<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let mut pieces = signed.split('.');
        if pieces.next()? != VERSION {
            return None;
        }
        let key_id = pieces.next()?;
        let expires_s = decimal(pieces.next()?)?;
        let mut token = Self { key_id, expires_s, signed, signature, ..Self::default() };
        for piece in pieces {
            token.add(piece)?;
        }
        let scopes = [b'x', b'p', b'g'].into_iter().filter(|&l| token.claim(l).is_some()).count();
        (scopes == 1).then_some(token)
    }

    fn add(&mut self, piece: &'t str) -> Option<()> {
        let letter = piece.as_bytes().first()?;
        let slot = &mut self.claims[LETTERS.iter().position(|known| known == letter)?];
        slot.is_none().then(|| *slot = Some(&piece[1..]))
    }

    fn claim(&self, letter: u8) -> Option<&'t str> {
        self.claims[LETTERS.iter().position(|&known| known == letter)?]
    }

    fn check_signature(&self, key: &Key) -> Result<(), Reason> {
        let message = self.signed.as_bytes();
        let good = match key.algorithm() {
            Algorithm::HmacSha256 => {
                let mac: [u8; 32] = self.signature_bytes()?;
                verifies(key, Method::HmacSha256, message, &mac)
            }
            Algorithm::Ed25519 | Algorithm::Ed25519Public => {
                let signature: [u8; 64] = self.signature_bytes()?;
                verifies(key, Method::Ed25519, message, &signature)
            }
            Algorithm::RsaPublic | Algorithm::EcdsaP256Public => None,
        };
        match good {
            Some(true) => Ok(()),
            Some(false) => Err(Reason::SignatureInvalid),
            None => Err(Reason::KeyUnknown),
        }
    }

    fn signature_bytes<const N: usize>(&self) -> Result<[u8; N], Reason> {
        base64url_exact(self.signature).ok_or(Reason::TokenMalformed)
    }

    fn check_time(&self, clock: Clock) -> Result<(), Reason> {
        if let Some(start) = self.claim(b'n') {
            let start_s = decimal(start).ok_or(Reason::TokenMalformed)?;
            if clock.is_before(start_s) {
                return Err(Reason::NotYetValid);
            }
        }
        if clock.is_past(self.expires_s) { Err(Reason::Expired) } else { Ok(()) }
    }

    fn check_request(&self, request: &Request<'_>, path: &str) -> Result<(), Reason> {
        self.demand(self.opens(path), Reason::ScopeMismatch)?;
        self.demand(self.is_for_host(request.host), Reason::ScopeMismatch)?;
        self.demand(self.is_for_client(request.client), Reason::ClientMismatch)?;
        self.demand(Some(self.is_for_method(request.method)), Reason::MethodMismatch)?;
        self.demand(Some(self.is_for_country(request.country)), Reason::CountryMismatch)
    }

    /// `None` is a claim that cannot be read.
    fn demand(&self, holds: Option<bool>, otherwise: Reason) -> Result<(), Reason> {
        match holds {
            Some(true) => Ok(()),
            Some(false) => Err(otherwise),
            None => Err(Reason::TokenMalformed),
        }
    }

    fn opens(&self, path: &str) -> Option<bool> {
        if let Some(hash) = self.claim(b'x') {
            let hash = base64url_exact::<PATH_HASH_BYTES>(hash)?;
            return Some(path_hash(path) == hash);
        }
        if let Some(prefix) = self.claim(b'p') {
            return with_bytes(prefix, |prefix| is_below(path.as_bytes(), prefix));
        }
        with_bytes(self.claim(b'g')?, |pattern| glob(pattern, path.as_bytes()))
    }

    fn is_for_host(&self, host: &str) -> Option<bool> {
        self.claim(b'h')
            .map_or(Some(true), |claim| with_bytes(claim, |name| name == host.as_bytes()))
    }

    fn is_for_client(&self, client: IpAddr) -> Option<bool> {
        self.claim(b'i').map_or(Some(true), |claim| Some(client_prefix(claim)?.contains(client)))
    }

    fn is_for_method(&self, method: &str) -> bool {
        match self.claim(b'm') {
            Some(methods) => methods.split('~').any(|allowed| allowed == method),
            None => METHODS_DEFAULT.contains(&method),
        }
    }

    fn is_for_country(&self, country: Option<&str>) -> bool {
        self.claim(b'c').is_none_or(|countries| countries.split('~').any(|c| Some(c) == country))
    }

    fn grant(&self, key: &Key) -> Result<Grant, Reason> {
        let readable = |claim: &str| text(claim).ok_or(Reason::TokenMalformed);
        let uses = |claim: &str| claim.parse().map_err(|_| Reason::TokenMalformed);
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(self.expires_s);
        grant.session = self.claim(b's').map(readable).transpose()?;
        grant.uses_max = self.claim(b'u').map(uses).transpose()?;
        if grant.uses_max.is_some() {
            grant.print = path_hash(self.signed);
        }
        Ok(grant)
    }
}

/// The first bytes of the SHA-256 of a path.
pub(crate) fn path_hash(path: &str) -> [u8; PATH_HASH_BYTES] {
    let mut first = [0; PATH_HASH_BYTES];
    let whole = digest::digest(&digest::SHA256, path.as_bytes());
    first.copy_from_slice(&whole.as_ref()[..PATH_HASH_BYTES]);
    first
}

fn client_prefix(claim: &str) -> Option<ClientPrefix> {
    let (bits, bytes) = claim.split_once('~')?;
    let (bits, bytes) = (bits.parse().ok()?, base64url(bytes)?);
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    ClientPrefix::new(address, bits)
}

/// A decimal of one spelling: no sign, no leading zero.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Reads a claim's bytes on the stack.
fn with_bytes<T>(claim: &str, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let mut bytes = [0; SCOPE_BYTES_MAX];
    let length = URL_SAFE_NO_PAD.decode_slice(claim, &mut bytes).ok()?;
    Some(read(&bytes[..length]))
}

fn text(claim: &str) -> Option<Box<str>> {
    String::from_utf8(base64url(claim)?).ok().map(Into::into)
}

/// Fuzz body: any text as a token.
pub(crate) fn fuzz(data: &[u8]) {
    let Some(token) = std::str::from_utf8(data).ok().and_then(Token::parse) else { return };
    let _ = token.check_time(Clock { now_s: 1, skew_s: 0 });
    let _ = token.check_request(&Request::fuzzed(), "/a/b");
}
