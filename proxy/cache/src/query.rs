//! The query's part of the key.

use crate::key::Sink;
use crate::policy::{Policy, QueryPolicy};

/// Parameters that are sorted without allocation.
pub(crate) const SORT_ON_STACK_MAX: usize = 32;

/// Writes `?query` as the policy keeps it; nothing when nothing is left.
pub(crate) fn write(policy: &Policy, query: Option<&str>, sink: &mut dyn Sink) {
    let Some(query) = query else { return };
    match (&policy.query, policy.query_sort) {
        (QueryPolicy::Ignore, _) => {}
        (QueryPolicy::Keep, false) => {
            sink.put(b"?");
            sink.put(query.as_bytes());
        }
        (kept, false) => write_parameters(parameters(kept, query), sink),
        (kept, true) => write_sorted(kept, query, sink),
    }
}

/// The parameters that the policy keeps, in the order received.
fn parameters<'a>(policy: &'a QueryPolicy, query: &'a str) -> impl Iterator<Item = &'a str> {
    query.split('&').filter(|p| !p.is_empty()).filter(move |parameter| {
        let name = parameter.split_once('=').map_or(*parameter, |(name, _)| name);
        match policy {
            QueryPolicy::Keep => true,
            QueryPolicy::Drop(names) => !listed(names, name),
            QueryPolicy::Only(names) => listed(names, name),
            QueryPolicy::Ignore => false,
        }
    })
}

fn listed(names: &[Box<str>], name: &str) -> bool {
    names.iter().any(|listed| match listed.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => **listed == *name,
    })
}

fn write_parameters<'a>(parameters: impl Iterator<Item = &'a str>, sink: &mut dyn Sink) {
    let mut separator = b"?";
    for parameter in parameters {
        sink.put(separator);
        sink.put(parameter.as_bytes());
        separator = b"&";
    }
}

/// Sorted by name and value; equal names keep their order only when equal values do, which makes no difference.
fn write_sorted(policy: &QueryPolicy, query: &str, sink: &mut dyn Sink) {
    let mut few = [""; SORT_ON_STACK_MAX];
    let mut many = Vec::new();
    let mut count = 0;
    for parameter in parameters(policy, query) {
        match few.get_mut(count) {
            Some(place) => *place = parameter,
            None => many.push(parameter),
        }
        count += 1;
    }
    if many.is_empty() {
        few[..count].sort_unstable();
        return write_parameters(few[..count].iter().copied(), sink);
    }
    many.extend(few);
    many.sort_unstable();
    write_parameters(many.into_iter(), sink);
}
