use std::time::Duration;

use crate::node_file::{Listener, Protocol, ProxyProtocol};
use crate::{Network, NodeConfig};

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
fn a_listener_says_what_it_speaks() {
    let text = "[[listeners]]\naddress = \"0.0.0.0:443\"\ntls = true\nprotocols = [\"http/1.1\"]\n\
                proxy_protocol = \"optional\"\nproxy_protocol_from = [\"10.0.0.0/8\"]\n";
    let listener = NodeConfig::parse(text).unwrap().listeners.remove(0);
    assert!(listener.tls);
    assert_eq!(listener.protocols, [Protocol::Http1]);
    assert_eq!(listener.proxy_protocol, ProxyProtocol::Optional);
    assert_eq!(listener.backlog, 4096);
    let plain = NodeConfig::parse("[[listeners]]\naddress = \"unix:/run/x\"\n").unwrap();
    assert_eq!(plain.listeners, [Listener::plain("unix:/run/x")]);
    let text = "[[listeners]]\naddress = \"a:1\"\nproxy_protocol = \"maybe\"\n";
    let error = NodeConfig::parse(text).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("\"optional\""), "{error}");
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

#[test]
fn limits_have_defaults_one_by_one() {
    let text = "[limits]\nhead_timeout = \"3s\"\n[limits.http2]\nstreams_max = 10\n";
    let limits = NodeConfig::parse(text).unwrap().limits;
    assert_eq!(limits.head_timeout, Duration::from_secs(3));
    assert_eq!(limits.http2.streams_max, 10);
    let defaults = NodeConfig::default().limits;
    assert_eq!(limits.body_bytes_max, defaults.body_bytes_max);
    assert_eq!(limits.http2.resets_max, defaults.http2.resets_max);
    let error = NodeConfig::parse("[limits]\nhead_bytes = 3\n").unwrap_err().to_string();
    assert!(error.contains("head_bytes"), "{error}");
}

#[test]
fn networks_hold_their_addresses_and_no_others() {
    let holds = |network: &str, address: &str| {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    };
    assert!(holds("10.0.0.0/8", "10.255.0.1"));
    assert!(!holds("10.0.0.0/8", "11.0.0.1"));
    assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "a mapped address is the IPv4 address");
    assert!(holds("0.0.0.0/0", "192.0.2.1"));
    assert!(!holds("0.0.0.0/0", "2001:db8::1"));
    assert!(!holds("::/0", "192.0.2.1"));
    assert!(holds("2001:db8::/32", "2001:db8:1::1"));
    assert!(holds("192.0.2.1", "192.0.2.1"));
    assert!(!holds("192.0.2.1", "192.0.2.2"));
    for wrong in ["10.0.0.1/8", "10.0.0.0/33", "::/129", "ten", "10.0.0.0/", ""] {
        assert!(wrong.parse::<Network>().is_err(), "{wrong}");
    }
    assert_eq!("10.0.0.0/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
}
