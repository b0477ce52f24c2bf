//! The server's own figures.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// The server's own figures.
pub(crate) struct Metrics {
    registry: Registry,
    refusals: IntCounterVec,
    /// Open watch streams.
    pub(crate) streams: IntGauge,
    /// Lines sent on watch streams.
    pub(crate) lines: IntCounter,
    /// Subscribers that had fallen behind and were brought up to date from the store.
    pub(crate) resyncs: IntCounter,
    revision: IntGauge,
    nodes_live: IntGauge,
    nodes_healthy: IntGauge,
    nodes_drifting: IntGauge,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone())).map(|()| counter)
        };
        let refusals = IntCounterVec::new(
            Opts::new("tidegate_control_refusals_total", "requests refused, by reason"),
            &["reason"],
        )?;
        registry.register(Box::new(refusals.clone()))?;
        Ok(Self {
            refusals,
            streams: gauge("tidegate_control_streams", "open watch streams")?,
            lines: counter("tidegate_control_lines_total", "lines sent on watch streams")?,
            resyncs: counter(
                "tidegate_control_resyncs_total",
                "subscribers brought up to date from the store",
            )?,
            revision: gauge("tidegate_control_revision", "newest revision of the spec")?,
            nodes_live: gauge("tidegate_control_nodes_live", "nodes heard of lately")?,
            nodes_healthy: gauge(
                "tidegate_control_nodes_healthy",
                "nodes on their target revision",
            )?,
            nodes_drifting: gauge("tidegate_control_nodes_drifting", "nodes on another revision")?,
            registry,
        })
    }

    pub(crate) fn refused(&self, reason: &str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    pub(crate) fn text(&self, list: &tidegate_control_api::NodeList) -> String {
        let count = |f: fn(&tidegate_control_api::Node) -> bool| {
            i64::try_from(list.nodes.iter().filter(|node| f(node)).count()).unwrap_or(i64::MAX)
        };
        let revision = list.revision.and_then(|revision| i64::try_from(revision).ok());
        self.revision.set(revision.unwrap_or(0));
        self.nodes_live.set(count(|node| node.live));
        self.nodes_healthy.set(count(|node| node.healthy));
        self.nodes_drifting.set(count(|node| node.drift));
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}
