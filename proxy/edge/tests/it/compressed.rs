//! Coded answers as clients decode them, from every source: on the way, through the cache, from
//! memory.

use std::io::Read;

use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge as _, Origin};

use crate::node::Node;

const SPEC: &str = "
sites:
  - name: all
    hosts: ['*']
    compress: {}
    routes:
      - { match: /kept, action: { proxy: origin } }
      - { match: /passed, action: { proxy: origin }, cache: 'off' }
upstreams: [{ name: origin, servers: ['ORIGIN'] }]
";

#[test]
fn every_coding_decodes_to_what_the_origin_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let text = text();
        let origin = Origin::start().await;
        origin.always(answer(&text));
        let spec = SPEC.replace("ORIGIN", &origin.url());
        let node = Node::with_threads(&spec, Clock::system(), 1).await.unwrap();
        let mut client = Client::connect(node.addr()).await;
        for path in ["/passed", "/kept", "/kept", "/kept"] {
            for coding in ["gzip", "br", "zstd", "identity"] {
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: example.com\r\nAccept-Encoding: {coding}\r\n\r\n"
                );
                client.send(request).await;
                let got = client.response().await.unwrap();
                let said = got.fields.joined("content-encoding").unwrap_or("identity".into());
                assert_eq!(said, coding, "{path}: {got}");
                assert_eq!(decoded(coding, &got.body), text, "{path} {coding}");
                assert_eq!(got.fields.joined("vary").as_deref(), Some("Accept-Encoding"));
            }
        }
        // Four answers were passed on, and the one that is kept was fetched once.
        assert_eq!(origin.requests(), 5);
        node.stop().await;
    });
}

fn text() -> Vec<u8> {
    (0..40_000_u32).flat_map(|n| format!("<p>{}</p>\n", n * 31 % 10_007).into_bytes()).collect()
}

fn answer(text: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: max-age=600\r\n\
         Content-Length: {}\r\n\r\n",
        text.len()
    );
    [head.as_bytes(), text].concat()
}

fn decoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let read = match coding {
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
        "zstd" => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut out),
        _ => (&mut &*bytes).read_to_end(&mut out),
    };
    read.unwrap();
    out
}
