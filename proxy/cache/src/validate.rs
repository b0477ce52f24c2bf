//! Validation of a stored response with the origin (RFC 9111 §4.3.1, §4.3.4).

use tidegate_http::{FieldList, ResponseHead, date};

use crate::conditional::{is_weak, weak_match};
use crate::meta::{Meta, Validators};

/// What an answer to a conditional request means for the stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// 304 for this very response: freshen it and serve it.
    Freshens,
    /// 304, but for another response: forget the stored one and ask again without condition.
    Mismatch,
    /// A full answer: replaces the stored one.
    Replaces,
    /// 5xx: forward it, or serve stale where that is allowed (RFC 9111 §4.3.3).
    Failed,
}

/// Puts the conditions for validating a stored response into a request, in place of the client's own: they are the
/// client's business with us, and a range would come back as a part.
pub fn validation_fields(meta: &Meta, request: &mut FieldList) {
    for name in CLIENT_CONDITIONS {
        request.remove(name);
    }
    if let Some(etag) = &meta.validators.etag {
        request.set("if-none-match", etag);
    }
    if let Some(modified_s) = meta.validators.last_modified_s {
        request.set("if-modified-since", date::format(modified_s));
    }
}

/// What the answer to a request made with [`validation_fields`] means.
pub fn validates(meta: &Meta, response: &ResponseHead) -> Validation {
    match response.status {
        304 if same_response(&meta.validators, &Validators::of(&response.fields)) => {
            Validation::Freshens
        }
        304 => Validation::Mismatch,
        500..600 => Validation::Failed,
        _ => Validation::Replaces,
    }
}

const CLIENT_CONDITIONS: [&str; 6] =
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"];

/// RFC 9111 §4.3.4: a strong validator in the 304 must be the stored one; a weak one must correspond; with none,
/// the response that was asked about is meant.
fn same_response(stored: &Validators, answer: &Validators) -> bool {
    match (&answer.etag, &stored.etag) {
        (Some(new), Some(old)) if is_weak(new) => weak_match(new, old),
        (Some(new), Some(old)) => new == old,
        (Some(_), None) => false,
        (None, _) => match (answer.last_modified_s, stored.last_modified_s) {
            (Some(new), Some(old)) => new == old,
            _ => true,
        },
    }
}

#[cfg(test)]
mod tests;
