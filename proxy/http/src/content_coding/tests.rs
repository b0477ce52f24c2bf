use super::ContentCoding::{self, Brotli, Gzip, Zstd};
use crate::FieldList;

fn best(lines: &[&str]) -> Option<ContentCoding> {
    let fields: FieldList = lines.iter().map(|line| ("Accept-Encoding", line)).collect();
    ContentCoding::accepted(&fields, &[Zstd, Brotli, Gzip])
}

#[test]
fn weights_go_before_our_own_order() {
    assert_eq!(best(&["gzip, deflate, br, zstd"]), Some(Zstd));
    assert_eq!(best(&["gzip, deflate, br"]), Some(Brotli));
    assert_eq!(best(&["gzip;q=1.0, br;q=0.9, zstd;q=0.8"]), Some(Gzip));
    assert_eq!(best(&["br;q=0.001"]), Some(Brotli));
    assert_eq!(best(&["GZIP ; Q=0.5"]), Some(Gzip));
    assert_eq!(best(&["x-gzip"]), Some(Gzip));
    assert_eq!(best(&["gzip", "br"]), Some(Brotli), "two lines are one list");
}

#[test]
fn nothing_accepted_is_nothing_coded() {
    for line in ["", "identity", "deflate", "gzip;q=0", "gzip;q=0.000", "gzip;q=x", "*;q=0"] {
        assert_eq!(best(&[line]), None, "{line}");
    }
    assert_eq!(best(&[]), None);
    assert_eq!(best(&["gzip;q=1.5"]), None, "no weight at all");
    assert_eq!(best(&["gzip;q=0.1234"]), None, "too many digits");
}

#[test]
fn a_star_stands_for_what_is_not_named() {
    assert_eq!(best(&["*"]), Some(Zstd));
    assert_eq!(best(&["zstd;q=0, *"]), Some(Brotli));
    assert_eq!(best(&["gzip, *;q=0.1"]), Some(Gzip));
}

#[test]
fn who_would_rather_have_it_plain_gets_it_plain() {
    assert_eq!(best(&["identity, gzip;q=0.5"]), None);
    assert_eq!(best(&["identity;q=0.5, gzip"]), Some(Gzip));
    assert_eq!(best(&["identity;q=0, gzip;q=0.1"]), Some(Gzip));
}
