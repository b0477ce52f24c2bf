//! The CORS protocol (Fetch standard, section 3.2), compiled.

use std::time::Duration;

use tidegate_http::{FieldList, Fields, tokens};

/// Who else's pages may read answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Cors {
    /// Every origin may, which goes without cookies.
    pub(crate) any: bool,
    pub(crate) origins: Box<[OriginPattern]>,
    pub(crate) methods: Box<str>,
    pub(crate) headers: Box<str>,
    pub(crate) expose: Box<str>,
    pub(crate) credentials: bool,
    pub(crate) max_age: Duration,
}

/// Origins, in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OriginPattern {
    Exact(Box<str>),
    /// `https://` and `.example.com:8443`.
    Below {
        scheme: Box<str>,
        suffix: Box<str>,
    },
}

/// Fields of an answer that only this policy writes.
const ANSWER_FIELDS: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
];

impl Cors {
    /// Replaces what the origin server said by what the policy says to a page of `origin`.
    pub fn dress(&self, fields: &mut FieldList, origin: Option<&[u8]>) {
        for name in ANSWER_FIELDS {
            fields.remove(name);
        }
        if self.allow(fields, origin) && !self.expose.is_empty() {
            fields.set("access-control-expose-headers", self.expose.as_bytes());
        }
    }

    /// The fields of the answer to a preflight request.
    pub fn preflight(&self, origin: &[u8]) -> FieldList {
        let mut fields = FieldList::new();
        vary(&mut fields, "access-control-request-method");
        vary(&mut fields, "access-control-request-headers");
        if self.allow(&mut fields, Some(origin)) {
            fields.set("access-control-allow-methods", self.methods.as_bytes());
            if !self.headers.is_empty() {
                fields.set("access-control-allow-headers", self.headers.as_bytes());
            }
            fields.set("access-control-max-age", self.max_age.as_secs().to_string());
        }
        fields
    }

    fn allow(&self, fields: &mut FieldList, origin: Option<&[u8]>) -> bool {
        if self.any {
            fields.set("access-control-allow-origin", "*");
            return true;
        }
        // Also for pages that may not, and for none: a cache must not give their answer to others.
        vary(fields, "origin");
        let Some(origin) = origin.filter(|origin| self.lists(origin)) else { return false };
        fields.set("access-control-allow-origin", origin);
        if self.credentials {
            fields.set("access-control-allow-credentials", "true");
        }
        true
    }

    fn lists(&self, origin: &[u8]) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let origin = origin.to_ascii_lowercase();
        self.origins.iter().any(|pattern| pattern.holds(&origin))
    }
}

impl OriginPattern {
    /// Reads `https://app.example:8443` or `https://*.app.example`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, host) = text.split_once("://")?;
        let known = matches!(scheme, "http" | "https");
        let plain = |host: &str| {
            let byte = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
            !host.is_empty() && host.bytes().all(byte)
        };
        match host.strip_prefix('*') {
            Some(suffix) if known && suffix.starts_with('.') && plain(&suffix[1..]) => {
                Some(Self::Below { scheme: format!("{scheme}://").into(), suffix: suffix.into() })
            }
            None if known && plain(host) => Some(Self::Exact(text.as_str().into())),
            _ => None,
        }
    }

    fn holds(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => origin == &**exact,
            Self::Below { scheme, suffix } => origin
                .strip_prefix(&**scheme)
                .and_then(|host| host.strip_suffix(&**suffix))
                .is_some_and(|below| !below.is_empty() && !below.contains(['/', '@'])),
        }
    }
}

/// Adds a name to `Vary`, unless it is there.
fn vary(fields: &mut FieldList, name: &str) {
    let value = fields.joined("vary").unwrap_or_default().into_owned();
    let there =
        tokens(&value).any(|word| word.eq_ignore_ascii_case(name.as_bytes()) || word == b"*");
    if !there {
        fields.push("vary", name);
    }
}
