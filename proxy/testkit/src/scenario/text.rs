//! The small pieces of a scenario's text.

use std::time::Duration;

/// Text after `${`, read in a message: what the node's clock and the origins are now.
pub(super) struct Names<'a> {
    pub(super) now_us: u64,
    /// Origins and their addresses.
    pub(super) origins: &'a [(String, std::net::SocketAddr)],
}

impl Names<'_> {
    /// The text with every `${name}` replaced.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or("`${` without `}`")?;
            filled.push_str(before);
            filled
                .push_str(&self.value(name).ok_or_else(|| format!("nobody knows `${{{name}}}`"))?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The same for content, which may be no text: then it stays as it is.
    pub(super) fn fill_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.fill(text).map(String::into_bytes),
            Err(_) => Ok(bytes.to_vec()),
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        if let Some(shift) = name.strip_prefix("date") {
            return self.date(shift);
        }
        let (origin, part) = name.split_once('.').unwrap_or((name, ""));
        let (_, addr) = self.origins.iter().find(|(known, _)| known == origin)?;
        match part {
            "" => Some(format!("http://{addr}")),
            "addr" => Some(addr.to_string()),
            "port" => Some(addr.port().to_string()),
            _ => None,
        }
    }

    fn date(&self, shift: &str) -> Option<String> {
        let now = self.now_us / 1_000_000;
        let by = |shift: &str| duration(shift).map(|d| d.as_secs());
        match shift.split_at_checked(1) {
            None => Some(http_date(now)),
            Some(("+", shift)) => Some(http_date(now + by(shift)?)),
            Some(("-", shift)) => Some(http_date(now.saturating_sub(by(shift)?))),
            Some(_) => None,
        }
    }
}

/// The first word and what follows it.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

/// `61s`, `250ms`, `2m`, `1h`, `7d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        "h" => Some(Duration::from_secs(number * 3600)),
        "d" => Some(Duration::from_secs(number * 86400)),
        _ => None,
    }
}

/// Content in pieces: quoted strings, `bytes N`, or the text as it stands.
pub(super) fn content(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let text = text.trim();
    if text.starts_with('"') {
        return quoted(text);
    }
    if let Some(count) = text.strip_prefix("bytes ").and_then(|count| count.parse().ok()) {
        return Ok(vec![pattern(count)]);
    }
    Ok(vec![text.as_bytes().to_vec()])
}

/// So many bytes, always the same ones; their period is a prime, so that no misplaced piece fits.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|i| b"abcdefghijklmnopqrstuvwxyz01234"[i % 31]).collect()
}

/// Quoted strings, one after the other.
pub(super) fn quoted(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut pieces = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => pieces.push(piece(&mut chars)?),
            c if c.is_whitespace() => {}
            c => return Err(format!("`{c}` outside quotes in {text}")),
        }
    }
    Ok(pieces)
}

fn piece(chars: &mut std::str::Chars<'_>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(bytes),
            '\\' => bytes.push(escape(chars)?),
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err("a quote is not closed".to_owned())
}

fn escape(chars: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match chars.next() {
        Some('r') => Ok(b'\r'),
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('0') => Ok(0),
        Some(c @ ('"' | '\\')) => Ok(u8::try_from(c).unwrap_or_default()),
        Some('x') => {
            let hex: String = chars.by_ref().take(2).collect();
            u8::from_str_radix(&hex, 16).map_err(|_| format!("`\\x{hex}` is no byte"))
        }
        other => Err(format!("`\\{}` is no escape", other.unwrap_or(' '))),
    }
}

/// The lines without the indentation they share.
pub(super) fn dedent(lines: &[&str]) -> String {
    let indent = |line: &&&str| line.len() - line.trim_start().len();
    let shared = lines.iter().filter(|l| !l.trim().is_empty()).map(|l| indent(&l)).min();
    let shared = shared.unwrap_or(0);
    let cut: Vec<&str> = lines.iter().map(|line| line.get(shared..).unwrap_or("")).collect();
    cut.join("\n") + "\n"
}

/// An IMF-fixdate (RFC 9110 section 5.6.7).
fn http_date(unix_secs: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, secs) = (unix_secs / 86400, unix_secs % 86400);
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or(0)];
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
    let month = MONTHS[month];
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month from 0, day from 1.
fn civil(days: u64) -> (u64, usize, u64) {
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let (mut year, mut rest) = (1970, days);
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    (year, month, rest + 1)
}
