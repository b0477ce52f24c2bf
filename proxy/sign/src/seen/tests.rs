use std::cell::Cell;

use super::*;

#[test]
fn a_good_signature_is_verified_once() {
    let (seen, asked) = (Seen::new(), Cell::new(0));
    let check = |message: &[u8], signed: &[u8], good: bool| {
        seen.or_verify(1, message, signed, || {
            asked.set(asked.get() + 1);
            good
        })
    };
    assert!(check(b"m", b"s", true) && check(b"m", b"s", true) && check(b"m", b"s", false));
    assert_eq!(asked.get(), 1);
    assert!(!check(b"m", b"t", false) && !check(b"n", b"s", false) && !check(b"ms", b"", false));
    assert_eq!(asked.get(), 4);
}

#[test]
fn a_bad_signature_is_never_remembered() {
    let seen = Seen::new();
    assert!((0..3).all(|_| !seen.or_verify(1, b"m", b"s", || false)));
    assert!(!seen.or_verify(1, b"", b"", || false));
}

#[test]
fn another_method_is_another_signature() {
    let seen = Seen::new();
    assert!(seen.or_verify(1, b"m", b"s", || true));
    assert!(!seen.or_verify(2, b"m", b"s", || false));
}

#[test]
fn what_fits_with_room_is_remembered() {
    let seen = Seen::new();
    let check = |n: u32, good: bool| seen.or_verify(1, &n.to_be_bytes(), b"s", || good);
    assert!((0..1000).all(|n| check(n, true)));
    let forgotten = (0..1000).filter(|&n| !check(n, false)).count();
    assert!(forgotten < 50, "{forgotten} of 1000 are forgotten");
}

#[test]
fn more_than_fit_are_forgotten_and_verified_again() {
    let seen = Seen::new();
    let check = |n: u32, good: bool| seen.or_verify(1, &n.to_be_bytes(), b"s", || good);
    assert!((0..20_000).all(|n| check(n, true)));
    let forgotten = (0..20_000).filter(|&n| !check(n, false)).count();
    assert!(forgotten >= 20_000 - SLOTS, "{forgotten}");
}
