//! Third step: signed URLs and tokens.

use tidegate_http::Scheme;
use tidegate_sign::{Denial, Reason as Denied, Request, verify};
use tidegate_telemetry::{Counter, Phase, Reason};

use crate::{
    answer::{Answer, Local},
    request::{Routed, Signature, Stop, Verified},
};

/// Checks the token where the route wants one.
pub(crate) fn check(routed: Routed<'_>) -> Result<Verified<'_>, Stop<'_>> {
    let Some(index) = routed.route().verify else { return Ok(Verified::not_required(routed)) };
    let Some(keyset) = routed.received.cx.running.snapshot.keyset(index) else {
        // A key that is missing on this node makes no signature good.
        Counter::SignatureDenied.inc();
        let denial = Denial { reason: Denied::KeyUnknown, format: "" };
        return Err(routed.stop(Answer::Local(refusal(denial))));
    };
    let cx = routed.received.cx;
    let head = routed.received.head;
    let request = Request {
        https: head.scheme() == Scheme::Https,
        host: head.host(),
        port: head.port(),
        method: head.method().as_str(),
        path: head.path(),
        path_sent: head.path_as_sent(),
        query: head.query(),
        client: cx.client.ip(),
        country: cx.node.countries.of(cx.client.ip()),
        fields: head,
    };
    match verify(keyset, &request, cx.now.unix_s()) {
        Ok(verified) => {
            Counter::SignatureVerified.inc();
            let carrier = Some(verified.carrier().clone());
            let (grant, path, query) = verified.into_parts();
            let wanted = !routed.route().limits.is_empty() || grant.renews();
            let grant = wanted.then(|| Box::new(grant));
            Ok(Verified { routed, signature: Signature { path, query, carrier, grant } })
        }
        Err(denial) => {
            Counter::SignatureDenied.inc();
            Err(routed.stop(Answer::Local(refusal(denial))))
        }
    }
}

/// What a client without a good token is told: why, in one clause, and nothing about keys.
fn refusal(denial: Denial) -> Local {
    let reason = match denial.reason {
        Denied::TokenMissing => Reason::SignatureMissing,
        Denied::TokenMalformed | Denied::ClaimUnsupported => Reason::SignatureMalformed,
        Denied::KeyUnknown => Reason::SignatureRevoked,
        Denied::SignatureInvalid | Denied::IssuerMismatch => Reason::SignatureInvalid,
        Denied::Expired => Reason::SignatureExpired,
        Denied::NotYetValid => Reason::SignatureEarly,
        Denied::ScopeMismatch
        | Denied::ClientMismatch
        | Denied::MethodMismatch
        | Denied::CountryMismatch => Reason::SignatureScope,
    };
    // Expired too is 403: the resource is there, the permission is not (RFC 9110 section 15.5.4).
    Local::problem(Phase::Denied, 403, reason, denial.detail()).with("Cache-Control", "no-store")
}
