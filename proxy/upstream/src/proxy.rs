//! The decisions of an exchange, as Pingora's proxy asks for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use http::StatusCode;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{BError, Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tidegate_telemetry::Counter;

use crate::convert;
use crate::fault;
use crate::group::{ExchangeGuard, RetryGuard, ServerGuard, Wish};
use crate::outcome::Stage;
use crate::plan::Plan;

tokio::task_local! {
    /// The exchange that runs in this task. Pingora makes its context before it shows the
    /// session, so this is the way in.
    pub(crate) static PLAN: Arc<Plan>;
}

/// Tries that may be lost to pooled connections which the server had closed meanwhile.
const STALE_CONNECTIONS_MAX: u32 = 3;

/// The decisions of an exchange.
pub(crate) struct Relay;

/// What one exchange holds while it runs.
pub(crate) struct Holding {
    plan: Arc<Plan>,
    exchange: Option<ExchangeGuard>,
    retry: Option<RetryGuard>,
    server: Option<ServerGuard>,
}

impl Holding {
    fn begin() -> Self {
        let plan = PLAN.with(Arc::clone);
        plan.group.counters().exchanges.fetch_add(1, Ordering::Relaxed);
        let exchange = ExchangeGuard::enter(&plan.group);
        Self { plan, exchange, retry: None, server: None }
    }

    fn refuse<T>(&self, reason: &'static str) -> Result<T> {
        self.plan.progress().fault = Some((Stage::Choose, reason));
        self.plan.group.counters().refused.fetch_add(1, Ordering::Relaxed);
        Err(Error::new_in(ErrorType::Custom(reason)))
    }

    /// Chooses the server of the next try.
    fn choose(&mut self) -> Result<Box<HttpPeer>> {
        if self.exchange.is_none() {
            return self.refuse("group_full");
        }
        self.server = None;
        let tried = self.plan.progress().tried.clone();
        let wish = Wish { tried: &tried, hash_key: self.plan.outbound.hash_key };
        let Some(server) = self.plan.group.choose(wish) else {
            return self.refuse("no_server");
        };
        server.state.tries.fetch_add(1, Ordering::Relaxed);
        Counter::UpstreamRequests.inc();
        let mut peer = Box::new(server.peer.clone());
        if self.plan.outbound.upgrade.is_some() {
            // After the switch nobody knows who is to speak: silence is no fault.
            peer.options.read_timeout = None;
        }
        let mut progress = self.plan.progress();
        progress.begin_try(Arc::clone(&server));
        drop(progress);
        self.server = Some(ServerGuard::enter(server));
        Ok(peer)
    }

    /// The try failed before or after the connection stood: counts it, and says whether there may
    /// be another.
    fn failed(&mut self, mut error: BError, reused: bool, replayable: bool) -> BError {
        if self.plan.progress().finished {
            // The response is complete; what broke off was the rest of the request.
            error.set_retry(false);
            return error;
        }
        let stale = reused && error.retry();
        let fault = fault::of(&self.plan.progress(), &error);
        if !stale {
            self.blame(fault.0);
        }
        self.plan.progress().fault = Some(fault);
        let again = replayable && self.may_try_again(fault.0, stale);
        error.set_retry(again);
        error
    }

    /// Counts a fault against the server, unless it was the client's or ours.
    fn blame(&self, stage: Stage) {
        if matches!(stage, Stage::Client | Stage::Internal | Stage::Choose) {
            return;
        }
        if let Some(server) = &self.server {
            self.plan.group.fault(server.server());
        }
    }

    fn may_try_again(&mut self, stage: Stage, stale: bool) -> bool {
        let mut progress = self.plan.progress();
        if progress.head_sent || matches!(stage, Stage::Client | Stage::Internal | Stage::Choose) {
            return false;
        }
        if stale && progress.stale_connections < STALE_CONNECTIONS_MAX {
            progress.stale_connections += 1;
            return true;
        }
        let retries = progress.trace.attempts.saturating_sub(1 + progress.stale_connections);
        drop(progress);
        retries < self.plan.group.config().retry.retries_max && self.take_retry()
    }

    /// Takes a place in the retry budget; one place lasts for all retries of an exchange.
    fn take_retry(&mut self) -> bool {
        if self.retry.is_none() {
            self.retry = RetryGuard::enter(&self.plan.group);
        }
        self.plan.group.count_retry(self.retry.is_some());
        self.retry.is_some()
    }

    /// The response head came: what does it say about the server?
    fn judge(&self, status: StatusCode) {
        let Some(server) = &self.server else { return };
        match status.as_u16() {
            100..=199 => {}
            // A gateway's own errors say that what is behind it does not answer.
            502..=504 => self.plan.group.fault(server.server()),
            _ => self.plan.group.success(server.server()),
        }
    }
}

#[async_trait]
impl ProxyHttp for Relay {
    type CTX = Holding;

    fn new_ctx(&self) -> Holding {
        Holding::begin()
    }

    // The default adds a compression module, whose context would be built for every request.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn upstream_peer(&self, _: &mut Session, holding: &mut Holding) -> Result<Box<HttpPeer>> {
        holding.choose()
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: std::os::unix::io::RawFd,
        _: Option<&Digest>,
        holding: &mut Holding,
    ) -> Result<()> {
        holding.plan.group.count_connection(reused);
        let elapsed_us = holding.plan.elapsed_us();
        holding.plan.progress().connected(reused, elapsed_us);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        holding: &mut Holding,
    ) -> Result<()> {
        let plan = &holding.plan;
        *request = convert::request(&plan.outbound, &plan.uri, request.version)
            .map_err(|word| Error::new_in(ErrorType::Custom(word)))?;
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        holding: &mut Holding,
    ) -> Result<()> {
        holding.judge(response.status);
        Ok(())
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _: &HttpPeer,
        holding: &mut Holding,
        error: BError,
    ) -> BError {
        // Nothing was sent, so any method may be tried elsewhere.
        let replayable = !session.as_ref().retry_buffer_truncated();
        holding.failed(error.into_up(), false, replayable)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: BError,
        holding: &mut Holding,
        reused: bool,
    ) -> BError {
        let mut error = error;
        error.retry.decide_reuse(reused);
        let replayable = session.req_header().method.is_idempotent()
            && !session.as_ref().retry_buffer_truncated();
        holding.failed(error, reused, replayable)
    }

    async fn fail_to_proxy(
        &self,
        _: &mut Session,
        error: &Error,
        holding: &mut Holding,
    ) -> FailToProxy {
        let mut progress = holding.plan.progress();
        if progress.finished {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        let fault = fault::of(&progress, error);
        progress.fault = Some(fault);
        drop(progress);
        if fault.1 == "timeout" {
            Counter::UpstreamTimeouts.inc();
        }
        if fault.0 != Stage::Client {
            holding.plan.group.counters().faults.fetch_add(1, Ordering::Relaxed);
        }
        // Writes nothing: what the client sees is decided where the fault ends up.
        FailToProxy { error_code: 0, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _: &Session, holding: &Holding, error: &Error) -> bool {
        tracing::debug!(group = holding.plan.group.name(), %error, "exchange failed");
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        holding: &Holding,
        error: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        tracing::debug!(group = holding.plan.group.name(), %error, "exchange is tried again");
        true
    }
}
