//! What a request holds under limits, and what it still owes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use smallvec::SmallVec;
use tidegate_http::{FieldList, Fields};
use tidegate_limit::{Account, InFlight, Later, Permit, Table, answer, global::Shared};
use tidegate_snapshot::LimitIndex;

use super::Applying;
use crate::{clock::Now, node::Node, running::Running};

/// A cost that is not known yet.
const UNKNOWN: u64 = u64::MAX;

/// What a request holds under limits of concurrency, owes to limits that are charged after the
/// answer, and is told about the limits it passed.
pub(crate) struct Charged {
    table: Arc<Table>,
    _held: Option<InFlight>,
    owed: SmallVec<[Owed; 1]>,
    shown: Option<Shown>,
}

struct Owed {
    limit: LimitIndex,
    account: Account,
    shared: Option<Shared>,
    /// What a response field said, once the response head was seen.
    learned: AtomicU64,
}

/// The values of `RateLimit-Policy` and `RateLimit`.
struct Shown {
    policy: Vec<u8>,
    state: Vec<u8>,
}

// === impl Charged ===

impl Charged {
    /// None when the request holds and owes nothing, so that it costs nothing to carry.
    pub(super) fn new(
        node: &Node,
        applying: &[Applying<'_>],
        counted: &[Applying<'_>],
        permit: Permit,
        now: Now,
    ) -> Option<Self> {
        let table = &node.limit_table;
        let owes = |(limit, charge): &Applying<'_>| {
            charge.rule.later().map(|_| Owed {
                limit: *limit,
                account: charge.rule.account(charge.key),
                shared: charge.rule.shared(charge.key, now.mono_us),
                learned: AtomicU64::new(UNKNOWN),
            })
        };
        let owed: SmallVec<[Owed; 1]> = applying.iter().filter_map(owes).collect();
        let shown = counted
            .iter()
            .any(|(_, charge)| charge.rule.shown())
            .then(|| Shown::new(counted, &permit));
        if owed.is_empty() && shown.is_none() && !permit.holds() {
            return None;
        }
        let held = permit.holds().then(|| InFlight::new(table.clone(), permit));
        Some(Self { table: table.clone(), _held: held, owed, shown })
    }

    /// Whether the response head is to be seen, to write in or to read.
    pub(crate) fn wants_head(&self) -> bool {
        self.shown.is_some() || !self.owed.is_empty()
    }

    /// Adds the fields about limits to a response on its way out, and reads what it cost. A redirect
    /// gets none: the client would wait before it follows
    /// (draft-ietf-httpapi-ratelimit-headers section 6).
    pub(crate) fn see_head(&self, running: &Running, status: u16, fields: &mut FieldList) {
        for owed in &self.owed {
            if let Some(later @ Later::Field(_)) = running.snapshot[owed.limit].later() {
                owed.learned.store(later.cost(status, 0, &*fields).into(), Relaxed);
            }
        }
        if let Some(shown) = self.shown.as_ref().filter(|_| !(300..400).contains(&status)) {
            fields.set("RateLimit-Policy", &shown.policy);
            fields.set("RateLimit", &shown.state);
        }
    }

    /// Charges what only the answer told.
    pub(crate) fn settle(
        &self,
        node: &Node,
        running: &Running,
        status: u16,
        bytes_sent: u64,
        now: Now,
    ) {
        struct NoFields;
        impl Fields for NoFields {
            fn first(&self, _name: &str) -> Option<&[u8]> {
                None
            }
            fn each(&self, _f: &mut dyn FnMut(&[u8], &[u8])) {}
        }
        for owed in &self.owed {
            let Some(later) = running.snapshot[owed.limit].later() else { continue };
            let cost = match owed.learned.load(Relaxed) {
                UNKNOWN => later.cost(status, bytes_sent, &NoFields),
                learned => learned as u32,
            };
            self.table.settle(&owed.account, cost, now.mono_us);
            if let Some(shared) = &owed.shared {
                node.shared.settle(shared, cost, now.mono_us);
            }
        }
    }
}

// === impl Shown ===

impl Shown {
    fn new(applying: &[Applying<'_>], permit: &Permit) -> Self {
        let standing = || {
            let all = applying.iter().zip(permit.outcomes());
            all.filter(|((_, charge), _)| charge.rule.shown())
        };
        let (mut policy, mut state) = (Vec::with_capacity(48), Vec::with_capacity(48));
        answer::policy(standing().map(|((_, charge), _)| charge.rule), &mut policy);
        answer::state(standing().map(|((_, charge), outcome)| (charge.rule, outcome)), &mut state);
        Self { policy, state }
    }
}
