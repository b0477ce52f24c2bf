//! Compression: which form of a response a client gets, and the stored responses' coded forms.
//!
//! A response that streams is coded on its way, in small pieces between which other connections of
//! the worker have their turn ([`Compressing`]). A stored response is coded once, as a whole, on a
//! thread of the blocking pool, and from then on the coded form is what the fast lane sends.

mod encoder;
mod lane;

use std::sync::Arc;

use tidegate_http::{ContentCoding, FieldList, Fields, Known, tokens};
use tidegate_store::{Body, Form, FormsBudget, Object};
use tidegate_telemetry::Counter;
use tokio::sync::Semaphore;

use crate::{hit::Hit, request::Admitted};
pub(crate) use lane::{Compressing, Plan};

/// Stored responses that are coded at the same time.
const MAKERS_MAX: usize = 2;
/// The largest stored response that is coded as a whole.
const CODED_OBJECT_BYTES_MAX: u64 = 8 << 20;
/// Fields that say something about the bytes of the body as they were before.
const OF_THE_BYTES: [&str; 6] =
    ["accept-ranges", "content-digest", "content-length", "content-md5", "digest", "repr-digest"];

/// A permit a stored response that is being coded.
static MAKERS: Semaphore = Semaphore::const_new(MAKERS_MAX);

/// The form in which a stored response answers a request, and the coding that is still to be made
/// for it.
pub(crate) fn choose(
    admitted: &Admitted<'_>,
    stored: &Arc<Object>,
) -> (Arc<Object>, Option<ContentCoding>) {
    let as_stored = || Arc::clone(stored);
    let Some(policy) = &admitted.route().compress else { return (as_stored(), None) };
    let (fields, length) = (stored.fields(), stored.length());
    if length == 0 || !policy.concerns(stored.meta().status, fields, Some(length)) {
        return (as_stored(), None);
    }
    let received = admitted.received();
    let plain = || plain(stored, received.cx.node.store.forms_budget());
    // A range is one of the stored bytes.
    if received.fields().has(Known::Range.as_str()) {
        return (plain(), None);
    }
    match ContentCoding::accepted(received.fields(), &policy.codings) {
        None => (plain(), None),
        Some(coding) => match stored.forms().coded(coding) {
            Form::Ready(coded) => (coded, None),
            Form::Refused => (plain(), None),
            Form::Missing => (plain(), Some(coding)),
        },
    }
}

/// Makes the coded form that a hit lacks, and puts it in place.
pub(crate) async fn complete(mut hit: Hit<'_>) -> Hit<'_> {
    if let Some(coding) = hit.lacks.take() {
        let budget = hit.admitted.received().cx.node.store.forms_budget().clone();
        let stored = Arc::clone(&hit.stored);
        let make = || make(stored, coding, budget);
        hit.stored.forms().make_coded(coding, make).await;
        (hit.object, _) = choose(&hit.admitted, &hit.stored);
    }
    hit
}

/// Says in `Vary` that another client may get another form (RFC 9110 section 12.5.5).
pub(crate) fn vary(fields: &mut FieldList) {
    let value = fields.joined("vary").unwrap_or_default().into_owned();
    let named = |word: &[u8]| word.eq_ignore_ascii_case(b"accept-encoding") || word == b"*";
    if !tokens(&value).any(named) {
        fields.push("Vary", "Accept-Encoding");
    }
}

/// The fields of a response whose body is coded.
pub(crate) fn code(fields: &mut FieldList, coding: ContentCoding) {
    for name in OF_THE_BYTES {
        fields.remove(name);
    }
    weaken(fields);
    fields.set("Content-Encoding", coding.as_str());
}

/// The bytes are no longer the same for everyone (RFC 9110 section 8.8.1).
pub(crate) fn weaken(fields: &mut FieldList) {
    let strong = fields.value("etag").filter(|tag| tag.starts_with(b"\""));
    if let Some(weak) = strong.map(|tag| [b"W/", tag].concat()) {
        fields.set("ETag", weak);
    }
}

/// Takes `Accept-Encoding` out of a `Vary` that is answered here.
pub(crate) fn take_over_vary(fields: &mut FieldList) {
    let Some(value) = fields.joined("vary").map(std::borrow::Cow::into_owned) else { return };
    let kept: Vec<&[u8]> =
        tokens(&value).filter(|word| !word.eq_ignore_ascii_case(b"accept-encoding")).collect();
    fields.remove("vary");
    if !kept.is_empty() {
        fields.push("Vary", kept.join(&b", "[..]));
    }
}

fn plain(stored: &Arc<Object>, budget: &FormsBudget) -> Arc<Object> {
    let make = || {
        let mut fields = stored.fields().clone();
        vary(&mut fields);
        stored.reshaped(fields, stored.body().clone(), budget.charge(stored.form_bytes(0)))
    };
    Arc::clone(stored.forms().plain(make))
}

async fn make(stored: Arc<Object>, coding: ContentCoding, budget: FormsBudget) -> Option<Object> {
    if stored.length() > CODED_OBJECT_BYTES_MAX {
        return None;
    }
    let _permit = MAKERS.acquire().await.ok()?;
    let body = stored.body().clone();
    let work = tokio::task::spawn_blocking(move || encoder::whole(coding, body.pieces()));
    let coded = work.await.ok()?.ok()?;
    // What does not shrink is not worth the client's effort.
    let charge = budget.charge(stored.form_bytes(coded.len() as u64));
    let (true, Some(charge)) = ((coded.len() as u64) < stored.length(), charge) else {
        return None;
    };
    let mut fields = stored.fields().clone();
    vary(&mut fields);
    code(&mut fields, coding);
    Counter::CompressedObjects.inc();
    Some(stored.reshaped(fields, Body::from_pieces(vec![coded.into()]), Some(charge)))
}

#[cfg(test)]
mod tests;
