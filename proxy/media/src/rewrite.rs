//! Manifests whose addresses carry a token.
//!
//! One manifest is stored for everybody; each viewer gets it with the token of that viewer appended to the
//! addresses that lie on the same host. HLS is rewritten line by line while it streams. DASH appends to
//! `BaseURL`, `Location`, `PatchLocation`, and to the templates and lists of segments.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, BytesText, Event};

#[cfg(test)]
mod tests;

/// Longest line of a playlist that is rewritten, bytes; a longer one goes on as it is.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The queries that are appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// To playlists and other manifests: `tg=..`.
    pub playlists: String,
    /// To everything else.
    pub media: String,
    /// Authority of the request: addresses of other hosts stay as they are.
    pub authority: String,
}

/// Rewrites an HLS playlist that arrives piece by piece.
#[derive(Debug)]
pub struct HlsRewriter {
    tokens: Tokens,
    line: Vec<u8>,
    /// The line is too long to be one of ours: it passes.
    passing: bool,
    /// The next address is that of a playlist.
    playlist_next: bool,
}

impl HlsRewriter {
    /// For one answer.
    pub const fn new(tokens: Tokens) -> Self {
        Self { tokens, line: Vec::new(), passing: false, playlist_next: false }
    }

    /// Takes a piece and appends what is ready.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            self.add(line, out);
            self.end_line(out);
            rest = after;
        }
        self.add(rest, out);
    }

    /// The end of the playlist.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_line(out);
    }

    fn add(&mut self, part: &[u8], out: &mut Vec<u8>) {
        if self.passing || self.line.len() + part.len() > LINE_BYTES_MAX {
            self.passing = true;
            out.append(&mut self.line);
            out.extend_from_slice(part);
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.passing) || line.is_empty() {
            out.extend_from_slice(&line);
            return;
        }
        match std::str::from_utf8(&line) {
            Ok(text) => self.rewrite(text, out),
            Err(_) => out.extend_from_slice(&line),
        }
        self.line = line;
        self.line.clear();
    }

    fn rewrite(&mut self, line: &str, out: &mut Vec<u8>) {
        let text = line.trim_end_matches(['\n', '\r']);
        let end = &line[text.len()..];
        if let Some(tag) = text.strip_prefix('#') {
            self.playlist_next |= tag.starts_with("EXT-X-STREAM-INF");
            self.tag(text, out);
        } else if text.is_empty() {
            out.extend_from_slice(text.as_bytes());
        } else {
            let is_playlist = std::mem::take(&mut self.playlist_next);
            out.extend_from_slice(self.tokens.on(text, is_playlist, "&").as_bytes());
        }
        out.extend_from_slice(end.as_bytes());
    }

    /// A tag, with the address in its attribute `URI`, if it has one.
    fn tag(&self, text: &str, out: &mut Vec<u8>) {
        let attributes = ["EXT-X-KEY:", "EXT-X-MAP:", "EXT-X-PART:", "EXT-X-PRELOAD-HINT:"];
        let playlists = ["EXT-X-MEDIA:", "EXT-X-I-FRAME-STREAM-INF:", "EXT-X-RENDITION-REPORT:"];
        let is = |names: &[&str]| names.iter().any(|name| text[1..].starts_with(name));
        let is_playlist = is(&playlists);
        let place = (is_playlist || is(&attributes)).then(|| uri_place(text)).flatten();
        let Some((from, to)) = place else { return out.extend_from_slice(text.as_bytes()) };
        out.extend_from_slice(&text.as_bytes()[..from]);
        out.extend_from_slice(self.tokens.on(&text[from..to], is_playlist, "&").as_bytes());
        out.extend_from_slice(&text.as_bytes()[to..]);
    }
}

impl Tokens {
    /// The address with the token, or as it is when it is none of this host; `and` goes between parameters.
    fn on<'u>(&self, uri: &'u str, is_playlist: bool, and: &str) -> Cow<'u, str> {
        let token = if is_playlist { &self.playlists } else { &self.media };
        if token.is_empty() || !self.is_own(uri) {
            return uri.into();
        }
        let (uri, fragment) = match uri.find('#') {
            Some(at) => uri.split_at(at),
            None => (uri, ""),
        };
        let joint = if uri.contains('?') { and } else { "?" };
        format!("{uri}{joint}{token}{fragment}").into()
    }

    /// A token goes to no other host, and into no `data:` or `skd:` address.
    fn is_own(&self, uri: &str) -> bool {
        if let Some(rest) = uri.strip_prefix("//") {
            return authority_of(rest).eq_ignore_ascii_case(&self.authority);
        }
        match uri.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => {
                matches!(scheme, "http" | "https")
                    && rest.strip_prefix("//").is_some_and(|rest| {
                        authority_of(rest).eq_ignore_ascii_case(&self.authority)
                    })
            }
            _ => true,
        }
    }
}

fn authority_of(rest: &str) -> &str {
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

/// RFC 3986 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Where the quoted value of the attribute `URI` stands.
fn uri_place(tag: &str) -> Option<(usize, usize)> {
    let list_at = tag.find(':')? + 1;
    let mut at = list_at;
    while at < tag.len() {
        let equals = at + tag[at..].find('=')?;
        let name = tag[at..equals].trim();
        let quoted = tag[equals + 1..].starts_with('"');
        if !quoted {
            at = tag[equals..].find(',').map_or(tag.len(), |comma| equals + comma + 1);
            continue;
        }
        let from = equals + 2;
        let to = from + tag[from..].find('"')?;
        if name == "URI" {
            return Some((from, to));
        }
        at = tag[to..].find(',').map_or(tag.len(), |comma| to + comma + 1);
    }
    None
}

/// Rewrites a DASH manifest; `None` when it cannot be read, and then it goes on as it is.
pub fn rewrite_mpd(manifest: &[u8], tokens: &Tokens) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(manifest).ok()?;
    let mut reader = Reader::from_str(text);
    let mut writer = quick_xml::Writer::new(Vec::with_capacity(manifest.len() + 1024));
    // An address in the text of an element, and whether it is that of a manifest.
    let mut address: Option<bool> = None;
    loop {
        let event = reader.read_event().ok()?;
        let event = match event {
            Event::Eof => return Some(writer.into_inner()),
            Event::Start(tag) => {
                address = match tag.local_name().as_ref() {
                    b"Location" | b"PatchLocation" => Some(true),
                    // A base that is a file; a folder's query would be lost when it is resolved.
                    b"BaseURL" => Some(false),
                    _ => None,
                };
                Event::Start(with_tokens(tag, tokens))
            }
            Event::Empty(tag) => Event::Empty(with_tokens(tag, tokens)),
            Event::Text(text) => match address.take() {
                Some(is_manifest) => Event::Text(address_text(text, is_manifest, tokens)),
                None => Event::Text(text),
            },
            Event::End(tag) => {
                address = None;
                Event::End(tag)
            }
            other => other,
        };
        writer.write_event(event).ok()?;
    }
}

fn address_text<'t>(text: BytesText<'t>, is_manifest: bool, tokens: &Tokens) -> BytesText<'t> {
    let Ok(raw) = std::str::from_utf8(&text) else { return text };
    let uri = raw.trim();
    if uri.is_empty() || (!is_manifest && uri.ends_with('/')) {
        return text;
    }
    let token = escaped(tokens);
    BytesText::from_escaped(token.on(uri, is_manifest, AMP).into_owned())
}

/// The attributes that hold addresses of segments, and of a clock.
const ADDRESSES: [&[u8]; 6] =
    [b"media", b"initialization", b"index", b"sourceURL", b"bitstreamSwitching", b"value"];
/// The elements that have them.
const ELEMENTS: [&[u8]; 6] = [
    b"UTCTiming",
    b"SegmentTemplate",
    b"SegmentURL",
    b"Initialization",
    b"RepresentationIndex",
    b"BitstreamSwitching",
];

fn with_tokens<'t>(tag: BytesStart<'t>, tokens: &Tokens) -> BytesStart<'t> {
    if !ELEMENTS.contains(&tag.local_name().as_ref()) || is_other_clock(&tag) {
        return tag;
    }
    let Ok(name) = std::str::from_utf8(tag.name().as_ref()).map(str::to_owned) else { return tag };
    let token = escaped(tokens);
    let mut changed = BytesStart::new(name);
    for attribute in tag.attributes() {
        let Ok(attribute) = attribute else { return tag };
        let (key, value) = (attribute.key, attribute.value);
        let (Ok(key_text), Ok(value)) =
            (std::str::from_utf8(key.as_ref()), std::str::from_utf8(&value))
        else {
            return tag;
        };
        let is_address = ADDRESSES.contains(&key.local_name().as_ref()) && !value.is_empty();
        let value = if is_address { token.on(value, false, AMP) } else { value.into() };
        // As it stands: the value is escaped already, but for the quotes that single ones may hold.
        let value = value.replace('"', "&quot;");
        changed.push_attribute((key_text.as_bytes(), value.as_bytes()));
    }
    changed
}

/// Whether it is a clock that is not asked over HTTP: its value is a time, or the names of servers.
fn is_other_clock(tag: &BytesStart<'_>) -> bool {
    let scheme = tag.attributes().flatten().find(|a| a.key.local_name().as_ref() == b"schemeIdUri");
    let http = scheme.is_some_and(|scheme| scheme.value.starts_with(b"urn:mpeg:dash:utc:http-"));
    tag.local_name().as_ref() == b"UTCTiming" && !http
}

/// As XML writes it.
const AMP: &str = "&amp;";

/// For XML, where `&` has a meaning.
fn escaped(tokens: &Tokens) -> Tokens {
    let escape = |text: &str| text.replace('&', "&amp;");
    Tokens {
        playlists: escape(&tokens.playlists),
        media: escape(&tokens.media),
        authority: tokens.authority.clone(),
    }
}
