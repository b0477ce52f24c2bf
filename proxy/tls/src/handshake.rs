//! From an accepted connection to a [`TlsStream`].

use std::{future::poll_fn, io, pin::Pin, sync::Arc, time::Duration};

use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    Failure, Fingerprint, Tls, TlsFacts, TlsStream,
    hello::{HELLO_BYTES_MAX, Hello, Parsed, parse},
};

/// Bytes read at once while the first message is not complete.
const READ_BYTES: usize = 4096;

/// Takes a connection through its handshake. `protocols` is the place of the listener's list in
/// [`Tls::new`]; `authority_of` says whose certificates the clients of a name must show.
///
/// # Errors
/// Why there is no TLS on this connection; the client has been told, as far as it can be.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &Tls,
    stream: S,
    protocols: usize,
    authority_of: impl FnOnce(&str) -> Option<Box<str>>,
    timeout: Duration,
) -> Result<(TlsStream<S>, TlsFacts), Failure> {
    let handshake = shake(tls, stream, protocols, authority_of);
    tokio::time::timeout(timeout, handshake).await.unwrap_or(Err(Failure::Timeout))
}

async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &Tls,
    mut stream: S,
    protocols: usize,
    authority_of: impl FnOnce(&str) -> Option<Box<str>>,
) -> Result<(TlsStream<S>, TlsFacts), Failure> {
    let (records, hello) = first_message(&mut stream).await?;
    let name = hello.as_ref().and_then(|hello| hello.server_name.as_deref());
    let authority = name.and_then(|name| authority_of(&name.to_ascii_lowercase()));
    let fingerprint = hello.as_ref().map_or_else(Fingerprint::unknown, Fingerprint::of);
    drop(hello);
    let config = config(tls, protocols, authority.as_deref())?;
    let connection = ServerConnection::new(config)?;
    let mut stream = TlsStream::new(stream, connection);
    finish(&mut stream, &records).await?;
    let facts = TlsFacts::of(stream.connection(), fingerprint, authority.as_deref());
    Ok((stream, facts))
}

fn config(
    tls: &Tls,
    protocols: usize,
    authority: Option<&str>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    // An authority that is gone since it was looked up: the request will be refused.
    let config = tls.config(protocols, authority).or_else(|| tls.config(protocols, None));
    config.ok_or_else(|| rustls::Error::General("no TLS on this listener".to_owned()))
}

/// Reads until the first message is complete, or known never to be.
async fn first_message<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<(Vec<u8>, Option<Hello>), Failure> {
    let mut records = Vec::new();
    loop {
        let had = records.len();
        records.resize(had + READ_BYTES, 0);
        let mut space = ReadBuf::new(&mut records[had..]);
        poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut space)).await?;
        let read = space.filled().len();
        records.truncate(had + read);
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match parse(&records) {
            Parsed::Complete(hello) => return Ok((records, Some(hello))),
            Parsed::Partial if records.len() < HELLO_BYTES_MAX => {}
            Parsed::Partial | Parsed::Unreadable => return Ok((records, None)),
        }
    }
}

async fn finish<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut TlsStream<S>,
    records: &[u8],
) -> Result<(), Failure> {
    let outcome = match stream.feed_all(records) {
        Ok(()) => poll_fn(|cx| stream.poll_handshake(cx)).await,
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        // The alert that says why.
        poll_fn(|cx| stream.poll_send_once(cx)).await;
    }
    outcome
}
