//! Codes: how they are spelled, which ones people may choose, and which are never given.

use tidegate_origin_kit::{Violation, random};

use super::permutation::Permutation;

/// Characters of a generated code.
pub(crate) const CODE_CHARS: u32 = 7;
/// Characters of the code of an unlisted link: beyond guessing.
pub(crate) const UNLISTED_CHARS: usize = 12;
/// Characters of the longest alias.
pub(crate) const ALIAS_CHARS_MAX: usize = 64;

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// First segments of paths that belong to the services and the pages; compared without case.
const RESERVED: &[&str] = &[
    "_",
    "about",
    "admin",
    "analytics",
    "api",
    "app",
    "assets",
    "cdn-cgi",
    "console",
    "demo",
    "docs",
    "edge",
    "favicon",
    "favicon.ico",
    "health",
    "healthz",
    "help",
    "img",
    "index",
    "index.html",
    "link",
    "links",
    "live",
    "login",
    "logout",
    "media",
    "metrics",
    "openapi",
    "openapi.json",
    "preview",
    "privacy",
    "purge",
    "qr",
    "readyz",
    "robots",
    "robots.txt",
    "root",
    "security",
    "settings",
    "shorten",
    "signup",
    "sitemap",
    "sitemap.xml",
    "static",
    "status",
    "support",
    "terms",
    "tidegate",
    "v1",
    "v2",
    "v3",
    "well-known",
    "www",
];

/// The characters of generated codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// Digits and letters of both cases.
    Base62,
    /// Digits and small letters, for domains where case does not count.
    Base36,
}

impl Alphabet {
    fn symbols(self) -> &'static [u8] {
        match self {
            Self::Base62 => BASE62,
            Self::Base36 => BASE36,
        }
    }

    /// The number of codes of [`CODE_CHARS`] characters.
    pub(crate) fn size(self) -> u64 {
        (self.symbols().len() as u64).pow(CODE_CHARS)
    }

    /// `value` in [`CODE_CHARS`] characters.
    fn spell(self, mut value: u64) -> String {
        let symbols = self.symbols();
        let radix = symbols.len() as u64;
        let mut code = vec![b'0'; CODE_CHARS as usize];
        for place in code.iter_mut().rev() {
            *place = symbols[(value % radix) as usize];
            value /= radix;
        }
        code.into_iter().map(char::from).collect()
    }
}

/// The code of number `index`; `None` when the numbers are used up.
pub(crate) fn numbered(alphabet: Alphabet, order: &Permutation, index: u64) -> Option<String> {
    order.of(index).map(|value| alphabet.spell(value))
}

/// A random code of [`UNLISTED_CHARS`] characters.
pub(crate) fn unlisted(alphabet: Alphabet) -> String {
    let symbols = alphabet.symbols();
    // Bytes at and above the largest multiple of the radix would favour the first symbols.
    let fair = 256 - 256 % symbols.len();
    let mut code = String::with_capacity(UNLISTED_CHARS);
    while code.len() < UNLISTED_CHARS {
        for byte in random::bytes::<32>() {
            if usize::from(byte) < fair && code.len() < UNLISTED_CHARS {
                code.push(char::from(symbols[usize::from(byte) % symbols.len()]));
            }
        }
    }
    code
}

/// Checks an alias: letters, digits, `-` and `_`, not reserved.
pub(crate) fn check_alias(alias: &str) -> Result<(), Violation> {
    let no = |code, detail: String| Err(Violation::new("/alias", code, detail));
    if alias.is_empty() || alias.len() > ALIAS_CHARS_MAX {
        return no("length", format!("an alias has 1 to {ALIAS_CHARS_MAX} characters"));
    }
    if !alias.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return no("characters", "an alias has letters, digits, - and _ only".to_owned());
    }
    if is_reserved(alias) {
        return no("reserved", format!("`{alias}` is reserved"));
    }
    Ok(())
}

/// Whether a visitor's path segment can be a code at all.
pub(crate) fn is_possible(code: &str) -> bool {
    !code.is_empty()
        && code.len() <= ALIAS_CHARS_MAX
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether a code is one of the words that paths need.
pub(crate) fn is_reserved(code: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(code))
}
