//! What a plugin costs per request, host and module together, without any network.
//!
//! `cargo run --release -p tidegate-wasm --example callback_cost -- plugins/dist/header_check.wasm
//! '{"header": "x-key", "refuse": "bad*"}'`

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::{borrow::Cow, time::Instant};

use tidegate_wasm::{Chain, Exchange, Host, HostConfig, Map, PluginConfig, Verdict};

/// Requests of one round.
const REQUESTS: u32 = 200_000;

/// An ordinary browser's request, in one place and never copied.
struct Request([(&'static str, &'static str); 10]);

impl Exchange for Request {
    fn has_map(&self, map: Map) -> bool {
        map == Map::RequestHeaders
    }

    fn field(&self, map: Map, name: &str) -> Option<Cow<'_, [u8]>> {
        let known = self.0.iter().find(|(known, _)| *known == name && self.has_map(map))?;
        Some(Cow::Borrowed(known.1.as_bytes()))
    }

    fn each_field(&self, map: Map, visit: &mut dyn FnMut(&[u8], &[u8])) {
        if self.has_map(map) {
            self.0.iter().for_each(|(name, value)| visit(name.as_bytes(), value.as_bytes()));
        }
    }

    fn add_field(&mut self, _map: Map, _name: &str, _value: &[u8]) {}

    fn set_field(&mut self, _map: Map, _name: &str, _value: &[u8]) {}

    fn remove_field(&mut self, _map: Map, _name: &str) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: callback_cost <module.wasm> [configuration]")?;
    let host = Host::new(HostConfig::default())?;
    let mut config = PluginConfig::new("measured", std::fs::read(path)?);
    config.configuration = arguments.next().unwrap_or_default().into_bytes();
    let chain = Chain::new(vec![host.load(config)?]);
    let mut request = Request([
        (":authority", "example.com"),
        (":path", "/articles/2026/11/a-page?utm=1"),
        (":method", "GET"),
        (":scheme", "https"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br"),
        ("x-key", "good"),
        ("cookie", "session=0123456789abcdef"),
    ]);
    for round in 0..6 {
        let start = Instant::now();
        for _ in 0..REQUESTS {
            let mut context = chain.begin();
            if context.on_request_headers(&mut request, true) != Verdict::Continue {
                return Err("the plugin refused the request".into());
            }
            context.on_response_headers(&mut request, true);
            context.finish(&mut request);
        }
        let ns = start.elapsed().as_nanos() / u128::from(REQUESTS);
        println!("round {round}: {ns} ns per request");
    }
    println!("memory of one instance: {} KiB", host.plugins()[0].memory_bytes / 2 / 1024);
    Ok(())
}
