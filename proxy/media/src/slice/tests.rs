use proptest::prelude::*;

use super::*;

fn fields(pairs: &[(&str, &str)]) -> FieldList {
    let mut fields = FieldList::new();
    pairs.iter().for_each(|(name, value)| fields.push(name, value));
    fields
}

const SECOND: Slice = Slice { index: 1, bytes: 100 };

#[test]
fn a_part_is_kept_only_when_it_is_the_one_asked_for() {
    assert_eq!(SECOND.range(), "bytes=100-199");
    let good = fields(&[("Content-Range", "bytes 100-199/250"), ("ETag", "\"a\"")]);
    let extent = Extent { total: 250, length: 100, version: Some(b"\"a\"".to_vec()) };
    assert_eq!(SECOND.answered(206, &good), Answered::Slice(extent));
    let last = fields(&[("Content-Range", "bytes 100-149/150"), ("Content-Length", "50")]);
    let extent = Extent { total: 150, length: 50, version: None };
    assert_eq!(SECOND.answered(206, &last), Answered::Slice(extent));
    for bad in [
        &[("Content-Range", "bytes 0-99/250")][..],
        &[("Content-Range", "bytes 100-198/250")],
        &[("Content-Range", "bytes 100-199/*")],
        &[("Content-Range", "bytes 100-199/250"), ("Content-Length", "99")],
        &[("Content-Range", "bytes 100-199/250"), ("Content-Encoding", "gzip")],
        &[],
    ] {
        assert_eq!(SECOND.answered(206, &fields(bad)), Answered::Other, "{bad:?}");
    }
    assert_eq!(SECOND.answered(200, &good), Answered::Whole);
    let beyond = fields(&[("Content-Range", "bytes */77")]);
    assert_eq!(SECOND.answered(416, &beyond), Answered::Beyond(Some(77)));
    assert_eq!(SECOND.answered(500, &good), Answered::Other);
}

#[test]
fn a_weak_tag_is_no_version() {
    let weak = fields(&[("ETag", "W/\"a\""), ("Last-Modified", "x")]);
    assert_eq!(version(&weak), Some(b"x".to_vec()));
}

#[test]
fn ranges_are_read() {
    let of = |text: &str| Wanted::parse(text.as_bytes()).and_then(|wanted| wanted.within(100));
    assert_eq!(of("bytes=0-9"), Some((0, 9)));
    assert_eq!(of("bytes=90-"), Some((90, 99)));
    assert_eq!(of("bytes=90-900"), Some((90, 99)));
    assert_eq!(of("bytes=-10"), Some((90, 99)));
    assert_eq!(of("bytes=-900"), Some((0, 99)));
    for none in ["bytes=100-", "bytes=9-8", "bytes=-0", "bytes=0-1,3-4", "lines=0-1", "bytes=-"] {
        assert_eq!(of(none), None, "{none}");
    }
}

proptest! {
    #[test]
    fn slices_cover_a_range(first in 0_u64..10_000, length in 1_u64..5000, bytes in 1_u64..700) {
        let last = first + length - 1;
        let (from, to) = (Slice::of(first, bytes).index, Slice::of(last, bytes).index);
        let start = |index| Slice { index, bytes }.start();
        prop_assert!(start(from) <= first && start(to) <= last && start(to + 1) > last);
    }

    #[test]
    fn any_field_is_read(range in "\\PC{0,40}", status in 200_u16..600) {
        let _ = Wanted::parse(range.as_bytes());
        let _ = SECOND.answered(status, &fields(&[("Content-Range", "bytes 1-2/3")]));
    }
}
