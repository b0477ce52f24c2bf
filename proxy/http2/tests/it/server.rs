//! A small blocking server over the state machine, for real clients.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Instant,
};

use bytes::Bytes;
use tidegate_http2::{Connection, Encoder, ErrorCode, Event, Progress, Settings, StreamId};

/// Bytes of `/large`.
pub(crate) const LARGE_BYTES: usize = 5_000_000;
/// Bytes handed to one write.
const BUDGET_BYTES: usize = 256 * 1024;

/// A server that ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopping);
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let settings = settings.clone();
                std::thread::spawn(move || Session::new(&settings).serve(stream.unwrap()));
            }
        });
        Self { address, stopping, listening: Some(listening) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.listening.take().unwrap().join();
    }
}

struct Session {
    conn: Connection,
    out: Vec<u8>,
    body: Bytes,
    large: Bytes,
    /// Streams whose body is echoed, and whether the last of it came.
    echoes: Vec<StreamId>,
}

impl Session {
    fn new(settings: &Settings) -> Self {
        Self {
            conn: Connection::new(settings),
            out: Vec::new(),
            body: vec![b'x'; 1024].into(),
            large: (0..LARGE_BYTES).map(|i| i as u8).collect::<Vec<_>>().into(),
            echoes: Vec::new(),
        }
    }

    fn serve(mut self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let began = Instant::now();
        let (mut input, mut filled) = (vec![0; 128 * 1024], 0);
        loop {
            if self.flush(&mut stream).is_err() || self.conn.closed() {
                break;
            }
            match stream.read(&mut input[filled..]) {
                Ok(0) | Err(_) => break,
                Ok(n) => filled += n,
            }
            let now_us = began.elapsed().as_micros() as u64;
            let used = self.turn(&input[..filled], now_us);
            input.copy_within(used..filled, 0);
            filled -= used;
        }
        let _ = stream.shutdown(Shutdown::Write);
    }

    fn flush(&mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        loop {
            let more = self.conn.write(&mut self.out, BUDGET_BYTES);
            while let Some(progress) = self.conn.progress() {
                if let Progress::Sent(stream) = progress {
                    self.echoes.retain(|echo| *echo != stream);
                }
            }
            stream.write_all(&self.out)?;
            self.out.clear();
            if !more {
                return Ok(());
            }
        }
    }

    fn turn(&mut self, input: &[u8], now_us: u64) -> usize {
        let mut at = 0;
        loop {
            let fed = self.conn.feed(&input[at..], now_us);
            at += fed.consumed;
            match fed.event {
                None => return at,
                Some(Event::Request(request)) => {
                    let (id, path) = (request.stream, request.parts.path.to_owned());
                    let ended = request.parts.ended;
                    self.answer(id, &path, ended);
                }
                Some(Event::TooLarge { stream }) => self.status(stream, 431),
                Some(Event::Data { stream, data, end }) => {
                    let (length, data) = (data.len(), Bytes::copy_from_slice(data));
                    self.conn.send_data(stream, data, end);
                    self.conn.release(stream, length);
                }
                Some(Event::Trailers { stream, .. }) => {
                    self.conn.send_data(stream, Bytes::new(), true);
                }
                Some(_) => {}
            }
        }
    }

    fn status(&mut self, stream: StreamId, status: u16) {
        let mut block = Vec::new();
        Encoder::status(&mut block, status);
        self.conn.respond(stream, &[&block], true);
    }

    fn answer(&mut self, stream: StreamId, path: &str, ended: bool) {
        let mut block = Vec::new();
        Encoder::status(&mut block, 200);
        match path {
            "/echo" if !ended => {
                self.conn.respond(stream, &[&block], false);
                self.echoes.push(stream);
            }
            "/large" => {
                self.conn.respond(stream, &[&block], false);
                self.conn.send_data(stream, self.large.clone(), true);
            }
            "/trailers" => {
                self.conn.respond(stream, &[&block], false);
                self.conn.send_data(stream, self.body.clone(), false);
                let mut trailers = Vec::new();
                Encoder::field(&mut trailers, b"x-checksum", b"42");
                self.conn.send_trailers(stream, &[&trailers]);
            }
            "/reset" => self.conn.reset(stream, ErrorCode::INTERNAL_ERROR),
            "/missing" => self.status(stream, 404),
            _ => {
                Encoder::field(&mut block, b"content-length", b"1024");
                self.conn.answer(stream, &[&block], &self.body, &mut self.out);
            }
        }
    }
}
