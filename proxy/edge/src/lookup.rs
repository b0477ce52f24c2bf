//! Last step before an upstream is asked: what the cache in memory knows.

use std::sync::Arc;

use tidegate_cache::{Evaluation, Reason, RequestDirectives, Verdict, evaluate};
use tidegate_http::{Framing, Method};
use tidegate_store::Object;

use crate::{hit::Hit, request::Keyed};

/// What the cache knows.
pub(crate) enum Found<'r> {
    /// The answer.
    Hit(Hit<'r>),
    /// Not the answer, or not yet: the slow lane goes on.
    Fetch(Keyed<'r>, Fetch),
}

/// Why an upstream is asked.
#[derive(Debug)]
pub(crate) enum Fetch {
    /// Nothing in memory answers.
    Miss(Reason),
    /// What is stored must be validated first.
    Validate(Arc<Object>, Reason),
    /// What is stored answers, and is validated in the background (RFC 5861 section 3).
    ServeAndValidate(Arc<Object>, Evaluation),
    /// What is stored answers; the slow lane sends it, because plugins look at its body.
    Serve(Arc<Object>, Evaluation),
    /// `only-if-cached`, and there is nothing (RFC 9111 section 5.2.1.7).
    Unsatisfied,
    /// The cache has no part in it.
    Pass(Reason),
}

/// Looks in memory.
pub(crate) fn look(keyed: Keyed<'_>) -> Found<'_> {
    let received = keyed.admitted.received();
    let head = received.head;
    if let Some(reason) = passes(head.method(), head.body(), head.upgrade().is_some()) {
        return Found::Fetch(keyed, Fetch::Pass(reason));
    }
    let Some(policy) = &keyed.admitted.route().cache else {
        return Found::Fetch(keyed, Fetch::Pass(Reason::Disabled));
    };
    let node = received.cx.node;
    let fields = received.fields();
    let directives = RequestDirectives::heeded(policy, fields);
    let Some(key) = &keyed.key else { return Found::Fetch(keyed, Fetch::Pass(Reason::Disabled)) };
    let object = match node.store.lookup(key, fields) {
        Ok(object) => object,
        Err(_) if directives.only_if_cached => return Found::Fetch(keyed, Fetch::Unsatisfied),
        Err(reason) => return Found::Fetch(keyed, Fetch::Miss(reason)),
    };
    let now_ms = received.cx.now.unix_us / 1000;
    let evaluation = evaluate(object.meta(), &directives, object.stale_from_ms(), now_ms);
    judge(keyed, object, evaluation)
}

/// What a stored response and its evaluation come to.
pub(crate) fn judge(keyed: Keyed<'_>, object: Arc<Object>, evaluation: Evaluation) -> Found<'_> {
    match evaluation.verdict {
        Verdict::Serve => Found::Hit(Hit::new(keyed.admitted, object, evaluation)),
        Verdict::ServeAndValidate => {
            Found::Fetch(keyed, Fetch::ServeAndValidate(object, evaluation))
        }
        Verdict::Validate => Found::Fetch(keyed, Fetch::Validate(object, evaluation.reason)),
        Verdict::Unsatisfied => Found::Fetch(keyed, Fetch::Unsatisfied),
    }
}

/// Requests that a stored response never answers and whose answers are never stored.
fn passes(method: Method<'_>, body: Framing, upgrade: bool) -> Option<Reason> {
    let cacheable = matches!(method, Method::Get | Method::Head) && body == Framing::Empty;
    (!cacheable || upgrade).then_some(Reason::Method)
}
