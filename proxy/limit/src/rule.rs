//! A limit as the data plane runs it.

use std::fmt;
use std::str::FromStr;

use tidegate_http::Fields;

use crate::check::Account;
use crate::global::Shared;
use crate::key::{self, KEY_PARTS_MAX, KeyError, KeyHash, KeyPart, Request, Secret};
use crate::quota::Quota;

#[cfg(test)]
mod tests;

/// Most requests a rate or quota may name.
pub const QUOTA_MAX: u64 = 1_000_000_000;
/// Longest period of a rate or window, seconds (one year).
pub const PERIOD_SECONDS_MAX: u64 = 366 * 86_400;

/// What a rule is made from; [`Rule::new`] checks it.
#[derive(Debug, Clone)]
pub struct RuleOptions {
    /// Name of the policy, shown to clients in `RateLimit-Policy`.
    pub name: String,
    /// What tells one client from another; empty means one bucket for everybody.
    pub key: Vec<KeyPart>,
    /// How requests are counted.
    pub algorithm: Algorithm,
    /// Where the count lives.
    pub mode: Mode,
    /// What happens to a request that lacks a part of the key.
    pub missing: Missing,
    /// What a request costs.
    pub cost: Cost,
    /// Share of the keys on which the rule is enforced, in thousandths; the others are only counted
    /// (0 = shadow mode, 1000 = all).
    pub enforce_per_mille: u16,
    /// False switches the rule off: it is neither counted nor enforced.
    pub enabled: bool,
    /// Other numbers for some clients.
    pub tiers: Option<Tiers>,
    /// What a request must be like for the rule to apply; all of them. Empty: every request.
    pub when: Vec<Condition>,
    /// With approximate counts: from this share of the limit on a key is counted exactly, in 1/65535; 0 for
    /// never.
    pub near: u16,
    /// What holds while the counts of other nodes are out of reach.
    pub on_failure: OnFailure,
    /// Whether admitted requests are told how the limit stands too, not only denied ones.
    pub shown: bool,
}

/// Something a request must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub part: KeyPart,
    /// One of these must be its value: a text, a beginning followed by `*`, or `*` for any. Empty: any
    /// value, or none.
    pub is: Vec<String>,
    /// None of these may be.
    pub is_not: Vec<String>,
}

/// Other numbers for some clients, by what a part of the request says; take a verified claim, or clients
/// choose their tier themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers {
    /// What tells the tier.
    pub by: KeyPart,
    /// Value and numbers of each tier.
    pub of: Vec<(String, Algorithm)>,
}

impl RuleOptions {
    /// A local, fully enforced rule with the given name, key and algorithm.
    pub fn new(name: impl Into<String>, key: Vec<KeyPart>, algorithm: Algorithm) -> Self {
        Self {
            name: name.into(),
            key,
            algorithm,
            mode: Mode::Local,
            missing: Missing::ClientIp,
            cost: Cost::Fixed(1),
            enforce_per_mille: 1000,
            enabled: true,
            tiers: None,
            when: Vec::new(),
            near: 0,
            on_failure: OnFailure::default(),
            shown: false,
        }
    }
}

/// A compiled limit.
#[derive(Debug, Clone)]
pub struct Rule {
    options: RuleOptions,
    quota: Quota,
    /// The rule with the numbers of each tier.
    tiers: Vec<Self>,
}

/// How requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// A bucket of `burst` tokens that fills at `rate` (GCRA). `burst` is at least 1.
    TokenBucket {
        /// How fast tokens come back.
        rate: Rate,
        /// How many tokens a full bucket holds.
        burst: u32,
    },
    /// One request every `1/rate`: earlier ones are told to wait ([`crate::Permit::delay_us`]) while no more
    /// than `queue` of them do.
    LeakyBucket {
        /// How fast requests go on.
        rate: Rate,
        /// How many may wait.
        queue: u32,
    },
    /// At most `rate.count` in any span of `rate.period_us`, estimated from two adjoining windows.
    SlidingWindow {
        /// Count and span.
        rate: Rate,
    },
    /// At most `limit` in a period of the calendar; all of it comes back when the next one begins.
    Calendar {
        /// Requests allowed in one period.
        limit: u32,
        /// The period.
        period: Period,
        /// Seconds east of UTC at which the calendar is read.
        utc_offset_s: i32,
    },
    /// At most `limit` requests at the same time; see [`crate::Table::release`].
    Concurrency {
        /// Requests allowed at the same time.
        limit: u32,
        /// A request that is not released counts no longer than this, microseconds.
        hold_us: u64,
    },
}

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From hh:00:00.
    Hour,
    /// From midnight.
    Day,
    /// From Monday, midnight.
    Week,
    /// From the first of the month, midnight.
    Month,
}

/// A count over a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests, 1 to [`QUOTA_MAX`].
    pub count: u64,
    /// Period in microseconds, above zero.
    pub period_us: u64,
}

/// Where the count lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// On this node alone.
    #[default]
    Local,
    /// Admitted here, reported to the owner a few times a second.
    Approx,
    /// Tokens leased from the owner.
    Lease,
    /// The owner is asked for every request.
    Strict,
}

/// What holds while the counts of other nodes are out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnFailure {
    /// At first.
    pub first: Fallback,
    /// Later.
    pub then: Fallback,
    /// How much later, microseconds.
    pub after_us: u64,
}

/// What stands in for a shared count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fallback {
    /// This node's share of the limit, as it was last known.
    #[default]
    Share,
    /// Everything passes.
    Open,
    /// Nothing passes.
    Closed,
}

impl Default for OnFailure {
    fn default() -> Self {
        Self { first: Fallback::Share, then: Fallback::Share, after_us: 0 }
    }
}

/// What happens to a request that lacks a part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// The client's address (IPv6: its /64) stands in, so that leaving a header out is no way around
    /// the limit and does not let one client use up another's share.
    #[default]
    ClientIp,
    /// All such requests share one bucket.
    Share,
    /// The rule does not apply.
    Skip,
}

/// What a request costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// So many tokens; 0 asks without charging.
    Fixed(u32),
    /// As a request field says (lower-case name); 1 when it is missing or no number.
    Header(String),
    /// What only the answer tells; until then the request must find something left, and pays
    /// afterwards, into debt if need be.
    Later(Later),
}

/// A cost that only the answer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later {
    /// One token for each so many bytes of the response, rounded up.
    Bytes {
        /// Bytes of one token, above zero.
        per: u64,
    },
    /// As a response field says (lower-case name); 1 when it is missing or no number.
    Field(String),
    /// By the status code: the first range that holds it, 0 when none does.
    Status(Vec<StatusCost>),
}

/// What responses of a range of status codes cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusCost {
    /// First status code.
    pub from: u16,
    /// Last status code.
    pub to: u16,
    /// Tokens.
    pub cost: u32,
}

/// Why a rule, rate or mode cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The text is not `<count>/<period>`.
    #[error("rate {0:?} is not of the form 50/s, 600/min, 1000/h, 5000/day or 10/250ms")]
    Rate(String),
    /// A count is zero or too large.
    #[error("{field} must lie between 1 and {max}, it is {value}")]
    Range {
        /// Which setting.
        field: &'static str,
        /// The given value.
        value: u64,
        /// The largest one.
        max: u64,
    },
    /// The name cannot stand in a structured field.
    #[error("name {0:?} must be 1 to 64 visible ASCII characters without quotes")]
    Name(String),
    /// An unknown word for a mode.
    #[error("mode {0:?} is not one of local, approx, lease, strict")]
    Mode(String),
    /// An unknown word for a calendar period.
    #[error("period {0:?} is not one of hour, day, week, month")]
    Period(String),
    /// An unknown word for what to do about a missing part.
    #[error("missing {0:?} is not one of client_ip, share, skip")]
    Missing(String),
    /// Too many parts, or a part that cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Rule {
    /// Checks the options and works out the numbers.
    ///
    /// # Errors
    /// [`RuleError`] names the first setting that cannot be used.
    pub fn new(options: RuleOptions) -> Result<Self, RuleError> {
        check_name(&options.name)?;
        if options.key.len() > KEY_PARTS_MAX {
            return Err(KeyError::TooMany(options.key.len()).into());
        }
        within("enforce_per_mille", u64::from(options.enforce_per_mille) + 1, 1001)?;
        let quota = Quota::new(options.algorithm)?;
        let of = options.tiers.iter().flat_map(|tiers| &tiers.of);
        let tier = |(_, algorithm): &(String, Algorithm)| {
            Self::new(RuleOptions { algorithm: *algorithm, tiers: None, ..options.clone() })
        };
        let tiers = of.map(tier).collect::<Result<_, _>>()?;
        Ok(Self { options, quota, tiers })
    }

    /// The name of the policy.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// What tells one client from another.
    pub fn key_parts(&self) -> &[KeyPart] {
        &self.options.key
    }

    /// How requests are counted.
    pub fn algorithm(&self) -> Algorithm {
        self.options.algorithm
    }

    /// Where the count lives.
    pub fn mode(&self) -> Mode {
        self.options.mode
    }

    /// What a request costs.
    pub fn cost(&self, request: &Request<'_>) -> u32 {
        match &self.options.cost {
            Cost::Fixed(cost) => *cost,
            Cost::Header(name) => request.fields.first(name).and_then(number).unwrap_or(1),
            Cost::Later(_) => 0,
        }
    }

    /// What is to be settled after the answer, if anything.
    pub fn later(&self) -> Option<&Later> {
        match &self.options.cost {
            Cost::Later(later) => Some(later),
            Cost::Fixed(_) | Cost::Header(_) => None,
        }
    }

    /// Whether it looks at a claim of the verified token, in its key, its tiers or its conditions.
    pub fn wants_claims(&self) -> bool {
        let parts = self.options.key.iter();
        let tiers = self.options.tiers.iter().map(|tiers| &tiers.by);
        let when = self.options.when.iter().map(|when| &when.part);
        parts.chain(tiers).chain(when).any(|part| matches!(part, KeyPart::Claim(_)))
    }

    /// Whether admitted requests are told how the limit stands.
    pub fn shown(&self) -> bool {
        self.options.shown
    }

    /// What the rule was made from.
    pub fn options(&self) -> &RuleOptions {
        &self.options
    }

    /// The key of a request under this rule; `None` when the rule does not apply to it.
    ///
    /// The name of the rule is part of the hash: two rules with the same key parts count apart, and a
    /// rule keeps its counts when its numbers change.
    pub fn key(&self, secret: &Secret, request: &Request<'_>) -> Option<KeyHash> {
        if !self.options.enabled || !self.options.when.iter().all(|when| when.holds(request)) {
            return None;
        }
        key::hash(secret, &self.options.name, &self.options.key, self.options.missing, request)
    }

    /// The key that a request with these values of the key's parts has, for data about single clients;
    /// `None` when there are not as many as parts, or one is no address where one is wanted.
    pub fn key_of(&self, secret: &Secret, values: &[impl AsRef<str>]) -> Option<KeyHash> {
        key::hash_of(secret, &self.options.name, &self.options.key, values)
    }

    /// The key by one other part, for requests whose own key is not believed.
    pub(crate) fn part_key(
        &self,
        secret: &Secret,
        part: &KeyPart,
        request: &Request<'_>,
    ) -> KeyHash {
        let parts = std::slice::from_ref(part);
        let key = key::hash(secret, &self.options.name, parts, Missing::Share, request);
        key.unwrap_or(KeyHash(0))
    }

    /// The rule with the numbers of the request's tier: itself when it has no tiers, or none for this
    /// request. Charge what this gives.
    pub fn tier(&self, request: &Request<'_>) -> &Self {
        let Some(tiers) = &self.options.tiers else { return self };
        // Of several values of a claim the tier that the spec names first counts.
        let mut first = usize::MAX;
        tiers.by.each_value(request, &mut |value| {
            let position = tiers.of.iter().position(|(name, _)| *name.as_bytes() == *value);
            first = first.min(position.unwrap_or(usize::MAX));
        });
        self.tiers.get(first).unwrap_or(self)
    }

    /// What other nodes must know of a key whose count is shared; none where the rule counts on each
    /// node alone.
    pub fn shared(&self, key: KeyHash, now_us: u64) -> Option<Shared> {
        (self.options.mode != Mode::Local).then(|| self.shared_always(key, now_us)).flatten()
    }

    /// The same, also for a rule that nodes count for themselves: others may count under it together.
    pub fn shared_always(&self, key: KeyHash, now_us: u64) -> Option<Shared> {
        let (key, terms) = self.quota.terms(key, now_us, self.options.near)?;
        Some(Shared { key, terms, lease: self.options.mode == Mode::Lease })
    }

    /// A key's account under the rule.
    pub fn account(&self, key: KeyHash) -> Account {
        Account { quota: self.quota, key }
    }

    /// Whether a denial of this key counts, or is only recorded (shadow mode).
    pub fn enforced(&self, key: KeyHash) -> bool {
        key.0 % 1000 < u64::from(self.options.enforce_per_mille)
    }

    /// Quota and window in whole seconds, as `RateLimit-Policy` states them.
    pub fn policy(&self) -> (u64, u64) {
        self.quota.policy()
    }

    pub(crate) fn quota(&self) -> &Quota {
        &self.quota
    }
}

impl Condition {
    fn holds(&self, request: &Request<'_>) -> bool {
        let (mut is, mut is_not) = (self.is.is_empty(), false);
        let any_of = |texts: &[String], value: &[u8]| texts.iter().any(|text| is_like(text, value));
        self.part.each_value(request, &mut |value| {
            is |= any_of(&self.is, value);
            is_not |= any_of(&self.is_not, value);
        });
        is && !is_not
    }
}

impl Later {
    /// What an answer costs.
    pub fn cost(&self, status: u16, bytes_sent: u64, fields: &dyn Fields) -> u32 {
        match self {
            Self::Bytes { per } => {
                u32::try_from(bytes_sent.div_ceil((*per).max(1))).unwrap_or(u32::MAX)
            }
            Self::Field(name) => fields.first(name).and_then(number).unwrap_or(1),
            Self::Status(costs) => {
                let of = costs.iter().find(|of| (of.from..=of.to).contains(&status));
                of.map_or(0, |of| of.cost)
            }
        }
    }
}

/// Whether a value is the text, or begins as a text that ends in `*` says.
fn is_like(text: &str, value: &[u8]) -> bool {
    match text.strip_suffix('*') {
        Some(beginning) => value.starts_with(beginning.as_bytes()),
        None => value == text.as_bytes(),
    }
}

impl Rate {
    /// A rate per second.
    pub fn per_second(count: u64) -> Self {
        Self { count, period_us: 1_000_000 }
    }

    /// Nanoseconds between two tokens, rounded down, at least one.
    pub(crate) fn emission_ns(self) -> u64 {
        (self.period_us.saturating_mul(1000) / self.count.max(1)).max(1)
    }

    pub(crate) fn checked(self) -> Result<Self, RuleError> {
        within("rate", self.count, QUOTA_MAX)?;
        within("period in microseconds", self.period_us, PERIOD_SECONDS_MAX * 1_000_000)?;
        Ok(self)
    }
}

/// Reads `50/s`, `600/min`, `1000/h`, `5000/day`, `10/250ms`, `1/5s`.
impl FromStr for Rate {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Rate(text.to_owned());
        let (count, period) = text.split_once('/').ok_or_else(wrong)?;
        let count = count.trim().parse().map_err(|_| wrong())?;
        let period_us = period_us(period.trim()).ok_or_else(wrong)?;
        Self { count, period_us }.checked()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, unit) = match self.period_us {
            us if us % 1_000_000 == 0 => (us / 1_000_000, "s"),
            us if us % 1000 == 0 => (us / 1000, "ms"),
            us => (us, "us"),
        };
        match length {
            1 => write!(f, "{}/{unit}", self.count),
            _ => write!(f, "{}/{length}{unit}", self.count),
        }
    }
}

impl FromStr for Mode {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Ok(match text {
            "local" => Self::Local,
            "approx" => Self::Approx,
            "lease" => Self::Lease,
            "strict" => Self::Strict,
            _ => return Err(RuleError::Mode(text.to_owned())),
        })
    }
}

impl FromStr for Period {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Ok(match text {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            _ => return Err(RuleError::Period(text.to_owned())),
        })
    }
}

impl FromStr for Missing {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Ok(match text {
            "client_ip" => Self::ClientIp,
            "share" => Self::Share,
            "skip" => Self::Skip,
            _ => return Err(RuleError::Missing(text.to_owned())),
        })
    }
}

pub(crate) fn within(field: &'static str, value: u64, max: u64) -> Result<(), RuleError> {
    match value {
        1.. if value <= max => Ok(()),
        _ => Err(RuleError::Range { field, value, max }),
    }
}

fn check_name(name: &str) -> Result<(), RuleError> {
    // A name is sent as an sf-string (RFC 9651 3.3.3) without escapes.
    let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    match (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(RuleError::Name(name.to_owned())),
    }
}

fn number(value: &[u8]) -> Option<u32> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn period_us(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (length, unit) = text.split_at(digits);
    let length: u64 = if digits == 0 { 1 } else { length.parse().ok()? };
    let unit_us: u64 = match unit {
        "us" => 1,
        "ms" => 1000,
        "s" | "sec" | "second" => 1_000_000,
        "m" | "min" | "minute" => 60_000_000,
        "h" | "hour" => 3_600_000_000,
        "d" | "day" => 86_400_000_000,
        _ => return None,
    };
    length.checked_mul(unit_us)
}
