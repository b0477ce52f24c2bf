//! Updating a stored response from a 304 or from an answer to HEAD (RFC 9111 §3.2, §4.3.4, §4.3.5).

use tidegate_http::{FieldList, Fields, ResponseHead, is_hop_by_hop};

use crate::meta::{Meta, Validators};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::storable::{Asked, Plan, decide_get};
use crate::tag::TAG_FIELDS;

/// What an answer to HEAD means for the stored answer to GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFreshening {
    /// Same validators and length: update the stored fields.
    Update,
    /// Something differs: the stored response is stale from now on.
    Invalidate,
    /// It says nothing about the stored response.
    Nothing,
}

/// The stored fields as updated by a 304 that [`validates`](crate::validates) the stored response, and the decision
/// about the result. `Err`: the new fields forbid to keep it; it answers this one request and is then forgotten.
pub fn freshen(
    policy: &Policy,
    asked: &Asked<'_>,
    stored: (&Meta, &FieldList),
    response: &FieldList,
    response_ms: u64,
) -> (FieldList, Result<Box<Plan>, Reason>) {
    let mut fields = updated(stored.1, response);
    let plan = decide_get(policy, asked, stored.0.status, &fields, response_ms).map(|mut plan| {
        if !NAMES_TAGS.iter().any(|name| response.has(name)) {
            plan.meta.tags = stored.0.tags.clone();
        }
        for name in &plan.meta.withheld {
            fields.remove(&**name);
        }
        Box::new(plan)
    });
    (fields, plan)
}

/// RFC 9111 §4.3.5: an answer 200 to HEAD freshens when each validator and `Content-Length` that it has is the stored
/// one; else the stored response has been superseded.
pub fn head_freshening(
    stored: &Meta,
    stored_fields: &FieldList,
    response: &ResponseHead,
) -> HeadFreshening {
    if response.status != 200 || stored.status != 200 {
        return HeadFreshening::Nothing;
    }
    let new = Validators::of(&response.fields);
    let etag = new.etag.is_none() || new.etag == stored.validators.etag;
    let modified =
        new.last_modified_s.is_none() || new.last_modified_s == stored.validators.last_modified_s;
    let length = response.fields.first("content-length");
    let length = length.is_none() || length == stored_fields.first("content-length");
    if etag && modified && length { HeadFreshening::Update } else { HeadFreshening::Invalidate }
}

/// Each field of the new response replaces the stored lines of its name, except those that belong to the stored bytes
/// and those of the connection (RFC 9111 §3.2). `Age` and `Date` of the old response say nothing about
/// the new one.
fn updated(stored: &FieldList, response: &FieldList) -> FieldList {
    let connection = response.joined("connection").unwrap_or_default().into_owned();
    let taken = |name: &[u8]| !is_bound_to_body(name) && !is_hop_by_hop(name, &connection);
    let mut fields = stored.clone();
    fields.retain(|field| {
        let old =
            field.name.eq_ignore_ascii_case(b"age") || field.name.eq_ignore_ascii_case(b"date");
        let replaced = std::str::from_utf8(field.name)
            .is_ok_and(|name| response.has(&name.to_ascii_lowercase()));
        !(old || replaced && taken(field.name))
    });
    for field in response.iter().filter(|field| taken(field.name)) {
        fields.push(field.name, field.value);
    }
    fields
}

/// The stored copy may have been made without these: only a response that has one says something new about tags.
const NAMES_TAGS: [&str; 3] = [TAG_FIELDS[0], TAG_FIELDS[1], "cache-groups"];

/// Fields that describe the stored bytes: an update would make the two disagree. `Content-Type` is none of them: what is
/// stored is the response as it came, not something made of it (RFC 9111 §3.2).
const BOUND_TO_BODY: [&str; 5] =
    ["content-length", "content-encoding", "content-range", "content-md5", "content-digest"];

fn is_bound_to_body(name: &[u8]) -> bool {
    BOUND_TO_BODY.iter().any(|bound| name.eq_ignore_ascii_case(bound.as_bytes()))
}

#[cfg(test)]
mod tests;
