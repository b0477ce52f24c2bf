//! Bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.
//!
//! They live beside the parsers so that a smoke run of each is part of the tests; the targets in
//! `fuzz/` are two lines each.

use crate::{
    FieldList, Fields, Framing, H2Parts, HeadLimits, Known, Method, Refusal, ResponseBody, Scheme,
    Version, chunked, date, head_from_h2, head_may_end, normalise_path, parse_authority,
    parse_head, parse_response, sf,
};

/// A fuzz target by name.
pub type Body = fn(&[u8]);

/// Every target, for the smoke run and for `fuzz/`.
pub const ALL: &[(&str, Body)] = &[
    ("head", head),
    ("head_h2", head_h2),
    ("pipeline", pipeline),
    ("response", response),
    ("chunked", chunked),
    ("sf", sf),
    ("date", date),
    ("field_list", field_list),
];

const LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: 4096, fields_max: 32, target_bytes_max: 1024 };

/// The head parser, beside plain `httparse`: what we take, it takes, and sees the same fields.
pub fn head(data: &[u8]) {
    let result = parse_head(data, &LIMITS, Scheme::Http);
    prefixes_agree(data, &result.as_ref().map(|found| found.as_ref().map(|(_, len)| *len)));
    let Ok(Some((head, len))) = result else { return };
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut plain = httparse::Request::new(&mut slots);
    assert_eq!(plain.parse(data), Ok(httparse::Status::Complete(len)));
    assert_eq!(plain.method, Some(head.method().as_str()));
    assert_eq!(plain.version == Some(0), head.version() == Version::Http10);
    assert_eq!(plain.headers.len(), head.fields().len());
    for (theirs, ours) in plain.headers.iter().zip(head.fields()) {
        assert_eq!((theirs.name.as_bytes(), theirs.value), (ours.name, ours.value));
    }
    checked(&head);
    // Nothing in the head may be read as a line end by a parser that is less strict.
    let lines = &data[data.len().min(len - head_without_leading(data, len).len())..len];
    assert_eq!(memchr::memmem::find_iter(lines, b"\r\n").count(), head.fields().len() + 2);
    assert_eq!(lines.iter().filter(|b| matches!(b, b'\r' | b'\n')).count() % 2, 0);
    again(&head);
}

/// A connection: the same requests and the same end, whether the bytes come at once or in pieces.
pub fn pipeline(data: &[u8]) {
    let piece = 1 + data.first().map_or(0, |b| usize::from(*b) % 32);
    assert_eq!(Connection::run(data, data.len().max(1)), Connection::run(data, piece));
}

/// HTTP/2 parts cut out of the data at each NUL.
pub fn head_h2(data: &[u8]) {
    let mut words = data.split(|&b| b == 0);
    let mut text = || std::str::from_utf8(words.next().unwrap_or_default()).unwrap_or("/");
    let (method, path, authority) = (text(), text(), text());
    let ended = data.len().is_multiple_of(2);
    let protocol = data.len().is_multiple_of(3).then_some("websocket");
    let parts = H2Parts { method, path, authority: Some(authority), protocol, ended };
    let words: Vec<&[u8]> = words.collect();
    let fields = words.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    let mut scratch = Vec::new();
    if let Ok(head) = head_from_h2(parts, fields, &LIMITS, Scheme::Https, &mut scratch) {
        checked(&head);
    }
}

/// The response head: what is taken is written again as the same head, and its end is one end.
pub fn response(data: &[u8]) {
    let Ok(Some((head, version, len))) = parse_response(data, &LIMITS) else { return };
    assert!(data[..len].ends_with(b"\r\n\r\n") && (100..=599).contains(&head.status));
    let mut wire = Vec::new();
    head.write_h1(&mut wire);
    let limits = HeadLimits { head_bytes_max: 16_384, ..LIMITS };
    let (again, _, all) = parse_response(&wire, &limits)
        .expect("a written head is not refused")
        .expect("a written head is complete");
    assert_eq!((&again, all), (&head, wire.len()));
    let same = head.body(Method::Get, version) == again.body(Method::Get, version);
    assert!(same && head.body(Method::Head, version) == Ok(ResponseBody::Empty));
}

/// The chunked decoder: the same content and the same end, however the bytes are cut.
pub fn chunked(data: &[u8]) {
    let whole = dechunk(data, data.len().max(1));
    let piece = 1 + data.first().map_or(0, |b| usize::from(*b) % 16);
    assert_eq!(whole, dechunk(data, piece));
    let Ok((content, Some(end))) = whole else { return };
    assert!(end <= data.len() && content.len() < end);
}

/// Structured fields: the canonical form is read back as the same value.
pub fn sf(data: &[u8]) {
    if let Ok(item) = sf::parse_item(data) {
        let written = sf::serialise_item(&item).expect("what was read can be written");
        assert_eq!(sf::parse_item(written.as_bytes()), Ok(item));
    }
    if let Ok(list) = sf::parse_list(data) {
        let written = sf::serialise_list(&list).expect("what was read can be written");
        assert_eq!(sf::parse_list(written.as_bytes()), Ok(list));
    }
    if let Ok(dictionary) = sf::parse_dictionary(data) {
        let written = sf::serialise_dictionary(&dictionary).expect("what was read can be written");
        assert_eq!(sf::parse_dictionary(written.as_bytes()), Ok(dictionary));
    }
}

/// Dates: whatever is read, its IMF form is the same time.
pub fn date(data: &[u8]) {
    for secs in [date::parse(data), date::parse_at(data, 1_800_000_000)].into_iter().flatten() {
        assert_eq!(date::parse(&date::format(secs)), Some(secs));
    }
}

/// Field lists: edits keep every line a line.
pub fn field_list(data: &[u8]) {
    let mut list = FieldList::new();
    let words: Vec<&[u8]> = data.split(|&b| b == 0xff).collect();
    for words in words.chunks(3) {
        let (name, value) = (words[0], words.last().copied().unwrap_or_default());
        match words.len() {
            1 => list.remove(name),
            2 => list.retain(|field| field.value != value),
            _ if value.len() % 3 == 0 => list.retain(|_| true),
            _ => 0,
        };
        match value.len() % 3 {
            0 => list.push(name, value),
            1 => list.set(name, value),
            _ => list.add(name, value),
        }
    }
    assert_eq!(FieldList::from_wire(list.wire()), Some(list.clone()));
    let lines = memchr::memmem::find_iter(list.wire(), b"\r\n").count();
    assert_eq!(lines, list.len());
    list.each(&mut |name, value| assert!(!name.is_empty() && !value.contains(&b'\n')));
}

/// Reads requests one after the other as a server does.
#[derive(Debug, Default)]
struct Connection {
    /// Target and body of each request.
    requests: Vec<(String, Vec<u8>)>,
    refused: Option<Refusal>,
    body: Option<Unread>,
}

#[derive(Debug)]
enum Unread {
    Left(u64),
    Chunks(chunked::Decoder),
}

impl PartialEq for Connection {
    /// Which of several broken rules is noticed first may depend on how much had arrived.
    fn eq(&self, other: &Self) -> bool {
        self.requests == other.requests
            && self.refused.is_some() == other.refused.is_some()
            && self.body.is_some() == other.body.is_some()
    }
}

impl Connection {
    fn run(data: &[u8], piece: usize) -> Self {
        let mut connection = Self::default();
        let mut buffer = Vec::new();
        for piece in data.chunks(piece) {
            let seen = buffer.len();
            buffer.extend_from_slice(piece);
            let full = buffer.len() >= LIMITS.head_bytes_max;
            let waits = connection.body.is_none() && seen > 0;
            if waits && !full && !head_may_end(&buffer, seen) {
                continue;
            }
            while let Some(used) = connection.step(&buffer) {
                buffer.drain(..used);
            }
        }
        // What no end of a head made parse is asked about at the end, as a deadline would.
        while let Some(used) = connection.step(&buffer) {
            buffer.drain(..used);
        }
        connection
    }

    /// How many bytes were used, `None` when more are needed or the connection is at its end.
    fn step(&mut self, buffer: &[u8]) -> Option<usize> {
        if self.refused.is_some() || buffer.is_empty() {
            return None;
        }
        let used = match &mut self.body {
            Some(_) => self.read_body(buffer),
            None => self.read_head(buffer),
        };
        used.unwrap_or_else(|refusal| {
            self.refused = Some(refusal);
            None
        })
    }

    fn read_head(&mut self, buffer: &[u8]) -> Result<Option<usize>, Refusal> {
        let Some((head, len)) = parse_head(buffer, &LIMITS, Scheme::Http)? else { return Ok(None) };
        self.requests.push((head.target().to_owned(), Vec::new()));
        self.body = match head.body() {
            Framing::Empty => None,
            Framing::Length(length) => Some(Unread::Left(length)),
            Framing::Chunked => Some(Unread::Chunks(chunked::Decoder::new())),
        };
        Ok(Some(len))
    }

    fn read_body(&mut self, buffer: &[u8]) -> Result<Option<usize>, Refusal> {
        let (Some(body), Some((_, content))) = (&mut self.body, self.requests.last_mut()) else {
            return Ok(None);
        };
        let (used, ended) = match body {
            Unread::Left(left) => {
                let taken = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                content.extend_from_slice(&buffer[..taken]);
                *left -= taken as u64;
                (taken, *left == 0)
            }
            Unread::Chunks(decoder) => match decoder.decode(buffer)? {
                chunked::Step::More { consumed } => (consumed, false),
                chunked::Step::Data { consumed, data } => {
                    content.extend_from_slice(&buffer[data]);
                    (consumed, false)
                }
                chunked::Step::End { consumed } => (consumed, true),
            },
        };
        if ended {
            self.body = None;
        }
        Ok(Some(used))
    }
}

/// A head that is not complete must not become complete or refused differently with fewer bytes:
/// what a prefix says may only be "more" or what the whole says.
fn prefixes_agree(data: &[u8], whole: &Result<Option<usize>, &Refusal>) {
    let cut = data.len() / 2;
    let prefix = parse_head(&data[..cut], &LIMITS, Scheme::Http);
    match (prefix, whole) {
        (Ok(Some((_, len))), Ok(Some(all))) => assert_eq!(len, *all),
        (Ok(Some(_)), other) => panic!("a complete head became {other:?} with more bytes"),
        (Err(_), Ok(Some(_))) => panic!("a refused head was taken with more bytes"),
        _ => {}
    }
}

/// The promises of a head.
fn checked(head: &crate::Head<'_>) {
    assert!(head.path() == "*" || head.path().starts_with('/'));
    if head.path() != "*" {
        assert_eq!(normalise_path(head.path()).as_deref(), Ok(head.path()));
    }
    assert!(head.target().bytes().all(|b| b.is_ascii_graphic()));
    if !head.host().is_empty() {
        let authority = head.authority();
        let again = parse_authority(authority.as_bytes(), head.scheme()).expect("a valid host");
        assert_eq!((again.host.as_ref(), again.port), (head.host(), head.port()));
    }
    assert_eq!(head.count("host").max(1), 1);
    if head.body() == Framing::Chunked && head.version() != Version::Http2 {
        assert!(head.field(Known::ContentLength).is_none());
    }
    for known in Known::ALL {
        let name = known.as_str();
        let slow = head.fields().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        assert_eq!(head.field(*known), slow.map(|field| field.value), "{name}");
    }
    assert_eq!(head.to_field_list().len(), head.fields().len());
}

/// Written anew from the parsed form, a head reads the same.
fn again(head: &crate::Head<'_>) {
    let (method, target) = (head.method().as_str(), head.target());
    let mut wire = format!("{method} {target} {}\r\n", head.version().as_str()).into_bytes();
    head.to_field_list().write_h1(&mut wire);
    wire.extend_from_slice(b"\r\n");
    let limits = HeadLimits { head_bytes_max: 16_384, target_bytes_max: 8192, ..LIMITS };
    let (again, _) = parse_head(&wire, &limits, head.scheme())
        .expect("a written head is not refused")
        .expect("a written head is complete");
    assert_eq!(again.target(), head.target());
    assert_eq!(again.body(), head.body());
    assert_eq!(again.to_field_list(), head.to_field_list());
}

fn head_without_leading(data: &[u8], len: usize) -> &[u8] {
    let head = &data[..len];
    let start = head.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(len);
    &head[start..]
}

type Dechunked = Result<(Vec<u8>, Option<usize>), Refusal>;

fn dechunk(data: &[u8], piece: usize) -> Dechunked {
    let mut decoder = chunked::Decoder::new();
    let (mut content, mut at) = (Vec::new(), 0);
    while at < data.len() {
        let input = &data[at..data.len().min(at + piece)];
        match decoder.decode(input)? {
            chunked::Step::More { consumed } => at += consumed,
            chunked::Step::Data { consumed, data } => {
                content.extend_from_slice(&input[data]);
                at += consumed;
            }
            chunked::Step::End { consumed } => return Ok((content, Some(at + consumed))),
        }
    }
    Ok((content, None))
}

#[cfg(test)]
mod tests;

/// A PROXY protocol header: what is known of some bytes stays true when more arrive.
pub fn proxy_protocol(data: &[u8]) {
    use crate::proxy_protocol::{HEADER_BYTES_MAX, Parsed, parse};
    let parsed = parse(data);
    if let Parsed::Complete(header) = parsed {
        assert!(
            header.length <= data.len().min(HEADER_BYTES_MAX),
            "a header is bytes that are there"
        );
        assert_eq!(parse(&data[..header.length]), parsed, "what follows says nothing");
    }
    if parsed == Parsed::Partial {
        assert!(data.len() < HEADER_BYTES_MAX, "nobody waits for ever");
        for end in 0..data.len() {
            assert_eq!(parse(&data[..end]), Parsed::Partial, "a part of it is partial");
        }
    } else {
        assert_eq!(parse(&[data, b"x"].concat()), parsed, "a verdict is final");
    }
}
