//! Two nodes in a row: what a shield spares the origin, and what viewers see of it; and which of several
//! ways players are sent.

use std::time::Duration;

use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge, Message, Origin, VirtualClock};

use crate::node::Node;

const FILE_BYTES: usize = 300 * 1024;
const SLICE_BYTES: usize = 64 * 1024;
const PLAYLIST: &str =
    "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2,\n7.m4s\n";

struct Tiers {
    clock: VirtualClock,
    origin: Origin,
    shield: Node,
    outer: Node,
}

impl Tiers {
    async fn start() -> Self {
        let (clock, origin) = (VirtualClock::new(), Origin::start().await);
        let node = async |name, upstream: String| {
            let clock = Clock::Virtual(clock.shared());
            Node::named(name, &spec(&upstream), clock, 1).await.unwrap()
        };
        let shield = node("shield", origin.url()).await;
        let outer = node("outer", format!("http://{}", shield.addr())).await;
        Self { clock, origin, shield, outer }
    }

    async fn stop(self) {
        self.outer.stop().await;
        self.shield.stop().await;
    }
}

fn spec(upstream: &str) -> String {
    format!(
        "sites:\n  - name: all\n    hosts: [\"*\"]\n    routes:\n      - match: /*\n        action: {{ proxy: up }}\n        \
         media: {{ slice: 64KiB }}\nupstreams:\n  - name: up\n    servers: [\"{upstream}\"]\n"
    )
}

async fn ask(node: &Node, path: &str, field: &str) -> Client {
    let mut client = Client::connect(node.addr()).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: live.example\r\n{field}\r\n")).await;
    client
}

async fn get(node: &Node, path: &str, field: &str) -> Message {
    ask(node, path, field).await.response().await.unwrap()
}

fn age(message: &Message) -> Option<String> {
    message.fields.joined("age")
}

/// Waits until so many requests wait for the node's one fetch.
async fn until_joined(node: &mut Node, count: u64) {
    for _ in 0..1000 {
        let metrics = node.metrics().await;
        let line = metrics.lines().find(|l| l.starts_with("tidegate_cache_fills_joined_total"));
        let joined = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        if joined.is_some_and(|joined| joined as u64 >= count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the others do not wait for the first");
}

#[tokio::test]
async fn a_held_playlist_is_asked_of_the_origin_once_and_has_its_true_age() {
    let mut tiers = Tiers::start().await;
    let path = "/live/v.m3u8?_HLS_msn=7";
    let mut viewers = Vec::new();
    for number in 0..8 {
        let sent = format!("{path}&CMCD=sid%3D%22{number}%22");
        viewers.push(ask(&tiers.outer, &sent, "").await);
    }
    let received = tiers.origin.request().await.unwrap();
    until_joined(&mut tiers.outer, 7).await;
    // Somebody comes by the shield, for the same version.
    let direct = ask(&tiers.shield, path, "").await;
    until_joined(&mut tiers.shield, 1).await;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nCache-Control: max-age=12\r\nAge: 1\r\n\
         Content-Length: {}\r\n\r\n{PLAYLIST}",
        PLAYLIST.len()
    );
    received.send(&answer).await;
    for mut viewer in viewers.into_iter().chain([direct]) {
        let message = viewer.response().await.unwrap();
        assert_eq!((message.status(), message.text().as_str()), (200, PLAYLIST));
        assert_eq!(age(&message).as_deref(), Some("1"));
    }
    assert_eq!(tiers.origin.requests(), 1);

    tiers.clock.advance(Duration::from_secs(3));
    assert_eq!(age(&get(&tiers.outer, path, "").await).as_deref(), Some("4"));
    // Stored by the shield alone until now: what it has aged there counts on.
    let other = "/live/w.m3u8?_HLS_msn=7";
    let asked = ask(&tiers.shield, other, "").await;
    tiers.origin.request().await.unwrap().send(&answer).await;
    let mut asked = asked;
    assert_eq!(age(&asked.response().await.unwrap()).as_deref(), Some("1"));
    tiers.clock.advance(Duration::from_secs(2));
    assert_eq!(age(&get(&tiers.outer, other, "").await).as_deref(), Some("3"));
    tiers.clock.advance(Duration::from_secs(8));
    assert_eq!(age(&get(&tiers.outer, other, "").await).as_deref(), Some("11"));
    assert_eq!(tiers.origin.requests(), 2);
    // Twelve seconds are over for both of them at the same moment.
    tiers.clock.advance(Duration::from_secs(1));
    let asked = ask(&tiers.outer, other, "").await;
    tiers.origin.request().await.unwrap().send(&answer).await;
    let mut asked = asked;
    assert_eq!(age(&asked.response().await.unwrap()).as_deref(), Some("1"));
    tiers.stop().await;
}

#[tokio::test]
async fn slices_pass_a_shield_and_each_is_asked_of_the_origin_once() {
    let mut tiers = Tiers::start().await;
    let file: Vec<u8> = (0..FILE_BYTES).map(|n| (n % 251) as u8).collect();
    let outer = &tiers.outer;
    let viewers = async {
        let whole = get(outer, "/film.mp4", "").await;
        assert_eq!((whole.status(), whole.body == file), (200, true));
        for (first, last) in [(0, 0), (65_535, 65_536), (1000, 200_000), (299_000, 307_199)] {
            let part = get(outer, "/film.mp4", &format!("Range: bytes={first}-{last}\r\n")).await;
            assert_eq!((part.status(), part.body == file[first..=last]), (206, true));
        }
    };
    let origin = &mut tiers.origin;
    let serving = async {
        loop {
            let received = origin.request().await.unwrap();
            let range = received.head().fields.joined("range").unwrap();
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let first: usize = first.parse().unwrap();
            let last = last.parse::<usize>().unwrap().min(FILE_BYTES - 1);
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nCache-Control: max-age=60\r\n\
                 Content-Range: bytes {first}-{last}/{FILE_BYTES}\r\nContent-Length: {}\r\n\r\n",
                last + 1 - first
            );
            received.send([head.as_bytes(), &file[first..=last]].concat()).await;
        }
    };
    tokio::select! {
        () = viewers => {}
        () = serving => {}
    }
    assert_eq!(tiers.origin.requests(), FILE_BYTES.div_ceil(SLICE_BYTES));
    tiers.stop().await;
}

/// Asks which way to take until the answer begins with the pathway.
async fn until_first(node: &Node, clock: &VirtualClock, pathway: &str) {
    let wanted = format!("\"PATHWAY-PRIORITY\":[\"{pathway}\"");
    for _ in 0..500 {
        if get(node, "/steer", "").await.text().contains(&wanted) {
            return;
        }
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("players are not sent to {pathway}");
}

#[tokio::test]
async fn players_are_steered_away_from_what_is_down_and_back() {
    let (clock, mut near) = (VirtualClock::new(), Origin::start().await);
    near.always("HTTP/1.1 204 No Content\r\n\r\n");
    let spec = format!(
        "sites:\n  - name: all\n    hosts: [\"*\"]\n    routes:\n      - match: /steer\n        action:\n          steer:\n            \
         pathways:\n              - {{ id: near, upstream: near }}\n              - {{ id: far, weight: 0 }}\n\
         upstreams:\n  - name: near\n    servers: [\"{}\"]\n    \
         health: {{ path: /alive, interval: 1s, healthy_after: 1, unhealthy_after: 1 }}\n",
        near.url()
    );
    let node = Node::with_threads(&spec, Clock::Virtual(clock.shared()), 1).await.unwrap();
    until_first(&node, &clock, "near").await;
    near.down().await;
    near.always("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    until_first(&node, &clock, "far").await;
    near.always("HTTP/1.1 204 No Content\r\n\r\n");
    near.up().await;
    until_first(&node, &clock, "near").await;
    node.stop().await;
}
