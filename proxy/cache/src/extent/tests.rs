use super::*;
use crate::testing::fields;

fn extent(text: &str) -> Option<(u64, u64, u64)> {
    Extent::of(&fields(text)).map(|found| (found.range.start, found.range.end, found.total))
}

#[test]
fn forms_of_a_content_range() {
    for (text, found) in [
        ("content-range: bytes 0-9/100", Some((0, 10, 100))),
        ("content-range: bytes 90-99/100\ncontent-length: 10", Some((90, 100, 100))),
        ("content-range: bytes 90-99/100\ncontent-length: 11", None),
        ("content-range: bytes 90-99/100\ncontent-length: 5", None),
        ("content-range: bytes 90-99/100\ncontent-length: x", None),
        ("content-range: bytes 0-9/*", None),
        ("content-range: bytes */100", None),
        ("content-range: bytes 9-0/100", None),
        ("content-range: bytes 0-100/100", None),
        ("content-range: bytes 0-18446744073709551615/18446744073709551615", None),
        ("content-range: lines 0-9/100", None),
        ("content-range: bytes 0-9/100\ncontent-range: bytes 0-9/100", None),
        ("content-type: multipart/byteranges", None),
    ] {
        assert_eq!(extent(text), found, "{text}");
    }
}

#[test]
fn a_last_byte_that_is_one_too_far() {
    let text = |range: &str| format!("content-length: 5\ncontent-range: bytes {range}");
    assert_eq!(extent(&text("0-5/10")), Some((0, 5, 10)));
    assert_eq!(extent(&text("4-9/10")), Some((4, 9, 9)));
    assert_eq!(extent("content-length: 0\ncontent-range: bytes 4-4/10"), None);
}

#[test]
fn only_strong_entity_tags_name_a_version() {
    let version = |tag: &str| {
        Extent::of(&fields(&format!("content-range: bytes 0-9/10\netag: {tag}"))).unwrap().version
    };
    assert_eq!(version("\"a\"").as_deref(), Some(&b"\"a\""[..]));
    assert_eq!(version("W/\"a\""), None);
}
