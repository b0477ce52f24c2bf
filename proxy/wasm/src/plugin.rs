//! A loaded plugin: its compiled module and its resident instances.

/// Phases of a request that a plugin takes part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases(u32);

impl Phases {
    /// `proxy_on_request_headers`
    pub const REQUEST_HEADERS: Self = Self(1);
    /// `proxy_on_request_body`
    pub const REQUEST_BODY: Self = Self(2);
    /// `proxy_on_request_trailers`
    pub const REQUEST_TRAILERS: Self = Self(4);
    /// `proxy_on_response_headers`
    pub const RESPONSE_HEADERS: Self = Self(8);
    /// `proxy_on_response_body`
    pub const RESPONSE_BODY: Self = Self(16);
    /// `proxy_on_response_trailers`
    pub const RESPONSE_TRAILERS: Self = Self(32);
    /// `proxy_on_log` and `proxy_on_done`
    pub const LOG: Self = Self(64);

    /// Whether one of `other` is among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Whether a plugin works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// Every worker has an instance.
    Running,
    /// An instance is being replaced.
    Recovering,
    /// Too many traps in a short time: the failure policy answers until the rest is over.
    Resting,
}

/// A plugin as the admin API shows it.
#[derive(Clone, Debug)]
pub struct PluginStatus {
    /// Name.
    pub name: String,
    /// SHA-256 of the module in hex.
    pub sha256: String,
    /// Present state.
    pub state: PluginState,
    /// Calls that trapped, ran out of time, or out of memory.
    pub traps: u64,
    /// The last trap with its backtrace.
    pub last_trap: Option<String>,
    /// Linear memory of all instances in bytes.
    pub memory_bytes: u64,
}

/// A loaded plugin.
#[derive(Debug)]
pub struct Plugin {
    name: String,
}

impl Plugin {
    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Phases that the plugin takes part in: those it exports, or those it subscribed to.
    #[must_use]
    pub fn phases(&self) -> Phases {
        Phases::default()
    }
}
