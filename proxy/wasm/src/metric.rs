//! Numbers about plugins and numbers that plugins define.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use hashbrown::HashMap;

/// Bounds of the buckets of plugins' histograms: powers of two.
const BUCKETS: usize = 24;

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

/// A metric that a plugin defined; all its instances, also of later versions, add to the same.
#[derive(Debug)]
pub(crate) struct Cell {
    name: String,
    pub(crate) kind: MetricKind,
    value: AtomicU64,
    sum: AtomicU64,
    buckets: Box<[AtomicU64]>,
}

impl Cell {
    fn new(name: &str, kind: MetricKind) -> Self {
        let buckets = if kind == MetricKind::Histogram { BUCKETS } else { 0 };
        Self {
            name: name.to_owned(),
            kind,
            value: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            buckets: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counters add, gauges take the value, histograms count the observation.
    pub(crate) fn record(&self, value: u64) {
        match self.kind {
            MetricKind::Counter => drop(self.value.fetch_add(value, Relaxed)),
            MetricKind::Gauge => self.value.store(value, Relaxed),
            MetricKind::Histogram => {
                self.value.fetch_add(1, Relaxed);
                self.sum.fetch_add(value, Relaxed);
                let bucket = (64 - value.saturating_sub(1).leading_zeros()) as usize;
                if let Some(bucket) = self.buckets.get(bucket) {
                    bucket.fetch_add(1, Relaxed);
                }
            }
        }
    }

    /// Adds; `false` for a negative step of a counter and for histograms.
    pub(crate) fn increment(&self, offset: i64) -> bool {
        let allowed = match self.kind {
            MetricKind::Counter => offset >= 0,
            MetricKind::Gauge => true,
            MetricKind::Histogram => false,
        };
        if allowed {
            self.value.fetch_add(offset.cast_unsigned(), Relaxed);
        }
        allowed
    }

    /// The value of a counter or gauge.
    pub(crate) fn value(&self) -> Option<u64> {
        (self.kind != MetricKind::Histogram).then(|| self.value.load(Relaxed))
    }

    fn sample(&self, plugin: &str) -> Sample {
        let value = self.value.load(Relaxed);
        let value = match self.kind {
            MetricKind::Counter => MetricValue::Counter(value),
            MetricKind::Gauge => MetricValue::Gauge(value.cast_signed()),
            MetricKind::Histogram => MetricValue::Histogram {
                count: value,
                sum: self.sum.load(Relaxed),
                buckets: self.cumulative(),
            },
        };
        let name = format!("tidegate_plugin_{}", clean(&self.name));
        Sample { name, labels: vec![("plugin", plugin.to_owned())], kind: self.kind, value }
    }

    fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut sum = 0;
        let bounds = self.buckets.iter().enumerate();
        bounds
            .map(|(power, bucket)| {
                sum += bucket.load(Relaxed);
                (1 << power, sum)
            })
            .collect()
    }
}

/// A name within what Prometheus allows.
fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Metrics of one plugin, by number and name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    cells: Vec<Arc<Cell>>,
    by_name: HashMap<String, usize>,
}

impl Registry {
    /// Defines a metric, or finds it by its name. `None` when there are too many, or when the name
    /// has another kind.
    pub(crate) fn define(&self, name: &str, kind: MetricKind, max: usize) -> Option<u32> {
        let mut inside = self.lock();
        if let Some(&index) = inside.by_name.get(name) {
            return (inside.cells[index].kind == kind).then_some(index).and_then(number);
        }
        let index = inside.cells.len();
        if index >= max {
            return None;
        }
        inside.cells.push(Arc::new(Cell::new(name, kind)));
        inside.by_name.insert(name.to_owned(), index);
        number(index)
    }

    /// All metrics so far, for an instance to keep.
    pub(crate) fn cells(&self) -> Vec<Arc<Cell>> {
        self.lock().cells.clone()
    }

    /// Series of all metrics.
    pub(crate) fn samples(&self, plugin: &str) -> Vec<Sample> {
        self.lock().cells.iter().map(|cell| cell.sample(plugin)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Numbers begin at 1: 0 is what careless modules pass.
fn number(index: usize) -> Option<u32> {
    u32::try_from(index + 1).ok()
}

/// A series about a plugin made by the host.
pub(crate) fn counter(name: &str, labels: Vec<(&'static str, String)>, value: u64) -> Sample {
    let value = MetricValue::Counter(value);
    Sample { name: format!("tidegate_plugin_{name}"), labels, kind: MetricKind::Counter, value }
}

/// A series about a plugin made by the host.
pub(crate) fn gauge(name: &str, labels: Vec<(&'static str, String)>, value: u64) -> Sample {
    let value = MetricValue::Gauge(i64::try_from(value).unwrap_or(i64::MAX));
    Sample { name: format!("tidegate_plugin_{name}"), labels, kind: MetricKind::Gauge, value }
}
