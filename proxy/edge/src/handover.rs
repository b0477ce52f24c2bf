//! From one process to the next without losing a connection: the new one asks the running one, by a
//! socket in the data folder, for its listening sockets, and says when it serves; then the old one
//! stops accepting and lets what is open come to its end.
//!
//! LIFECYCLE. asked: the old process lets go of the cache on disk, so that the new one can open it,
//! and sends the sockets; both may accept from now on, the old one does. ready: the new one serves;
//! the old one drains. Gone before ready: the old one takes its disk cache back and goes on as if
//! nothing had been. At no time is a socket closed that connections may be waiting in.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::{
    listen::{Listening, Sockets},
    tier::SharedTier,
};

/// The socket in the data folder.
const SOCKET: &str = "upgrade.sock";
/// What the new process asks for; another word is another protocol.
const ASK: &str = "sockets 1";
const READY: &str = "ready";
const DRAINING: &str = "draining";
/// Sockets in one message; the kernel takes 253.
const SOCKETS_A_MESSAGE: usize = 64;
/// How long one side waits for a word of the other.
const WORD_MS: u64 = 10_000;
/// How long a new process may take to be ready: its plugins may have to be compiled.
const START_MS: u64 = 300_000;
/// The longest list of sockets.
const LIST_BYTES_MAX: u64 = 1 << 20;

/// The listening sockets of this process, ready to be handed on.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    sockets: Mutex<Vec<Offered>>,
}

/// The sockets of one listener.
#[derive(Debug)]
struct Offered {
    /// The listener's address as written; empty for the admin pages.
    address: String,
    unix: bool,
    sockets: Vec<OwnedFd>,
}

/// How a list of sockets is announced.
#[derive(Serialize, Deserialize)]
struct Announced {
    address: String,
    unix: bool,
    sockets: usize,
}

/// What a running process has given.
#[derive(Debug)]
pub(crate) struct Taken {
    listening: HashMap<String, Vec<Listening>>,
    line: BufReader<UnixStream>,
}

// === impl Offer ===

impl Offer {
    /// Keeps a second handle of every socket.
    pub(crate) fn add(&self, workers: &[Sockets]) -> io::Result<()> {
        for (endpoint, socket) in workers.iter().flatten() {
            let (unix, handle) = match socket {
                Listening::Tcp(socket) => (false, socket.as_fd().try_clone_to_owned()?),
                Listening::Unix(socket) => (true, socket.as_fd().try_clone_to_owned()?),
            };
            self.push(&endpoint.settings.address, unix, handle);
        }
        Ok(())
    }

    pub(crate) fn add_admin(&self, socket: &impl AsFd) -> io::Result<()> {
        self.push("", false, socket.as_fd().try_clone_to_owned()?);
        Ok(())
    }

    fn push(&self, address: &str, unix: bool, handle: OwnedFd) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        match sockets.iter_mut().find(|offered| offered.address == address) {
            // All sockets of a Unix listener are one.
            Some(offered) if offered.unix => {}
            Some(offered) => offered.sockets.push(handle),
            None => {
                sockets.push(Offered { address: address.to_owned(), unix, sockets: vec![handle] })
            }
        }
    }

    /// Closes the handles: nobody is to take over any more.
    pub(crate) fn close(&self) {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn send(&self, line: &mut UnixStream) -> io::Result<()> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let announced: Vec<_> = sockets
            .iter()
            .map(|offered| Announced {
                address: offered.address.clone(),
                unix: offered.unix,
                sockets: offered.sockets.len(),
            })
            .collect();
        say(line, &serde_json::to_string(&announced)?)?;
        let all: Vec<_> = sockets.iter().flat_map(|o| &o.sockets).map(AsFd::as_fd).collect();
        for some in all.chunks(SOCKETS_A_MESSAGE) {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_A_MESSAGE))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(some));
            sendmsg(&*line, &[IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }
}

// === the new process ===

impl Taken {
    /// Asks the process that runs with this data folder; `None` when there is none.
    pub(crate) fn ask(data: &Path) -> io::Result<Option<Self>> {
        let mut line = match UnixStream::connect(data.join(SOCKET)) {
            Ok(line) => line,
            Err(error) if is_nobody(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // It first lets go of its cache on disk.
        line.set_read_timeout(Some(Duration::from_millis(3 * WORD_MS)))?;
        line.set_write_timeout(Some(Duration::from_millis(WORD_MS)))?;
        say(&mut line, ASK)?;
        let announced: Vec<Announced> = serde_json::from_str(&hear_unbuffered(&line)?)?;
        let wanted = announced.iter().map(|announced| announced.sockets).sum();
        let mut sockets = receive(&line, wanted)?.into_iter();
        let mut listening: HashMap<String, Vec<Listening>> = HashMap::new();
        for Announced { address, unix, sockets: count } in announced {
            let some = sockets.by_ref().take(count).map(|socket| match unix {
                true => Listening::Unix(socket.into()),
                false => Listening::Tcp(socket.into()),
            });
            listening.entry(address).or_default().extend(some);
        }
        Ok(Some(Self { listening, line: BufReader::new(line) }))
    }

    /// The sockets of a listener, by its address as written.
    pub(crate) fn sockets(&mut self, address: &str) -> Vec<Listening> {
        self.listening.remove(address).unwrap_or_default()
    }

    /// The socket of the admin pages.
    pub(crate) fn admin(&mut self) -> Option<std::net::TcpListener> {
        match self.sockets("").pop()? {
            Listening::Tcp(socket) => Some(socket),
            Listening::Unix(_) => None,
        }
    }

    /// This process serves: the other one may drain. Returns when it does.
    pub(crate) fn ready(mut self) -> io::Result<()> {
        say(self.line.get_mut(), READY)?;
        let answer = hear(&mut self.line)?;
        if answer == DRAINING { Ok(()) } else { Err(unexpected(&answer)) }
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn receive(line: &UnixStream, wanted: usize) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    while sockets.len() < wanted {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_A_MESSAGE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        let received = recvmsg(line, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                sockets.extend(some);
            }
        }
    }
    Ok(sockets)
}

// === the running process ===

/// Binds the socket that the next process asks by. One that is already there belongs to a process
/// that is gone, or that has just handed over to this one.
pub(crate) fn bind(data: &Path) -> io::Result<UnixListener> {
    let path = data.join(SOCKET);
    let fresh: PathBuf = data.join(format!("{SOCKET}.{}", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    // The path always leads to somebody.
    std::fs::rename(&fresh, &path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Waits for a process that takes over; returns once it serves, with the word that lets it go on.
pub(crate) async fn wait(
    listener: UnixListener,
    offer: Arc<Offer>,
    tier: Option<Arc<SharedTier>>,
) -> io::Result<Line> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    loop {
        let (line, _) = listener.accept().await?;
        let (offer, tier) = (offer.clone(), tier.clone());
        let exchange = move || hand_over(line.into_std()?, &offer, tier.as_deref());
        match tokio::task::spawn_blocking(exchange)
            .await
            .unwrap_or_else(|e| Err(io::Error::other(e)))
        {
            Ok(line) => return Ok(line),
            Err(error) => {
                tracing::warn!(%error, "a process that wanted to take over did not: this one goes on");
            }
        }
    }
}

/// The way to tell the next process that this one drains.
#[derive(Debug)]
pub(crate) struct Line(UnixStream);

impl Line {
    /// This process accepts no more.
    pub(crate) fn draining(mut self) {
        let _ = say(&mut self.0, DRAINING);
    }
}

fn hand_over(mut line: UnixStream, offer: &Offer, tier: Option<&SharedTier>) -> io::Result<Line> {
    line.set_nonblocking(false)?;
    line.set_read_timeout(Some(Duration::from_millis(WORD_MS)))?;
    line.set_write_timeout(Some(Duration::from_millis(WORD_MS)))?;
    let asked = hear_unbuffered(&line)?;
    if asked != ASK {
        return Err(unexpected(&asked));
    }
    tracing::info!("another process takes over");
    if let Some(tier) = tier {
        tier.release();
    }
    let outcome = offer.send(&mut line).and_then(|()| {
        line.set_read_timeout(Some(Duration::from_millis(START_MS)))?;
        match hear_unbuffered(&line)? {
            word if word == READY => Ok(()),
            word => Err(unexpected(&word)),
        }
    });
    match outcome {
        Ok(()) => Ok(Line(line)),
        Err(error) => {
            if let Some(tier) = tier {
                tier.take_back();
            }
            Err(error)
        }
    }
}

// === words ===

fn say(line: &mut UnixStream, word: &str) -> io::Result<()> {
    line.write_all(format!("{word}\n").as_bytes())
}

fn hear(line: &mut BufReader<UnixStream>) -> io::Result<String> {
    let mut word = String::new();
    io::Read::take(line, LIST_BYTES_MAX).read_line(&mut word)?;
    word_of(word)
}

/// Reads no byte beyond the line: sockets come with the bytes behind it.
fn hear_unbuffered(mut line: &UnixStream) -> io::Result<String> {
    let mut word = Vec::new();
    let mut byte = [0];
    while word.last() != Some(&b'\n') && (word.len() as u64) < LIST_BYTES_MAX {
        if io::Read::read(&mut line, &mut byte)? == 0 {
            break;
        }
        word.push(byte[0]);
    }
    word_of(String::from_utf8_lossy(&word).into_owned())
}

fn word_of(line: String) -> io::Result<String> {
    match line.strip_suffix('\n') {
        Some(word) => Ok(word.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn unexpected(word: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an unexpected word: {word:?}"))
}
