use super::*;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::storable::Decision;
use crate::testing::{decide, fields, meta, reason};

/// RFC 9213 §2.1, §2.2.
#[test]
fn a_targeted_field_goes_first_if_it_is_valid() {
    let lifetime = |cdn: &str| {
        let text = format!("cdn-cache-control: {cdn}\ncache-control: max-age=5");
        let found = meta(&text).lifetime;
        (found.seconds, found.source == LifetimeSource::Targeted)
    };
    for (cdn, found) in [
        ("max-age=60", (60, true)),
        ("max-age=60;x=1", (60, true)),
        ("max-age=60, x-unknown=(1 2)", (60, true)),
        ("max-age=1, max-age=60", (60, true)),
        ("max-age=60, no-store=?0", (60, true)),
        ("max-age=99999999999", (1 << 31, true)),
        ("", (5, false)),
        ("max-age=\"60\"", (5, false)),
        ("max-age=60.0", (5, false)),
        ("max-age", (5, false)),
        ("max-age=60, no-store=1", (5, false)),
        ("MAX-AGE=60", (5, false)),
        ("max-age=60,", (5, false)),
        ("max-age=60 &", (5, false)),
    ] {
        assert_eq!(lifetime(cdn), found, "{cdn}");
    }
}

#[test]
fn it_replaces_the_general_field_wholly() {
    let both = |cdn: &str, general: &str| {
        reason("", 200, &format!("cdn-cache-control: {cdn}\ncache-control: {general}"))
    };
    assert_eq!(both("max-age=60", "no-store"), Reason::Explicit);
    assert_eq!(both("max-age=60", "private"), Reason::Explicit);
    assert_eq!(both("no-store", "max-age=60"), Reason::NoStore);
    assert_eq!(both("private", "max-age=60"), Reason::Private);
    assert!(meta("etag: \"x\"\ncdn-cache-control: no-cache\ncache-control: max-age=9").no_cache);
}

#[test]
fn it_also_replaces_expires() {
    let text =
        "etag: \"x\"\ncdn-cache-control: must-revalidate\nexpires: Sat, 21 Nov 2099 00:00:00 GMT";
    assert_eq!(meta(text).lifetime.seconds, 0);
}

#[test]
fn the_first_in_the_policys_list_counts() {
    let mut policy = Policy::default();
    policy.targeted.insert(0, "tidegate-cache-control".into());
    let text = "cdn-cache-control: max-age=5\ntidegate-cache-control: max-age=9";
    let Decision::Store(plan) = decide(&policy, "", 200, text) else { panic!("not stored") };
    assert_eq!(plan.meta.lifetime.seconds, 9);
}

#[test]
fn surrogate_control_only_where_configured() {
    let text = "surrogate-control: content=\"ESI/1.0\", max-age=60\ncache-control: max-age=5";
    assert_eq!(meta(text).lifetime.seconds, 5);
    let policy = Policy { surrogate_control: true, ..Policy::default() };
    assert_eq!(surrogate(&policy, &fields(text)).map(|l| l.seconds), Some(60));
    let Decision::Store(plan) = decide(&policy, "", 200, text) else { panic!("not stored") };
    assert_eq!(plan.meta.lifetime.source, LifetimeSource::Surrogate);
}
