//! Whether what came is what was expected.

use super::script::{Expect, Test};
use super::text::Names;
use crate::message::Message;

/// Compares a message, or says what differs.
pub(super) fn message(expect: &Expect, got: &Message, names: &Names<'_>) -> Result<(), String> {
    if !first_line(&expect.line, got) {
        return Err(format!("first line `{}`", expect.line));
    }
    for (name, test) in &expect.fields {
        field(name, test, got, names)?;
    }
    match &expect.content {
        Some(test) => content(test, &got.body, names),
        None => Ok(()),
    }
}

/// `GET /a` against a request, `200` or `2xx` against a response, `*` against any.
fn first_line(expect: &str, got: &Message) -> bool {
    let is_response = got.line[0].starts_with("HTTP/");
    let got_words: &[String] = if is_response { &got.line[1..2] } else { &got.line };
    expect.split_whitespace().zip(got_words).all(|(expect, got)| same_word(expect, got))
}

fn same_word(expect: &str, got: &str) -> bool {
    match expect.strip_suffix("xx") {
        Some(class) if class.len() == 1 => got.starts_with(class),
        _ => expect == "*" || expect == got,
    }
}

fn field(name: &str, test: &Test, got: &Message, names: &Names<'_>) -> Result<(), String> {
    let (lines, bare) = match name.strip_prefix("trailer ") {
        Some(name) => (&got.trailers, name),
        None => (&got.fields, name),
    };
    let value = lines.joined(bare);
    let text = value.as_deref().unwrap_or_default();
    let holds = match test {
        Test::Is(wanted) => value.is_some() && text == names.fill(&lossy(wanted))?,
        Test::Present => value.is_some(),
        Test::Absent => value.is_none(),
        Test::Contains(part) => text.contains(&names.fill(part)?),
        Test::Starts(part) => value.is_some() && text.starts_with(&names.fill(part)?),
        Test::Lines(count) => lines.lines(bare).count() == *count,
        Test::Number(compare, wanted) => text.parse().is_ok_and(|got| compare.holds(got, *wanted)),
    };
    let shown = || value.as_ref().map_or("no such field".to_owned(), |v| format!("`{name}: {v}`"));
    if holds { Ok(()) } else { Err(format!("`{name} {}`, got {}", describe(test), shown())) }
}

fn content(test: &Test, got: &[u8], names: &Names<'_>) -> Result<(), String> {
    let text = lossy(got);
    let holds = match test {
        Test::Is(wanted) => got == names.fill_bytes(wanted)?,
        Test::Contains(part) => text.contains(&names.fill(part)?),
        Test::Starts(part) => text.starts_with(&names.fill(part)?),
        Test::Present | Test::Absent | Test::Lines(_) | Test::Number(..) => false,
    };
    if holds { Ok(()) } else { Err(format!("content {}", describe(test))) }
}

fn describe(test: &Test) -> String {
    match test {
        Test::Is(wanted) if wanted.len() > 200 => format!("of {} given bytes", wanted.len()),
        Test::Is(wanted) => format!("is {:?}", lossy(wanted)),
        Test::Present => "present".to_owned(),
        Test::Absent => "absent".to_owned(),
        Test::Contains(part) => format!("contains {part:?}"),
        Test::Starts(part) => format!("starts {part:?}"),
        Test::Lines(count) => format!("lines {count}"),
        Test::Number(compare, wanted) => format!("{} {wanted}", compare.as_str()),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
