//! A store with a policy and the shortest ways to use it.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_cache::{Asked, Decision, Key, KeySeed, Policy, Reason, Target, decide_store};
use tidegate_http::{FieldList, Method, ResponseHead, Scheme};

use crate::{Arrival, Config, Fill, FillError, Flight, Object, Reader, Store, Wanted};

pub(crate) const NOW_MS: u64 = 1_795_219_200_000;
const KIB: u64 = 1 << 10;

/// A client's request for a path of `https://a.example`.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) url: String,
    pub(crate) key: Key,
    pub(crate) fields: FieldList,
    pub(crate) now_ms: u64,
}

pub(crate) fn config() -> Config {
    Config {
        ram_bytes: 4096 * KIB,
        object_bytes_max: 256 * KIB,
        fills_bytes_max: 1024 * KIB,
        forms_bytes_max: 1024 * KIB,
        window_bytes: 16 * KIB,
        hit_for_miss_ms: 1_000,
        seed: KeySeed::new([1; 16]),
    }
}

pub(crate) fn store() -> Store {
    Store::new(config())
}

pub(crate) fn fields(text: &str) -> FieldList {
    text.lines()
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(n, v)| (n, v.trim()))
        .collect()
}

pub(crate) fn ask(store: &Store, path: &str, request: &str) -> Ask {
    let fields = fields(request);
    let policy = Policy::default();
    let target = Target {
        scheme: Scheme::Https,
        host: "a.example",
        port: None,
        path,
        query: None,
        fields: &fields,
    };
    let (url, key) = (target.url(&policy), Key::of(store.seed(), &policy, &target));
    Ask { url, key, fields, now_ms: NOW_MS }
}

impl Ask {
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted { key: self.key, url: &self.url, fields: &self.fields, now_ms: self.now_ms }
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            method: Method::Get,
            fields: &self.fields,
            origin: "https://a.example",
            request_ms: self.now_ms,
        }
    }

    pub(crate) fn at(mut self, now_ms: u64) -> Self {
        self.now_ms = now_ms;
        self
    }

    pub(crate) fn lookup(&self, store: &Store) -> Result<Arc<Object>, Reason> {
        store.lookup(&self.key, &self.fields)
    }

    pub(crate) fn begin(&self, store: &Store) -> Flight {
        store.begin(&self.wanted(), None)
    }

    pub(crate) fn lead(&self, store: &Store) -> (Fill, Reader) {
        lead(self.begin(store))
    }

    pub(crate) fn join(&self, store: &Store) -> Reader {
        match self.begin(store) {
            Flight::Join(reader) => reader,
            other => panic!("not joined: {other:?}"),
        }
    }

    /// Hands over a head as the cache decides about it.
    pub(crate) fn head(&self, fill: &mut Fill, status: u16, response: &str) -> Reason {
        let response = ResponseHead { status, fields: fields(response) };
        let decision: Decision =
            decide_store(&Policy::default(), &self.asked(), &response, self.now_ms);
        fill.head(response, decision, self.now_ms)
    }

    /// Stores a complete response.
    pub(crate) async fn store(&self, store: &Store, response: &str, body: &str) -> Arc<Object> {
        let (mut fill, reader) = lead(store.begin_alone(&self.wanted(), None));
        self.head(&mut fill, 200, response);
        drop(reader);
        fill.body(Bytes::copy_from_slice(body.as_bytes())).await.unwrap();
        fill.finish().unwrap().unwrap()
    }
}

pub(crate) fn lead(flight: Flight) -> (Fill, Reader) {
    match flight {
        Flight::Lead(fill, reader) => (fill, reader),
        other => panic!("does not lead: {other:?}"),
    }
}

/// Everything a reader gets, or its error.
pub(crate) async fn read(mut reader: Reader) -> Result<Vec<u8>, FillError> {
    match reader.head().await? {
        Arrival::Stream(_) => {}
        Arrival::Object(object) => return Ok(bytes_of(&object)),
        Arrival::Again => panic!("sent away"),
    }
    let mut body = Vec::new();
    while let Some(piece) = reader.chunk().await? {
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

pub(crate) fn bytes_of(object: &Object) -> Vec<u8> {
    object.body().pieces().concat()
}
