use super::{BUCKETS, bucket, bucket_bound_us};
use crate::{Counter, Phase};

#[test]
fn threads_that_come_and_go_lose_no_count() {
    let before = Counter::Panics.value();
    for _ in 0..20 {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1000).for_each(|_| Counter::Panics.inc())))
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }
    assert_eq!(Counter::Panics.value() - before, 80_000);
}

#[test]
fn blocks_are_used_again() {
    let count = || super::blocks().all.len();
    for _ in 0..200 {
        std::thread::spawn(|| Counter::Purges.inc()).join().unwrap();
    }
    assert!(count() < 100, "{} blocks for 200 threads that never lived together", count());
}

#[test]
fn buckets_are_closed_above() {
    for (us, index) in
        [(0, 0), (1, 0), (16, 0), (17, 1), (32, 1), (33, 2), (1 << 24, 20), (u64::MAX, BUCKETS - 1)]
    {
        assert_eq!(bucket(us), index, "{us} us");
    }
    assert_eq!(bucket_bound_us(0), Some(16));
    assert_eq!(bucket_bound_us(BUCKETS - 1), None);
    for index in 0..BUCKETS - 1 {
        let bound = bucket_bound_us(index).unwrap();
        assert_eq!((bucket(bound), bucket(bound + 1)), (index, index + 1));
    }
}

#[test]
fn a_phase_files_durations() {
    let before = Phase::Purge.value();
    Phase::Purge.count(5);
    Phase::Purge.count(5_000_000);
    assert_eq!(Phase::Purge.value() - before, 2);
}
