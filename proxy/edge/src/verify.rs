//! Third step: signed URLs and tokens.

use tidegate_http::Scheme;
use tidegate_sign::{Denial, Grant, Reason as Denied, Request, verify};
use tidegate_telemetry::{Counter, Phase, Reason};

use crate::{
    access,
    answer::{Answer, Local},
    media,
    request::{Context, Routed, Signature, Stop, Verified},
};

/// Checks the token where the route wants one.
pub(crate) fn check(routed: Routed<'_>) -> Result<Verified<'_>, Stop<'_>> {
    let routed = access::check(routed)?;
    media::enter(token(routed)?)
}

fn token(routed: Routed<'_>) -> Result<Verified<'_>, Stop<'_>> {
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
        wants_claims: routed.route().wants_claims,
    };
    match verify(keyset, &request, cx.now.unix_s()) {
        Ok(verified) => {
            Counter::SignatureVerified.inc();
            let carrier = Some(verified.carrier().clone());
            let (grant, path, query) = verified.into_parts();
            if !may_use_again(&grant, routed.received.cx) {
                Counter::SignatureDenied.inc();
                return Err(routed.stop(Answer::Local(used_up())));
            }
            let wanted = !routed.route().limits.is_empty() || grant.renews();
            let grant = wanted.then(|| Box::new(grant));
            Ok(Verified {
                routed,
                signature: Signature { path, query, carrier, grant, media: None },
            })
        }
        Err(denial) => {
            Counter::SignatureDenied.inc();
            Err(routed.stop(Answer::Local(refusal(denial))))
        }
    }
}

/// Counts one use of a token that may be used a number of times only, on this node.
fn may_use_again(grant: &Grant, cx: Context<'_>) -> bool {
    let Some(uses_max) = grant.uses_max else { return true };
    // Both clocks tell the same span.
    let left_s = grant.expires_s.map_or(USES_S, |end_s| end_s.saturating_sub(cx.now.unix_s()));
    let until_us = cx.now.mono_us.saturating_add(left_s.saturating_mul(1_000_000));
    cx.node.limit_table.spend(grant.fingerprint(), uses_max, until_us, cx.now.mono_us)
}

/// How long the uses of a token that never ends are remembered, seconds.
const USES_S: u64 = 86_400;

fn used_up() -> Local {
    let detail = "this link has been used as often as it may";
    Local::problem(Phase::Denied, 403, Reason::SignatureUsed, detail)
        .with("Cache-Control", "no-store")
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
    // What was good once is gone (410), anything else is refused (403); neither is kept by anybody.
    Local::problem(Phase::Denied, denial.status(), reason, denial.detail())
        .with("Cache-Control", "no-store")
}
