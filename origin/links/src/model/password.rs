//! Passwords of links: kept as a hash that is slow to try.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::pbkdf2;
use tidegate_origin_kit::random;

/// Bytes of the longest password.
pub(crate) const PASSWORD_BYTES_MAX: usize = 200;
/// As OWASP advises for PBKDF2 with SHA-256.
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();
const HASH_BYTES: usize = 32;
const SCHEME: &str = "pbkdf2-sha256";

/// The form that is kept: scheme, rounds, salt, hash. Takes some hundred milliseconds.
pub(crate) fn hash(password: &str) -> String {
    let salt = random::bytes::<16>();
    let mut out = [0; HASH_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, password.as_bytes(), &mut out);
    format!("{SCHEME}${ROUNDS}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(out))
}

/// Whether `password` is the one behind `kept`; takes as long as [`hash`].
pub(crate) fn fits(password: &str, kept: &str) -> bool {
    parts(kept).is_some_and(|(rounds, salt, good)| {
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &good)
            .is_ok()
    })
}

fn parts(kept: &str) -> Option<(NonZeroU32, Vec<u8>, Vec<u8>)> {
    let mut parts = kept.split('$');
    let scheme = parts.next()?;
    let rounds = parts.next()?.parse().ok()?;
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    (scheme == SCHEME && parts.next().is_none()).then_some((rounds, salt, hash))
}
