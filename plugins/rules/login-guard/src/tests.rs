use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

use crate::LoginGuard;

const CONFIG: &str = r#"{"paths": ["/login"], "account_field": "user", "window_s": 60,
    "per_client_max": 3, "per_account_max": 5, "accounts_per_client_max": 3}"#;

fn rule() -> LoginGuard {
    LoginGuard::new(settings(CONFIG.as_bytes()).unwrap().config).unwrap()
}

/// One attempt; answers why it was refused, else lets the origin answer it.
fn attempt(
    rule: &LoginGuard,
    world: &mut FakeWorld,
    client: &str,
    user: &str,
    status: u16,
) -> Option<&'static str> {
    world.next("POST", "/login").from(client).carrying(&format!("user={user}&password=x"));
    if let Decision::Refuse(refusal) = rule.decide(world) {
        assert_eq!((refusal.status, refusal.retry_after_s), (429, Some(60)));
        return Some(refusal.reason);
    }
    world.answered(status);
    rule.observe(world);
    None
}

#[test]
fn failures_of_a_client_are_counted_and_forgotten() {
    let (rule, mut world) = (rule(), FakeWorld::new("GET", "/"));
    for _ in 0..3 {
        assert_eq!(attempt(&rule, &mut world, "192.0.2.1", "ann", 401), None);
    }
    assert_eq!(attempt(&rule, &mut world, "192.0.2.1", "ann", 401), Some("client"));
    assert_eq!(attempt(&rule, &mut world, "192.0.2.2", "ann", 200), None);
    world.later(60_000);
    assert_eq!(attempt(&rule, &mut world, "192.0.2.1", "ann", 200), None);
}

#[test]
fn successes_do_not_count() {
    let (rule, mut world) = (rule(), FakeWorld::new("GET", "/"));
    for _ in 0..20 {
        assert_eq!(attempt(&rule, &mut world, "192.0.2.1", "ann", 200), None);
    }
}

#[test]
fn an_account_is_guarded_against_many_clients() {
    let (rule, mut world) = (rule(), FakeWorld::new("GET", "/"));
    for client in 1..=5 {
        assert_eq!(attempt(&rule, &mut world, &format!("192.0.2.{client}"), "Ann", 401), None);
    }
    assert_eq!(attempt(&rule, &mut world, "192.0.2.9", "ann", 401), Some("account"));
    assert_eq!(attempt(&rule, &mut world, "192.0.2.9", "bob", 401), None);
}

#[test]
fn a_client_that_tries_many_accounts_is_stopped_early() {
    let (rule, mut world) = (rule(), FakeWorld::new("GET", "/"));
    world.from("2001:db8::1");
    for user in ["a", "b", "c"] {
        assert_eq!(attempt(&rule, &mut world, "2001:db8::1", user, 401), None);
    }
    // Another address of the same /64 is the same client.
    assert_eq!(attempt(&rule, &mut world, "2001:db8::2", "d", 401), Some("accounts"));
}

#[test]
fn other_requests_pass_untouched() {
    let (rule, mut world) = (rule(), FakeWorld::new("GET", "/login"));
    assert_eq!(rule.decide(&world), Decision::Allow);
    world.answered(401);
    rule.observe(&world);
    for _ in 0..5 {
        world.next("POST", "/other").answered(401);
        rule.observe(&world);
    }
    assert_eq!(attempt(&rule, &mut world, "192.0.2.1", "ann", 200), None);
}
