use super::{Listener, Queues, Space};
use crate::status::Status;

#[test]
fn counters_end_and_sum_up() {
    let space = Space::new(1_000);
    assert_eq!(space.count(b"k", 1_000, 0, 10), 0);
    assert_eq!(space.count(b"k", 1_000, 2, 10), 2);
    assert_eq!(space.count(b"k", 9_999, 3, 1_009), 5, "the window is that of the first addition");
    assert_eq!(space.count(b"k", 1_000, 0, 1_010), 0);
    assert_eq!(space.count(b"k", 1_000, 1, 1_010), 1);
    assert_eq!(space.count(b"other", 1_000, 1, 1_010), 1);
    assert_eq!(space.count(b"k", 1_000, u64::MAX, 1_010), u64::MAX);
}

#[test]
fn sets_count_different_members() {
    let space = Space::new(1_000);
    let add = |member: &[u8], now_ms| space.distinct(b"k", member, 1_000, now_ms);
    assert_eq!([add(b"a", 0), add(b"b", 1), add(b"a", 2)], [1, 2, 2]);
    assert_eq!(add(b"c", 1_000), 1);
    for member in 0..5_000u32 {
        add(&member.to_le_bytes(), 1_001);
    }
    assert_eq!(add(b"d", 1_002), 1_024, "a set has a limit");
}

#[test]
fn buckets_refill_with_time() {
    let space = Space::new(1_000);
    let take = |now_ms| space.take(b"k", 2.0, 3.0, 1.0, now_ms);
    assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
    assert_eq!([take(499), take(500), take(500)], [false, true, false]);
    assert!(take(60_000) && take(60_000) && take(60_000) && !take(60_000));
    // A clock that goes back neither fills nor empties.
    assert!(!take(0));
}

#[test]
fn many_keys_push_out_those_that_end_first() {
    let space = Space::new(1_000);
    for key in 0..400_000u32 {
        space.count(&key.to_le_bytes(), 1_000_000 + u64::from(key), 1, 0);
    }
    let alive = |key: u32| space.count(&key.to_le_bytes(), 1, 0, 1) == 1;
    assert!(alive(399_999) && !alive(0));
    let kept = (0..400_000).filter(|key| alive(*key)).count();
    assert!((50_000..=200_000).contains(&kept), "{kept} are kept");
}

#[test]
fn data_is_compared_swapped_and_bounded() {
    let space = Space::new(100);
    let mut out = Vec::new();
    assert_eq!(space.set_value(b"a", b"1", 0), Status::Ok);
    let version = space.value(b"a", &mut out).unwrap();
    assert_eq!(space.set_value(b"a", b"2", version), Status::Ok);
    assert_eq!(space.set_value(b"a", b"3", version), Status::CasMismatch);
    assert_eq!((space.value(b"a", &mut out).is_some(), out.as_slice()), (true, &b"2"[..]));
    for key in b'b'..=b'z' {
        assert_eq!(space.set_value(&[key], &[0; 9], 0), Status::Ok);
        assert!(space.data_bytes() <= 100);
    }
    assert!(space.value(b"a", &mut out).is_none(), "the oldest went first");
    assert!(space.value(b"z", &mut out).is_some());
    assert!(space.remove_value(b"z") && !space.remove_value(b"z"));
    assert_eq!(space.set_value(b"big", &[0; 1_000], 0), Status::Ok);
    assert_eq!(space.data_bytes(), 0, "what never fits does not stay");
}

#[test]
fn a_full_queue_loses_its_oldest() {
    let queues = Queues::new(10);
    let listener = Listener { plugin: "p".into(), instance: 1 };
    let id = queues.register("vm", b"q", listener.clone()).unwrap();
    assert_eq!(queues.register("vm", b"q", listener.clone()), Some(id));
    assert_eq!(queues.listeners(id), [listener]);
    assert_ne!(
        queues.register("other", b"q", Listener { plugin: "p".into(), instance: 2 }),
        Some(id)
    );
    for item in 0..5u8 {
        assert!(queues.push(id, vec![item; 4]));
    }
    assert_eq!(queues.pop(id), Ok(vec![3; 4]));
    assert_eq!(queues.pop(id), Ok(vec![4; 4]));
    assert_eq!(queues.pop(id), Err(Status::Empty));
    assert_eq!(queues.pop(99), Err(Status::NotFound));
    assert_eq!(queues.pop(0), Err(Status::NotFound));
}
