//! What a rule sees.

use std::net::IpAddr;

use crate::Features;

/// One request and what is remembered across requests.
pub trait World {
    /// First value of a request field, by its lower-case name.
    fn header(&self, name: &str) -> Option<String>;

    /// All request fields in order, pseudo fields (`:path`, ...) first.
    fn headers(&self) -> Vec<(String, String)>;

    /// First value of a response field; only while the response is watched.
    fn response_header(&self, name: &str) -> Option<String>;

    /// Status of the response; 0 before there is one.
    fn status(&self) -> u16;

    /// Address of the client; `None` when it is unknown.
    fn client(&self) -> Option<IpAddr>;

    /// A property of the host as text, for example `tls.ja4`.
    fn property(&self, path: &str) -> Option<String>;

    /// The request body, as far as the rule asked for it.
    fn body(&self) -> Vec<u8>;

    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Adds `amount` to a counter that forgets everything `window_ms` after its first addition;
    /// answers the sum. All workers share it. `amount` 0 only asks.
    fn count(&self, key: &str, window_ms: u64, amount: u64) -> u64;

    /// Adds a member to a set that is forgotten `window_ms` after its first member; answers how
    /// many members it has, at most some hundreds.
    fn distinct(&self, key: &str, member: &str, window_ms: u64) -> u64;

    /// Whether a list that the host loaded holds a value (an address also by its networks).
    fn listed(&self, list: &str, value: &str) -> bool;

    /// Keeps a text from the decision until the response of the same request.
    fn remember(&self, text: &str);

    /// The text kept last, empty when there is none.
    fn recall(&self) -> String;

    /// The request at a glance, on the edge in one call to the host.
    fn features(&self) -> Features {
        Features::gather(self)
    }

    /// Path without the query, `/` when there is none.
    fn path(&self) -> String {
        let target = self.header(":path").unwrap_or_else(|| "/".into());
        target.split(['?', '#']).next().unwrap_or("/").to_owned()
    }

    /// What stands behind the `?`.
    fn query(&self) -> Option<String> {
        let target = self.header(":path")?;
        target.split_once('?').map(|(_, query)| query.to_owned())
    }

    /// Method.
    fn method(&self) -> String {
        self.header(":method").unwrap_or_default()
    }

    /// Host without port, lower case.
    fn host(&self) -> String {
        let authority = self.header(":authority").or_else(|| self.header("host"));
        let authority = authority.unwrap_or_default().to_ascii_lowercase();
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
            _ => authority,
        }
    }

    /// The client as a key for counters: an IPv4 address, or the /64 of an IPv6 address, because
    /// one customer owns at least that much. `unknown` when there is no address.
    fn client_key(&self) -> String {
        self.client().map_or_else(|| "unknown".into(), prefix)
    }
}

/// An IPv4 address as it is, an IPv6 address as its /64.
#[must_use]
pub fn prefix(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
