use tidegate_http::Fields as _;

use super::*;
use crate::testing::{date, fields, meta};

/// RFC 9111 §4.3.1.
#[test]
fn the_stored_validators_replace_the_clients_conditions() {
    let meta = meta(&format!("etag: W/\"x\"\nlast-modified: {}", date(-1000)));
    let mut request =
        fields("if-none-match: \"y\"\nif-match: *\nrange: bytes=0-1\nif-range: \"y\"\na: b");
    validation_fields(&meta, &mut request);
    assert_eq!(request.first("if-none-match"), Some(&b"W/\"x\""[..]));
    assert_eq!(request.first("if-modified-since"), Some(date(-1000).as_bytes()));
    assert_eq!(request.len(), 3);
}

/// RFC 9111 §4.3.3, §4.3.4.
#[test]
fn what_an_answer_means() {
    let modified = format!("last-modified: {}", date(-1000));
    let other = format!("last-modified: {}", date(-999));
    for (stored, status, answer, meaning) in [
        ("etag: \"x\"", 304, "etag: \"x\"", Validation::Freshens),
        ("etag: \"x\"", 304, "etag: \"y\"", Validation::Mismatch),
        ("etag: \"x\"", 304, "etag: W/\"x\"", Validation::Freshens),
        ("etag: W/\"x\"", 304, "etag: \"x\"", Validation::Mismatch),
        ("etag: \"x\"", 304, "", Validation::Freshens),
        (&modified, 304, "", Validation::Freshens),
        (&modified, 304, &modified, Validation::Freshens),
        (&modified, 304, &other, Validation::Mismatch),
        (&modified, 304, "etag: \"x\"", Validation::Mismatch),
        ("etag: \"x\"", 200, "", Validation::Replaces),
        ("etag: \"x\"", 404, "", Validation::Replaces),
        ("etag: \"x\"", 503, "", Validation::Failed),
    ] {
        let response = ResponseHead { status, fields: fields(answer) };
        assert_eq!(validates(&meta(stored), &response), meaning, "{stored} {status} {answer}");
    }
}
