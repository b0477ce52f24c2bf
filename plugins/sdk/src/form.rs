//! Fields of forms and of JSON bodies.

/// Undoes percent encoding; `+` becomes a space. What is not encoded well stays as it is.
#[must_use]
pub fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let pair = rest.first_chunk().and_then(|pair: &[u8; 2]| number(*pair));
        match (first, pair) {
            (b'%', Some(byte)) => {
                out.push(byte);
                bytes = &rest[2..];
                continue;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*first),
        }
        bytes = rest;
    }
    String::from_utf8(out)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

fn number(pair: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let [high, low] = pair;
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// A field of a body: a member of a JSON object, or a pair of a form.
#[must_use]
pub fn field(body: &[u8], name: &str) -> Option<String> {
    if body.trim_ascii_start().starts_with(b"{") {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        return match value.get(name)? {
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
    }
    let body = std::str::from_utf8(body).ok()?;
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| decoded(key) == name);
    values.next().map(|(_, value)| decoded(value))
}

#[cfg(test)]
mod tests {
    use super::{decoded, field};

    #[test]
    fn percent_encoding_is_undone_once() {
        assert_eq!(decoded("a%20b+c%2527%zz%4"), "a b c%27%zz%4");
    }

    #[test]
    fn fields_come_from_forms_and_json() {
        assert_eq!(field(b"user=a%40b&pass=x", "user").as_deref(), Some("a@b"));
        assert_eq!(field(br#" {"user": "a@b", "n": 3}"#, "user").as_deref(), Some("a@b"));
        assert_eq!(field(br#"{"user": "a@b", "n": 3}"#, "n").as_deref(), Some("3"));
        assert_eq!(field(b"user=a", "pass"), None);
        assert_eq!(field(b"{broken", "user"), None);
    }
}
