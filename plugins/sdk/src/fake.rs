//! A world made of plain values, for tests of rules.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{Kept, World};

/// A request as a test writes it down.
#[derive(Debug)]
pub struct FakeWorld {
    fields: Vec<(String, String)>,
    response: Vec<(String, String)>,
    status: u16,
    client: Option<IpAddr>,
    properties: BTreeMap<String, String>,
    body: Vec<u8>,
    now_ms: Cell<u64>,
    kept: RefCell<Kept>,
    remembered: RefCell<String>,
    lists: BTreeMap<String, BTreeSet<String>>,
}

impl FakeWorld {
    /// A request from 192.0.2.1 to `example.com`.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        let pairs = [
            (":method", method),
            (":path", target),
            (":authority", "example.com"),
            (":scheme", "https"),
        ];
        Self {
            fields: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            response: Vec::new(),
            status: 0,
            client: Some(IpAddr::from([192, 0, 2, 1])),
            properties: BTreeMap::new(),
            body: Vec::new(),
            now_ms: Cell::new(1_800_000_000_000),
            kept: RefCell::default(),
            remembered: RefCell::default(),
            lists: BTreeMap::new(),
        }
    }

    /// Another request in the same world: what is remembered stays.
    pub fn next(&mut self, method: &str, target: &str) -> &mut Self {
        let fresh = Self::new(method, target);
        (self.fields, self.status) = (fresh.fields, 0);
        self.response.clear();
        self.remembered.borrow_mut().clear();
        self.body.clear();
        self
    }

    /// Sets a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a field.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the client's address.
    pub fn from(&mut self, address: &str) -> &mut Self {
        self.client = address.parse().ok();
        self
    }

    /// Sets the status of the response.
    pub fn answered(&mut self, status: u16) -> &mut Self {
        self.status = status;
        self
    }

    /// Sets a field of the response.
    pub fn answered_with(&mut self, name: &str, value: &str) -> &mut Self {
        self.response.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn carrying(&mut self, body: &str) -> &mut Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    /// Sets a property.
    pub fn knowing(&mut self, path: &str, value: &str) -> &mut Self {
        self.properties.insert(path.to_owned(), value.to_owned());
        self
    }

    /// Puts a value into a list.
    pub fn listing(&mut self, list: &str, value: &str) -> &mut Self {
        self.lists.entry(list.to_owned()).or_default().insert(value.to_owned());
        self
    }

    /// Lets time pass.
    pub fn later(&mut self, ms: u64) -> &mut Self {
        self.now_ms.set(self.now_ms.get() + ms);
        self
    }
}

fn first(fields: &[(String, String)], name: &str) -> Option<String> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

impl World for FakeWorld {
    fn header(&self, name: &str) -> Option<String> {
        first(&self.fields, name)
    }

    fn headers(&self) -> Vec<(String, String)> {
        self.fields.clone()
    }

    fn response_header(&self, name: &str) -> Option<String> {
        first(&self.response, name)
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn client(&self) -> Option<IpAddr> {
        self.client
    }

    fn property(&self, path: &str) -> Option<String> {
        self.properties.get(path).cloned()
    }

    fn body(&self) -> Vec<u8> {
        self.body.clone()
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn count(&self, key: &str, window_ms: u64, amount: u64) -> u64 {
        self.kept.borrow_mut().count(key, window_ms, amount, self.now_ms.get())
    }

    fn distinct(&self, key: &str, member: &str, window_ms: u64) -> u64 {
        self.kept.borrow_mut().distinct(key, member, window_ms, self.now_ms.get())
    }

    fn listed(&self, list: &str, value: &str) -> bool {
        self.lists.get(list).is_some_and(|members| members.contains(value))
    }

    fn remember(&self, text: &str) {
        *self.remembered.borrow_mut() = text.to_owned();
    }

    fn recall(&self) -> String {
        self.remembered.borrow().clone()
    }
}
