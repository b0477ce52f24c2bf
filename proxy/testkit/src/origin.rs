//! An origin that does what a test tells it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::WAIT_MAX;
use crate::message::{Broken, Message, Reader};

/// An origin on a port of its own. Requests wait until a test takes them, or get the answer that
/// [`always`](Origin::always) set.
#[derive(Debug)]
pub struct Origin {
    addr: SocketAddr,
    inbox: mpsc::UnboundedReceiver<Received>,
    outbox: mpsc::UnboundedSender<Received>,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

/// One request that an origin received, and the way to answer it.
#[derive(Debug)]
pub struct Received {
    head: Message,
    body: watch::Receiver<Option<Result<Message, Broken>>>,
    wire: Arc<Wire>,
    connection: usize,
    /// After a request to switch protocols: what the client sends from then on.
    raw: Option<Reader<OwnedReadHalf>>,
}

/// The connection's end towards the client.
#[derive(Debug)]
struct Wire {
    writer: Mutex<Option<OwnedWriteHalf>>,
    over: Notify,
}

#[derive(Debug, Default)]
struct Shared {
    requests: AtomicUsize,
    connections: AtomicUsize,
    always: Lock<Option<Vec<u8>>>,
}

impl Origin {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Panics
    /// No port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let addr = listener.local_addr().expect("a listener has an address");
        let (outbox, inbox) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        let listening = tokio::spawn(accept(listener, outbox.clone(), Arc::clone(&shared)));
        Self { addr, inbox, outbox, shared, listening: Some(listening) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as a server of a spec.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Requests received so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Answers every request from now on with these bytes, as soon as it is complete.
    pub fn always(&self, answer: impl Into<Vec<u8>>) {
        *self.shared.always.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.into());
    }

    /// The next request whose head has come.
    ///
    /// # Errors
    /// None came in time.
    pub async fn request(&mut self) -> Result<Received, Broken> {
        let late = || Broken::Malformed(format!("no request came within {WAIT_MAX:?}"));
        match timeout(WAIT_MAX, self.inbox.recv()).await {
            Ok(Some(received)) => Ok(received),
            Ok(None) | Err(_) => Err(late()),
        }
    }

    /// Stops listening: from now on connections are refused. Open ones stay.
    pub async fn down(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = listening.await;
        }
    }

    /// Listens again at the same place.
    ///
    /// # Panics
    /// Another program has taken the port.
    pub async fn up(&mut self) {
        if self.listening.is_none() {
            let listener = TcpListener::bind(self.addr).await.expect("the port is still free");
            let task = accept(listener, self.outbox.clone(), Arc::clone(&self.shared));
            self.listening = Some(tokio::spawn(task));
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

impl Received {
    /// The head; its body field is empty.
    #[must_use]
    pub const fn head(&self) -> &Message {
        &self.head
    }

    /// Which connection it came by, counted from 1.
    #[must_use]
    pub const fn connection(&self) -> usize {
        self.connection
    }

    /// The whole request.
    ///
    /// # Errors
    /// Its body did not come, not in time, or not whole.
    pub async fn complete(&mut self) -> Result<Message, Broken> {
        let late = || Broken::Malformed(format!("no complete body came within {WAIT_MAX:?}"));
        let done = timeout(WAIT_MAX, self.body.wait_for(Option::is_some)).await;
        match done {
            Ok(Ok(body)) => body.clone().unwrap_or_else(|| Err(late())),
            Ok(Err(_)) | Err(_) => Err(late()),
        }
    }

    /// Sends bytes as they are.
    pub async fn send(&self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes.as_ref()).await;
    }

    /// Exactly `bytes` raw bytes that follow a request to switch protocols.
    ///
    /// # Errors
    /// They did not come, not in time, or no switch was asked for.
    pub async fn raw(&mut self, bytes: usize) -> Result<Vec<u8>, Broken> {
        let late = || Broken::Malformed(format!("no {bytes} raw bytes came within {WAIT_MAX:?}"));
        match &mut self.raw {
            Some(raw) => timeout(WAIT_MAX, raw.raw(bytes)).await.unwrap_or_else(|_| Err(late())),
            None => Err(Broken::Malformed("the request asked for no upgrade".to_owned())),
        }
    }

    /// Closes the connection.
    pub async fn close(&self) {
        if let Some(mut writer) = self.wire.writer.lock().await.take() {
            let _ = writer.shutdown().await;
        }
        self.wire.over.notify_one();
    }

    /// Resets the connection.
    pub async fn reset(&self) {
        if let Some(writer) = self.wire.writer.lock().await.take() {
            // With a linger of zero the last half to go sends a reset instead of an end.
            let _ = writer.as_ref().set_zero_linger();
            writer.forget();
        }
        self.wire.over.notify_one();
    }
}

impl Wire {
    async fn send(&self, bytes: &[u8]) {
        if let Some(writer) = self.writer.lock().await.as_mut() {
            // The other side may be gone; whether that matters is for the test to see.
            let _ = writer.write_all(bytes).await;
        }
    }
}

async fn accept(
    listener: TcpListener,
    outbox: mpsc::UnboundedSender<Received>,
    shared: Arc<Shared>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::spawn(serve(stream, connection, outbox.clone(), Arc::clone(&shared)));
    }
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    outbox: mpsc::UnboundedSender<Received>,
    shared: Arc<Shared>,
) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let wire = Arc::new(Wire { writer: Mutex::new(Some(writer)), over: Notify::new() });
    let reading = read(Reader::new(reader), Arc::clone(&wire), connection, outbox, shared);
    tokio::select! {
        () = reading => {}
        () = wire.over.notified() => {}
    }
}

async fn read(
    mut reader: Reader<OwnedReadHalf>,
    wire: Arc<Wire>,
    connection: usize,
    outbox: mpsc::UnboundedSender<Received>,
    shared: Arc<Shared>,
) {
    while let Ok(head) = reader.head().await {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        let (done, body) = watch::channel(None);
        let wire = Arc::clone(&wire);
        let upgrade = head.fields.has("upgrade");
        let mut received = Received { head, body, wire: Arc::clone(&wire), connection, raw: None };
        if upgrade {
            let _ = done.send(Some(Ok(received.head.clone())));
            received.raw = Some(reader);
            let _ = outbox.send(received);
            return wire.over.notified().await;
        }
        let head = received.head.clone();
        let always = shared.always.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if always.is_none() && outbox.send(received).is_err() {
            return;
        }
        let body = body_of(&mut reader, head.clone()).await;
        let whole = body.is_ok();
        let _ = done.send(Some(body));
        if let Some(answer) = always {
            wire.send(fitting(&answer, &head)).await;
        }
        if !whole {
            return;
        }
    }
}

async fn body_of(reader: &mut Reader<OwnedReadHalf>, head: Message) -> Result<Message, Broken> {
    let mut message = head;
    let length = message.request_length()?;
    reader.body(&mut message, length).await.map(|()| message)
}

/// The answer as it fits the request: without content for HEAD.
fn fitting<'a>(answer: &'a [u8], request: &Message) -> &'a [u8] {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    match end {
        Some(end) if request.line[0] == "HEAD" => &answer[..end + 4],
        _ => answer,
    }
}
