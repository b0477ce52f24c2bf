//! RFC 9651 4.1.

use std::fmt::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Bare, Dictionary, INTEGER_MAX, Item, Member, Parameters, begins_key, begins_token,
    continues_key, continues_token,
};

/// A value that has no form on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot be written as a structured field")]
pub struct Unserialisable(pub &'static str);

type Written = Result<(), Unserialisable>;

/// Writes an item.
///
/// # Errors
/// [`Unserialisable`] when a key, string, token or number is outside of its range.
pub fn serialise_item(item: &Item) -> Result<String, Unserialisable> {
    let mut out = String::new();
    write_item(item, &mut out)?;
    Ok(out)
}

/// Writes a list. An empty one gives an empty text: then the field is left out.
///
/// # Errors
/// [`Unserialisable`] when a key, string, token or number is outside of its range.
pub fn serialise_list(list: &[Member]) -> Result<String, Unserialisable> {
    let mut out = String::new();
    for member in list {
        separate(&mut out);
        write_member(member, &mut out)?;
    }
    Ok(out)
}

/// Writes a dictionary. An empty one gives an empty text: then the field is left out.
///
/// # Errors
/// [`Unserialisable`] when a key, string, token or number is outside of its range.
pub fn serialise_dictionary(dictionary: &Dictionary) -> Result<String, Unserialisable> {
    let mut out = String::new();
    for (key, member) in &dictionary.0 {
        separate(&mut out);
        write_key(key, &mut out)?;
        match member {
            Member::Item(item) if item.bare == Bare::Boolean(true) => {
                write_parameters(&item.parameters, &mut out)?;
            }
            _ => {
                out.push('=');
                write_member(member, &mut out)?;
            }
        }
    }
    Ok(out)
}

fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push_str(", ");
    }
}

fn write_member(member: &Member, out: &mut String) -> Written {
    match member {
        Member::Item(item) => write_item(item, out),
        Member::Inner(items, parameters) => {
            out.push('(');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                write_item(item, out)?;
            }
            out.push(')');
            write_parameters(parameters, out)
        }
    }
}

fn write_item(item: &Item, out: &mut String) -> Written {
    write_bare(&item.bare, out)?;
    write_parameters(&item.parameters, out)
}

fn write_parameters(parameters: &Parameters, out: &mut String) -> Written {
    for (key, value) in &parameters.0 {
        out.push(';');
        write_key(key, out)?;
        if *value != Bare::Boolean(true) {
            out.push('=');
            write_bare(value, out)?;
        }
    }
    Ok(())
}

fn write_key(key: &str, out: &mut String) -> Written {
    let valid = key.bytes().next().is_some_and(begins_key) && key.bytes().all(continues_key);
    push_if(valid, key, "a key", out)
}

fn write_bare(bare: &Bare, out: &mut String) -> Written {
    match bare {
        Bare::Integer(value) => write_integer(*value, out),
        Bare::Decimal(thousandths) => write_decimal(*thousandths, out),
        Bare::String(text) => write_string(text, out),
        Bare::Token(text) => {
            let valid = text.bytes().next().is_some_and(begins_token);
            push_if(valid && text.bytes().all(continues_token), text, "a token", out)
        }
        Bare::Bytes(bytes) => {
            out.push(':');
            STANDARD.encode_string(bytes, out);
            out.push(':');
            Ok(())
        }
        Bare::Boolean(value) => push_if(true, if *value { "?1" } else { "?0" }, "", out),
        Bare::Date(secs) => {
            out.push('@');
            write_integer(*secs, out)
        }
        Bare::Display(text) => {
            write_display(text, out);
            Ok(())
        }
    }
}

fn push_if(valid: bool, text: &str, what: &'static str, out: &mut String) -> Written {
    if !valid {
        return Err(Unserialisable(what));
    }
    out.push_str(text);
    Ok(())
}

fn write_integer(value: i64, out: &mut String) -> Written {
    let valid = (-INTEGER_MAX..=INTEGER_MAX).contains(&value);
    push_if(valid, &value.to_string(), "a number", out)
}

/// At least one digit after the point, no zeros at the end.
fn write_decimal(thousandths: i64, out: &mut String) -> Written {
    let valid = (-INTEGER_MAX..=INTEGER_MAX).contains(&thousandths);
    let sign = if thousandths < 0 { "-" } else { "" };
    let size = thousandths.unsigned_abs();
    let digits = format!("{sign}{}.{:03}", size / 1000, size % 1000);
    let end = digits.trim_end_matches('0').len();
    let short = if digits[..end].ends_with('.') { &digits[..=end] } else { &digits[..end] };
    push_if(valid, short, "a number", out)
}

fn write_string(text: &str, out: &mut String) -> Written {
    if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Err(Unserialisable("a string"));
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    Ok(())
}

fn write_display(text: &str, out: &mut String) {
    out.push_str("%\"");
    for b in text.bytes() {
        match b {
            b'%' | b'"' | 0..=0x1f | 0x7f.. => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{b:02x}");
            }
            _ => out.push(char::from(b)),
        }
    }
    out.push('"');
}
