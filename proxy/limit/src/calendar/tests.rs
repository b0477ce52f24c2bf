use super::*;

fn at(period: Period, offset_s: i32, now_s: u64) -> (u64, u64) {
    let span = span(period, offset_s, now_s * 1_000_000_000);
    (span.start_ns / 1_000_000_000, span.end_ns / 1_000_000_000)
}

#[test]
fn periods_begin_where_the_calendar_says() {
    // Saturday, 21 November 2026, 19:31:27 UTC.
    let now_s = 1_795_289_487;
    assert_eq!(at(Period::Hour, 0, now_s), (1_795_287_600, 1_795_291_200));
    assert_eq!(at(Period::Day, 0, now_s), (1_795_219_200, 1_795_305_600));
    assert_eq!(at(Period::Week, 0, now_s), (1_794_787_200, 1_795_392_000));
    assert_eq!(at(Period::Month, 0, now_s), (1_793_491_200, 1_796_083_200));
    // Five hours further east it is already Sunday.
    assert_eq!(at(Period::Day, 5 * 3600, now_s), (1_795_287_600, 1_795_374_000));
}

#[test]
fn months_follow_each_other_without_a_gap() {
    let mut start_s = 951_782_400; // 29 February 2000
    let mut lengths = Vec::new();
    for _ in 0..(100 * 12) {
        let (start, end) = at(Period::Month, 0, start_s);
        assert!(start <= start_s && start_s < end);
        lengths.push((end - start) / 86_400);
        start_s = end;
    }
    assert_eq!(lengths[..4], [29, 31, 30, 31]);
    assert_eq!(lengths.iter().sum::<u64>(), 36_525);
}
