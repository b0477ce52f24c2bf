//! What one connection and one message may cost a node.

use std::time::Duration;

use serde::Deserialize;

use super::{duration, size};

/// What one connection and one message may cost. Every key of `[limits]` has a default that is safe
/// on the open internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeLimits {
    /// Client connections open at once; more are closed as they come.
    pub connections_max: u32,
    /// Connections open at once from one IPv4 address or one IPv6 /64. 0 is no limit.
    pub connections_per_client_max: u32,
    /// TLS handshakes under way at once.
    pub handshakes_max: u32,
    /// How long a TLS handshake, or a PROXY protocol header, may take.
    #[serde(deserialize_with = "duration")]
    pub handshake_timeout: Duration,
    /// Bytes of a request head; a larger one is answered 431. At most 65535.
    #[serde(deserialize_with = "size")]
    pub head_bytes_max: u64,
    /// Field lines of a request head; more are answered 431. At most 128.
    pub head_fields_max: usize,
    /// Bytes of a request target; a longer one is answered 414.
    #[serde(deserialize_with = "size")]
    pub target_bytes_max: u64,
    /// Bytes of a request body where the route says nothing; a larger one is answered 413.
    #[serde(deserialize_with = "size")]
    pub body_bytes_max: u64,
    /// Time from the first byte of a head to its last, however it trickles; then 408.
    #[serde(deserialize_with = "duration")]
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request.
    #[serde(deserialize_with = "duration")]
    pub keep_alive: Duration,
    /// Requests of one connection, after which it is closed in good order; 0 is no limit.
    pub requests_per_connection: u64,
    /// The longest silence of a client that owes body bytes, or takes none of what is sent to it.
    #[serde(deserialize_with = "duration")]
    pub idle_timeout: Duration,
    /// Waiting for a client that is free before its rate counts, in each direction of each message.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
    /// Bytes a second that a client must send of a request body, once the grace is used up: the
    /// time that counts is the time spent waiting for it. 0 is no limit.
    #[serde(deserialize_with = "size")]
    pub receive_rate_min: u64,
    /// Bytes a second that a client must take of a response, in the same way. 0 is no limit.
    #[serde(deserialize_with = "size")]
    pub send_rate_min: u64,
    /// How many nodes of this kind a request may have passed (`CDN-Loop`, RFC 8586); then 508.
    pub hops_max: usize,
    /// HTTP/2 connections.
    pub http2: Http2Limits,
}

/// What one HTTP/2 connection may cost (RFC 9113 section 10.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http2Limits {
    /// Streams open at the same time (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    pub streams_max: u32,
    /// Bytes of body that may be under way to the node on one stream.
    #[serde(deserialize_with = "size")]
    pub stream_window: u64,
    /// Bytes of body that may be under way to the node on one connection.
    #[serde(deserialize_with = "size")]
    pub connection_window: u64,
    /// Bytes of the compression table that a client may fill.
    #[serde(deserialize_with = "size")]
    pub header_table_bytes: u64,
    /// The time over which the following are counted, those of one field section aside. Beyond any
    /// of them the connection ends with ENHANCE_YOUR_CALM.
    #[serde(deserialize_with = "duration")]
    pub flood_window: Duration,
    /// Streams that ended in a reset before they were answered (rapid reset).
    pub early_resets_max: u32,
    /// Streams that ended in a reset at all.
    pub resets_max: u32,
    /// PING frames beyond one for each DATA frame sent.
    pub pings_max: u32,
    /// SETTINGS frames.
    pub settings_max: u32,
    /// Frames that carry nothing.
    pub empty_frames_max: u32,
    /// CONTINUATION frames of one field section.
    pub continuations_max: u32,
    /// WINDOW_UPDATE frames beyond three for each DATA frame sent.
    pub window_updates_max: u32,
    /// PRIORITY and PRIORITY_UPDATE frames.
    pub priority_updates_max: u32,
    /// Acknowledgements and resets that wait because the client does not read.
    pub replies_queued_max: u32,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            connections_per_client_max: 2_000,
            handshakes_max: 1_000,
            handshake_timeout: Duration::from_secs(10),
            head_bytes_max: 32 << 10,
            head_fields_max: 100,
            target_bytes_max: 8 << 10,
            body_bytes_max: 1 << 30,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            requests_per_connection: 100_000,
            idle_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            receive_rate_min: 240,
            send_rate_min: 240,
            hops_max: 10,
            http2: Http2Limits::default(),
        }
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams_max: 100,
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            header_table_bytes: 4096,
            flood_window: Duration::from_secs(10),
            early_resets_max: 200,
            resets_max: 1000,
            pings_max: 200,
            settings_max: 50,
            empty_frames_max: 200,
            continuations_max: 16,
            window_updates_max: 2000,
            priority_updates_max: 1000,
            replies_queued_max: 1000,
        }
    }
}
