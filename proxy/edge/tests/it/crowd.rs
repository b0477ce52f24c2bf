//! A crowd at the live edge of one LL-HLS stream: every playlist version and every part is asked of the
//! origin once, however many viewers wait for it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::node::Node;

const VIEWERS: usize = 500;
/// Parts that every viewer sees.
const PARTS: u64 = 12;
const PARTS_IN_SEGMENT: u64 = 4;
const PART_BYTES: usize = 4096;
/// Pause between two parts. Long, since five hundred viewers and the node share the cores of a test machine.
const PART_MS: u64 = 500;

/// A live origin that publishes part after part and holds who asks for the next.
struct Live {
    /// Parts published so far.
    published: watch::Sender<u64>,
    times: Mutex<Vec<Instant>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Live {
    fn publish(&self) {
        self.times.lock().unwrap().push(Instant::now());
        self.published.send_modify(|count| *count += 1);
    }

    async fn until(&self, part: u64) {
        let mut published = self.published.subscribe();
        published.wait_for(|count| *count > part).await.unwrap();
    }

    async fn answer(&self, target: &str) -> (&'static str, Vec<u8>) {
        *self.asked.lock().unwrap().entry(target.to_owned()).or_default() += 1;
        if let Some(query) = target.strip_prefix("/live/v.m3u8?") {
            let value = |name: &str| {
                let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).map(|(_, v)| v.parse::<u64>().unwrap()).unwrap()
            };
            let part = value("_HLS_msn") * PARTS_IN_SEGMENT + value("_HLS_part");
            self.until(part).await;
            return ("application/vnd.apple.mpegurl", playlist(part).into_bytes());
        }
        let name = target.strip_prefix("/live/").unwrap().strip_suffix(".m4s").unwrap();
        let (msn, part) = name.split_once('.').unwrap();
        let part: u64 =
            msn.parse::<u64>().unwrap() * PARTS_IN_SEGMENT + part.parse::<u64>().unwrap();
        self.until(part).await;
        ("video/mp4", vec![part as u8; PART_BYTES])
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let mut target = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(rest) = line.strip_prefix("GET ") {
                target = rest.split(' ').next().unwrap().to_owned();
            } else if line.is_empty() {
                let (kind, body) = self.answer(&target).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: max-age=12\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = writer.write_all(&[head.into_bytes(), body].concat()).await;
            }
        }
    }
}

fn playlist(last: u64) -> String {
    let (msn, part) = (last / PARTS_IN_SEGMENT, last % PARTS_IN_SEGMENT);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:{msn}\n"
    );
    (0..=part)
        .for_each(|n| text.push_str(&format!("#EXT-X-PART:DURATION=0.5,URI=\"{msn}.{n}.m4s\"\n")));
    text
}

async fn origin() -> (Arc<Live>, SocketAddr) {
    let live = Arc::new(Live {
        published: watch::channel(0).0,
        times: Mutex::default(),
        asked: Mutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let shared = live.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(shared.clone().serve(stream));
        }
    });
    (live, addr)
}

/// Plays all parts and gives how long after its publishing each playlist came, microseconds.
async fn view(live: Arc<Live>, edge: SocketAddr, number: usize) -> Vec<u64> {
    let mut client = Client::connect(edge).await;
    let mut delays = Vec::new();
    for part in 0..PARTS {
        let (msn, in_segment) = (part / PARTS_IN_SEGMENT, part % PARTS_IN_SEGMENT);
        // Half of them write the parameters the other way round, and all say who they are.
        let place = match number % 2 {
            0 => format!("_HLS_msn={msn}&_HLS_part={in_segment}"),
            _ => format!("_HLS_part={in_segment}&_HLS_msn={msn}"),
        };
        let get = |target: String| format!("GET {target} HTTP/1.1\r\nHost: live.example\r\n\r\n");
        client.send(get(format!("/live/v.m3u8?{place}&CMCD=sid%3D%22{number}%22"))).await;
        let playlist = client.response().await.unwrap();
        delays.push(live.times.lock().unwrap()[part as usize].elapsed().as_micros() as u64);
        assert!(
            String::from_utf8_lossy(&playlist.body)
                .contains(&format!("\"{msn}.{in_segment}.m4s\""))
        );
        client.send(get(format!("/live/{msn}.{in_segment}.m4s"))).await;
        assert_eq!(client.response().await.unwrap().body.len(), PART_BYTES);
    }
    delays
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_costs_the_origin_what_one_viewer_costs() {
    let (live, origin) = origin().await;
    let spec = format!(
        "sites:\n  - name: live\n    hosts: [\"*\"]\n    routes:\n      - match: /live/*\n        action: {{ proxy: origin }}\n        media: {{}}\nupstreams:\n  - name: origin\n    servers: [\"http://{origin}\"]\n"
    );
    let node = Node::with_threads(&spec, Clock::system(), 2).await.unwrap();
    let edge = node.addr();
    let viewers: Vec<_> =
        (0..VIEWERS).map(|number| tokio::spawn(view(live.clone(), edge, number))).collect();
    for _ in 0..PARTS {
        tokio::time::sleep(Duration::from_millis(PART_MS)).await;
        live.publish();
    }
    let mut delays = Vec::new();
    for viewer in viewers {
        delays.extend(viewer.await.unwrap());
    }
    let asked = live.asked.lock().unwrap().clone();
    assert_eq!(asked.len() as u64, PARTS * 2, "every playlist version and every part");
    let more: Vec<_> = asked.iter().filter(|(_, count)| **count != 1).collect();
    assert!(more.is_empty(), "asked more than once: {more:?}");
    report(&mut delays, asked.values().sum::<usize>() as f64 / asked.len() as f64);
    node.stop().await;
}

/// A row for docs/media.md, where `bench/crowd` wants one.
fn report(delays: &mut [u64], ratio: f64) {
    let Ok(path) = std::env::var("TIDEGATE_CROWD_REPORT") else { return };
    delays.sort_unstable();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100] as f64 / 1000.0;
    let row = format!(
        "| {VIEWERS} | {} | {ratio:.2} | {:.1} ms | {:.1} ms | {:.1} ms |\n",
        PARTS * 2,
        at(50),
        at(95),
        at(100)
    );
    std::fs::write(path, row).unwrap();
}
