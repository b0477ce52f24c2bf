//! The table: every metric and every label value with one sentence each.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::shard;

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($name:ident = $word:literal, $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $type { $(#[doc = $help] $name,)* }

        impl $type {
            /// Every value, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word used in metric, log and doc.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// One sentence for people.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

words! {
    /// Something that only grows.
    Counter {
        ConnectionsAccepted = "tidegate_edge_connections_accepted_total", "Client connections accepted.";
        ConnectionsRefused = "tidegate_edge_connections_refused_total", "Client connections closed at once because a limit was reached.";
        ConnectionsIdleClosed = "tidegate_edge_connections_idle_closed_total", "Kept-alive connections closed for want of a request.";
        RequestsTotal = "tidegate_edge_requests_total", "Requests answered, however they ended.";
        RequestsHttp2 = "tidegate_edge_requests_http2_total", "Requests that came over HTTP/2.";
        RequestsSlowLane = "tidegate_edge_requests_slow_lane_total", "Requests that had to wait for something and left the fast lane.";
        BytesSent = "tidegate_edge_bytes_sent_total", "Bytes of response heads and bodies sent to clients.";
        BytesReceived = "tidegate_edge_bytes_received_total", "Bytes of request heads and bodies received from clients.";
        ClientsGone = "tidegate_edge_clients_gone_total", "Requests whose client went away before the end.";
        TlsHandshakes = "tidegate_edge_tls_handshakes_total", "TLS handshakes completed.";
        TlsHandshakesFailed = "tidegate_edge_tls_handshakes_failed_total", "TLS handshakes that failed.";
        TlsReloads = "tidegate_edge_tls_reloads_total", "Certificates read again after their files changed.";
        TlsReloadsFailed = "tidegate_edge_tls_reloads_failed_total", "Changed certificate files that could not be used; those before are still shown.";
        TlsResumed = "tidegate_edge_tls_resumed_total", "TLS handshakes that resumed a session.";
        CacheFills = "tidegate_cache_fills_total", "Fetches made to fill the cache.";
        CacheFillsJoined = "tidegate_cache_fills_joined_total", "Requests that joined a fill already under way.";
        CacheFillsFailed = "tidegate_cache_fills_failed_total", "Fills that ended before the object was whole.";
        CacheStores = "tidegate_cache_stores_total", "Objects stored.";
        CacheRevalidations = "tidegate_cache_revalidations_total", "Stored objects confirmed by the origin.";
        CacheEvictions = "tidegate_cache_evictions_total", "Objects evicted for room.";
        CacheAdmissionsRefused = "tidegate_cache_admissions_refused_total", "Objects not stored because of size or admission policy.";
        CacheDiskCorrupt = "tidegate_cache_disk_corrupt_total", "Records of the disk tier that failed their checksum and were not served.";
        CompressedObjects = "tidegate_edge_compressed_objects_total", "Stored responses coded once, to be sent often.";
        CompressedStreams = "tidegate_edge_compressed_streams_total", "Responses coded on their way to the client.";
        Purges = "tidegate_cache_purges_total", "Purges applied.";
        UpstreamRequests = "tidegate_upstream_requests_total", "Requests sent upstream, retries included.";
        UpstreamConnections = "tidegate_upstream_connections_total", "Upstream connections opened.";
        UpstreamReused = "tidegate_upstream_reused_total", "Upstream requests that found a kept connection.";
        UpstreamRetries = "tidegate_upstream_retries_total", "Upstream requests that were retries.";
        UpstreamFailures = "tidegate_upstream_failures_total", "Upstream exchanges that failed.";
        UpstreamTimeouts = "tidegate_upstream_timeouts_total", "Upstream exchanges given up for lateness.";
        UpstreamEjections = "tidegate_upstream_ejections_total", "Times a server was taken out of rotation.";
        LimitAllowed = "tidegate_limit_allowed_total", "Requests that passed every limit that applied.";
        LimitDenied = "tidegate_limit_denied_total", "Requests denied by a limit.";
        LimitShadowed = "tidegate_limit_shadowed_total", "Times a limit would have denied a request, were it enforced.";
        LimitDegraded = "tidegate_limit_degraded_total", "Decisions made without the shared counts, which were out of reach.";
        LimitAsks = "tidegate_limit_asks_total", "Calls to the shared counts that requests waited for.";
        LimitReports = "tidegate_limit_reports_total", "Reports to the shared counts.";
        LimitReportsFailed = "tidegate_limit_reports_failed_total", "Reports to the shared counts that failed.";
        LimitLedgerFull = "tidegate_limit_ledger_full_total", "Requests whose shared key had no room on the node.";
        LimitEvictions = "tidegate_limit_evictions_total", "Limit keys forgotten for room in the table.";
        AnomalyClients = "tidegate_anomaly_clients_found_total", "Clients that stood out.";
        AnomalyRoutes = "tidegate_anomaly_routes_found_total", "Times a route stood out.";
        AnomalyShadowed = "tidegate_anomaly_shadowed_total", "Clients for whom it was counted what a tighter limit would deny.";
        AnomalyTightened = "tidegate_anomaly_tightened_total", "Clients whose limit was tightened for a while.";
        AnomalyHeldBack = "tidegate_anomaly_held_back_total", "Clients not tightened because as many were as may be at the same time.";
        AnomalyReleased = "tidegate_anomaly_released_total", "Clients released because they kept quiet or their time was up.";
        AnomalyWouldDeny = "tidegate_anomaly_would_deny_total", "Requests that passed, which a tighter limit in shadow would have denied.";
        AnomalyDenied = "tidegate_anomaly_denied_total", "Requests denied by a tightened limit.";
        SignatureVerified = "tidegate_sign_verified_total", "Signed requests that verified.";
        SignatureDenied = "tidegate_sign_denied_total", "Requests denied for want of a valid signature.";
        MediaReports = "tidegate_media_reports_total", "Requests with which players said something about themselves (CMCD).";
        MediaStarved = "tidegate_media_starved_total", "Reports of a buffer that ran empty.";
        MediaStarting = "tidegate_media_starting_total", "Reports of an object that is needed to start or to go on.";
        MediaBufferReports = "tidegate_media_buffer_reports_total", "Reports of a buffer's length.";
        MediaBufferMs = "tidegate_media_buffer_milliseconds_total", "Sum of the buffers reported, in milliseconds.";
        MediaBitrateReports = "tidegate_media_bitrate_reports_total", "Reports of a bitrate.";
        MediaBitrateKbps = "tidegate_media_bitrate_kbps_total", "Sum of the bitrates reported, in kbit/s.";
        MediaStartupReports = "tidegate_media_startup_reports_total", "Reports of a time to the first frame.";
        MediaStartupMs = "tidegate_media_startup_milliseconds_total", "Sum of the times to the first frame, in milliseconds.";
        MediaPrefetches = "tidegate_media_prefetches_total", "Fetches ahead of players.";
        MediaSlices = "tidegate_media_slices_total", "Slices of large files fetched.";
        MediaStandby = "tidegate_media_standby_total", "Fetches that went to a standby upstream after a failure.";
        LinkHits = "tidegate_link_hits_total", "Short links answered from the table on the node.";
        LinkForwarded = "tidegate_link_forwarded_total", "Short links asked of the links service.";
        LinkFiltered = "tidegate_link_filtered_total", "Short links refused by the filter without asking the service.";
        PluginCalls = "tidegate_plugin_calls_total", "Callbacks made into plugins.";
        PluginAnswers = "tidegate_plugin_answers_total", "Requests answered by a plugin.";
        ConfigApplied = "tidegate_config_applied_total", "Configurations put in force.";
        ConfigRejected = "tidegate_config_rejected_total", "Configurations refused.";
        ConfigReverted = "tidegate_config_reverted_total", "Configurations taken back after they were put in force.";
        WatchReconnects = "tidegate_watch_reconnects_total", "Times the stream from the control plane was opened anew.";
        TableUpdates = "tidegate_table_updates_total", "Updates of pushed tables applied.";
        AccessRecordsWritten = "tidegate_access_records_written_total", "Access records handed to the log.";
        AccessRecordsDropped = "tidegate_access_records_dropped_total", "Access records dropped because the queue was full.";
        AccessWriteErrors = "tidegate_access_write_errors_total", "Writes of the access log that failed.";
        Panics = "tidegate_panics_total", "Panics caught while a request was served.";
    }
}

words! {
    /// Something that rises and falls.
    Gauge {
        StartTime = "tidegate_start_time_seconds", "Unix time at which the process started.";
        ConnectionsOpen = "tidegate_edge_connections_open", "Client connections open.";
        RequestsInFlight = "tidegate_edge_requests_in_flight", "Requests being served in the slow lane.";
        Draining = "tidegate_edge_draining", "1 while the node takes no new connections.";
        ConfigRevision = "tidegate_config_revision", "Revision of the configuration in force.";
        ControlPlaneConnected = "tidegate_control_plane_connected", "1 while the stream from the control plane is open.";
        CacheBytes = "tidegate_cache_bytes", "Bytes held by the memory tier.";
        CacheObjects = "tidegate_cache_objects", "Objects held by the memory tier.";
        CacheDiskOn = "tidegate_cache_disk_on", "1 while the disk tier works; 0 after the first error of its file system, and without one.";
        CacheDiskBytes = "tidegate_cache_disk_bytes", "Bytes held by the disk tier.";
        CacheDiskObjects = "tidegate_cache_disk_objects", "Objects held by the disk tier.";
        CacheFillsOpen = "tidegate_cache_fills_open", "Fills under way.";
        UpstreamInFlight = "tidegate_upstream_in_flight", "Upstream exchanges under way.";
        LinkEntries = "tidegate_link_entries", "Short links in the table on the node.";
        LimitKeys = "tidegate_limit_keys", "Keys in the limit table.";
        LimitStoresAlone = "tidegate_limit_stores_alone", "Stores of shared counts that are out of reach: this node decides alone.";
        LimitDelayed = "tidegate_limit_delayed", "Requests that wait for their turn under a leaky bucket.";
        AnomalyClientsObserved = "tidegate_anomaly_clients_observed", "Clients that stand out and about whom nothing is done.";
        AnomalyClientsShadow = "tidegate_anomaly_clients_shadow", "Clients for whom it is counted what a tighter limit would deny.";
        AnomalyClientsTightened = "tidegate_anomaly_clients_tightened", "Clients whose limit is tightened.";
        PluginsLoaded = "tidegate_plugins_loaded", "Plugins in force.";
    }
}

words! {
    /// How a request was answered: one word in Cache-Status, log and metric.
    Phase {
        Hit = "hit", "From the cache, fresh.";
        Stale = "stale", "From the cache, past its freshness.";
        Revalidated = "revalidated", "From the cache, after the origin confirmed it.";
        Miss = "miss", "From the origin, by way of the cache.";
        Pass = "pass", "From the origin, the cache not being asked.";
        Upgrade = "upgrade", "The connection was handed over to another protocol.";
        Respond = "respond", "By the route's own text.";
        Redirect = "redirect", "By a redirect rule.";
        Link = "link", "By a short link.";
        Plugin = "plugin", "By a plugin.";
        Denied = "denied", "Denied for want of a valid signature or token.";
        Limited = "limited", "Denied by a limit.";
        Unrouted = "unrouted", "No site or route takes it.";
        Refused = "refused", "The bytes of the request broke a rule of HTTP.";
        Fault = "fault", "Something failed upstream or here.";
        Purge = "purge", "A purge carried out by request.";
    }
}

words! {
    /// The class of a status code.
    StatusClass {
        Informational = "1xx", "100 to 199.";
        Success = "2xx", "200 to 299.";
        Redirection = "3xx", "300 to 399.";
        ClientError = "4xx", "400 to 499.";
        ServerError = "5xx", "500 to 599.";
    }
}

words! {
    /// Why a connection ended before its first request.
    ConnectionFault {
        TotalMax = "connections_max", "As many connections are open as the node allows.";
        ClientMax = "client_connections_max", "The client has as many connections open as one address may.";
        HandshakesMax = "handshakes_max", "As many TLS handshakes are under way as the node allows.";
        ProxyTimeout = "proxy_header_timeout", "The PROXY protocol header did not arrive in time.";
        ProxyInvalid = "proxy_header_invalid", "The PROXY protocol header is missing or malformed.";
        ProxyUntrusted = "proxy_header_untrusted", "A network that may not send PROXY protocol headers.";
        HandshakeTimeout = "handshake_timeout", "The TLS handshake took too long.";
        HandshakeNotTls = "handshake_not_tls", "What came is not TLS.";
        HandshakeNothingInCommon = "handshake_nothing_in_common", "No version, cipher suite or protocol that both sides speak.";
        HandshakeNameUnknown = "handshake_name_unknown", "No certificate has the name asked for.";
        HandshakeClientCertificate = "handshake_client_certificate", "The client's certificate is not good.";
        HandshakeRefusedByClient = "handshake_refused_by_client", "The client ended the TLS handshake with an alert.";
        HandshakeClientGone = "handshake_client_gone", "The client went away during the TLS handshake.";
        HandshakeOther = "handshake_other", "The TLS handshake failed otherwise.";
        ProtocolUnspoken = "protocol_unspoken", "HTTP/2 on a listener that does not speak it.";
    }
}

words! {
    /// Why a request ended otherwise than asked for.
    Reason {
        // Bytes of the request (the words of `tidegate_http::Refusal`).
        RequestLine = "request_line", "The request line cannot be read.";
        MethodInvalid = "method_invalid", "The method is not a token.";
        ConnectRefused = "connect_refused", "CONNECT is not implemented.";
        TraceRefused = "trace_refused", "TRACE is not implemented.";
        VersionInvalid = "version_invalid", "The protocol version cannot be read.";
        VersionUnsupported = "version_unsupported", "The protocol version is not spoken.";
        TargetTooLong = "target_too_long", "The request target is longer than the limit.";
        TargetBytes = "target_bytes", "The request target holds an illegal byte.";
        TargetPercent = "target_percent", "The path holds a malformed percent-encoding.";
        TargetNul = "target_nul", "The path holds an encoded NUL.";
        TargetForm = "target_form", "The request target has no known form.";
        SchemeInvalid = "scheme_invalid", "The scheme of the target is not http or https.";
        SchemeMisdirected = "scheme_misdirected", "An https target came without TLS.";
        BareLf = "bare_lf", "A line ends in LF without CR.";
        BareCr = "bare_cr", "A CR is not followed by LF.";
        ObsFold = "obs_fold", "A field line is folded.";
        SpaceBeforeColon = "space_before_colon", "Whitespace between field name and colon.";
        FieldName = "field_name", "A field name is not a token.";
        FieldValue = "field_value", "A field value holds a control byte.";
        HeadTooLarge = "head_too_large", "The head has more bytes than the limit.";
        FieldsTooMany = "fields_too_many", "The head has more lines than the limit.";
        HostMissing = "host_missing", "No Host field.";
        HostRepeated = "host_repeated", "More than one Host field.";
        HostInvalid = "host_invalid", "The host is not a host.";
        ClientCertificateMissing = "client_certificate_missing", "The site wants a client certificate, and none was shown.";
        Misdirected = "misdirected", "The site wants a client certificate that this connection was not asked for.";
        HostConflict = "host_conflict", "Host and the authority of the target differ.";
        LengthWithEncoding = "length_with_encoding", "Content-Length together with Transfer-Encoding.";
        LengthRepeated = "length_repeated", "More than one Content-Length.";
        LengthInvalid = "length_invalid", "Content-Length is not a number.";
        EncodingRepeated = "encoding_repeated", "More than one Transfer-Encoding, or chunked twice.";
        EncodingInvalid = "encoding_invalid", "Transfer-Encoding does not end in chunked.";
        EncodingUnsupported = "encoding_unsupported", "A transfer coding that is not understood.";
        EncodingInHttp10 = "encoding_in_http10", "Transfer-Encoding in HTTP/1.0.";
        ConnectionNamesFraming = "connection_names_framing", "Connection names Host or Content-Length.";
        ExpectationUnknown = "expectation_unknown", "An expectation other than 100-continue.";
        StatusLine = "status_line", "The status line of an origin cannot be read.";
        ChunkSize = "chunk_size", "A chunk size cannot be read.";
        ChunkExtension = "chunk_extension", "A chunk extension is malformed or too long.";
        ChunkEnd = "chunk_end", "Chunk data is not followed by CRLF.";
        TrailerInvalid = "trailer_invalid", "The trailer section is malformed.";
        TrailerTooLarge = "trailer_too_large", "The trailer section is too large.";
        H2Pseudo = "h2_pseudo", "A pseudo-header field is missing or malformed.";
        H2ConnectionField = "h2_connection_field", "A connection-specific field in HTTP/2.";
        H2FieldCase = "h2_field_case", "An HTTP/2 field name in upper case.";
        // The client's pace and amounts.
        HeadTimeout = "head_timeout", "The head did not arrive in time.";
        BodyTimeout = "body_timeout", "The request body arrived too slowly.";
        BodyTooLarge = "body_too_large", "The request body is larger than the limit.";
        BodyTruncated = "body_truncated", "The request body ended early.";
        SendTimeout = "send_timeout", "The client read too slowly.";
        ClientGone = "client_gone", "The client went away.";
        Overloaded = "overloaded", "The node has no room for the request.";
        LoopDetected = "loop_detected", "The request has been here before.";
        // Routing.
        HostUnknown = "host_unknown", "No site has this host.";
        RouteUnknown = "route_unknown", "No route of the site takes this path.";
        MethodRefused = "method_refused", "The route does not take this method.";
        LinkUnknown = "link_unknown", "No short link has this code.";
        LinkGone = "link_gone", "The short link has expired or was taken down.";
        // Decisions.
        SignatureMissing = "signature_missing", "The route wants a signature and there is none.";
        SignatureMalformed = "signature_malformed", "The signature cannot be read.";
        SignatureInvalid = "signature_invalid", "The signature does not match.";
        SignatureExpired = "signature_expired", "The signature is past its time.";
        SignatureEarly = "signature_early", "The signature is not valid yet.";
        SignatureScope = "signature_scope", "The signature is for something else.";
        SignatureUsed = "signature_used", "The signature was used as often as it may be.";
        CountryRefused = "country_refused", "The route is not for the client's country.";
        RefererRefused = "referer_refused", "The route is not for the page that embeds it.";
        MediaDirective = "media_directive", "The delivery directives cannot be satisfied.";
        SignatureRevoked = "signature_revoked", "The signature or its key was withdrawn.";
        Limit = "limit", "A limit was reached.";
        Plugin = "plugin", "A plugin answered.";
        PluginFailed = "plugin_failed", "A plugin failed and fails closed.";
        NotCached = "not_cached", "The client wanted a cached answer only.";
        // Upstream.
        UpstreamUnknown = "upstream_unknown", "The route names no server that can be asked.";
        UpstreamUnhealthy = "upstream_unhealthy", "No server of the group is healthy.";
        UpstreamConnect = "upstream_connect", "No connection to the server.";
        UpstreamTls = "upstream_tls", "The TLS handshake with the server failed.";
        UpstreamTimeout = "upstream_timeout", "The server did not answer in time.";
        UpstreamReset = "upstream_reset", "The server broke the connection off.";
        UpstreamProtocol = "upstream_protocol", "The server's answer is not HTTP.";
        UpstreamTruncated = "upstream_truncated", "The server's answer ended early.";
        FillFailed = "fill_failed", "The fill this request waited for failed.";
        // Here.
        Draining = "draining", "The node is shutting down.";
        Internal = "internal", "A fault of the node itself.";
        Other = "other", "A word that is not in this table.";
    }
}

static GAUGES: [AtomicI64; Gauge::ALL.len()] = [const { AtomicI64::new(0) }; Gauge::ALL.len()];

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(self) {
        self.add(1);
    }

    /// Adds `n`.
    #[inline]
    pub fn add(self, n: u64) {
        shard::add(shard::COUNTERS + self as usize, n);
    }

    /// The sum over all threads.
    pub fn value(self) -> u64 {
        shard::sum(shard::COUNTERS + self as usize)
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(self, value: i64) {
        GAUGES[self as usize].store(value, Ordering::Relaxed);
    }

    /// Adds `n`, which may be negative.
    pub fn add(self, n: i64) {
        GAUGES[self as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// The value now.
    pub fn value(self) -> i64 {
        GAUGES[self as usize].load(Ordering::Relaxed)
    }
}

impl Phase {
    /// Counts one finished request and files its duration, in microseconds.
    #[inline]
    pub fn count(self, duration_us: u64) {
        let at = shard::DURATIONS + self as usize * shard::DURATION_CELLS;
        shard::add(at + shard::bucket(duration_us), 1);
        shard::add(at + shard::DURATION_SUM, duration_us);
    }

    /// Requests counted so far.
    pub fn value(self) -> u64 {
        let at = shard::DURATIONS + self as usize * shard::DURATION_CELLS;
        (at..at + shard::DURATION_SUM).map(shard::sum).sum()
    }
}

impl StatusClass {
    /// The class of `status`; anything above 599 counts as a server error.
    #[inline]
    pub const fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// Counts one response.
    #[inline]
    pub fn inc(self) {
        shard::add(shard::CLASSES + self as usize, 1);
    }

    /// Responses counted so far.
    pub fn value(self) -> u64 {
        shard::sum(shard::CLASSES + self as usize)
    }
}

impl ConnectionFault {
    /// Counts one connection that ended for this reason.
    #[inline]
    pub fn inc(self) {
        shard::add(shard::CONNECTION_FAULTS + self as usize, 1);
    }

    /// Connections counted so far.
    pub fn value(self) -> u64 {
        shard::sum(shard::CONNECTION_FAULTS + self as usize)
    }
}

impl Reason {
    /// The reason named by `word`, [`Reason::Other`] when the table has none.
    pub fn from_word(word: &str) -> Self {
        Self::ALL.iter().copied().find(|r| r.as_str() == word).unwrap_or(Self::Other)
    }

    /// Counts one request that ended for this reason.
    #[inline]
    pub fn inc(self) {
        shard::add(shard::REASONS + self as usize, 1);
    }

    /// Requests counted so far.
    pub fn value(self) -> u64 {
        shard::sum(shard::REASONS + self as usize)
    }
}

#[cfg(test)]
mod tests;
