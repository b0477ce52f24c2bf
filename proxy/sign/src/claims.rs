//! The claims of a verified token, for whoever counts or decides by them.

use serde_json::{Map, Value};

use crate::cbor;
use crate::encode::to_hex;

#[cfg(test)]
mod tests;

/// Calls `f` with each value of a claim. A name with dots is looked up as it stands, then level by level
/// (`org.plan`). A list gives each of its texts, numbers and truth values; an object and null give nothing.
pub(crate) fn each_value(claims: &Map<String, Value>, name: &str, f: &mut dyn FnMut(&str)) {
    match find(claims, name) {
        Some(Value::Array(items)) => items.iter().for_each(|item| scalar(item, f)),
        Some(value) => scalar(value, f),
        None => {}
    }
}

fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let dots = name.match_indices('.').map(|(at, _)| name.split_at(at));
    dots.filter_map(|(outer, inner)| find(claims.get(outer)?.as_object()?, &inner[1..])).next()
}

fn scalar(value: &Value, f: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => f(text),
        Value::Number(number) => f(&number.to_string()),
        Value::Bool(truth) => f(if *truth { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => {}
    }
}

/// The claims of a CWT under the names of JWT (RFC 8392 3.1) and CTA-5007; others under their label in
/// decimal. Bytes become hex.
pub(crate) fn of_cbor(claims: &[(cbor::Value<'_>, cbor::Value<'_>)]) -> Map<String, Value> {
    claims.iter().filter_map(|(name, value)| Some((name_of(name)?, json(value)))).collect()
}

fn name_of(name: &cbor::Value<'_>) -> Option<String> {
    let known = match name.as_int() {
        None => return name.as_text().map(str::to_owned),
        Some(1) => "iss",
        Some(2) => "sub",
        Some(3) => "aud",
        Some(4) => "exp",
        Some(5) => "nbf",
        Some(6) => "iat",
        Some(7) => "cti",
        Some(308) => "catreplay",
        Some(310) => "catv",
        Some(311) => "catnip",
        Some(312) => "catu",
        Some(313) => "catm",
        Some(315) => "cath",
        Some(316) => "catgeoiso3166",
        Some(323) => "catr",
        Some(label) => return Some(label.to_string()),
    };
    Some(known.to_owned())
}

fn json(value: &cbor::Value<'_>) -> Value {
    match value {
        cbor::Value::Int(int) => (*int).into(),
        cbor::Value::Float(float) => (*float).into(),
        cbor::Value::Bytes(bytes) => to_hex(bytes).into(),
        cbor::Value::Text(text) => (*text).into(),
        cbor::Value::Array(items) => items.iter().map(json).collect(),
        cbor::Value::Map(_) => value.as_map().map_or(Value::Null, |map| of_cbor(map).into()),
        cbor::Value::Tag(_, inner) => json(inner),
        // RFC 8949 3.3.
        cbor::Value::Simple(20) => false.into(),
        cbor::Value::Simple(21) => true.into(),
        cbor::Value::Simple(_) => Value::Null,
    }
}
