use super::*;

const WHOLE: Key = Key::from_u128(1);

fn extent(start: u64, end: u64, version: Option<&str>) -> Extent {
    let version = version.map(|tag| tag.as_bytes().into());
    Extent { range: ByteRange { start, end }, total: 100, version }
}

fn ranges(parts: &Parts, start: u64, end: u64) -> Option<Vec<(u128, u64, u64)>> {
    let cover = parts.cover(WHOLE, |_| Some(ByteRange { start, end }))?;
    let piece = |p: &Piece| (p.key.as_u128(), p.range.start, p.range.end);
    Some(cover.pieces.iter().map(piece).collect())
}

#[test]
fn a_range_is_put_together_from_parts_of_one_version() {
    let parts = Parts::default();
    for (key, start, end) in [(10, 0, 20), (11, 15, 40), (12, 60, 100)] {
        parts.add(WHOLE, Key::from_u128(key), extent(start, end, Some("\"a\"")));
    }
    assert_eq!(ranges(&parts, 5, 10), Some(vec![(10, 5, 10)]));
    assert_eq!(ranges(&parts, 5, 30), Some(vec![(10, 5, 20), (11, 5, 15)]));
    assert_eq!(ranges(&parts, 15, 40), Some(vec![(11, 0, 25)]));
    assert_eq!(ranges(&parts, 30, 70), None);
    parts.add(WHOLE, Key::from_u128(13), extent(40, 60, Some("\"a\"")));
    assert_eq!(ranges(&parts, 0, 100).map(|pieces| pieces.len()), Some(4));
    assert_eq!(parts.cover(Key::from_u128(2), |_| unreachable!()), None);
}

#[test]
fn without_a_strong_tag_each_part_stands_alone() {
    let parts = Parts::default();
    parts.add(WHOLE, Key::from_u128(10), extent(0, 20, None));
    parts.add(WHOLE, Key::from_u128(11), extent(20, 40, None));
    assert!(ranges(&parts, 20, 40).is_some());
    assert_eq!(ranges(&parts, 10, 30), None);
}

#[test]
fn another_version_takes_the_place_of_all_parts() {
    let parts = Parts::default();
    parts.add(WHOLE, Key::from_u128(10), extent(0, 20, Some("\"a\"")));
    parts.add(WHOLE, Key::from_u128(11), extent(20, 40, Some("\"b\"")));
    assert_eq!(ranges(&parts, 0, 20), None);
    assert_eq!(ranges(&parts, 20, 40), Some(vec![(11, 0, 20)]));
}

#[test]
fn what_is_remembered_is_bounded() {
    let parts = Parts::default();
    for n in 0..u128::from(u8::MAX) {
        parts.add(WHOLE, Key::from_u128(n), extent(n as u64 % 99, n as u64 % 99 + 1, None));
    }
    assert_eq!(parts.lock()[&WHOLE.as_u128()].parts.len(), PARTS_MAX);
    for n in 0..2 * FILES_MAX as u128 {
        parts.add(Key::from_u128(n), Key::from_u128(0), extent(0, 1, None));
    }
    assert!(parts.lock().len() <= FILES_MAX);
}
