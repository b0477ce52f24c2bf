//! Metrics that modules define.

use std::sync::Arc;

use crate::{
    MetricKind,
    memory::{Cx, answer_u32, answer_u64, slice, split},
    metric::Cell,
    state::State,
    status::{Status, Told},
};

/// Bytes of a metric's name.
const NAME_BYTES_MAX: usize = 256;

pub(super) fn define(cx: &mut Cx<'_>, kind: u32, name: u32, name_n: u32, answer: u32) -> Told {
    let kind = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Histogram,
        _ => return Err(Status::BadArgument.into()),
    };
    let (memory, state) = split(cx)?;
    let name = slice(memory, name, name_n)?;
    let name = String::from_utf8_lossy(&name[..name.len().min(NAME_BYTES_MAX)]);
    let most = state.plugin.config.limits.metrics_max;
    // Beyond the limit a number that stands for nothing: the SDKs survive no refusal here, but they
    // do survive NOT_FOUND when they record.
    let number = state.plugin.record.registry.define(&name, kind, most).unwrap_or(u32::MAX);
    answer_u32(cx, answer, number)
}

/// The metric of a number; the instance keeps what it has seen.
#[inline]
fn cell(state: &mut State, number: u32) -> Option<&Arc<Cell>> {
    let index = (number as usize).checked_sub(1)?;
    if index >= state.metrics.len() {
        state.metrics = state.plugin.record.registry.cells();
    }
    state.metrics.get(index)
}

pub(super) fn record(cx: &mut Cx<'_>, metric: u32, value: u64) -> Told {
    let cell = cell(cx.data_mut(), metric).ok_or(Status::NotFound)?;
    cell.record(value);
    Ok(())
}

pub(super) fn increment(cx: &mut Cx<'_>, metric: u32, offset: i64) -> Told {
    let cell = cell(cx.data_mut(), metric).ok_or(Status::BadArgument)?;
    match cell.increment(offset) {
        true => Ok(()),
        false => Err(Status::BadArgument.into()),
    }
}

pub(super) fn value(cx: &mut Cx<'_>, metric: u32, answer: u32) -> Told {
    let value = cell(cx.data_mut(), metric).and_then(|cell| cell.value());
    answer_u64(cx, answer, value.ok_or(Status::BadArgument)?)
}
