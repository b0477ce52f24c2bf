//! A request in memory.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{Buffer, Exchange, Map, Value};

type Section = Vec<(String, Vec<u8>)>;

/// A request as a case describes it.
#[derive(Debug, Default)]
pub(crate) struct FakeExchange {
    sections: [Option<Section>; 4],
    pub(crate) request_body: Vec<u8>,
    pub(crate) response_body: Vec<u8>,
    properties: BTreeMap<String, String>,
}

const fn index(map: Map) -> usize {
    match map {
        Map::RequestHeaders => 0,
        Map::RequestTrailers => 1,
        Map::ResponseHeaders => 2,
        Map::ResponseTrailers => 3,
    }
}

impl FakeExchange {
    /// A request for a target.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let mut exchange = Self::default();
        exchange.open(Map::RequestHeaders);
        for (name, value) in [
            (":authority", "example.com"),
            (":path", target),
            (":method", method),
            (":scheme", "https"),
        ] {
            exchange.add_field(Map::RequestHeaders, name, value.as_bytes());
        }
        exchange
    }

    /// What a browser sends, with a response of 200.
    pub(crate) fn ordinary() -> Self {
        let mut exchange = Self::new("GET", "/articles/2026/a-page?page=2");
        for (name, value) in [
            (
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ),
            ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
            ("accept-language", "en-GB,en;q=0.5"),
            ("accept-encoding", "gzip, deflate, br"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "none"),
            ("cookie", "session=0123456789abcdef"),
        ] {
            exchange.add_field(Map::RequestHeaders, name, value.as_bytes());
        }
        exchange.knows("source.address", "192.0.2.1:40000");
        exchange.answered(200);
        exchange
    }

    /// The section exists from now on.
    pub(crate) fn open(&mut self, map: Map) {
        self.sections[index(map)].get_or_insert_default();
    }

    /// Gives a property.
    pub(crate) fn knows(&mut self, path: &str, value: &str) {
        self.properties.insert(path.to_owned(), value.to_owned());
    }

    /// A response has come.
    pub(crate) fn answered(&mut self, status: u16) {
        self.open(Map::ResponseHeaders);
        self.set_field(Map::ResponseHeaders, ":status", status.to_string().as_bytes());
    }

    /// A field as text.
    pub(crate) fn text(&self, map: Map, name: &str) -> Option<String> {
        self.field(map, name).map(|value| String::from_utf8_lossy(&value).into_owned())
    }
}

impl Exchange for FakeExchange {
    fn has_map(&self, map: Map) -> bool {
        self.sections[index(map)].is_some()
    }

    fn field(&self, map: Map, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut fields = self.sections[index(map)].iter().flatten();
        fields.find(|(known, _)| known == name).map(|(_, value)| value.as_slice().into())
    }

    fn each_field(&self, map: Map, visit: &mut dyn FnMut(&[u8], &[u8])) {
        for (name, value) in self.sections[index(map)].iter().flatten() {
            visit(name.as_bytes(), value);
        }
    }

    fn add_field(&mut self, map: Map, name: &str, value: &[u8]) {
        let section = self.sections[index(map)].iter_mut();
        section.for_each(|fields| fields.push((name.to_owned(), value.to_vec())));
    }

    fn set_field(&mut self, map: Map, name: &str, value: &[u8]) {
        let section = self.sections[index(map)].iter_mut().flatten();
        match section.into_iter().find(|(known, _)| known == name) {
            Some(field) => field.1 = value.to_vec(),
            None => self.add_field(map, name, value),
        }
    }

    fn remove_field(&mut self, map: Map, name: &str) {
        let section = self.sections[index(map)].iter_mut();
        section.for_each(|fields| fields.retain(|(known, _)| known != name));
    }

    fn buffer(&self, buffer: Buffer) -> &[u8] {
        match buffer {
            Buffer::RequestBody => &self.request_body,
            Buffer::ResponseBody => &self.response_body,
        }
    }

    fn splice(&mut self, buffer: Buffer, start: usize, length: usize, bytes: &[u8]) -> bool {
        let body = match buffer {
            Buffer::RequestBody => &mut self.request_body,
            Buffer::ResponseBody => &mut self.response_body,
        };
        body.splice(start..start + length, bytes.iter().copied());
        true
    }

    fn property(&self, path: &str) -> Option<Value<'_>> {
        self.properties.get(path).map(|value| Value::text(value))
    }
}
