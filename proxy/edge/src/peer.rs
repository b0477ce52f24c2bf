//! Before the first step: where a site wants to know its clients by their certificates, this
//! connection must be one that was asked for one.

use tidegate_snapshot::ClientAuthority;
use tidegate_telemetry::{Phase, Reason};
use tidegate_tls::PeerIdentity;

use crate::{
    answer::{Answer, Local},
    request::{Context, Received, Stop},
};

/// Refuses a request whose connection does not satisfy its site: 421 where another connection could
/// (RFC 9110 section 15.5.20), 403 where a certificate is missing.
pub(crate) fn check(received: Received<'_>) -> Result<Received<'_>, Stop<'_>> {
    let cx = received.cx;
    if !cx.running.asks_clients {
        return Ok(received);
    }
    let Some(authority) = authority(cx, received.head.host()) else { return Ok(received) };
    if !authority.required || identity(cx, authority).is_some() {
        return Ok(received);
    }
    let asked = cx.facts.tls.as_deref().map(|tls| tls.authority.as_deref());
    let (status, reason, detail) = match asked {
        Some(asked) if asked != Some(&authority.id) => {
            let detail = "this connection was not made for this host: its clients are known by \
                          certificates";
            (421, Reason::Misdirected, detail)
        }
        Some(_) => {
            let detail = "this site wants a client certificate that is valid";
            (403, Reason::ClientCertificateMissing, detail)
        }
        None => {
            let detail = "this site wants a client certificate: use https";
            (403, Reason::ClientCertificateMissing, detail)
        }
    };
    let local = Local::problem(Phase::Denied, status, reason, detail);
    Err(received.stop(None, Answer::Local(local.with("Cache-Control", "no-store"))))
}

/// Who the client is, for a site that asked.
pub(crate) fn of_site<'r>(cx: Context<'r>, host: &str) -> Option<&'r PeerIdentity> {
    if !cx.running.asks_clients {
        return None;
    }
    identity(cx, authority(cx, host)?)
}

fn authority<'r>(cx: Context<'r>, host: &str) -> Option<&'r ClientAuthority> {
    let snapshot = &cx.running.snapshot;
    snapshot.site(snapshot.router.site(host)?).client_authority.as_ref()
}

/// A certificate that this authority vouches for, and that is still valid: a connection may outlive
/// it.
fn identity<'r>(cx: Context<'r>, authority: &ClientAuthority) -> Option<&'r PeerIdentity> {
    let peer = cx.facts.tls.as_deref()?.peer.as_ref()?;
    let valid = cx.now.unix_s() as i64 <= peer.not_after_unix_s;
    (peer.authority == authority.id && valid).then_some(peer)
}
