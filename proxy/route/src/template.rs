//! Texts with parameters of a path filled in: `https://example.com/new/{rest}`.

use crate::pattern::PathPattern;
use crate::tree::Params;

/// Longest text of a template.
pub const TEMPLATE_BYTES_MAX: usize = 8_192;

/// A text with places for parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Param(usize),
}

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateInvalid {
    /// A name that the pattern does not have.
    #[error("{{{0}}} is not a parameter of the path")]
    Unknown(Box<str>),
    /// An opening brace without its closing one.
    #[error("\"{{\" without \"}}\"")]
    Open,
    /// A control character, which could split a header field.
    #[error("control characters and spaces cannot stand here")]
    Control,
    /// Longer than [`TEMPLATE_BYTES_MAX`].
    #[error("longer than {TEMPLATE_BYTES_MAX} bytes")]
    TooLong,
}

impl Template {
    /// Reads a template that may use the parameters of `pattern`.
    pub fn parse(text: &str, pattern: &PathPattern) -> Result<Self, TemplateInvalid> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateInvalid::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(TemplateInvalid::Control);
        }
        let names: Vec<&str> = pattern.names().collect();
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let close = rest[open..].find('}').ok_or(TemplateInvalid::Open)? + open;
            let name = &rest[open + 1..close];
            let index = names.iter().position(|known| *known == name);
            let index = index.ok_or_else(|| TemplateInvalid::Unknown(name.into()))?;
            pieces.push(Piece::Text(rest[..open].into()));
            pieces.push(Piece::Param(index));
            rest = &rest[close + 1..];
        }
        pieces.push(Piece::Text(rest.into()));
        pieces.retain(|piece| *piece != Piece::Text("".into()));
        Ok(Self { pieces: pieces.into() })
    }

    /// The text, when it has no parameter.
    pub fn constant(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text with the parameters that were found in `path`.
    pub fn render(&self, path: &str, params: &Params, out: &mut String) {
        let start = out.len();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Param(index) => out.push_str(params.text(*index, path)),
            }
        }
        if !self.leads_elsewhere() {
            keep_on_this_host(out, start);
        }
    }

    /// Whether its fixed beginning names another host: an address, or `//host`.
    pub(crate) fn leads_elsewhere(&self) -> bool {
        let Some(Piece::Text(text)) = self.pieces.first() else { return false };
        !text.starts_with('/') || text.starts_with("//")
    }
}

/// `/{rest}` with a rest of `/evil.example` would be `//evil.example`, an address of another host
/// (RFC 3986 section 4.2). Browsers take a backslash for a slash.
fn keep_on_this_host(out: &mut String, start: usize) {
    let text = &out[start..];
    let slashes = text.bytes().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
    if slashes > 1 {
        out.replace_range(start..start + slashes, "/");
    }
}
