//! Making tokens of the native format.

use std::fmt::Write;

use tidegate_http::normalise_path;

use crate::carry::Carrier;
use crate::encode::to_base64url;
use crate::keyset::Keyset;
use crate::native::{PARAMETER, TOKEN_BYTES_MAX, VERSION, path_hash};
use crate::scope::{ClientPrefix, Scope, is_below};

/// What a token shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The paths it opens.
    pub scope: Scope,
    /// When it ends, seconds since the Unix epoch.
    pub expires_s: u64,
    /// When it begins, seconds since the Unix epoch.
    pub not_before_s: Option<u64>,
    /// The clients it is for.
    pub client: Option<ClientPrefix>,
    /// The host it is for.
    pub host: Option<String>,
    /// The methods it allows; none means GET, HEAD and OPTIONS.
    pub methods: Vec<String>,
    /// The countries it is for (ISO 3166-1 alpha-2); none means all.
    pub countries: Vec<String>,
    /// The session it belongs to.
    pub session: Option<String>,
    /// How often it may be used.
    pub uses_max: Option<u32>,
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// No key of the set can sign.
    #[error(
        "keyset {0:?} has no key that can sign (a secret of 16 bytes or more, or an ed25519 seed)"
    )]
    NoSigningKey(String),
    /// A path, prefix or glob that no request can have.
    #[error("path {0:?} must begin with a slash and hold no broken escapes")]
    Path(String),
    /// A method or country that cannot stand in a token.
    #[error("{field} {value:?} must be letters and digits")]
    Word {
        /// Which claim.
        field: &'static str,
        /// The given word.
        value: String,
    },
    /// The token would be refused as too large.
    #[error("the token has {0} bytes, at most 2048 are accepted")]
    TooLarge(usize),
    /// An address to sign that has no path.
    #[error("address {0:?} must be a path or an http(s) URL")]
    Address(String),
}

impl Claims {
    /// A token for a scope until a time, for everybody.
    pub fn new(scope: Scope, expires_s: u64) -> Self {
        Self {
            scope,
            expires_s,
            not_before_s: None,
            client: None,
            host: None,
            methods: Vec::new(),
            countries: Vec::new(),
            session: None,
            uses_max: None,
        }
    }
}

/// Makes a token, signed with the keyset's first key that can.
///
/// # Errors
/// [`MintError`] names the claim that cannot be written, or the lack of a key.
pub fn mint(keyset: &Keyset, claims: &Claims) -> Result<String, MintError> {
    let no_key = || MintError::NoSigningKey(keyset.name().to_owned());
    let key = keyset.signing_key().ok_or_else(no_key)?;
    let mut token = format!("{VERSION}.{}.{}", key.id(), claims.expires_s);
    write_scope(&claims.scope, &mut token)?;
    write_claims(claims, &mut token)?;
    let signature = key.sign(token.as_bytes()).ok_or_else(no_key)?;
    token.push('.');
    token.push_str(&to_base64url(&signature));
    match token.len() {
        ..=TOKEN_BYTES_MAX => Ok(token),
        length => Err(MintError::TooLarge(length)),
    }
}

/// Makes a token and puts it into a path or URL, as [`Carrier::Query`] or [`Carrier::Path`]; a fragment
/// is kept at the end. In a path it stands right below a prefix scope, and before the last segment
/// otherwise: relative addresses keep it, and routes for the path above still match. Other carriers give the address as it is.
///
/// # Errors
/// As [`mint`], and [`MintError::Address`] for an address without a path.
pub fn mint_url(
    keyset: &Keyset,
    address: &str,
    claims: &Claims,
    carrier: &Carrier,
) -> Result<String, MintError> {
    let token = mint(keyset, claims)?;
    let (address, fragment) = match address.find('#') {
        Some(at) => address.split_at(at),
        None => (address, ""),
    };
    let path_at = path_at(address).ok_or_else(|| MintError::Address(address.to_owned()))?;
    Ok(match carrier {
        Carrier::Query => {
            let joint = if address.contains('?') { '&' } else { '?' };
            format!("{address}{joint}{PARAMETER}={token}{fragment}")
        }
        Carrier::Path => {
            let (above, below) =
                address.split_at(path_at + segment_at(&address[path_at..], claims));
            format!("{above}/{PARAMETER}={token}{below}{fragment}")
        }
        _ => format!("{address}{fragment}"),
    })
}

fn segment_at(target: &str, claims: &Claims) -> usize {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match &claims.scope {
        Scope::Prefix(prefix) if is_below(path.as_bytes(), prefix.as_bytes()) && path != prefix => {
            prefix.trim_end_matches('/').len()
        }
        _ => path.rfind('/').unwrap_or(0),
    }
}

fn path_at(address: &str) -> Option<usize> {
    let authority = address.find("://").map_or(0, |at| at + 3);
    let slash = address[authority..].find('/')? + authority;
    (authority > 0 || slash == 0).then_some(slash)
}

fn write_scope(scope: &Scope, token: &mut String) -> Result<(), MintError> {
    let (Scope::Path(path) | Scope::Prefix(path) | Scope::Glob(path)) = scope;
    if !path.starts_with('/') {
        return Err(MintError::Path(path.clone()));
    }
    // The edge compares with the normal form of a path (RFC 3986 6.2.2).
    let normal = |path| normalise_path(path).map_err(|_| MintError::Path(String::from(path)));
    match scope {
        Scope::Path(path) => piece('x', &path_hash(&normal(path)?), token),
        Scope::Prefix(path) => piece('p', normal(path)?.as_bytes(), token),
        Scope::Glob(pattern) => piece('g', pattern.as_bytes(), token),
    }
    Ok(())
}

fn write_claims(claims: &Claims, token: &mut String) -> Result<(), MintError> {
    // A String takes every write.
    if let Some(start_s) = claims.not_before_s {
        let _ = write!(token, ".n{start_s}");
    }
    if let Some(client) = claims.client {
        let _ = write!(token, ".i{}~", client.bits());
        token.push_str(&match client.address() {
            std::net::IpAddr::V4(a) => to_base64url(&a.octets()),
            std::net::IpAddr::V6(a) => to_base64url(&a.octets()),
        });
    }
    if let Some(host) = &claims.host {
        piece('h', host.to_ascii_lowercase().as_bytes(), token);
    }
    words('m', "method", &claims.methods, token)?;
    words('c', "country", &claims.countries, token)?;
    if let Some(session) = &claims.session {
        piece('s', session.as_bytes(), token);
    }
    if let Some(uses) = claims.uses_max {
        let _ = write!(token, ".u{uses}");
    }
    Ok(())
}

fn piece(letter: char, bytes: &[u8], token: &mut String) {
    token.push('.');
    token.push(letter);
    token.push_str(&to_base64url(bytes));
}

fn words(
    letter: char,
    field: &'static str,
    words: &[String],
    token: &mut String,
) -> Result<(), MintError> {
    let plain = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if let Some(value) = words.iter().find(|word| !plain(word)).cloned() {
        return Err(MintError::Word { field, value });
    }
    if !words.is_empty() {
        token.push('.');
        token.push(letter);
        token.push_str(&words.join("~").to_ascii_uppercase());
    }
    Ok(())
}
