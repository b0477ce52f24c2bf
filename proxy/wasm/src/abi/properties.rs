//! Properties, in Envoy's names and types.

use std::borrow::Cow;

use crate::{
    Exchange, Map, Value,
    memory::{Cx, copy, give, slice, split},
    pairs,
    state::State,
    status::{Status, Told},
};

/// Bytes of a path.
const PATH_BYTES_MAX: usize = 512;
/// Labels of one request.
const LABELS_MAX: usize = 64;
/// Bytes of one label's value.
const LABEL_BYTES_MAX: usize = 4_096;

pub(super) fn property(cx: &mut Cx<'_>, path: u32, path_n: u32, at: u32, length_at: u32) -> Told {
    let (memory, state) = split(cx)?;
    read_path(&mut state.name, slice(memory, path, path_n)?)?;
    let mut out = std::mem::take(&mut state.scratch);
    out.clear();
    let path = std::mem::take(&mut state.name);
    let found = look(state, &path, &mut out);
    state.name = path;
    state.scratch = out;
    if !found {
        return Err(Status::NotFound.into());
    }
    give(cx, at, length_at)
}

/// The segments, which NUL separates, joined by dots.
fn read_path(path: &mut String, bytes: &[u8]) -> Result<(), Status> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Err(Status::SerializationFailure);
    }
    if bytes.len() > PATH_BYTES_MAX {
        return Err(Status::NotFound);
    }
    path.clear();
    path.push_str(&String::from_utf8_lossy(bytes));
    if path.contains('\0') {
        *path = path.replace('\0', ".");
    }
    Ok(())
}

/// Writes a property to `out`; `false` when there is none.
fn look(state: &mut State, path: &str, out: &mut Vec<u8>) -> bool {
    if let Some(value) = of_plugin(state, path) {
        out.extend_from_slice(value.as_bytes());
        return true;
    }
    if let Some(exchange) = state.exchange()
        && of_exchange(exchange, path, out)
    {
        return true;
    }
    if state.current != state.lent_to {
        return false;
    }
    let label = state.labels.iter().find(|(name, _)| name == path);
    label.map(|(_, value)| out.extend_from_slice(value)).is_some()
}

/// C++ modules abort when one of these is absent, in any context.
fn of_plugin<'a>(state: &'a State, path: &str) -> Option<&'a str> {
    match path {
        "plugin_name" => Some(&state.plugin.name),
        "plugin_root_id" => Some(&state.plugin.config.root_id),
        "plugin_vm_id" => Some(&state.plugin.vm_id),
        _ => None,
    }
}

fn of_exchange(exchange: &dyn Exchange, path: &str, out: &mut Vec<u8>) -> bool {
    if let Some(value) = exchange.property(path) {
        value.write(out);
        return true;
    }
    let found = match path.split_once('.') {
        Some(("request", rest)) => of_request(exchange, rest, out),
        Some(("response", rest)) => of_response(exchange, rest, out),
        _ => None,
    };
    found.is_some()
}

fn of_request(exchange: &dyn Exchange, rest: &str, out: &mut Vec<u8>) -> Option<()> {
    let map = Map::RequestHeaders;
    let field = |name| exchange.field(map, name);
    let value = match rest {
        "path" => field(":path")?,
        "url_path" => part(field(":path")?, |target| target.split('?').next()),
        "query" => part(field(":path")?, |target| {
            target.split_once('?').map_or(Some(""), |two| Some(two.1))
        }),
        "host" => field(":authority")?,
        "method" => field(":method")?,
        "scheme" => field(":scheme")?,
        "useragent" => field("user-agent")?,
        "referer" => field("referer")?,
        "id" => field("x-request-id")?,
        _ => return of_fields(exchange, map, rest, out),
    };
    out.extend_from_slice(&value);
    Some(())
}

fn part<'a>(target: Cow<'a, [u8]>, pick: fn(&str) -> Option<&str>) -> Cow<'a, [u8]> {
    let text = String::from_utf8_lossy(&target);
    Cow::Owned(pick(&text).unwrap_or_default().as_bytes().to_vec())
}

fn of_response(exchange: &dyn Exchange, rest: &str, out: &mut Vec<u8>) -> Option<()> {
    let map = Map::ResponseHeaders;
    if rest == "code" {
        let status = exchange.field(map, ":status")?;
        let status = std::str::from_utf8(&status).ok()?.parse().ok()?;
        Value::Int(status).write(out);
        return Some(());
    }
    if rest == "trailers" {
        encode(exchange, Map::ResponseTrailers, out);
        return Some(());
    }
    of_fields(exchange, map, rest, out)
}

/// `headers` as pairs, `headers.<name>` with all lines joined.
fn of_fields(exchange: &dyn Exchange, map: Map, rest: &str, out: &mut Vec<u8>) -> Option<()> {
    if !exchange.has_map(map) {
        return None;
    }
    if rest == "headers" {
        encode(exchange, map, out);
        return Some(());
    }
    let wanted = rest.strip_prefix("headers.")?.to_ascii_lowercase();
    let mut lines = 0;
    exchange.each_field(map, &mut |name, value| {
        if name.eq_ignore_ascii_case(wanted.as_bytes()) {
            if lines > 0 {
                out.push(b',');
            }
            lines += 1;
            out.extend_from_slice(value);
        }
    });
    (lines > 0).then_some(())
}

fn encode(exchange: &dyn Exchange, map: Map, out: &mut Vec<u8>) {
    pairs::encode(out, |visit| exchange.each_field(map, visit));
}

/// Attaches a label to the request, for later plugins, the log and the origin.
pub(super) fn set_property(
    cx: &mut Cx<'_>,
    path: u32,
    path_n: u32,
    value: u32,
    value_n: u32,
) -> Told {
    let mut value = copy(cx, value, value_n)?;
    value.truncate(LABEL_BYTES_MAX);
    let (memory, state) = split(cx)?;
    let bytes = slice(memory, path, path_n)?;
    let State { name, labels, current, lent_to, .. } = state;
    if current != lent_to || read_path(name, bytes).is_err() {
        return super::nothing();
    }
    if let Some(label) = labels.iter_mut().find(|(known, _)| known == name) {
        label.1 = value;
    } else if labels.len() < LABELS_MAX {
        labels.push((name.clone(), value));
    }
    Ok(())
}
