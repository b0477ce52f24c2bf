//! Bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.

use std::sync::{Arc, OnceLock};

use crate::{
    Chain, Exchange, Host, HostConfig, LimitsConfig, Map, OnFailure, PluginConfig,
    workbench::FakeExchange,
};

/// Takes bytes for a module and, when it loads, takes a request through it. Whatever the module does,
/// the host comes back, in time, and keeps no request.
pub fn module(data: &[u8]) {
    let mut config = PluginConfig::new("fuzzed", data);
    config.on_failure = OnFailure::Closed;
    config.limits = LimitsConfig {
        callback_ms_max: 20,
        start_ms_max: 50,
        memory_bytes_max: 8 << 20,
        log_per_s_max: 1,
        traps_max: u32::MAX,
        ..LimitsConfig::default()
    };
    let Ok(plugin) = host().load(config) else { return };
    let chain = Chain::new(vec![plugin.clone()]);
    let mut exchange = FakeExchange::ordinary();
    let mut context = chain.begin();
    let _ = context.on_request_headers(&mut exchange, false);
    exchange.request_body = b"request body".to_vec();
    let _ = context.on_request_body(&mut exchange, true);
    let _ = context.on_response_headers(&mut exchange, false);
    exchange.response_body = b"response body".to_vec();
    let _ = context.on_response_body(&mut exchange, true);
    context.finish(&mut exchange);
    assert_eq!(plugin.status().streams, 0, "a request was kept");
    exchange.each_field(Map::RequestHeaders, &mut |name, value| {
        assert!(!name.is_empty() && crate::pairs::is_clean(name, value), "an unclean field");
    });
}

fn host() -> &'static Host {
    static HOST: OnceLock<Option<Arc<Host>>> = OnceLock::new();
    let host = HOST.get_or_init(|| Host::new(HostConfig::default()).ok());
    host.as_deref().expect("the engine starts")
}
