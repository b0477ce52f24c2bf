//! RFC 9651 4.2.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    Bare, Dictionary, Item, List, Member, Parameters, begins_key, begins_token, continues_key,
    continues_token,
};

/// Why a value is not a structured field, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a structured field at byte {at}: expected {expected}")]
pub struct Malformed {
    /// Offset in bytes.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
}

type Parsed<T> = Result<T, Malformed>;

/// RFC 9651 4.2.7: missing padding is supplied and stray bits in the last byte are let pass.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const INTEGER_DIGITS_MAX: usize = 15;
const DECIMAL_DIGITS_MAX: usize = 12;
const FRACTION_DIGITS_MAX: usize = 3;

/// Reads an item.
///
/// # Errors
/// [`Malformed`]: the whole field must be ignored.
pub fn parse_item(value: &[u8]) -> Result<Item, Malformed> {
    whole(value, Parser::item)
}

/// Reads a list; several lines are joined with a comma before.
///
/// # Errors
/// [`Malformed`]: the whole field must be ignored.
pub fn parse_list(value: &[u8]) -> Result<List, Malformed> {
    whole(value, Parser::list)
}

/// Reads a dictionary; several lines are joined with a comma before.
///
/// # Errors
/// [`Malformed`]: the whole field must be ignored.
pub fn parse_dictionary(value: &[u8]) -> Result<Dictionary, Malformed> {
    whole(value, Parser::dictionary)
}

fn whole<'b, T>(value: &'b [u8], parse: impl Fn(&mut Parser<'b>) -> Parsed<T>) -> Parsed<T> {
    let mut parser = Parser { bytes: value, at: 0 };
    parser.skip(b" ");
    let parsed = parse(&mut parser)?;
    parser.skip(b" ");
    if parser.is_at_end() { Ok(parsed) } else { Err(parser.wanted("the end")) }
}

struct Parser<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Parser<'_> {
    fn list(&mut self) -> Parsed<List> {
        let mut members = List::new();
        while !self.is_at_end() {
            members.push(self.member()?);
            if !self.comma()? {
                break;
            }
        }
        Ok(members)
    }

    fn dictionary(&mut self) -> Parsed<Dictionary> {
        let mut dictionary = Dictionary::default();
        while !self.is_at_end() {
            let key = self.key()?;
            let member = if self.take(b'=') {
                self.member()?
            } else {
                Member::Item(Item { bare: Bare::Boolean(true), parameters: self.parameters()? })
            };
            dictionary.set(&key, member);
            if !self.comma()? {
                break;
            }
        }
        Ok(dictionary)
    }

    /// Whether another member follows. A comma at the end is an error (RFC 9651 4.2.1).
    fn comma(&mut self) -> Parsed<bool> {
        // Whitespace alone at the end is left to the caller, who allows spaces there.
        self.skip(b" \t");
        if self.is_at_end() {
            return Ok(false);
        }
        if !self.take(b',') {
            return Err(self.wanted("a comma"));
        }
        self.skip(b" \t");
        if self.is_at_end() { Err(self.wanted("a member")) } else { Ok(true) }
    }

    fn member(&mut self) -> Parsed<Member> {
        if self.take(b'(') { self.inner_list() } else { Ok(Member::Item(self.item()?)) }
    }

    /// After the opening parenthesis.
    fn inner_list(&mut self) -> Parsed<Member> {
        let mut items = Vec::new();
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Ok(Member::Inner(items, self.parameters()?));
            }
            items.push(self.item()?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(self.wanted("a space or a closing parenthesis"));
            }
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        Ok(Item { bare: self.bare()?, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Parsed<Parameters> {
        let mut parameters = Parameters::default();
        while self.take(b';') {
            self.skip(b" ");
            let key = self.key()?;
            let value = if self.take(b'=') { self.bare()? } else { Bare::Boolean(true) };
            parameters.set(&key, value);
        }
        Ok(parameters)
    }

    fn key(&mut self) -> Parsed<String> {
        if !self.peek().is_some_and(begins_key) {
            return Err(self.wanted("a key"));
        }
        Ok(self.run(continues_key))
    }

    fn bare(&mut self) -> Parsed<Bare> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'"') => self.string(),
            Some(b':') => self.byte_sequence(),
            Some(b'?') => self.boolean(),
            Some(b'@') => self.date(),
            Some(b'%') => self.display(),
            Some(b) if begins_token(b) => Ok(Bare::Token(self.run(continues_token))),
            _ => Err(self.wanted("an item")),
        }
    }

    fn number(&mut self) -> Parsed<Bare> {
        let negative = self.take(b'-');
        let whole = self.run(|b| b.is_ascii_digit());
        let sign = if negative { -1 } else { 1 };
        if !self.take(b'.') {
            let fits = (1..=INTEGER_DIGITS_MAX).contains(&whole.len());
            return match whole.parse::<i64>() {
                Ok(value) if fits => Ok(Bare::Integer(sign * value)),
                _ => Err(self.wanted("one to fifteen digits")),
            };
        }
        let fraction = self.run(|b| b.is_ascii_digit());
        let fits = (1..=DECIMAL_DIGITS_MAX).contains(&whole.len())
            && (1..=FRACTION_DIGITS_MAX).contains(&fraction.len());
        match format!("{whole}{fraction:0<3}").parse::<i64>() {
            Ok(thousandths) if fits => Ok(Bare::Decimal(sign * thousandths)),
            _ => Err(self.wanted("at most twelve digits and three after the point")),
        }
    }

    fn string(&mut self) -> Parsed<Bare> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.next() {
                Some(b'"') => return Ok(Bare::String(text)),
                Some(b'\\') => match self.next() {
                    Some(b @ (b'"' | b'\\')) => text.push(char::from(b)),
                    _ => return Err(self.wanted("a quote or a backslash after a backslash")),
                },
                Some(b @ b' '..=b'~') => text.push(char::from(b)),
                _ => return Err(self.wanted("printable ASCII and a closing quote")),
            }
        }
    }

    fn byte_sequence(&mut self) -> Parsed<Bare> {
        self.at += 1;
        let start = self.at;
        let encoded = self.run(|b| b != b':');
        // Any byte that is no ASCII was changed by `run`; none of base64 is concerned.
        let decoded = BASE64.decode(encoded.as_bytes()).ok().filter(|_| self.take(b':'));
        self.at = if decoded.is_some() { self.at } else { start };
        decoded.map(Bare::Bytes).ok_or_else(|| self.wanted("base64 and a colon"))
    }

    fn boolean(&mut self) -> Parsed<Bare> {
        self.at += 1;
        match self.next() {
            Some(b @ (b'0' | b'1')) => Ok(Bare::Boolean(b == b'1')),
            _ => Err(self.wanted("0 or 1")),
        }
    }

    fn date(&mut self) -> Parsed<Bare> {
        self.at += 1;
        match self.number()? {
            Bare::Integer(secs) => Ok(Bare::Date(secs)),
            _ => Err(self.wanted("whole seconds")),
        }
    }

    fn display(&mut self) -> Parsed<Bare> {
        const WANTED: &str = "a quoted string with lower-case percent-encoded UTF-8";
        self.at += 1;
        if !self.take(b'"') {
            return Err(self.wanted(WANTED));
        }
        let mut text = Vec::new();
        loop {
            match self.next() {
                Some(b'"') => break,
                Some(b'%') => text.push(self.hex_byte().ok_or_else(|| self.wanted(WANTED))?),
                Some(b @ b' '..=b'~') => text.push(b),
                _ => return Err(self.wanted(WANTED)),
            }
        }
        String::from_utf8(text).map(Bare::Display).map_err(|_| self.wanted(WANTED))
    }

    fn hex_byte(&mut self) -> Option<u8> {
        let mut digit = || match self.next()? {
            b @ b'0'..=b'9' => Some(b - b'0'),
            b @ b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        Some(digit()? << 4 | digit()?)
    }

    /// The bytes from here on for which `accepts` is true.
    fn run(&mut self, accepts: impl Fn(u8) -> bool) -> String {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&b| !accepts(b)).unwrap_or(rest.len());
        self.at += len;
        rest[..len].iter().map(|&b| char::from(b)).collect()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip(&mut self, set: &[u8]) {
        while self.peek().is_some_and(|b| set.contains(&b)) {
            self.at += 1;
        }
    }

    const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    const fn wanted(&self, expected: &'static str) -> Malformed {
        Malformed { at: self.at, expected }
    }
}
