//! What the groups have counted, for `/metrics`.

use std::sync::Weak;

use tidegate_telemetry::{Samples, Source};

use crate::group::{GroupStats, ServerStats};
use crate::upstreams::Upstreams;

/// The families of one set of upstreams; ends with it.
pub(crate) struct Families(pub(crate) Weak<Upstreams>);

impl Source for Families {
    fn collect(&self, samples: &mut Samples) {
        let Some(upstreams) = self.0.upgrade() else { return };
        for group in upstreams.stats() {
            of_group(samples, &group);
            for server in &group.servers {
                of_server(samples, &group.group, server);
            }
        }
    }
}

fn of_group(samples: &mut Samples, group: &GroupStats) {
    let labels = [("group", group.group.as_str())];
    let mut counter = |name: &str, help: &str, value: u64| {
        #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floating point")]
        samples.counter(name, help, &labels, value as f64);
    };
    counter("tidegate_upstream_group_exchanges_total", "Exchanges begun.", group.exchanges);
    counter("tidegate_upstream_group_faults_total", "Exchanges that failed.", group.faults);
    counter("tidegate_upstream_group_retries_total", "Tries beyond the first.", group.retries);
    counter(
        "tidegate_upstream_group_retries_refused_total",
        "Retries that the budget refused.",
        group.retries_refused,
    );
    counter(
        "tidegate_upstream_group_refused_total",
        "Exchanges refused because the group was full or had no server.",
        group.refused,
    );
}

fn of_server(samples: &mut Samples, group: &str, server: &ServerStats) {
    let labels = [("group", group), ("server", &*server.server)];
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floating point")]
    let float = |value: u64| value as f64;
    samples.gauge(
        "tidegate_upstream_server_available",
        "1 while the server may be chosen.",
        &labels,
        f64::from(u8::from(server.available)),
    );
    samples.gauge(
        "tidegate_upstream_server_in_flight",
        "Tries under way at the server.",
        &labels,
        f64::from(server.under_way),
    );
    samples.counter(
        "tidegate_upstream_server_tries_total",
        "Tries sent to the server.",
        &labels,
        float(server.tries),
    );
    samples.counter(
        "tidegate_upstream_server_faults_total",
        "Tries at the server that failed.",
        &labels,
        float(server.faults),
    );
    samples.counter(
        "tidegate_upstream_server_ejections_total",
        "Times the server was ejected.",
        &labels,
        float(server.ejected),
    );
}
