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
fn more_than_fit_are_forgotten_and_verified_again() {
    let seen = Seen::new();
    for n in 0..10_000_u32 {
        assert!(seen.or_verify(1, &n.to_be_bytes(), b"s", || true));
    }
    let again = (0..10_000_u32).filter(|n| !seen.or_verify(1, &n.to_be_bytes(), b"s", || false));
    assert!(again.count() > 8_000);
}
