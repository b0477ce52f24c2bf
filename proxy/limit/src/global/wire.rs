//! Reports and answers as bytes: little-endian, records of fixed size.

use super::{Answer, Entry, Terms};

/// The media type of both directions.
pub const WIRE_TYPE: &str = "application/x-tidegate-counters";
const VERSION: u8 = 1;
const ENTRY_BYTES: usize = 66;
const ANSWER_BYTES: usize = 37;
const BATCH_HEAD_BYTES: usize = 17;
const REPLY_HEAD_BYTES: usize = 27;

/// A node's reports for one owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The node, by the hash of its name.
    pub node: u64,
    /// Grows with each batch of the node, and is the same when one is sent again.
    pub seq: u64,
    /// One a key.
    pub entries: Vec<Entry>,
}

/// An owner's answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The secret that all nodes hash keys with.
    pub secret: [u8; 16],
    /// Nodes that share the limits.
    pub nodes: u16,
    /// Another one after each start of the owner.
    pub epoch: u64,
    /// In the order of the entries.
    pub answers: Vec<Answer>,
}

/// Bytes that are no batch and no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no message about counters of version 1: {0} bytes")]
pub struct WireError(usize);

impl Batch {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BATCH_HEAD_BYTES + self.entries.len() * ENTRY_BYTES);
        out.push(VERSION);
        out.extend(self.node.to_le_bytes());
        out.extend(self.seq.to_le_bytes());
        for entry in &self.entries {
            write_entry(entry, &mut out);
        }
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// They were cut, or are of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut read = Read::new(bytes, BATCH_HEAD_BYTES, ENTRY_BYTES)?;
        let (node, seq) = (read.u64(), read.u64());
        Ok(Self { node, seq, entries: read.all(entry) })
    }
}

impl Reply {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(REPLY_HEAD_BYTES + self.answers.len() * ANSWER_BYTES);
        out.push(VERSION);
        out.extend(self.secret);
        out.extend(self.nodes.to_le_bytes());
        out.extend(self.epoch.to_le_bytes());
        for answer in &self.answers {
            write_answer(answer, &mut out);
        }
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// They were cut, or are of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut read = Read::new(bytes, REPLY_HEAD_BYTES, ANSWER_BYTES)?;
        let secret = read.take();
        Ok(Self { secret, nodes: read.u16(), epoch: read.u64(), answers: read.all(answer) })
    }
}

fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    let Entry { key, terms, life, used, unheard, span_us, late_us, offered, has, ask, must } =
        *entry;
    out.extend(key.to_le_bytes());
    out.extend(terms.emission_ns.to_le_bytes());
    out.extend(terms.burst.to_le_bytes());
    out.extend(terms.left_ms.to_le_bytes());
    out.extend(terms.near.to_le_bytes());
    out.extend(used.to_le_bytes());
    for number in [life, unheard, span_us, late_us, offered, has, ask, must] {
        out.extend(number.to_le_bytes());
    }
}

fn entry(read: &mut Read<'_>) -> Entry {
    let key = read.u64();
    let emission_ns = read.u64();
    let (burst, left_ms, near) = (read.u32(), read.u32(), read.u16());
    let terms = Terms { emission_ns, burst, left_ms, near };
    let used = read.u64();
    let (life, unheard, span_us, late_us) = (read.u32(), read.u32(), read.u32(), read.u32());
    let offered = read.u32();
    let (has, ask, must) = (read.u32(), read.u32(), read.u32());
    Entry { key, terms, life, used, unheard, span_us, late_us, offered, has, ask, must }
}

fn write_answer(answer: &Answer, out: &mut Vec<u8>) {
    let Answer { key, heard, granted, leased, left, wait_us, admit, share, exact, refused } =
        *answer;
    out.extend(key.to_le_bytes());
    out.extend(heard.to_le_bytes());
    for number in [granted, leased, left, wait_us] {
        out.extend(number.to_le_bytes());
    }
    out.extend(admit.to_le_bytes());
    out.extend(share.to_le_bytes());
    out.push(u8::from(exact) | u8::from(refused) << 1);
}

fn answer(read: &mut Read<'_>) -> Answer {
    let (key, heard) = (read.u64(), read.u64());
    let (granted, leased, left, wait_us) = (read.u32(), read.u32(), read.u32(), read.u32());
    let (admit, share) = (read.u16(), read.u16());
    let [flags] = read.take();
    let (exact, refused) = (flags & 1 != 0, flags & 2 != 0);
    Answer { key, heard, granted, leased, left, wait_us, admit, share, exact, refused }
}

/// Reads what is known to be there.
struct Read<'b> {
    rest: &'b [u8],
    records: usize,
}

impl<'b> Read<'b> {
    fn new(bytes: &'b [u8], head: usize, record: usize) -> Result<Self, WireError> {
        let wrong = WireError(bytes.len());
        let records = bytes.len().checked_sub(head).ok_or(wrong)?;
        match bytes.split_first() {
            Some((&VERSION, rest)) if records % record == 0 => {
                Ok(Self { rest, records: records / record })
            }
            _ => Err(wrong),
        }
    }

    fn all<T>(&mut self, one: fn(&mut Self) -> T) -> Vec<T> {
        (0..self.records).map(|_| one(self)).collect()
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let (now, rest) = self.rest.split_at(N.min(self.rest.len()));
        bytes[..now.len()].copy_from_slice(now);
        self.rest = rest;
        bytes
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
