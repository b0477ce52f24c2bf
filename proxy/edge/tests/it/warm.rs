//! A title is fetched into the cache before anybody asks for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::{Value, json};
use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge as _, Origin};

use crate::node::Node;

const SPEC: &str = "
sites:
  - name: media
    hosts: [media.example]
    routes:
      - { match: /vod/*, action: { proxy: origin }, verify: viewers, media: {} }
upstreams: [{ name: origin, servers: ['ORIGIN'] }]
keysets: [{ name: viewers, keys: [{ id: k1, algorithm: hmac-sha256, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY }] }]
";
const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/v.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh/v.m3u8\n";
const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\n1.m4s\n#EXTINF:4,\n2.m4s\n#EXTINF:4,\n3.m4s\n#EXT-X-ENDLIST\n";

async fn warm(node: &Node, wish: Value) -> Value {
    let wish = wish.to_string();
    let mut admin = Client::connect(node.handle().admin().unwrap()).await;
    let length = wish.len();
    admin
        .send(format!("POST /warm HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{wish}"))
        .await;
    let answer = admin.response().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap()
}

fn ok(kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_title_is_warmed_with_what_its_playlists_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut origin = Origin::start().await;
        let spec = SPEC.replace("ORIGIN", &origin.url());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok(request) = origin.request().await {
                count.fetch_add(1, Relaxed);
                let target = request.head().line[1].clone();
                let (kind, body) = match target.as_str() {
                    "/vod/t/m.m3u8" => ("application/vnd.apple.mpegurl", MASTER),
                    path if path.ends_with("/v.m3u8") => ("application/vnd.apple.mpegurl", MEDIA),
                    _ => ("video/mp4", "segment"),
                };
                request.send(ok(kind, body)).await;
            }
        });
        let node = Node::with_file(&spec, "admin = '127.0.0.1:0'\n", Clock::system(), 1).await;
        let node = node.unwrap();
        let url = "https://media.example/vod/t/m.m3u8";
        let done = warm(&node, json!({ "urls": [url], "segments": 2 })).await;
        // One playlist of playlists, two of media, an initialisation section and two segments of each.
        assert_eq!(
            (done["fetched"].as_u64(), done["failed"].as_u64()),
            (Some(9), Some(0)),
            "{done}"
        );
        assert_eq!(asked.load(Relaxed), 9);
        // Once more, all of it is there.
        let again = warm(&node, json!({ "urls": [url], "segments": 2 })).await;
        assert_eq!(again["fetched"], 9);
        assert_eq!(asked.load(Relaxed), 9);
        let listed = warm(&node, json!({ "urls": [url], "follow": false })).await;
        assert_eq!(listed["named"].as_array().unwrap().len(), 2, "{listed}");
        let wrong = warm(&node, json!({ "urls": ["https://other.example/a", "ftp://x"] })).await;
        assert_eq!(wrong["failures"].as_array().unwrap().len(), 2, "{wrong}");
        node.stop().await;
    });
}
