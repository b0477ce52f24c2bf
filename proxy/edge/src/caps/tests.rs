use std::sync::Arc;

use tidegate_spec::NodeLimits;
use tidegate_telemetry::ConnectionFault;

use super::Caps;

fn caps(connections_max: u32, connections_per_client_max: u32) -> Arc<Caps> {
    let limits = NodeLimits {
        connections_max,
        connections_per_client_max,
        handshakes_max: 1,
        ..NodeLimits::default()
    };
    Arc::new(Caps::new(limits))
}

#[test]
fn a_connection_that_closes_makes_room() {
    let caps = caps(2, 0);
    let (first, _second) = (caps.connection().ok(), caps.connection().ok());
    assert_eq!(caps.connection().err(), Some(ConnectionFault::TotalMax));
    assert_eq!(caps.open(), 2, "the refused one is not counted");
    drop(first);
    assert!(caps.connection().is_ok());
}

#[test]
fn one_client_cannot_take_the_room_of_others() {
    let caps = caps(100, 2);
    let client = |text: &str| caps.client(text.parse().unwrap());
    let held = [client("192.0.2.1"), client("192.0.2.1")];
    assert!(held.iter().all(Result::is_ok));
    assert_eq!(client("192.0.2.1").err(), Some(ConnectionFault::ClientMax));
    assert_eq!(client("::ffff:192.0.2.1").err(), Some(ConnectionFault::ClientMax), "the same one");
    assert!(client("192.0.2.2").is_ok());
    drop(held);
    assert!(client("192.0.2.1").is_ok(), "a refused connection leaves nothing behind");
}

#[test]
fn an_ipv6_network_of_one_customer_is_one_client() {
    let caps = caps(100, 1);
    let client = |text: &str| caps.client(text.parse().unwrap());
    let _held = client("2001:db8:0:1::1").ok().unwrap();
    assert_eq!(client("2001:db8:0:1:ffff::2").err(), Some(ConnectionFault::ClientMax));
    assert!(client("2001:db8:0:2::1").is_ok());
}

#[test]
fn handshakes_are_bounded() {
    let caps = caps(100, 1);
    let held = caps.handshake();
    assert!(held.is_ok());
    assert_eq!(caps.handshake().err(), Some(ConnectionFault::HandshakesMax));
    drop(held);
    assert!(caps.handshake().is_ok());
}
