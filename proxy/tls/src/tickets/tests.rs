use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustls::server::ProducesTickets;
use tidegate_snapshot::TicketSecret;

use super::Tickets;

const PERIOD_S: u64 = 3600;

thread_local! {
    static NOW: AtomicU64 = const { AtomicU64::new(1_000 * PERIOD_S) };
}

fn now() -> u64 {
    NOW.with(|now| now.load(Relaxed))
}

fn pass(seconds: u64) {
    NOW.with(|now| now.fetch_add(seconds, Relaxed));
}

fn tickets(secrets: &[&[u8]], purpose: &str) -> Tickets {
    let secrets: Vec<_> = secrets.iter().map(|s| TicketSecret::new(s.to_vec())).collect();
    Tickets::new(&secrets, purpose, PERIOD_S, now)
}

#[test]
fn whoever_has_the_secret_opens_the_ticket() {
    let (here, there) = (tickets(&[b"secret"], ""), tickets(&[b"secret"], ""));
    let ticket = here.encrypt(b"session").unwrap();
    assert_eq!(there.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
    assert_eq!(tickets(&[b"other"], "").decrypt(&ticket), None);
    assert_eq!(tickets(&[b"secret"], "of clients").decrypt(&ticket), None, "another purpose");
}

#[test]
fn a_secret_is_changed_without_losing_tickets() {
    let ticket = tickets(&[b"old"], "").encrypt(b"session").unwrap();
    let both = tickets(&[b"new", b"old"], "");
    assert!(both.decrypt(&ticket).is_some());
    let ticket = both.encrypt(b"session").unwrap();
    assert!(tickets(&[b"new"], "").decrypt(&ticket).is_some(), "the first secret seals");
    assert!(tickets(&[b"old"], "").decrypt(&ticket).is_none());
}

#[test]
fn keys_change_by_themselves() {
    let node = tickets(&[b"secret"], "");
    let ticket = node.encrypt(b"session").unwrap();
    pass(PERIOD_S);
    assert!(node.decrypt(&ticket).is_some(), "the period before");
    let later = node.encrypt(b"session").unwrap();
    assert_ne!(ticket[..16], later[..16], "another key");
    pass(PERIOD_S);
    assert!(node.decrypt(&ticket).is_none());
    assert!(node.decrypt(&later).is_some());
}

#[test]
fn a_clock_that_is_behind_opens_tickets_of_one_that_is_right() {
    let node = tickets(&[b"secret"], "");
    pass(PERIOD_S);
    let ticket = node.encrypt(b"session").unwrap();
    NOW.with(|now| now.fetch_sub(PERIOD_S, Relaxed));
    assert!(tickets(&[b"secret"], "").decrypt(&ticket).is_some());
}

#[test]
fn damaged_tickets_are_nothing() {
    let node = tickets(&[b"secret"], "");
    let ticket = node.encrypt(b"session").unwrap();
    for at in 0..ticket.len() {
        let mut damaged = ticket.clone();
        damaged[at] ^= 1;
        assert_eq!(node.decrypt(&damaged), None, "byte {at}");
        assert_eq!(node.decrypt(&ticket[..at]), None, "cut at {at}");
    }
}

#[test]
fn secrets_are_not_shown() {
    assert_eq!(format!("{:?}", tickets(&[b"secret"], "")), "Tickets(1 secrets, every 3600 s)");
}
