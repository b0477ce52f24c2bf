//! Which formats and keys are accepted, and the check itself.

use std::collections::BTreeMap;
use std::fmt;

use crate::carry::{Carrier, OneCookieLine};
use crate::denial::{Denial, Reason};
use crate::formats;
use crate::key::Key;
use crate::native::Native;
use crate::request::{Clock, Request};
use crate::verified::Verified;

#[cfg(test)]
mod tests;

/// Most keys of one keyset.
pub(crate) const KEYS_MAX: usize = 32;
/// Most that clocks may be off, seconds.
pub(crate) const SKEW_SECONDS_MAX: u64 = 300;

/// The words for formats in [`KeysetOptions::formats`].
pub const FORMATS: &[&str] = formats::WORDS;

/// What a keyset is made from; [`Keyset::new`] checks it.
#[derive(Debug, Clone, Default)]
pub struct KeysetOptions {
    /// Name, for logs.
    pub name: String,
    /// All accepted keys. The first that can sign is the one that signs; the others verify, so that a
    /// new key is first added, then put first, and the old one is taken away when its tokens are over.
    pub keys: Vec<Key>,
    /// Accepted formats (see [`FORMATS`]) with their settings; none means the native format.
    pub formats: Vec<(String, BTreeMap<String, String>)>,
    /// How far the clocks of signers may be off, seconds.
    pub skew_s: u64,
}

/// Formats and keys that a route accepts.
#[derive(Debug)]
pub struct Keyset {
    name: String,
    keys: Vec<Key>,
    formats: Vec<Box<dyn Scheme>>,
    skew_s: u64,
}

/// Why a keyset cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysetError {
    /// A keyset without keys lets nobody in.
    #[error("keyset {0:?} has no keys")]
    Empty(String),
    /// Too many keys.
    #[error("keyset {0:?} has more than 32 keys")]
    TooMany(String),
    /// Two keys of the same id.
    #[error("keyset {keyset:?} has two keys with the id {id:?}")]
    Twice {
        /// The keyset's name.
        keyset: String,
        /// The id.
        id: String,
    },
    /// An allowance that would keep links alive for too long.
    #[error("keyset {keyset:?} allows clocks to be {skew_s} s off, at most 300 s are possible")]
    Skew {
        /// The keyset's name.
        keyset: String,
        /// The allowance, seconds.
        skew_s: u64,
    },
    /// An unknown word for a format.
    #[error("format {0:?} is unknown")]
    Format(String),
    /// A setting that the format does not have, or cannot use.
    #[error("format {format:?}: setting {setting:?} {problem}")]
    Setting {
        /// The format's word.
        format: &'static str,
        /// The setting.
        setting: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// A token format.
pub trait Scheme: fmt::Debug + Send + Sync {
    /// The format's word, in configuration, logs and metrics.
    fn format(&self) -> &'static str;

    /// Finds the token, verifies it and takes it off the request.
    ///
    /// # Errors
    /// [`Reason::TokenMissing`] when the request carries no token of this format, so that the next
    /// format is tried; any other reason is final.
    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason>;
}

/// Verifies the request's token, whichever of the keyset's formats it has.
///
/// # Errors
/// [`Denial`] with the reason for the operator and the terse detail for the client.
pub fn verify<'r>(
    keyset: &Keyset,
    request: &Request<'r>,
    now_s: u64,
) -> Result<Verified<'r>, Denial> {
    // HTTP/2 may send each cookie in a line of its own (RFC 9113 8.2.3).
    if request.fields.count("cookie") > 1 {
        let fields = OneCookieLine::new(request.fields);
        let joined = Request { fields: &fields, ..*request };
        return decide(keyset, &joined, now_s).map(Verified::into_owned);
    }
    decide(keyset, request, now_s)
}

fn decide<'r>(keyset: &Keyset, request: &Request<'r>, now_s: u64) -> Result<Verified<'r>, Denial> {
    let clock = Clock { now_s, skew_s: keyset.skew_s };
    for scheme in &keyset.formats {
        match either_path(scheme.as_ref(), &keyset.keys, request, clock) {
            Err(Reason::TokenMissing) => {}
            Err(reason) => return Err(reason.of(scheme.format())),
            Ok(verified) => return Ok(verified),
        }
    }
    Err(Reason::TokenMissing.of(""))
}

/// Some signers sign the path as they wrote it and not its normal form. A signature that is wrong for the
/// one and right for the other covers the path itself; what goes on is the normal form all the same. A
/// token inside the path gets no second try: dot segments could put another one in its place.
fn either_path<'r>(
    scheme: &dyn Scheme,
    keys: &[Key],
    request: &Request<'r>,
    clock: Clock,
) -> Result<Verified<'r>, Reason> {
    let decided = scheme.verify(keys, request, clock);
    if request.path_sent == request.path || !matches!(decided, Err(Reason::SignatureInvalid)) {
        return decided;
    }
    let sent = Request { path: request.path_sent, ..*request };
    match scheme.verify(keys, &sent, clock) {
        Ok(verified) if *verified.carrier() != Carrier::Path => Ok(verified.at(request.path)),
        Ok(_) | Err(_) => decided,
    }
}

impl Keyset {
    /// Checks the options.
    ///
    /// # Errors
    /// [`KeysetError`] names the first setting that cannot be used.
    pub fn new(options: KeysetOptions) -> Result<Self, KeysetError> {
        let KeysetOptions { name, keys, formats, skew_s } = options;
        check_keys(&name, &keys)?;
        if skew_s > SKEW_SECONDS_MAX {
            return Err(KeysetError::Skew { keyset: name, skew_s });
        }
        let formats = match formats.as_slice() {
            [] => vec![Box::new(Native::default()) as Box<dyn Scheme>],
            some => some
                .iter()
                .map(|(word, set)| formats::build(word, set))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { name, keys, formats, skew_s })
    }

    /// The keyset's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The key that signs.
    pub fn signing_key(&self) -> Option<&Key> {
        self.keys.iter().find(|key| key.can_sign())
    }
}

fn check_keys(name: &str, keys: &[Key]) -> Result<(), KeysetError> {
    match keys.len() {
        0 => return Err(KeysetError::Empty(name.to_owned())),
        1..=KEYS_MAX => {}
        _ => return Err(KeysetError::TooMany(name.to_owned())),
    }
    for (index, key) in keys.iter().enumerate() {
        if keys[..index].iter().any(|other| other.id() == key.id()) {
            return Err(KeysetError::Twice { keyset: name.to_owned(), id: key.id().to_owned() });
        }
    }
    Ok(())
}
