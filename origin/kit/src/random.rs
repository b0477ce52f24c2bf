//! Randomness from the operating system, and the identifiers made of it.

use crate::Micros;

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARS: usize = 10;
const RANDOM_CHARS: usize = 16;

/// `N` bytes from the operating system.
///
/// # Panics
/// When the system has no randomness to give: no key and no code made then would be safe.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    #[expect(clippy::expect_used, reason = "a process without randomness must not go on")]
    getrandom::fill(&mut out).expect("the operating system gives random bytes");
    out
}

/// An identifier of 26 characters that sorts by time: 10 of milliseconds, 16 random.
pub fn id(now: Micros) -> String {
    let mut out = String::with_capacity(TIME_CHARS + RANDOM_CHARS);
    let millis = u64::try_from(now / 1_000).unwrap_or(0);
    for place in (0..TIME_CHARS).rev() {
        out.push(symbol(millis >> (5 * place)));
    }
    for byte in bytes::<RANDOM_CHARS>() {
        out.push(symbol(u64::from(byte)));
    }
    out
}

fn symbol(bits: u64) -> char {
    char::from(CROCKFORD[(bits & 31) as usize])
}
