//! One exchange as all its parts see it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Uri;
use tidegate_telemetry::Counter;

use crate::group::{Group, Server};
use crate::outbound::Outbound;
use crate::outcome::{Delivery, Fault, Outcome, Stage, Trace};

/// One exchange as all its parts see it: the session that talks to the client, and the proxy that
/// chooses servers.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The group it is for.
    pub(crate) group: Arc<Group>,
    /// What is asked.
    pub(crate) outbound: Outbound,
    /// The target in the form Pingora wants.
    pub(crate) uri: Uri,
    progress: Mutex<Progress>,
    started: Instant,
}

/// How far it is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Servers tried, the current one last.
    pub(crate) tried: Vec<Arc<Server>>,
    /// The current try has a connection.
    pub(crate) connected: bool,
    /// The final response head was read from the current try.
    pub(crate) head_read: bool,
    /// The final response head was written downstream.
    pub(crate) head_sent: bool,
    /// The response was delivered completely.
    pub(crate) finished: bool,
    /// Tries that went to a connection which the server had already closed; they count apart.
    pub(crate) stale_connections: u32,
    /// The status of the final response.
    pub(crate) status: u16,
    /// What went wrong last.
    pub(crate) fault: Option<(Stage, &'static str)>,
    pub(crate) trace: Trace,
}

impl Progress {
    /// A server was chosen for the next try.
    pub(crate) fn begin_try(&mut self, server: Arc<Server>) {
        self.tried.push(server);
        self.connected = false;
        self.head_read = false;
        self.fault = None;
        self.trace.attempts += 1;
    }

    /// The current try has a connection.
    pub(crate) fn connected(&mut self, reused: bool, elapsed_us: u64) {
        self.connected = true;
        self.trace.reused = reused;
        self.trace.connected_us = Some(elapsed_us);
    }
}

impl Plan {
    /// A plan for one exchange.
    ///
    /// # Errors
    /// The request cannot be expressed upstream.
    pub(crate) fn new(group: &Arc<Group>, outbound: Outbound) -> Result<Self, Fault> {
        let refused = |reason| Fault {
            stage: Stage::Internal,
            reason,
            head_sent: false,
            server: None,
            trace: Trace::default(),
        };
        if outbound.method == http::Method::CONNECT {
            return Err(refused("connect_method"));
        }
        let uri = Uri::from_maybe_shared(outbound.target.clone())
            .map_err(|_| refused("request_target"))?;
        if uri.authority().is_some() {
            return Err(refused("request_target"));
        }
        let progress = Mutex::new(Progress::default());
        Ok(Self { group: Arc::clone(group), outbound, uri, progress, started: Instant::now() })
    }

    /// A plan for the same request beside this one, at another server where there is one.
    pub(crate) fn beside(&self) -> Self {
        let progress = Progress { tried: self.progress().tried.clone(), ..Progress::default() };
        Self {
            group: Arc::clone(&self.group),
            outbound: self.outbound.clone(),
            uri: self.uri.clone(),
            progress: Mutex::new(progress),
            started: self.started,
        }
    }

    /// The outcome of an exchange that ends here and now.
    pub(crate) fn failed(&self, stage: Stage, reason: &'static str) -> Outcome {
        let mut progress = self.progress();
        progress.fault = Some((stage, reason));
        drop(progress);
        self.outcome()
    }

    /// How far it is. Never held across an await.
    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the beginning.
    pub(crate) fn elapsed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The limit for the whole exchange ran out.
    pub(crate) fn timed_out(&self) {
        let mut progress = self.progress();
        let stage = match (progress.head_sent, progress.connected) {
            (true, _) => Stage::Body,
            (false, true) => Stage::FirstByte,
            (false, false) => Stage::Connect,
        };
        progress.fault = Some((stage, "timeout"));
        Counter::UpstreamTimeouts.inc();
        self.group.counters().faults.fetch_add(1, Ordering::Relaxed);
    }

    /// How it ended, once nothing runs any more.
    pub(crate) fn outcome(&self) -> Outcome {
        let mut progress = self.progress();
        progress.trace.total_us = self.elapsed_us();
        let server = progress.tried.last().map(|server| Arc::clone(&server.label));
        let trace = progress.trace;
        if let (true, None, Some(server)) = (progress.finished, progress.fault, &server) {
            let server = Arc::clone(server);
            return Outcome::Delivered(Delivery { status: progress.status, server, trace });
        }
        let (stage, reason) = progress.fault.unwrap_or((Stage::Internal, "incomplete"));
        Outcome::Failed(Fault { stage, reason, head_sent: progress.head_sent, server, trace })
    }
}
