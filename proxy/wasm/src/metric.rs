//! Numbers about plugins and numbers that plugins define.

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// Present value of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricValue {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(i64),
    /// Of a histogram.
    Histogram {
        /// Observations.
        count: u64,
        /// Sum of all observations.
        sum: u64,
        /// Upper bound and observations at or below it, ascending.
        buckets: Vec<(u64, u64)>,
    },
}

/// One series for `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Family name, within `[a-zA-Z0-9_]`, beginning with `tidegate_plugin_`.
    pub name: String,
    /// Labels; the plugin's name is always the first.
    pub labels: Vec<(&'static str, String)>,
    /// Kind.
    pub kind: MetricKind,
    /// Value.
    pub value: MetricValue,
}
