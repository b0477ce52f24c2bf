//! What a process counts: one registry, with the figures every service has in common.

use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};

/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BOUNDS_S: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The registry of a process and the figures of its HTTP server.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl Metrics {
    /// An empty registry with the server's own figures in it.
    pub fn new() -> Self {
        let requests = counter_vec(
            "origin_http_requests_total",
            "requests answered, by route, method and status",
            &["route", "method", "status"],
        );
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "origin_http_request_seconds",
                "time to the answer's head, by route",
            )
            .buckets(LATENCY_BOUNDS_S.to_vec()),
            &["route"],
        );
        #[expect(
            clippy::expect_used,
            reason = "name and labels are constants, checked by every test"
        )]
        let seconds = seconds.expect("constant name and labels are valid");
        let metrics = Self(Arc::new(Inner { registry: Registry::new(), requests, seconds }));
        metrics.register(metrics.0.requests.clone());
        metrics.register(metrics.0.seconds.clone());
        metrics
    }

    /// Adds a service's figure; a second one of the same name is logged and not counted.
    pub fn register(&self, figure: impl Collector + 'static) {
        if let Err(error) = self.0.registry.register(Box::new(figure)) {
            tracing::error!(%error, "metric not registered");
        }
    }

    /// A counter with labels, registered.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let counters = counter_vec(name, help, labels);
        self.register(counters.clone());
        counters
    }

    /// Everything, in the text format of Prometheus.
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.0.registry.gather(), &mut out) {
            tracing::error!(%error, "metrics not encoded");
        }
        String::from_utf8(out).unwrap_or_default()
    }

    pub(crate) fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.0.requests.with_label_values(&[route, method, &status.to_string()]).inc();
        self.0.seconds.with_label_values(&[route]).observe(took.as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::expect_used, reason = "names and labels are constants, checked by every test")]
fn counter_vec(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("constant name and labels are valid")
}
