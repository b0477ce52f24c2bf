//! Names that stored responses can be purged by: `Surrogate-Key`, `Cache-Tag`, `Cache-Groups` (RFC 9875).

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;
use tidegate_http::{Fields, sf};

/// More tags than this on one response are ignored.
pub const TAGS_MAX: usize = 128;

/// Fields that name tags and are between origin and cache; `Cache-Groups` is for caches on the way too.
pub(crate) const TAG_FIELDS: [&str; 2] = ["surrogate-key", "cache-tag"];

/// A tag, by the hash of its text. Two tags that meet in one number are purged together, which costs a fetch and
/// never a wrong answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagId(u64);

impl TagId {
    /// The tag of a `Surrogate-Key` or `Cache-Tag`; these are compared without regard to case.
    pub fn new(text: &[u8]) -> Self {
        let mut hash = SipHasher13::new();
        hash.write(&text.to_ascii_lowercase());
        Self(hash.finish())
    }

    /// The tag of a cache group: groups are compared byte by byte and only within one origin,
    /// `https://example.com` (RFC 9875 §2).
    pub fn group(origin: &str, name: &str) -> Self {
        let mut hash = SipHasher13::new();
        hash.write(origin.as_bytes());
        hash.write(&[0]);
        hash.write(name.as_bytes());
        Self(hash.finish())
    }

    /// The tag that its number names.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// Every tag of a response, sorted, without doubles.
pub fn tags_of(response: &dyn Fields, origin: &str) -> Box<[TagId]> {
    let mut tags = Vec::new();
    response.each(&mut |name, value| {
        if name.eq_ignore_ascii_case(b"surrogate-key") {
            tags.extend(
                value.split(u8::is_ascii_whitespace).filter(|t| !t.is_empty()).map(TagId::new),
            );
        } else if name.eq_ignore_ascii_case(b"cache-tag") {
            let names = value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
            tags.extend(names.filter(|t| !t.is_empty()).map(TagId::new));
        }
    });
    tags.extend(groups(response, "cache-groups", origin));
    tags.truncate(TAGS_MAX);
    tags.sort_unstable();
    tags.dedup();
    tags.into()
}

/// The members of `Cache-Groups` or `Cache-Group-Invalidation`: a List of Strings; a field that is anything else is
/// ignored as a whole (RFC 9875 §2, §3).
pub(crate) fn groups(fields: &dyn Fields, name: &str, origin: &str) -> Vec<TagId> {
    let Some(value) = fields.joined(name) else { return Vec::new() };
    let Ok(list) = sf::parse_list(&value) else { return Vec::new() };
    let member = |member: &sf::Member| match member {
        sf::Member::Item(item) => match &item.bare {
            sf::Bare::String(group) => Some(TagId::group(origin, group)),
            _ => None,
        },
        sf::Member::Inner(..) => None,
    };
    list.iter().map(member).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests;
