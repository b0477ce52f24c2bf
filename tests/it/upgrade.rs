//! One process takes over from another while clients go on: what none of them may notice.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tempfile::TempDir;

use crate::world::{PATIENCE, Process, free_address, get, tidegate, try_request, wait_for};

/// An edge with a cache on disk, and the folder that it and its successors share.
struct Node {
    data: TempDir,
    listen: SocketAddr,
    admin: SocketAddr,
    started: usize,
    process: Process,
}

// === impl Node ===

impl Node {
    fn start(spec: &str) -> Self {
        let data = TempDir::new().unwrap();
        std::fs::write(data.path().join("spec.yaml"), spec).unwrap();
        let (listen, admin) = (free_address(), free_address());
        let process = launch(data.path(), listen, admin, 0, "2", false);
        let node = Self { data, listen, admin, started: 0, process };
        wait_for("the edge", || try_request(node.admin, "GET", "/ready", &[], ""));
        node
    }

    /// Starts a successor, waits until it serves, and gives the process before it.
    fn upgrade(&mut self, threads: &str) -> Process {
        self.started += 1;
        let data = self.data.path();
        let next = launch(data, self.listen, self.admin, self.started, threads, true);
        let log = data.join(format!("edge{}.log", self.started));
        wait_for("the successor", || {
            std::fs::read_to_string(&log).ok()?.contains("taken over").then_some(())
        });
        std::mem::replace(&mut self.process, next)
    }
}

fn launch(
    data: &Path,
    listen: SocketAddr,
    admin: SocketAddr,
    number: usize,
    threads: &str,
    upgrade: bool,
) -> Process {
    let mut command: Command = tidegate();
    command.args([
        "edge",
        "--threads",
        threads,
        "--cache-memory",
        "16MiB",
        "--cache-disk",
        "16MiB",
    ]);
    command.args(["--listen", &listen.to_string(), "--admin", &admin.to_string()]);
    command.arg("--data").arg(data.join("data")).arg("--spec").arg(data.join("spec.yaml"));
    if upgrade {
        command.arg("--upgrade");
    }
    Process::start(&mut command, &data.join(format!("edge{number}.log")))
}

/// A client that keeps its connection as long as it may, and asks again and again.
struct Client {
    failed: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

// === impl Client ===

impl Client {
    fn start(addr: SocketAddr) -> Self {
        let (failed, answered, stop) =
            (Arc::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let client = (Arc::clone(&failed), answered.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let (failed, answered, stop): (Arc<AtomicUsize>, _, _) = client;
            let mut connection = None;
            while !stop.load(Relaxed) {
                match ask(&mut connection, addr) {
                    Ok(()) => answered.fetch_add(1, Relaxed),
                    Err(error) => {
                        eprintln!("request failed: {error}");
                        connection = None;
                        failed.fetch_add(1, Relaxed)
                    }
                };
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { failed, answered, stop, thread }
    }

    /// Waits until it was answered so many times more.
    fn goes_on(&self) {
        let before = self.answered.load(Relaxed);
        wait_for("a client", || (self.answered.load(Relaxed) > before + 20).then_some(()));
    }

    fn stop(self) -> usize {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap();
        self.failed.load(Relaxed)
    }
}

/// One request; the connection is given up only when the answer says so.
fn ask(connection: &mut Option<TcpStream>, addr: SocketAddr) -> std::io::Result<()> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(addr)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            connection.insert(stream)
        }
    };
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut bytes = Vec::new();
    let mut some = [0; 1024];
    while !bytes.ends_with(b"hello") {
        let read = stream.read(&mut some)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&some[..read]);
    }
    if String::from_utf8_lossy(&bytes).to_ascii_lowercase().contains("connection: close") {
        *connection = None;
    }
    Ok(())
}

/// An origin whose answer comes piece by piece, as the test says, and which echoes what comes over an
/// upgraded connection.
fn origin() -> (SocketAddr, mpsc::Sender<&'static [u8]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (pieces, given) = mpsc::channel::<&'static [u8]>();
    thread::spawn(move || {
        let mut given = Some(given);
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            if head.starts_with(b"GET /socket") {
                thread::spawn(move || echo(stream));
            } else if let Some(given) = given.take() {
                thread::spawn(move || {
                    let head = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n";
                    stream.write_all(head.as_bytes()).unwrap();
                    given.into_iter().for_each(|piece| stream.write_all(piece).unwrap());
                });
            }
        }
    });
    (addr, pieces)
}

fn echo(mut stream: TcpStream) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut some = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut some) {
        if stream.write_all(&some[..read]).is_err() {
            return;
        }
    }
}

fn spec(origin: SocketAddr) -> String {
    format!(
        "sites:
  - name: a
    hosts: ['*']
    routes:
      - {{ match: /hello, action: {{ respond: {{ body: hello }} }} }}
      - {{ match: /file, action: {{ proxy: origin }}, cache: \"off\" }}
      - {{ match: /socket, action: {{ proxy: origin }}, cache: \"off\", upgrades: [websocket] }}
upstreams:
  - {{ name: origin, servers: ['http://{origin}'] }}
"
    )
}

fn open(addr: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads up to and with `end`.
fn read_to(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(end) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{:?}", String::from_utf8_lossy(&bytes));
        bytes.push(byte[0]);
    }
    bytes
}

#[test]
fn downloads_and_web_sockets_outlive_an_upgrade_and_no_request_fails() {
    let (origin, pieces) = origin();
    let mut node = Node::start(&spec(origin));
    let clients: Vec<_> = (0..4).map(|_| Client::start(node.listen)).collect();
    let mut download = open(node.listen, "GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
    pieces.send(b"0123456789").unwrap();
    read_to(&mut download, b"0123456789");
    let mut socket = open(
        node.listen,
        "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    read_to(&mut socket, b"\r\n\r\n");

    let mut before = node.upgrade("1");
    clients.iter().for_each(Client::goes_on);
    assert_eq!(get(node.admin, "/ready").status, 200, "the admin pages are the successor's");

    pieces.send(b"abcdefghij").unwrap();
    read_to(&mut download, b"abcdefghij");
    socket.write_all(b"\x81\x84abcd\x11\x0b\x0d\x03").unwrap();
    assert_eq!(read_to(&mut socket, b"\x03"), b"\x81\x84abcd\x11\x0b\x0d\x03");
    pieces.send(b"ABCDEFGHIJ").unwrap();
    read_to(&mut download, b"ABCDEFGHIJ");
    assert!(before.is_running(), "it has a web socket open");
    drop((download, socket));
    assert_eq!(clients.into_iter().map(Client::stop).sum::<usize>(), 0, "failed requests");
    wait_for("the end of the process before", || (!before.is_running()).then_some(()));
}

#[test]
fn five_upgrades_in_a_row_under_load() {
    let (origin, _pieces) = origin();
    let mut node = Node::start(&spec(origin));
    let clients: Vec<_> = (0..8).map(|_| Client::start(node.listen)).collect();
    for threads in ["1", "3", "2", "1", "2"] {
        let mut before = node.upgrade(threads);
        clients.iter().for_each(Client::goes_on);
        wait_for("the end of the process before", || (!before.is_running()).then_some(()));
    }
    assert_eq!(clients.into_iter().map(Client::stop).sum::<usize>(), 0, "failed requests");
    let log = std::fs::read_to_string(node.data.path().join("edge5.log")).unwrap();
    assert!(!log.contains("the cache on disk is off"), "{log}");
}

#[test]
fn a_successor_that_cannot_start_changes_nothing() {
    let (origin, _pieces) = origin();
    let node = Node::start(&spec(origin));
    let client = Client::start(node.listen);
    std::fs::write(node.data.path().join("bad.yaml"), "sites: 1\n").unwrap();
    let mut command = tidegate();
    command.args(["edge", "--upgrade", "--cache-disk", "16MiB", "--admin", "off", "--listen"]);
    command.arg(node.listen.to_string()).arg("--data").arg(node.data.path().join("data"));
    command.arg("--spec").arg(node.data.path().join("bad.yaml"));
    let output = command.output().unwrap();
    assert!(!output.status.success());
    client.goes_on();
    wait_for("the word of the process that goes on", || {
        let log = std::fs::read_to_string(node.data.path().join("edge0.log")).ok()?;
        log.contains("did not: this one goes on").then_some(())
    });
    client.goes_on();
    assert_eq!(client.stop(), 0, "failed requests");
    assert_eq!(get(node.admin, "/ready").status, 200);
}
