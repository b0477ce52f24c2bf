//! The clock that a service reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Unix time in microseconds, the one unit of stored and compared times.
pub type Micros = i64;

/// Microseconds of one second.
pub const SECOND_US: Micros = 1_000_000;

/// Where `now` comes from: the system, or a hand that a test turns.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's real-time clock.
    #[default]
    System,
    /// A clock that stands still until it is moved.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` microseconds until [`Clock::advance`] moves it.
    pub fn manual(now: Micros) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now)))
    }

    /// Unix time in microseconds.
    pub fn now(&self) -> Micros {
        match self {
            Self::System => system_now(),
            Self::Manual(hand) => hand.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock on by `by` microseconds; the system's clock is not moved.
    pub fn advance(&self, by: Micros) {
        if let Self::Manual(hand) = self {
            hand.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// A point in time as the APIs show it: RFC 3339 out; RFC 3339 or unix seconds in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2027-01-01T00:00:00Z"))]
pub struct Moment(pub Micros);

#[derive(Deserialize)]
#[serde(untagged, expecting = "an RFC 3339 time or unix seconds")]
enum Written {
    Text(String),
    Seconds(i64),
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or_default().fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let stamp = match Written::deserialize(from)? {
            Written::Text(text) => text.parse::<jiff::Timestamp>(),
            Written::Seconds(seconds) => jiff::Timestamp::from_second(seconds),
        };
        stamp.map(|stamp| Self(stamp.as_microsecond())).map_err(D::Error::custom)
    }
}

fn system_now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
