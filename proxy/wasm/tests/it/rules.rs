//! The rules that ship, as built by plugins/build.

use std::{path::PathBuf, sync::Arc};

use tidegate_wasm::{Chain, Host, HostConfig, MetricValue, Phases, PluginConfig, Verdict};

use crate::world::Request;

/// A built rule. CI builds them first, so a missing one is a failure, not a reason to skip.
pub(crate) fn rule(name: &str) -> Vec<u8> {
    let dist = std::env::var_os("TIDEGATE_PLUGINS_DIST").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist")),
        PathBuf::from,
    );
    let path = dist.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run plugins/build first, or set TIDEGATE_PLUGINS_DIST", path.display())
    })
}

fn load(host: &Host, name: &str, json: &str) -> Chain {
    let mut config = PluginConfig::new(name, rule(name));
    config.configuration = json.into();
    Chain::new(vec![host.load(config).unwrap()])
}

fn counter(host: &Arc<Host>, family: &str) -> u64 {
    let sample = host.metrics().into_iter().find(|sample| sample.name == family);
    match sample.unwrap_or_else(|| panic!("no {family}")).value {
        MetricValue::Counter(value) => value,
        other => panic!("{family} is {other:?}"),
    }
}

#[test]
fn bad_bot_refuses_the_marked_and_counts_them() {
    let host = Host::new(HostConfig::default()).unwrap();
    let json =
        r#"{"user_agents": ["*badbot*"], "marks": [{"header": "x-demo-bot", "value": "1"}]}"#;
    let chain = load(&host, "bad_bot", json);
    assert!(chain.wants(Phases::REQUEST_HEADERS));
    assert!(!chain.wants(Phases::REQUEST_BODY.with(Phases::RESPONSE_HEADERS)));

    let mut ordinary = Request::get("/").with("user-agent", "Mozilla/5.0");
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut ordinary, true), Verdict::Continue);
    context.finish(&mut ordinary);

    for mut bot in [
        Request::get("/").with("user-agent", "BadBot/1"),
        Request::get("/").with("x-demo-bot", "1"),
    ] {
        let mut context = chain.begin();
        let Verdict::Answer(answer) = context.on_request_headers(&mut bot, true) else {
            panic!("not refused");
        };
        assert_eq!(answer.status, 403);
        assert_eq!(answer.plugin, "bad_bot");
        assert_eq!(answer.fields[0].1, b"application/problem+json");
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains(r#""status":403"#), "{body}");
        context.finish(&mut bot);
    }
    assert_eq!(counter(&host, "tidegate_plugin_bad_bot_refused"), 2);
    assert_eq!(counter(&host, "tidegate_plugin_answered_total"), 2);
    assert_eq!(host.plugins()[0].streams, 0);
}

#[test]
fn shadow_mode_only_counts() {
    let host = Host::new(HostConfig::default()).unwrap();
    let chain =
        load(&host, "header_check", r#"{"mode": "shadow", "header": "x-key", "refuse": "*"}"#);
    let mut request = Request::get("/").with("x-key", "any");
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut request, true), Verdict::Continue);
    let labels: Vec<_> = context.labels().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(labels, ["shadow.header_check"]);
    context.finish(&mut request);
    assert_eq!(counter(&host, "tidegate_plugin_header_check_shadowed"), 1);
}

#[test]
fn a_wrong_configuration_is_refused_with_the_reason() {
    let host = Host::new(HostConfig::default()).unwrap();
    let mut config = PluginConfig::new("bad_bot", rule("bad_bot"));
    config.configuration = br#"{"user_agent": "x"}"#.to_vec();
    let error = host.load(config).unwrap_err().to_string();
    assert!(error.contains("user_agent") && error.contains("proxy_on_configure"), "{error}");
}

#[test]
fn a_rule_in_c_without_an_sdk_works() {
    let host = Host::new(HostConfig::default()).unwrap();
    let module = include_bytes!("../testdata/maintenance.wasm").as_slice();
    for json in ["/shop\n/checkout", r#""/shop\n/checkout""#] {
        let mut config = PluginConfig::new("maintenance", module);
        config.configuration = json.into();
        let chain = Chain::new(vec![host.load(config).unwrap()]);
        // The third time the context has been used before.
        for (path, expected) in
            [("/", None), ("/shop/1?x=1", Some(503)), ("/sho", None), ("/checkout", Some(503))]
        {
            let mut request = Request::get(path);
            let mut context = chain.begin();
            let status = match context.on_request_headers(&mut request, true) {
                Verdict::Answer(answer) => {
                    assert_eq!(answer.fields, [(b"retry-after".to_vec(), b"600".to_vec())]);
                    Some(answer.status)
                }
                _ => None,
            };
            assert_eq!(status, expected, "{path}");
            context.finish(&mut request);
        }
    }
}
