//! The figures of an edge, read from its admin address, for the demonstration page.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Time for the edge's answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of its answer.
const FIGURES_BYTES_MAX: usize = 1 << 20;

/// Names on the page and the metrics behind them, labels left out: those of one name are summed.
const SHOWN: &[(&str, &str)] = &[
    ("requests", "tidegate_edge_requests_total"),
    ("bytes_sent", "tidegate_edge_bytes_sent_total"),
    ("connections", "tidegate_edge_connections_open"),
    ("cache_objects", "tidegate_cache_objects"),
    ("cache_bytes", "tidegate_cache_bytes"),
    ("upstream_requests", "tidegate_upstream_requests_total"),
    ("link_hits", "tidegate_link_hits_total"),
    ("link_asked", "tidegate_link_forwarded_total"),
    ("link_filtered", "tidegate_link_filtered_total"),
    ("limited", "tidegate_limit_denied_total"),
    ("unsigned", "tidegate_sign_denied_total"),
    ("plugin_answers", "tidegate_plugin_answers_total"),
    ("revision", "tidegate_config_revision"),
];

/// What the page shows of an edge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Figures {
    /// Whether the edge could be asked.
    pub(crate) reachable: bool,
    /// Figures by name.
    pub(crate) figures: BTreeMap<String, f64>,
}

/// Asks edges.
#[derive(Clone)]
pub(crate) struct EdgeFigures(Client<HttpConnector, Empty<Bytes>>);

impl EdgeFigures {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build(HttpConnector::new()))
    }

    /// The figures of the edge with the admin address `admin` now; not reachable where it does not answer
    /// in time.
    pub(crate) async fn now(&self, admin: &str) -> Figures {
        match tokio::time::timeout(PATIENCE, self.text(admin)).await {
            Ok(Some(text)) => Figures { reachable: true, figures: read(&text) },
            _ => Figures::default(),
        }
    }

    async fn text(&self, admin: &str) -> Option<String> {
        let host = admin.trim_start_matches("http://").trim_end_matches('/');
        let request = Request::get(format!("http://{host}/metrics")).body(Empty::new()).ok()?;
        let response = self.0.request(request).await.ok()?;
        let body = Limited::new(response.into_body(), FIGURES_BYTES_MAX).collect().await.ok()?;
        String::from_utf8(body.to_bytes().to_vec()).ok()
    }
}

/// Reads the text format of Prometheus as far as it is needed: `name{labels} value`.
pub(crate) fn read(text: &str) -> BTreeMap<String, f64> {
    let mut out = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or("");
        let Some((shown, _)) = SHOWN.iter().find(|(_, metric)| *metric == name) else { continue };
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        *out.entry((*shown).to_owned()).or_insert(0.0) +=
            value.filter(|v| v.is_finite()).unwrap_or(0.0);
    }
    out
}
