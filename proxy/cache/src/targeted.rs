//! Targeted cache control (RFC 9213) and `Surrogate-Control`.

use tidegate_http::{FieldList, Fields, sf};

use crate::directive::{DELTA_MAX_S, ResponseDirectives, each_directive, seconds};
use crate::freshness::{Lifetime, LifetimeSource};
use crate::policy::Policy;

/// The directives of the first targeted field that is a Dictionary with members. One that is malformed or in which a
/// known directive has the wrong type is ignored as a whole (RFC 9213 §2.1).
pub(crate) fn directives(policy: &Policy, fields: &FieldList) -> Option<ResponseDirectives> {
    policy.targeted.iter().find_map(|name| read(&fields.joined(name)?))
}

/// `Surrogate-Control: max-age=N`, where the policy reads it.
pub(crate) fn surrogate(policy: &Policy, fields: &FieldList) -> Option<Lifetime> {
    let mut found = None;
    if policy.surrogate_control {
        each_directive(fields, "surrogate-control", &mut |name, value| {
            if name.eq_ignore_ascii_case(b"max-age") {
                found.get_or_insert(value.map_or(0, seconds));
            }
        });
    }
    found.map(|seconds| Lifetime { seconds, source: LifetimeSource::Surrogate })
}

fn read(value: &[u8]) -> Option<ResponseDirectives> {
    let dictionary = sf::parse_dictionary(value).ok()?;
    let mut directives = ResponseDirectives::default();
    for (name, member) in &dictionary.0 {
        take(&mut directives, name, member)?;
    }
    (!dictionary.0.is_empty()).then_some(directives)
}

/// Takes one member; `None` when a known directive has the wrong type. Unknown ones are extensions, and parameters
/// say nothing (RFC 9213 §2.1).
fn take(directives: &mut ResponseDirectives, name: &str, member: &sf::Member) -> Option<()> {
    let bare = match member {
        sf::Member::Item(item) => Some(&item.bare),
        sf::Member::Inner(..) => None,
    };
    match (name, bare) {
        (name, Some(sf::Bare::Integer(value))) if has_seconds(name) => {
            // A number that nothing here can hold is as good as the largest (RFC 9111 §1.2.2).
            let value = u64::try_from(*value).unwrap_or(0).min(DELTA_MAX_S.into()).to_string();
            directives.take(name.as_bytes(), Some(value.as_bytes()));
        }
        (name, Some(sf::Bare::Boolean(true))) if is_flag(name) => {
            directives.take(name.as_bytes(), None);
        }
        (name, Some(sf::Bare::Boolean(false))) if is_flag(name) => {}
        ("no-cache" | "private", Some(sf::Bare::String(names))) => {
            directives.take(name.as_bytes(), Some(names.as_bytes()));
        }
        (name, _) if has_seconds(name) || is_flag(name) => return None,
        _ => {}
    }
    Some(())
}

fn has_seconds(name: &str) -> bool {
    matches!(name, "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error")
}

fn is_flag(name: &str) -> bool {
    matches!(
        name,
        "no-store"
            | "no-cache"
            | "private"
            | "public"
            | "must-revalidate"
            | "proxy-revalidate"
            | "must-understand"
            | "immutable"
    )
}

#[cfg(test)]
mod tests;
