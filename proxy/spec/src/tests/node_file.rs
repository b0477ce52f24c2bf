use std::time::Duration;

use crate::NodeConfig;

#[test]
fn an_empty_node_file_has_every_default() {
    assert_eq!(NodeConfig::parse("").unwrap(), NodeConfig::default());
}

#[test]
fn sizes_and_durations_are_written_with_units() {
    let config = NodeConfig::parse("drain = \"5s\"\n[cache]\nmemory = \"1GiB\"\n").unwrap();
    assert_eq!(config.drain, Duration::from_secs(5));
    assert_eq!(config.cache.memory, 1 << 30);
    assert_eq!(config.cache.links, 64 << 20, "the rest keeps its default");
}

#[test]
fn an_unknown_key_is_an_error_with_its_place() {
    let error = NodeConfig::parse("data = \"x\"\nthread = 2\n").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("thread"), "{error}");
    let error = NodeConfig::parse("[cache]\nmemory = \"lots\"\n").unwrap_err().to_string();
    assert!(error.contains("expected a size such as 256MiB"), "{error}");
}

#[test]
fn the_token_does_not_reach_a_log() {
    let text = "[control_plane]\nurl = \"http://a\"\ntoken = \"hush\"\n";
    let config = NodeConfig::parse(text).unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}
