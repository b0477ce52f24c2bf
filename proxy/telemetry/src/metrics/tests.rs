use super::{Samples, Source, metrics_markdown, prometheus_text, register_source};
use crate::{Counter, Gauge, Phase, Reason, StatusClass};

struct Fixed;

impl Source for Fixed {
    fn collect(&self, samples: &mut Samples) {
        samples.counter("tidegate_plugin_custom_total", "h", &[("plugin", "a\"b")], 2.0);
        samples.counter("tidegate_plugin_custom_total", "h", &[("plugin", "c")], 3.0);
        samples.gauge("tidegate_table_size", "h", &[], 7.0);
    }
}

#[test]
fn the_text_holds_the_table_and_the_sources() {
    register_source(Box::new(Fixed));
    Counter::TlsResumed.add(3);
    Gauge::PluginsLoaded.set(-2);
    Reason::LoopDetected.inc();
    StatusClass::Informational.inc();
    Phase::Upgrade.count(20);
    let text = prometheus_text();
    for line in [
        "# TYPE tidegate_edge_requests_total counter",
        "tidegate_edge_tls_resumed_total 3",
        "tidegate_plugins_loaded -2",
        "tidegate_edge_reasons_total{reason=\"loop_detected\"} 1",
        "tidegate_edge_responses_total{class=\"1xx\"} 1",
        "tidegate_edge_request_duration_seconds_bucket{phase=\"upgrade\",le=\"0.000016\"} 0",
        "tidegate_edge_request_duration_seconds_bucket{phase=\"upgrade\",le=\"0.000032\"} 1",
        "tidegate_edge_request_duration_seconds_bucket{phase=\"upgrade\",le=\"+Inf\"} 1",
        "tidegate_edge_request_duration_seconds_count{phase=\"upgrade\"} 1",
        "tidegate_plugin_custom_total{plugin=\"a\\\"b\"} 2",
        "tidegate_plugin_custom_total{plugin=\"c\"} 3",
        "tidegate_table_size 7",
    ] {
        assert!(text.lines().any(|l| l == line), "missing: {line}\n{text}");
    }
    assert_eq!(text.matches("# TYPE tidegate_plugin_custom_total").count(), 1);
}

/// `TIDEGATE_BLESS=1 cargo test -p tidegate-telemetry` writes the page anew.
#[test]
fn the_page_in_docs_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let page = metrics_markdown();
    if std::env::var_os("TIDEGATE_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == page, "docs/metrics.md is behind the table: TIDEGATE_BLESS=1 cargo test");
}
