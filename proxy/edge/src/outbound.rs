//! The request as it goes upstream.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use tidegate_http::{
    FieldList, Framing, Head, Known, Scheme, Version, forwarded::write_hop, tokens,
};
use tidegate_sign::{Carrier, cookie_without};
use tidegate_snapshot::Action;
use tidegate_spec::Balance;
use tidegate_upstream::Outbound;

use crate::{
    identity::Chain,
    media,
    node::CACHE_NAME,
    peer,
    request::{Admitted, Received},
    variables::Variables,
    view::ReadBody,
};

/// Fields that ask for something else than the whole representation: a fetch for the cache leaves
/// them out, and answers them from what it gets.
const CONDITIONS: [&str; 6] =
    ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/// Whose answer the request wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The client's own, passed on.
    Pass,
    /// The whole representation, for the cache.
    Fill,
}

/// The request rewritten for the route's upstream. `None` when it has been here before.
pub(crate) fn build(admitted: &Admitted<'_>, purpose: Purpose) -> Option<Outbound> {
    let received = admitted.received();
    let head = received.head;
    let node = received.cx.node;
    let mut fields = match &received.edits {
        Some(edits) => edits.fields.clone(),
        None => head.to_field_list(),
    };
    if has_looped(&fields, &node.name, node.limits.hops_max) {
        return None;
    }
    let upgrade = head.upgrade().and_then(|asked| allowed(asked, &admitted.route().upgrades));
    let wants_trailers = wants_trailers(head);
    tidegate_http::strip_hop_by_hop(&mut fields);
    for name in ["host", "content-length", "expect", "http2-settings"] {
        fields.remove(name);
    }
    if purpose == Purpose::Fill {
        for name in CONDITIONS {
            fields.remove(name);
        }
    }
    if asks_for_plain(admitted, purpose) {
        fields.remove("accept-encoding");
    }
    if head.version() == Version::Http2 && upgrade.is_some() {
        add_handshake(&mut fields);
    }
    take_token_off(&mut fields, admitted);
    introduce(&mut fields, admitted);
    vouch(&mut fields, admitted, purpose);
    if let Some(policy) = &admitted.route().headers {
        policy.request.apply(&mut fields, &Variables::of(received, admitted.found()));
    }
    let method = http::Method::from_bytes(received.method().as_bytes()).ok()?;
    Some(Outbound {
        method: if purpose == Purpose::Fill { http::Method::GET } else { method },
        host: host(admitted),
        target: target(admitted),
        fields,
        framing: if purpose == Purpose::Fill { Framing::Empty } else { framing(received) },
        upgrade: upgrade.filter(|_| purpose == Purpose::Pass),
        wants_trailers,
        hash_key: hash_key(admitted),
        first_byte_timeout: media::first_byte_timeout(admitted).or(admitted.route().timeout),
    })
}

/// How the body is delimited: as it came, unless plugins have seen it first.
fn framing(received: &Received<'_>) -> Framing {
    let body = received.edits.as_deref().and_then(|edits| edits.body.as_ref());
    body.map_or_else(|| received.head.body(), ReadBody::framing)
}

/// What is stored is coded here, for each client in its own way; and the answer to HEAD is compared
/// with what is stored.
fn asks_for_plain(admitted: &Admitted<'_>, purpose: Purpose) -> bool {
    let route = admitted.route();
    let compared =
        route.cache.is_some() && admitted.received().head.method() == tidegate_http::Method::Head;
    let coded = route.compress.is_some() || media::wants_plain(admitted);
    coded && (purpose == Purpose::Fill || compared)
}

/// The protocols asked for that the route lets through: whatever else a client might talk a server
/// into is outside of everything that is checked here (`h2c` above all).
fn allowed(asked: &[u8], route: &[Box<str>]) -> Option<Bytes> {
    let listed = |protocol: &&[u8]| {
        let name = protocol.split(|&b| b == b'/').next().unwrap_or_default();
        route.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()))
    };
    let kept: Vec<&[u8]> = tokens(asked).filter(listed).collect();
    (!kept.is_empty()).then(|| kept.join(&b", "[..]).into())
}

/// Groups that choose by hash get the requests for one directory at the same server: a title's
/// segments lie together.
fn hash_key(admitted: &Admitted<'_>) -> Option<u64> {
    let Action::Proxy { upstream, .. } = admitted.route().action else { return None };
    let snapshot = &admitted.received().cx.running.snapshot;
    if snapshot[upstream].balance != Balance::ConsistentHash {
        return None;
    }
    let path = admitted.path();
    let folder = &path[..=path.rfind('/').unwrap_or(0)];
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&(admitted.received().head.host(), folder), &mut hasher);
    Some(std::hash::Hasher::finish(&hasher))
}

fn host(admitted: &Admitted<'_>) -> Bytes {
    if let Action::Proxy { host: Some(host), .. } = &admitted.route().action {
        return Bytes::copy_from_slice(host.as_bytes());
    }
    let received = admitted.received();
    let edited = received.edits.as_deref().and_then(|edits| edits.authority.clone());
    edited.unwrap_or_else(|| received.head.authority().into_owned()).into()
}

fn target(admitted: &Admitted<'_>) -> Bytes {
    let path = admitted.path();
    let path = match &admitted.route().action {
        Action::Proxy { rewrite: Some(rewrite), .. } => {
            rewrite.path(path, &admitted.found().params)
        }
        _ => path.into(),
    };
    match admitted.query() {
        Some(query) => format!("{path}?{query}").into(),
        None => path.into_owned().into(),
    }
}

/// A WebSocket over HTTP/2 comes without the key that HTTP/1.1 wants (RFC 8441 section 5). It
/// proves only that the server speaks the protocol, so it need not be secret.
fn add_handshake(fields: &mut FieldList) {
    let mut key = [0; 16];
    if getrandom::fill(&mut key).is_ok() {
        fields.set("Sec-WebSocket-Key", STANDARD.encode(key));
    }
}

/// A token that came in a field is this node's business, not the origin's.
fn take_token_off(fields: &mut FieldList, admitted: &Admitted<'_>) {
    match &admitted.permitted.verified.signature.carrier {
        Some(Carrier::Header(name)) => {
            fields.remove(name.as_ref());
        }
        Some(Carrier::Cookies(names)) => strip_cookies(fields, names),
        Some(Carrier::Query | Carrier::Path) | None => {}
    }
}

fn strip_cookies(fields: &mut FieldList, names: &[impl AsRef<str>]) {
    let lines: Vec<_> = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case(b"cookie"))
        .filter_map(|field| cookie_without(field.value, names))
        .collect();
    fields.remove("cookie");
    lines.iter().for_each(|line| fields.push("cookie", line));
}

/// What says who a client is by its certificate (RFC 9440): only an edge may.
const CLIENT_CERTIFICATE_FIELDS: [&str; 3] =
    ["client-cert", "client-cert-chain", "x-client-subject"];

/// Says who asks, on what believed proxies said and anew (RFC 7239), by way of what (RFC 9110
/// section 7.6.3, RFC 8586), and as a part of which trace.
fn introduce(fields: &mut FieldList, admitted: &Admitted<'_>) {
    let received = admitted.received();
    let cx = received.cx;
    // What only an edge may say.
    fields.remove("x-client-country");
    if let Some(country) = cx.node.countries.of(cx.client.ip()) {
        fields.set("X-Client-Country", country);
    }
    let chain = cx.node.trust.chain(cx.facts, received.head);
    let host = chain.client.host.as_deref().map_or_else(|| received.head.authority(), Cow::from);
    let addresses: Vec<_> = chain.addresses.iter().map(ToString::to_string).collect();
    fields.set("X-Forwarded-For", addresses.join(", "));
    fields.set("X-Forwarded-Proto", cx.scheme.as_str());
    fields.set("X-Forwarded-Host", host.as_bytes());
    fields.remove("x-forwarded-port");
    fields.set("Forwarded", forwarded(&chain, cx.scheme, &host));
    fields.add("Via", format!("{} {CACHE_NAME}", via_version(received.head.version())));
    fields.add("CDN-Loop", loop_token(&cx.node.name));
    if !cx.trace.given {
        fields.remove("tracestate");
    }
    fields.set("Traceparent", cx.trace.parent.text());
    fields.set("X-Request-Id", cx.trace.id());
}

/// Says who the client is, when its certificate was verified. Not in a fetch for the cache: what
/// it gets is for everybody.
fn vouch(fields: &mut FieldList, admitted: &Admitted<'_>, purpose: Purpose) {
    for name in CLIENT_CERTIFICATE_FIELDS {
        fields.remove(name);
    }
    let received = admitted.received();
    let peer = peer::of_site(received.cx, received.head.host());
    if let Some(peer) = peer.filter(|_| purpose == Purpose::Pass) {
        fields.set("Client-Cert", &*peer.certificate);
        fields.set("X-Client-Subject", &*peer.subject);
    }
}

fn forwarded(chain: &Chain, scheme: Scheme, host: &str) -> String {
    let mut out = String::with_capacity(64);
    for (at, address) in chain.addresses.iter().enumerate() {
        write_hop(*address, (at == 0).then_some((scheme, host)), &mut out);
    }
    out
}

/// The version of the message as received: the name of the protocol is left out for HTTP.
const fn via_version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2",
    }
}

fn loop_token(node: &str) -> String {
    format!("{CACHE_NAME}-{node}")
}

/// Whether the request has passed this very node before, or too many of its kind.
fn has_looped(fields: &FieldList, node: &str, hops_max: usize) -> bool {
    let own = loop_token(node);
    let mut hops = 0;
    let lines = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(b"cdn-loop"));
    for entry in lines.flat_map(|field| tokens(field.value)) {
        let id = entry.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        if id == own.as_bytes() {
            return true;
        }
        hops += usize::from(id.starts_with(CACHE_NAME.as_bytes()));
    }
    hops >= hops_max
}

fn wants_trailers(head: &Head<'_>) -> bool {
    let te = head.field(Known::Te).unwrap_or(b"");
    tokens(te).any(|token| token.eq_ignore_ascii_case(b"trailers"))
}
