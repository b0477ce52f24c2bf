//! A client that sends whatever bytes a test gives it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::WAIT_MAX;
use crate::message::{Broken, Length, Message, Reader};

/// A client's connection. It sends raw bytes and reads responses in their order.
#[derive(Debug)]
pub struct Client {
    reader: Reader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// Methods of the requests sent and not answered yet.
    asked: VecDeque<String>,
    /// A response of which only the head was read.
    open: Option<(Message, Length)>,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// Nobody listens there.
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("a client can connect");
        stream.set_nodelay(true).expect("nodelay can be set");
        let (reader, writer) = stream.into_split();
        Self { reader: Reader::new(reader), writer, asked: VecDeque::new(), open: None }
    }

    /// Sends bytes as they are. The first word of what looks like a request line is remembered,
    /// since a response to HEAD ends differently.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let text = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        let lines = text.split("\r\n").filter(|line| line.contains(" HTTP/1."));
        self.asked.extend(lines.filter_map(|line| line.split(' ').next()).map(str::to_owned));
        // A server may refuse and close while the request is still being sent.
        let _ = self.writer.write_all(bytes.as_ref()).await;
    }

    /// Ends the sending direction.
    pub async fn end(&mut self) {
        let _ = self.writer.shutdown().await;
    }

    /// The next response, read completely; an interim one counts as a response of its own.
    ///
    /// # Errors
    /// It did not come, not in time, or not whole.
    pub async fn response(&mut self) -> Result<Message, Broken> {
        self.head().await?;
        self.body().await
    }

    /// The head of the next response.
    ///
    /// # Errors
    /// It did not come, or not in time.
    pub async fn head(&mut self) -> Result<Message, Broken> {
        let head = in_time(self.reader.head()).await?;
        let method = self.asked.front().map_or("GET", String::as_str);
        let length = head.response_length(method)?;
        if !head.is_interim() {
            self.asked.pop_front();
        }
        self.open = Some((head.clone(), length));
        Ok(head)
    }

    /// The rest of the response whose head was read.
    ///
    /// # Errors
    /// It did not come whole, or no head was read.
    pub async fn body(&mut self) -> Result<Message, Broken> {
        let Some((mut message, length)) = self.open.take() else {
            return Err(Broken::Malformed("no response is open".to_owned()));
        };
        in_time(self.reader.body(&mut message, length)).await?;
        Ok(message)
    }

    /// Exactly `bytes` bytes, raw, as after a protocol switch.
    ///
    /// # Errors
    /// They did not come, or not in time.
    pub async fn raw(&mut self, bytes: usize) -> Result<Vec<u8>, Broken> {
        in_time(self.reader.raw(bytes)).await
    }

    /// Whether the server closes now, without another byte.
    pub async fn is_closed(&mut self) -> bool {
        timeout(WAIT_MAX, self.reader.is_at_end()).await.unwrap_or(false)
    }

    /// Bytes that have come and were not read as a message.
    #[must_use]
    pub fn pending(&self) -> String {
        self.reader.pending()
    }
}

async fn in_time<T>(wait: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    let late = || Broken::Malformed(format!("nothing more came within {WAIT_MAX:?}"));
    timeout(WAIT_MAX, wait).await.unwrap_or_else(|_| Err(late()))
}
