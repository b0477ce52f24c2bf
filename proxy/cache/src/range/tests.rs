use proptest::prelude::*;

use super::*;
use crate::testing::{date, fields, meta};

fn plan_of(request: &str, length: u64) -> RangePlan {
    let stored = format!("etag: \"x\"\nlast-modified: {}\ndate: {}", date(-100), date(0));
    range_plan(Method::Get, &fields(request), &meta(&stored), length)
}

const fn range(start: u64, end: u64) -> ByteRange {
    ByteRange { start, end }
}

/// RFC 9110 §14.1.2, §14.2.
#[test]
fn forms_of_a_range() {
    use RangePlan::{Multi, Single, Unsatisfiable, Whole};
    for (value, expected) in [
        ("bytes=0-9", Single(range(0, 10))),
        ("bytes=0-0", Single(range(0, 1))),
        ("bytes=10-", Single(range(10, 100))),
        ("bytes=-10", Single(range(90, 100))),
        ("bytes=-1000", Single(range(0, 100))),
        ("bytes=90-999", Single(range(90, 100))),
        ("Bytes=0-9", Single(range(0, 10))),
        ("bytes= 0-9 , ", Single(range(0, 10))),
        ("bytes=0-99999999999999999999999", Single(range(0, 100))),
        ("bytes=100-", Unsatisfiable),
        ("bytes=-0", Unsatisfiable),
        ("bytes=200-300, 100-", Unsatisfiable),
        ("bytes=0-9, 200-", Single(range(0, 10))),
        ("bytes=0-9,20-29", Multi(vec![range(0, 10), range(20, 30)])),
        ("bytes=20-29,0-9", Multi(vec![range(20, 30), range(0, 10)])),
        ("bytes=0-60,50-99", Whole),
        ("bytes=9-0", Whole),
        ("bytes=a-b", Whole),
        ("bytes=", Whole),
        ("bytes=0-9,x", Whole),
        ("bytes=1", Whole),
        ("bytes 0-9", Whole),
        ("bytes=+1-2", Whole),
        ("items=0-9", Whole),
    ] {
        assert_eq!(plan_of(&format!("range: {value}"), 100), expected, "{value}");
    }
    assert_eq!(plan_of("", 100), Whole);
    assert_eq!(plan_of("range: bytes=0-9\nrange: bytes=0-9", 100), Whole);
    assert_eq!(plan_of("range: bytes=0-", 0), Unsatisfiable);
}

#[test]
fn too_many_ranges_get_the_whole() {
    let many = |n: usize| {
        let specs: Vec<String> = (0..n).map(|i| format!("{}-{}", i * 2, i * 2)).collect();
        plan_of(&format!("range: bytes={}", specs.join(",")), 1000)
    };
    assert!(matches!(many(RANGES_MAX), RangePlan::Multi(ranges) if ranges.len() == RANGES_MAX));
    assert_eq!(many(RANGES_MAX + 1), RangePlan::Whole);
}

/// RFC 9110 §13.1.5.
#[test]
fn if_range() {
    for (condition, holds) in [
        ("\"x\"".into(), true),
        ("\"y\"".into(), false),
        ("W/\"x\"".into(), false),
        (date(-100), true),
        (date(-99), false),
        (date(0), false),
        ("x".into(), false),
    ] {
        let request = format!("range: bytes=0-9\nif-range: {condition}");
        assert_eq!(plan_of(&request, 100) != RangePlan::Whole, holds, "{condition}");
    }
    let young = format!("last-modified: {}\ndate: {}\ncache-control: max-age=9", date(0), date(0));
    let request = fields(&format!("range: bytes=0-9\nif-range: {}", date(0)));
    assert_eq!(range_plan(Method::Get, &request, &meta(&young), 100), RangePlan::Whole);
}

#[test]
fn only_a_200_to_get_is_cut() {
    let request = fields("range: bytes=0-9");
    let mut meta = meta("etag: \"x\"");
    assert_eq!(range_plan(Method::Head, &request, &meta, 100), RangePlan::Whole);
    meta.status = 404;
    assert_eq!(range_plan(Method::Get, &request, &meta, 100), RangePlan::Whole);
}

#[test]
fn content_range_text() {
    assert_eq!(range(0, 10).content_range(100), "bytes 0-9/100");
    assert_eq!(multipart_boundary(u128::MAX).len(), 24);
}

proptest! {
    /// Whatever is asked for, what is planned lies within the body.
    #[test]
    fn plans_stay_inside(value in "(bytes=)?[0-9,\\- ]{0,24}", length in 0u64..50) {
        let within = |r: &ByteRange| r.start < r.end && r.end <= length;
        match plan_of(&format!("range: {value}"), length) {
            RangePlan::Single(r) => prop_assert!(within(&r)),
            RangePlan::Multi(ranges) => {
                prop_assert!(ranges.len() > 1 && ranges.iter().all(within));
                prop_assert!(ranges.iter().map(ByteRange::len).sum::<u64>() < length);
            }
            RangePlan::Whole | RangePlan::Unsatisfiable => {}
        }
    }
}
