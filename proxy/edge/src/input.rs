//! Reading, the same for both versions of HTTP.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};

/// Brings what a connection kept and one read into the worker's buffer; how many bytes there are.
/// What was kept and never looked at comes alone: it may be all there is.
pub(crate) fn poll_fill(
    stream: &mut Stream,
    kept: &[u8],
    unseen: &mut bool,
    input: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let had = kept.len();
    input[..had].copy_from_slice(kept);
    if std::mem::take(unseen) {
        return Poll::Ready(Ok(had));
    }
    let mut space = ReadBuf::new(&mut input[had..]);
    match Pin::new(stream).poll_read(cx, &mut space) {
        Poll::Ready(Ok(())) if space.filled().is_empty() => {
            Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
        }
        Poll::Ready(Ok(())) => Poll::Ready(Ok(had + space.filled().len())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}
