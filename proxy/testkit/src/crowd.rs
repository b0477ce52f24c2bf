//! A crowd at the live edge of one LL-HLS stream: an origin that publishes part after part, and viewers
//! that each ask for the next playlist before it exists.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::Client;

const PARTS_IN_SEGMENT: u64 = 4;
const PART_BYTES: usize = 4096;

/// What a crowd does.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Viewers, each with a connection of its own.
    pub viewers: usize,
    /// Parts that every viewer sees.
    pub parts: u64,
    /// Pause between two parts.
    pub pause: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// How long after its publishing each playlist came, microseconds, sorted.
    pub delays_us: Vec<u64>,
    /// How often the origin was asked for each address.
    pub asked: HashMap<String, usize>,
}

/// A live origin that publishes part after part and holds who asks for the next.
#[derive(Debug)]
pub struct Live {
    addr: SocketAddr,
    /// Parts published so far.
    published: watch::Sender<u64>,
    times: Mutex<Vec<Instant>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Crowd {
    /// Lets the viewers follow the stream at `at`, an edge before this origin or the origin itself.
    ///
    /// # Panics
    /// A viewer gets something else than the stream.
    pub async fn watch(self, live: &Arc<Live>, at: SocketAddr) -> Outcome {
        let view = |number| tokio::spawn(live.clone().view(at, number, self.parts));
        let viewers: Vec<_> = (0..self.viewers).map(view).collect();
        for _ in 0..self.parts {
            tokio::time::sleep(self.pause).await;
            live.publish();
        }
        let mut delays_us = Vec::new();
        for viewer in viewers {
            delays_us.extend(viewer.await.unwrap_or_else(|failed| panic!("{failed}")));
        }
        delays_us.sort_unstable();
        Outcome { delays_us, asked: locked(&live.asked).clone() }
    }

    /// Playlists and parts of the stream.
    pub fn objects(self) -> u64 {
        self.parts * 2
    }
}

impl Outcome {
    /// Requests of the origin, in all.
    pub fn requests(&self) -> usize {
        self.asked.values().sum()
    }

    /// The delay that so many of a hundred playlists had at most, milliseconds.
    pub fn delay_ms(&self, percent: usize) -> f64 {
        let at = self.delays_us.len().saturating_sub(1) * percent / 100;
        self.delays_us.get(at).copied().unwrap_or(0) as f64 / 1000.0
    }
}

impl Live {
    /// Starts an origin on a free port.
    ///
    /// # Panics
    /// There is none.
    pub async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let live = Arc::new(Self {
            addr: listener.local_addr().expect("an address"),
            published: watch::channel(0).0,
            times: Mutex::default(),
            asked: Mutex::default(),
        });
        let shared = live.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().serve(stream));
            }
        });
        live
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn publish(&self) {
        locked(&self.times).push(Instant::now());
        self.published.send_modify(|count| *count += 1);
    }

    async fn answer(&self, target: &str) -> (&'static str, Vec<u8>) {
        *locked(&self.asked).entry(target.to_owned()).or_default() += 1;
        let (kind, part) = place(target).unwrap_or_else(|| panic!("{target} is not of the stream"));
        let mut published = self.published.subscribe();
        let _ = published.wait_for(|count| *count > part).await;
        match kind {
            "playlist" => ("application/vnd.apple.mpegurl", playlist(part).into_bytes()),
            _ => ("video/mp4", vec![part as u8; PART_BYTES]),
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let mut target = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(rest) = line.strip_prefix("GET ") {
                target = rest.split(' ').next().unwrap_or_default().to_owned();
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

    /// Plays all parts and gives how long after its publishing each playlist came, microseconds.
    async fn view(self: Arc<Self>, at: SocketAddr, number: usize, parts: u64) -> Vec<u64> {
        let mut client = Client::connect(at).await;
        let mut delays_us = Vec::new();
        for part in 0..parts {
            let (msn, in_segment) = (part / PARTS_IN_SEGMENT, part % PARTS_IN_SEGMENT);
            // Half of them write the parameters the other way round, and all say who they are.
            let place = match number % 2 {
                0 => format!("_HLS_msn={msn}&_HLS_part={in_segment}"),
                _ => format!("_HLS_part={in_segment}&_HLS_msn={msn}"),
            };
            let playlist =
                get(&mut client, &format!("v.m3u8?{place}&CMCD=sid%3D%22{number}%22")).await;
            let published = locked(&self.times)[part as usize];
            delays_us.push(published.elapsed().as_micros() as u64);
            let uri = format!("{msn}.{in_segment}.m4s");
            assert!(String::from_utf8_lossy(&playlist).contains(&format!("\"{uri}\"")));
            assert_eq!(get(&mut client, &uri).await.len(), PART_BYTES);
        }
        delays_us
    }
}

async fn get(client: &mut Client, name: &str) -> Vec<u8> {
    client.send(format!("GET /live/{name} HTTP/1.1\r\nHost: live.example\r\n\r\n")).await;
    client.response().await.unwrap_or_else(|broken| panic!("{name}: {broken:?}")).body
}

/// Whether an address is a playlist's or a part's, and which part's.
fn place(target: &str) -> Option<(&'static str, u64)> {
    let (kind, msn, part) = match target.strip_prefix("/live/v.m3u8?") {
        Some(query) => {
            let value = |name: &str| {
                let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
            };
            ("playlist", value("_HLS_msn")?, value("_HLS_part")?)
        }
        None => {
            let name = target.strip_prefix("/live/")?.strip_suffix(".m4s")?;
            let (msn, part) = name.split_once('.')?;
            ("part", msn, part)
        }
    };
    Some((kind, msn.parse::<u64>().ok()? * PARTS_IN_SEGMENT + part.parse::<u64>().ok()?))
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
