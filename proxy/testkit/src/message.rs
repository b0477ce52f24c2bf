//! HTTP/1.1 messages, as plainly as a test needs them.

use std::fmt;

use tokio::io::{AsyncRead, AsyncReadExt};

#[cfg(test)]
mod tests;

/// A message head: the three words of its first line, and its fields as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line's words: method, target, version, or version, status, phrase.
    pub line: [String; 3],
    /// The field lines in order.
    pub fields: Fields,
    /// The content, chunks put together.
    pub body: Vec<u8>,
    /// The trailer lines in order.
    pub trailers: Fields,
}

/// Field lines in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

/// Why a message could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The connection ended where a message could begin.
    Closed,
    /// The connection ended inside a message; what had come of its body.
    Early(Vec<u8>),
    /// It is not HTTP.
    Malformed(String),
}

/// How the content after a head ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is none.
    None,
    /// After so many bytes.
    Bytes(usize),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Reads messages from a stream and keeps what belongs to the next.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    stream: R,
    buffer: Vec<u8>,
}

impl Message {
    /// The status, when this is a response.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.line[1].parse().unwrap_or(0)
    }

    /// Whether this is a response that another one follows.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        matches!(self.status(), 100 | 102..=199)
    }

    /// The content as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// How the content of a request ends.
    pub(crate) fn request_length(&self) -> Result<Length, Broken> {
        Ok(self.declared()?.unwrap_or(Length::None))
    }

    /// How the content of a response to `method` ends.
    pub(crate) fn response_length(&self, method: &str) -> Result<Length, Broken> {
        if method == "HEAD" || matches!(self.status(), 100..=199 | 204 | 304) {
            return Ok(Length::None);
        }
        Ok(self.declared()?.unwrap_or(Length::UntilClose))
    }

    fn declared(&self) -> Result<Option<Length>, Broken> {
        if self.fields.has("transfer-encoding") {
            return Ok(Some(Length::Chunked));
        }
        let Some(length) = self.fields.joined("content-length") else { return Ok(None) };
        let bytes = length.parse().map_err(|_| malformed("content-length", &length))?;
        Ok(Some(Length::Bytes(bytes)))
    }
}

impl Fields {
    /// All lines of the field joined with ", "; `None` when there is none.
    #[must_use]
    pub fn joined(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self.lines(name).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// Whether there is a line of the field.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.lines(name).next().is_some()
    }

    /// The values of the field's lines in order.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line.join(" ").trim_end())?;
        for (name, value) in &self.fields.0 {
            write!(f, " | {name}: {value}")?;
        }
        let text = self.text();
        match text.char_indices().nth(200) {
            None => write!(f, " || {text}"),
            Some((cut, _)) => write!(f, " || {}... ({} bytes)", &text[..cut], self.body.len()),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "the connection was closed"),
            Self::Early(body) => {
                let text = String::from_utf8_lossy(body);
                write!(f, "the connection ended inside a message, after the content {text:?}")
            }
            Self::Malformed(what) => write!(f, "malformed: {what}"),
        }
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) const fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next message head.
    pub(crate) async fn head(&mut self) -> Result<Message, Broken> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return parse(&head[..end]);
            }
            if !self.more().await {
                let rest = std::mem::take(&mut self.buffer);
                let closed = rest.is_empty();
                return Err(if closed { Broken::Closed } else { malformed("head", &lossy(&rest)) });
            }
        }
    }

    /// The content that follows, put into `message`.
    pub(crate) async fn body(&mut self, message: &mut Message, end: Length) -> Result<(), Broken> {
        match end {
            Length::None => Ok(()),
            Length::Bytes(bytes) => self.take(bytes, &mut message.body).await,
            Length::Chunked => self.chunks(message).await,
            Length::UntilClose => {
                while self.more().await {}
                message.body.append(&mut self.buffer);
                Ok(())
            }
        }
    }

    /// Exactly `bytes` bytes, raw.
    pub(crate) async fn raw(&mut self, bytes: usize) -> Result<Vec<u8>, Broken> {
        let mut taken = Vec::new();
        self.take(bytes, &mut taken).await.map(|()| taken)
    }

    /// Whether the connection ends here, without another byte.
    pub(crate) async fn is_at_end(&mut self) -> bool {
        self.buffer.is_empty() && !self.more().await
    }

    /// What has come and was not read as a message.
    pub(crate) fn pending(&self) -> String {
        lossy(&self.buffer)
    }

    async fn chunks(&mut self, message: &mut Message) -> Result<(), Broken> {
        loop {
            let line = self.line(&message.body).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let bytes =
                usize::from_str_radix(size, 16).map_err(|_| malformed("chunk size", &line))?;
            if bytes == 0 {
                return self.trailers(message).await;
            }
            self.take(bytes, &mut message.body).await?;
            let after = self.line(&message.body).await?;
            if !after.is_empty() {
                return Err(malformed("after a chunk", &after));
            }
        }
    }

    async fn trailers(&mut self, message: &mut Message) -> Result<(), Broken> {
        loop {
            let line = self.line(&message.body).await?;
            if line.is_empty() {
                return Ok(());
            }
            message.trailers.0.push(field(&line)?);
        }
    }

    async fn line(&mut self, so_far: &[u8]) -> Result<String, Broken> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(lossy(&line[..end]));
            }
            if !self.more().await {
                return Err(Broken::Early(so_far.to_vec()));
            }
        }
    }

    async fn take(&mut self, bytes: usize, into: &mut Vec<u8>) -> Result<(), Broken> {
        while self.buffer.len() < bytes {
            if !self.more().await {
                into.append(&mut self.buffer);
                return Err(Broken::Early(into.clone()));
            }
        }
        into.extend(self.buffer.drain(..bytes));
        Ok(())
    }

    /// Reads on; false at the end, which a reset is too.
    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.is_ok_and(|read| read > 0)
    }
}

fn parse(head: &[u8]) -> Result<Message, Broken> {
    let text = lossy(head);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut words = first.splitn(3, ' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let line = [word(), word(), word()];
    if line[1].is_empty() {
        return Err(malformed("first line", first));
    }
    let fields = lines.map(field).collect::<Result<_, _>>().map(Fields)?;
    Ok(Message { line, fields, ..Message::default() })
}

fn field(line: &str) -> Result<(String, String), Broken> {
    let (name, value) = line.split_once(':').ok_or_else(|| malformed("field", line))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn malformed(what: &str, got: &str) -> Broken {
    Broken::Malformed(format!("{what}: {got:?}"))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
