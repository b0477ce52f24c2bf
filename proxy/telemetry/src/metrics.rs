//! The table as Prometheus and as Markdown see it.

use std::{
    fmt::Write,
    sync::{Mutex, PoisonError},
};

use prometheus::{
    TextEncoder,
    proto::{
        Bucket, Counter as ProtoCounter, Gauge as ProtoGauge, Histogram, LabelPair, Metric,
        MetricFamily, MetricType,
    },
};

use crate::{ConnectionFault, Counter, Gauge, Phase, Reason, StatusClass, shard};

/// Something that brings its own families to `/metrics`: plugins with their counters, tables with
/// their sizes.
pub trait Source: Send + Sync {
    /// Adds what there is now. Called at each scrape; must not wait for long.
    fn collect(&self, samples: &mut Samples);
}

/// What the sources bring: families by name, samples in the order they came.
#[derive(Default)]
pub struct Samples {
    families: Vec<MetricFamily>,
}

static SOURCES: Mutex<Vec<Box<dyn Source>>> = Mutex::new(Vec::new());

/// Adds a source for the life of the process.
pub fn register_source(source: Box<dyn Source>) {
    SOURCES.lock().unwrap_or_else(PoisonError::into_inner).push(source);
}

/// Everything in the Prometheus text format, version 0.0.4.
pub fn prometheus_text() -> String {
    let mut samples = Samples::default();
    table_families(&mut samples);
    for source in SOURCES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        source.collect(&mut samples);
    }
    // The encoder refuses a family without samples or name; neither can be built here.
    TextEncoder::new().encode_to_string(&samples.families).unwrap_or_default()
}

/// The table as a page of documentation.
pub fn metrics_markdown() -> String {
    let mut page = String::from(HEADING);
    section(&mut page, "Counters", Counter::ALL.iter().map(|c| (c.as_str(), c.help())));
    section(&mut page, "Gauges", Gauge::ALL.iter().map(|g| (g.as_str(), g.help())));
    let families = FAMILIES.iter().map(|(name, help, _)| (*name, *help));
    section(&mut page, "Families with labels", families.chain(SOURCED));
    section(&mut page, "Values of `phase`", Phase::ALL.iter().map(|p| (p.as_str(), p.help())));
    section(&mut page, "Values of `reason`", Reason::ALL.iter().map(|r| (r.as_str(), r.help())));
    section(
        &mut page,
        "Values of `fault`",
        ConnectionFault::ALL.iter().map(|f| (f.as_str(), f.help())),
    );
    section(
        &mut page,
        "Values of `class`",
        StatusClass::ALL.iter().map(|c| (c.as_str(), c.help())),
    );
    page
}

const HEADING: &str = "# Metrics and reasons

What `/metrics` shows, and the words that stand in the access log. This page is printed from the table in
`proxy/telemetry/src/table.rs`; a test keeps the two equal.
";

/// Families with a label: name, help, label.
const FAMILIES: [(&str, &str, &str); 4] = [
    (
        "tidegate_edge_responses_total",
        "Responses by class of status code (label `class`).",
        "class",
    ),
    (
        "tidegate_edge_reasons_total",
        "Requests that ended otherwise than asked for, by reason (label `reason`).",
        "reason",
    ),
    (
        "tidegate_edge_connections_failed_total",
        "Connections that ended before their first request, by reason (label `fault`).",
        "fault",
    ),
    (
        "tidegate_edge_request_duration_seconds",
        "Time from the complete head to the last byte, by phase (label `phase`), a histogram.",
        "phase",
    ),
];

/// Families that sources bring: name, help.
const SOURCED: [(&str, &str); 1] = [(
    "tidegate_edge_certificate_expiry_unix_seconds",
    "Last second of a certificate's validity, by its name (label `certificate`).",
)];

impl Samples {
    /// Adds a sample of a counter.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let mut counter = ProtoCounter::default();
        counter.set_value(value);
        let mut metric = labelled(labels);
        metric.set_counter(counter);
        self.add(name, help, MetricType::COUNTER, metric);
    }

    /// Adds a sample of a gauge.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let mut gauge = ProtoGauge::default();
        gauge.set_value(value);
        let mut metric = labelled(labels);
        metric.set_gauge(gauge);
        self.add(name, help, MetricType::GAUGE, metric);
    }

    fn add(&mut self, name: &str, help: &str, kind: MetricType, metric: Metric) {
        if let Some(family) = self.families.iter_mut().find(|family| family.name() == name) {
            family.mut_metric().push(metric);
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(vec![metric]);
        self.families.push(family);
    }
}

fn table_families(samples: &mut Samples) {
    for counter in Counter::ALL {
        samples.counter(counter.as_str(), counter.help(), &[], counter.value() as f64);
    }
    for gauge in Gauge::ALL {
        samples.gauge(gauge.as_str(), gauge.help(), &[], gauge.value() as f64);
    }
    let [classes, reasons, faults, durations] = FAMILIES;
    for class in StatusClass::ALL {
        samples.counter(classes.0, classes.1, &[(classes.2, class.as_str())], class.value() as f64);
    }
    for reason in Reason::ALL {
        samples.counter(
            reasons.0,
            reasons.1,
            &[(reasons.2, reason.as_str())],
            reason.value() as f64,
        );
    }
    for fault in ConnectionFault::ALL {
        samples.counter(faults.0, faults.1, &[(faults.2, fault.as_str())], fault.value() as f64);
    }
    for phase in Phase::ALL {
        let mut metric = labelled(&[(durations.2, phase.as_str())]);
        metric.set_histogram(histogram(*phase));
        samples.add(durations.0, durations.1, MetricType::HISTOGRAM, metric);
    }
}

fn histogram(phase: Phase) -> Histogram {
    let at = shard::DURATIONS + phase as usize * shard::DURATION_CELLS;
    let mut count = 0;
    let mut buckets = Vec::with_capacity(shard::BUCKETS);
    for index in 0..shard::BUCKETS {
        count += shard::sum(at + index);
        let Some(bound_us) = shard::bucket_bound_us(index) else { continue };
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound_us as f64 / 1e6);
        bucket.set_cumulative_count(count);
        buckets.push(bucket);
    }
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(count);
    histogram.set_sample_sum(shard::sum(at + shard::DURATION_SUM) as f64 / 1e6);
    histogram
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |&(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

fn section<'t>(page: &mut String, title: &str, rows: impl Iterator<Item = (&'t str, &'t str)>) {
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## {title}\n\n| name | meaning |\n|---|---|\n");
    for (name, help) in rows {
        let _ = writeln!(page, "| `{name}` | {help} |");
    }
}

#[cfg(test)]
mod tests;
