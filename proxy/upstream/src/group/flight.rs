//! What is under way, counted by guards so that no way out can forget to count back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_telemetry::Gauge;

use super::{Group, Server};

/// One exchange under way in a group.
#[derive(Debug)]
pub(crate) struct ExchangeGuard(Arc<Group>);

/// One try under way at a server.
#[derive(Debug)]
pub(crate) struct ServerGuard(Arc<Server>);

/// One exchange that is past its first try.
#[derive(Debug)]
pub(crate) struct RetryGuard(Arc<Group>);

impl ExchangeGuard {
    /// Counts an exchange in; `None` when the group is full.
    pub(crate) fn enter(group: &Arc<Group>) -> Option<Self> {
        let max = u64::from(group.config.breaker.exchanges_max);
        let under_way = group.under_way.fetch_add(1, Ordering::Relaxed);
        Gauge::UpstreamInFlight.add(1);
        let guard = Self(Arc::clone(group));
        (max == 0 || under_way < max).then_some(guard)
    }
}

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        Gauge::UpstreamInFlight.add(-1);
    }
}

impl ServerGuard {
    /// Counts a try in.
    pub(crate) fn enter(server: Arc<Server>) -> Self {
        server.state.under_way.fetch_add(1, Ordering::Relaxed);
        Self(server)
    }

    /// The server.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.0
    }
}

impl Drop for ServerGuard {
    fn drop(&mut self) {
        self.0.state.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RetryGuard {
    /// Counts a retry in; `None` when the budget is spent.
    pub(crate) fn enter(group: &Arc<Group>) -> Option<Self> {
        let rule = &group.config.retry;
        let share = group.under_way.load(Ordering::Relaxed) * u64::from(rule.budget_percent) / 100;
        let max = share.max(u64::from(rule.budget_min));
        let retrying = group.retrying.fetch_add(1, Ordering::Relaxed);
        let guard = Self(Arc::clone(group));
        (retrying < max).then_some(guard)
    }
}

impl Drop for RetryGuard {
    fn drop(&mut self) {
        self.0.retrying.fetch_sub(1, Ordering::Relaxed);
    }
}
