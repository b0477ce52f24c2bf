//! What plugins see of a request, and what they change about it.

use std::{borrow::Cow, net::SocketAddr};

use bytes::Bytes;
use tidegate_http::{FieldList, Fields, Framing, Head, ResponseHead, Version};
use tidegate_tls::TlsFacts;
use tidegate_wasm::{Buffer, Exchange, Map, Value};

use crate::{facts::ConnectionFacts, systems::Places};

/// What plugins changed about a request: from then on this is the request.
#[derive(Clone, Debug)]
pub(crate) struct Edits {
    pub(crate) fields: FieldList,
    pub(crate) method: Option<String>,
    /// `path[?query]`.
    pub(crate) target: Option<String>,
    pub(crate) authority: Option<String>,
    /// What of the request body was read for plugins, and passed them.
    pub(crate) body: Option<ReadBody>,
}

/// The part of a request body that plugins have let pass before an upstream was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    /// Nothing follows; otherwise the rest is shown to the plugins while it is sent.
    pub(crate) complete: bool,
}

/// Facts about a request that do not stand in its head.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'v> {
    pub(crate) client: SocketAddr,
    pub(crate) facts: &'v ConnectionFacts,
    pub(crate) places: &'v Places,
    pub(crate) site: &'v str,
    pub(crate) route: &'v str,
    /// Nanoseconds since 1970.
    pub(crate) time_ns: i64,
}

/// One request lent to plugins for the time of a callback.
pub(crate) struct View<'v> {
    head: &'v Head<'v>,
    edits: &'v mut Option<Box<Edits>>,
    response: Option<&'v mut ResponseHead>,
    bodies: [Option<&'v mut Vec<u8>>; 2],
    trailers: [Option<&'v mut FieldList>; 2],
    around: Surroundings<'v>,
}

// === impl Edits ===

impl Edits {
    fn of(head: &Head<'_>) -> Self {
        Self {
            fields: head.to_field_list(),
            method: None,
            target: None,
            authority: None,
            body: None,
        }
    }

    /// The edits of a request, made when there are none yet.
    pub(crate) fn made<'e>(edits: &'e mut Option<Box<Self>>, head: &Head<'_>) -> &'e mut Self {
        edits.get_or_insert_with(|| Box::new(Self::of(head)))
    }
}

// === impl ReadBody ===

impl ReadBody {
    /// How the request body goes upstream: its length is known once all of it has passed.
    pub(crate) fn framing(&self) -> Framing {
        if self.complete { Framing::Length(self.bytes.len() as u64) } else { Framing::Chunked }
    }
}

// === impl View ===

impl<'v> View<'v> {
    pub(crate) fn of_request(
        head: &'v Head<'v>,
        edits: &'v mut Option<Box<Edits>>,
        around: Surroundings<'v>,
    ) -> Self {
        Self { head, edits, response: None, bodies: [None, None], trailers: [None, None], around }
    }

    pub(crate) fn of_response(
        head: &'v Head<'v>,
        edits: &'v mut Option<Box<Edits>>,
        response: &'v mut ResponseHead,
        around: Surroundings<'v>,
    ) -> Self {
        let response = Some(response);
        Self { head, edits, response, bodies: [None, None], trailers: [None, None], around }
    }

    /// Shows what is held of a body.
    pub(crate) fn with_body(mut self, buffer: Buffer, held: &'v mut Vec<u8>) -> Self {
        self.bodies[usize::from(buffer == Buffer::ResponseBody)] = Some(held);
        self
    }

    /// Shows trailers.
    pub(crate) fn with_trailers(mut self, map: Map, trailers: &'v mut FieldList) -> Self {
        self.trailers[usize::from(map == Map::ResponseTrailers)] = Some(trailers);
        self
    }

    fn edit(&mut self) -> &mut Edits {
        Edits::made(self.edits, self.head)
    }

    fn pseudo(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let edits = self.edits.as_deref();
        let text = match name {
            ":method" => edits
                .and_then(|e| e.method.as_deref())
                .map_or(Cow::Borrowed(self.head.method().as_str()), Cow::Borrowed),
            ":path" => edits
                .and_then(|e| e.target.as_deref())
                .map_or(Cow::Borrowed(self.head.target()), Cow::Borrowed),
            ":authority" => edits
                .and_then(|e| e.authority.as_deref())
                .map_or_else(|| self.head.authority(), Cow::Borrowed),
            ":scheme" => Cow::Borrowed(self.head.scheme().as_str()),
            _ => return None,
        };
        Some(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    fn set_pseudo(&mut self, name: &str, value: &[u8]) {
        let Ok(value) = std::str::from_utf8(value).map(str::to_owned) else { return };
        let edits = self.edit();
        match name {
            ":method" => edits.method = Some(value),
            ":path" if value.starts_with('/') => edits.target = Some(value),
            ":authority" => edits.authority = Some(value),
            _ => {}
        }
    }

    fn set_status(&mut self, value: &[u8]) {
        let status = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        if let (Some(response), Some(status @ 200..=599)) = (&mut self.response, status) {
            response.status = status;
        }
    }

    fn list(&mut self, map: Map) -> Option<&mut FieldList> {
        match map {
            Map::RequestHeaders => Some(&mut self.edit().fields),
            Map::ResponseHeaders => self.response.as_mut().map(|response| &mut response.fields),
            Map::RequestTrailers => self.trailers[0].as_deref_mut(),
            Map::ResponseTrailers => self.trailers[1].as_deref_mut(),
        }
    }

    fn trailers(&self, map: Map) -> Option<&FieldList> {
        self.trailers[usize::from(map == Map::ResponseTrailers)].as_deref()
    }

    fn request_fields(&self) -> &dyn Fields {
        match self.edits.as_deref() {
            Some(edits) => &edits.fields,
            None => self.head,
        }
    }
}

impl Exchange for View<'_> {
    fn has_map(&self, map: Map) -> bool {
        match map {
            Map::RequestHeaders => true,
            Map::ResponseHeaders => self.response.is_some(),
            Map::RequestTrailers | Map::ResponseTrailers => self.trailers(map).is_some(),
        }
    }

    fn field(&self, map: Map, name: &str) -> Option<Cow<'_, [u8]>> {
        match map {
            Map::RequestHeaders if name.starts_with(':') => self.pseudo(name),
            Map::RequestHeaders => self.request_fields().first(name).map(Cow::Borrowed),
            Map::ResponseHeaders if name == ":status" => {
                self.response.as_ref().map(|r| Cow::Owned(r.status.to_string().into_bytes()))
            }
            Map::ResponseHeaders => self.response.as_ref()?.fields.value(name).map(Cow::Borrowed),
            Map::RequestTrailers | Map::ResponseTrailers => {
                self.trailers(map)?.value(name).map(Cow::Borrowed)
            }
        }
    }

    fn each_field(&self, map: Map, visit: &mut dyn FnMut(&[u8], &[u8])) {
        let mut lower = Vec::new();
        let mut visit_lower = |name: &[u8], value: &[u8]| {
            lower.clear();
            lower.extend(name.iter().map(u8::to_ascii_lowercase));
            visit(&lower, value);
        };
        match (map, &self.response) {
            (Map::RequestHeaders, _) => {
                for name in [":authority", ":path", ":method", ":scheme"] {
                    if let Some(value) = self.pseudo(name) {
                        visit_lower(name.as_bytes(), &value);
                    }
                }
                self.request_fields().each(&mut visit_lower);
            }
            (Map::ResponseHeaders, Some(response)) => {
                visit_lower(b":status", response.status.to_string().as_bytes());
                response.fields.each(&mut visit_lower);
            }
            (Map::RequestTrailers | Map::ResponseTrailers, _) => {
                if let Some(trailers) = self.trailers(map) {
                    trailers.each(&mut visit_lower);
                }
            }
            (Map::ResponseHeaders, None) => {}
        }
    }

    fn add_field(&mut self, map: Map, name: &str, value: &[u8]) {
        if name.starts_with(':') {
            return self.set_field(map, name, value);
        }
        if let Some(list) = self.list(map) {
            // A plugin's odd bytes must not split a line: what cannot be a field is left out.
            let _ = list.try_push(name, value);
        }
    }

    fn set_field(&mut self, map: Map, name: &str, value: &[u8]) {
        match (name, map) {
            (":status", Map::ResponseHeaders) => self.set_status(value),
            (pseudo, Map::RequestHeaders) if pseudo.starts_with(':') => {
                self.set_pseudo(name, value);
            }
            _ => {
                if let Some(list) = self.list(map) {
                    list.remove(name);
                    let _ = list.try_push(name, value);
                }
            }
        }
    }

    fn remove_field(&mut self, map: Map, name: &str) {
        if let Some(list) = self.list(map) {
            list.remove(name);
        }
    }

    fn buffer(&self, buffer: Buffer) -> &[u8] {
        let body = &self.bodies[usize::from(buffer == Buffer::ResponseBody)];
        body.as_deref().map_or(&[], Vec::as_slice)
    }

    fn splice(&mut self, buffer: Buffer, start: usize, length: usize, bytes: &[u8]) -> bool {
        let body = &mut self.bodies[usize::from(buffer == Buffer::ResponseBody)];
        let Some(body) = body else { return false };
        body.splice(start..start + length, bytes.iter().copied());
        true
    }

    fn property(&self, path: &str) -> Option<Value<'_>> {
        let around = &self.around;
        Some(match path {
            "source.address" => Value::owned(around.client.to_string()),
            "source.port" => Value::Uint(around.client.port().into()),
            "request.protocol" => Value::text(protocol(self.head.version())),
            "request.time" => Value::Int(around.time_ns),
            "route_name" | "xds.route_name" => Value::text(around.route),
            "cluster_name" | "xds.cluster_name" => Value::text(around.site),
            "http2.fingerprint" => Value::text(around.facts.http2_fingerprint.get()?),
            "source.country" => Value::text(around.places.country(around.client.ip())?),
            "source.asn" => Value::owned(around.places.system(around.client.ip())?.to_string()),
            "connection.mtls" => {
                Value::Bool(around.facts.tls.as_deref().is_some_and(|tls| tls.peer.is_some()))
            }
            "destination.address" => Value::owned(around.facts.local.to_string()),
            "destination.port" => Value::Uint(around.facts.local.port().into()),
            _ => return of_tls(around.facts.tls.as_deref()?, path),
        })
    }
}

/// Properties of a TLS connection; absent on others. The fingerprint is JA4's.
fn of_tls<'f>(tls: &'f TlsFacts, path: &str) -> Option<Value<'f>> {
    Some(match path {
        "tls.ja4" | "connection.ja4_fingerprint" => Value::text(tls.fingerprint.as_str()),
        "connection.tls_version" => Value::text(if tls.tls13 { "TLSv1.3" } else { "TLSv1.2" }),
        "connection.requested_server_name" => Value::text(tls.server_name.as_deref()?),
        "connection.subject_peer_certificate" => Value::text(&tls.peer.as_ref()?.subject),
        "tls.cipher" => Value::text(tls.cipher),
        _ => return None,
    })
}

/// The protocol as access log and plugins name it.
pub(crate) const fn protocol(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    }
}
