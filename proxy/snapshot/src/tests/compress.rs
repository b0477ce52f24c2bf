use super::*;
use crate::compress::TypePattern;

fn policy() -> Compress {
    let types = ["text/*", "*+json", "application/wasm"];
    Compress {
        codings: [tidegate_http::ContentCoding::Gzip].into(),
        types: types.iter().filter_map(|text| TypePattern::parse(text)).collect(),
        bytes_min: 100,
    }
}

fn concerns(lines: &[(&str, &str)], length: Option<u64>) -> bool {
    policy().concerns(200, &lines.iter().copied().collect(), length)
}

#[test]
fn types_by_name_prefix_and_suffix() {
    for good in
        ["text/html", "TEXT/plain; charset=utf-8", "application/ld+JSON", "application/wasm"]
    {
        assert!(concerns(&[("content-type", good)], None), "{good}");
    }
    for bad in ["image/png", "application/json", "text", "application/wasm2", ""] {
        assert!(!concerns(&[("content-type", bad)], None), "{bad}");
    }
    assert!(!concerns(&[], None));
    for wrong in ["*", "text", "/html", "*json", "a b/c", "text/"] {
        assert_eq!(TypePattern::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_small_encoded_partial_or_not_to_be_changed_stays() {
    let html = ("content-type", "text/html");
    assert!(concerns(&[html], Some(100)));
    assert!(!concerns(&[html], Some(99)));
    assert!(!concerns(&[html, ("content-encoding", "br")], None));
    assert!(!concerns(&[html, ("content-range", "bytes 0-1/2")], None));
    assert!(!concerns(&[html, ("cache-control", "public, No-Transform")], None));
    let fields = [html].into_iter().collect();
    assert!([204, 206, 304].iter().all(|status| !policy().concerns(*status, &fields, None)));
}
