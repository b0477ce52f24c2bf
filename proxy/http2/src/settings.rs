//! What a server announces, and what it bears from one client.

/// The settings of the server side of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Streams that a client may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS); 100.
    pub streams_max: u32,
    /// Request body bytes that may arrive on a stream before any is released
    /// (SETTINGS_INITIAL_WINDOW_SIZE); 256 KiB, at most 2^31-1.
    pub initial_stream_window_bytes: u32,
    /// Request body bytes that may arrive on the connection before any is released; 1 MiB, at
    /// least 65,535, at most 2^31-1.
    pub connection_window_bytes: u32,
    /// The largest frame taken (SETTINGS_MAX_FRAME_SIZE); 16,384, the least the standard allows.
    /// It bounds what the caller has to keep of a frame that arrives in pieces.
    pub frame_bytes_max: u32,
    /// Bytes of names and values in a field section; 32 KiB. A request beyond it is handed over as
    /// [`crate::Event::TooLarge`]. With `fields_max` it gives SETTINGS_MAX_HEADER_LIST_SIZE.
    pub head_bytes_max: u32,
    /// Field lines in a field section, the pseudo-header fields aside; 100.
    pub fields_max: u32,
    /// Bytes of the dynamic table for requests (SETTINGS_HEADER_TABLE_SIZE); 4,096.
    pub header_table_bytes: u32,
    /// Whether extended CONNECT (RFC 8441) is offered; off.
    pub extended_connect: bool,
    /// What a client may cost without doing anything useful.
    pub abuse: AbuseLimits,
}

/// How often a client may do within one window of time what costs it little and the server more.
/// Beyond a limit the connection ends with ENHANCE_YOUR_CALM (RFC 9113 10.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbuseLimits {
    /// Length of the window, microseconds; 10 s.
    pub window_us: u64,
    /// Streams that ended in a reset before they were answered, whether the client sent the reset
    /// (rapid reset, CVE-2023-44487) or provoked it (CVE-2025-8671); 200.
    pub early_resets: u32,
    /// Streams that ended in a reset at all; 1,000.
    pub resets: u32,
    /// PING frames beyond one for each DATA frame sent, since some clients measure with them; 200.
    pub pings: u32,
    /// SETTINGS frames; 50.
    pub settings: u32,
    /// Frames that carry nothing: DATA without bytes and END_STREAM, HEADERS and CONTINUATION
    /// without bytes, frames of unknown types; 200.
    pub empty_frames: u32,
    /// CONTINUATION frames in one field section, whatever the time (CVE-2024-27316); 16.
    pub continuations: u32,
    /// WINDOW_UPDATE frames beyond three for each DATA frame sent; 2,000.
    pub window_updates: u32,
    /// PRIORITY and PRIORITY_UPDATE frames; 1,000.
    pub priority_updates: u32,
    /// Answers to frames of the client (acknowledgements, resets) that wait because the client does
    /// not read; 1,000, whatever the time.
    pub replies_queued: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            streams_max: 100,
            initial_stream_window_bytes: 256 * 1024,
            connection_window_bytes: 1024 * 1024,
            frame_bytes_max: 16_384,
            head_bytes_max: 32 * 1024,
            fields_max: 100,
            header_table_bytes: 4096,
            extended_connect: false,
            abuse: AbuseLimits::default(),
        }
    }
}

impl Default for AbuseLimits {
    fn default() -> Self {
        Self {
            window_us: 10_000_000,
            early_resets: 200,
            resets: 1000,
            pings: 200,
            settings: 50,
            empty_frames: 200,
            continuations: 16,
            window_updates: 2000,
            priority_updates: 1000,
            replies_queued: 1000,
        }
    }
}
