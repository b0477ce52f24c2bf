//! The client's first message, as far as it must be known before the handshake: which name is asked
//! for, and what the message looks like. rustls judges it again; what is read here decides only
//! whose client certificates are asked for, and the fingerprint.

/// Bytes of a record's header.
const RECORD_HEAD_BYTES: usize = 5;
/// Bytes of a handshake message's header.
const MESSAGE_HEAD_BYTES: usize = 4;
/// The longest first message that is waited for.
pub(crate) const HELLO_BYTES_MAX: usize = 16 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_SIGNATURE_ALGORITHMS: u16 = 13;
const EXTENSION_ALPN: u16 = 16;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;

/// The client's first message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The name asked for, as sent.
    pub(crate) server_name: Option<String>,
    /// The newest version offered.
    pub(crate) version: u16,
    pub(crate) ciphers: Vec<u16>,
    pub(crate) extensions: Vec<u16>,
    pub(crate) signatures: Vec<u16>,
    /// The protocol liked best.
    pub(crate) alpn: Option<Vec<u8>>,
}

/// What some bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// More are needed.
    Partial,
    /// They are something else, or malformed: rustls finds the words for it.
    Unreadable,
    /// They begin with a complete first message.
    Complete(Hello),
}

/// Reads the first message from the records that a connection begins with.
pub(crate) fn parse(records: &[u8]) -> Parsed {
    let mut message = Vec::new();
    let mut rest = records;
    loop {
        let Some((head, after)) = rest.split_at_checked(RECORD_HEAD_BYTES) else {
            let foreign = rest.first().is_some_and(|kind| *kind != HANDSHAKE);
            return if foreign { Parsed::Unreadable } else { Parsed::Partial };
        };
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if head[0] != HANDSHAKE || head[1] != 3 || length == 0 {
            return Parsed::Unreadable;
        }
        let Some((fragment, after)) = after.split_at_checked(length) else {
            return Parsed::Partial;
        };
        message.extend_from_slice(fragment);
        if message[0] != CLIENT_HELLO || message.len() > HELLO_BYTES_MAX {
            return Parsed::Unreadable;
        }
        if let Some(body) = body(&message) {
            return Hello::parse(body).map_or(Parsed::Unreadable, Parsed::Complete);
        }
        rest = after;
    }
}

/// The message without its head, once it is complete.
fn body(message: &[u8]) -> Option<&[u8]> {
    let head = message.get(..MESSAGE_HEAD_BYTES)?;
    let length = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
    message.get(MESSAGE_HEAD_BYTES..)?.get(..length)
}

// === impl Hello ===

impl Hello {
    /// RFC 8446 section 4.1.2.
    fn parse(body: &[u8]) -> Option<Self> {
        let mut at = Cursor(body);
        let mut hello = Self { version: at.u16()?, ..Self::default() };
        at.take(32)?;
        at.short()?;
        hello.ciphers = at.long()?.u16s()?;
        at.short()?;
        if at.0.is_empty() {
            return Some(hello);
        }
        let mut extensions = at.long()?;
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let content = extensions.long()?;
            hello.extensions.push(kind);
            hello.extension(kind, content)?;
        }
        Some(hello)
    }

    fn extension(&mut self, kind: u16, mut content: Cursor<'_>) -> Option<()> {
        match kind {
            EXTENSION_SERVER_NAME => {
                let mut names = content.long()?;
                // RFC 6066 section 3: one name, of type host_name.
                if names.u8()? == 0 {
                    let name = std::str::from_utf8(names.long()?.0).ok()?;
                    self.server_name = Some(name.to_owned());
                }
            }
            EXTENSION_SIGNATURE_ALGORITHMS => self.signatures = content.long()?.u16s()?,
            EXTENSION_ALPN => self.alpn = Some(content.long()?.short()?.0.to_vec()),
            EXTENSION_SUPPORTED_VERSIONS => {
                let versions = content.short()?.u16s()?;
                let newest = versions.into_iter().filter(|version| !is_grease(*version)).max();
                self.version = newest.unwrap_or(self.version);
            }
            _ => {}
        }
        Some(())
    }
}

/// Values that mean nothing and are sent so that nobody stumbles over the unknown (RFC 8701).
pub(crate) fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

#[derive(Clone, Copy)]
struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// What stands behind a length of one byte.
    fn short(&mut self) -> Option<Self> {
        let length = self.u8()?;
        self.take(length.into()).map(Self)
    }

    /// What stands behind a length of two bytes.
    fn long(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(length.into()).map(Self)
    }

    fn u16s(mut self) -> Option<Vec<u16>> {
        let mut values = Vec::with_capacity(self.0.len() / 2);
        while !self.0.is_empty() {
            values.push(self.u16()?);
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests;
