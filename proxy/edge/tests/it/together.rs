//! Many who want the same large object at once, which nobody has: the origin sends it once, and each client has its first
//! byte when the origin has sent it. `TIDEGATE_TOGETHER_MIB=50` gives the object's size; the delays are printed.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tidegate_edge::Clock;
use tidegate_testkit::Edge as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::node::Node;

const CLIENTS: usize = 500;
/// Of them, those that read to the end. The others read the first bytes and then no more: that must hold up nobody.
const READERS: usize = 12;
/// What the origin sends at once, and how often: 10 MB/s.
const PIECE_BYTES: usize = 100_000;
const PIECE_MS: u64 = 10;

/// A byte of the object tells where it stands.
fn content(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at % 251) as u8).collect()
}

struct Origin {
    fetches: AtomicUsize,
    /// How many clients have asked the edge.
    asked: watch::Sender<usize>,
    /// When the first byte was sent.
    began: watch::Sender<Option<Instant>>,
    length: usize,
}

impl Origin {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        self.fetches.fetch_add(1, Relaxed);
        self.asked.subscribe().wait_for(|asked| *asked == CLIENTS).await.unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n",
            self.length
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        self.began.send_modify(|began| *began = Some(Instant::now()));
        let mut pace = tokio::time::interval(Duration::from_millis(PIECE_MS));
        for from in (0..self.length).step_by(PIECE_BYTES) {
            pace.tick().await;
            let piece = content(from, PIECE_BYTES.min(self.length - from));
            stream.write_all(&piece).await.unwrap();
        }
    }
}

/// Asks, and gives how long after the origin's its first byte of the body came.
async fn ask(origin: Arc<Origin>, edge: SocketAddr, to_the_end: bool) -> (Duration, TcpStream) {
    let mut stream = TcpStream::connect(edge).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    origin.asked.send_modify(|asked| *asked += 1);
    let mut got = Vec::new();
    let body = loop {
        assert!(stream.read_buf(&mut got).await.unwrap() > 0, "closed before the body");
        let end = got.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end.filter(|end| *end < got.len()) {
            break end;
        }
    };
    let delay = origin.began.borrow().unwrap().elapsed();
    got.drain(..body);
    let mut at = 0;
    loop {
        assert!(got == content(at, got.len()), "wrong bytes after {at}");
        at += got.len();
        if !to_the_end || at == origin.length {
            return (delay, stream);
        }
        got.clear();
        assert!(stream.read_buf(&mut got).await.unwrap() > 0, "closed after {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_want_a_large_object_at_once_cause_one_fetch_and_all_get_it_as_it_comes() {
    let mib = std::env::var("TIDEGATE_TOGETHER_MIB").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = format!(
        "sites: [{{ name: all, hosts: ['*'], routes: [{{ match: /*, action: {{ proxy: slow }} }}] }}]\n\
         upstreams: [{{ name: slow, servers: ['http://{}'] }}]\n",
        listener.local_addr().unwrap()
    );
    let origin = Arc::new(Origin {
        fetches: AtomicUsize::new(0),
        asked: watch::channel(0).0,
        began: watch::channel(None).0,
        length: mib * 1_000_000,
    });
    let serving = origin.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serving.clone().serve(stream));
        }
    });
    let node = Node::with_threads(&spec, Clock::system(), 1).await.unwrap();
    let clients: Vec<_> =
        (0..CLIENTS).map(|n| tokio::spawn(ask(origin.clone(), node.addr(), n < READERS))).collect();
    let (mut delays, mut open) = (Vec::new(), Vec::new());
    for client in clients {
        let (delay, stream) = client.await.unwrap();
        delays.push(delay);
        open.push(stream);
    }
    delays.sort_unstable();
    println!(
        "{CLIENTS} clients, {mib} MB: {} fetches, first byte after the origin's: p50 {:?}, p99 {:?}, last {:?}",
        origin.fetches.load(Relaxed),
        delays[CLIENTS / 2],
        delays[CLIENTS * 99 / 100],
        delays[CLIENTS - 1],
    );
    assert_eq!(origin.fetches.load(Relaxed), 1);
    drop(open);
    node.stop().await;
}
