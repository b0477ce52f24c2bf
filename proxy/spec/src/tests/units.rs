use std::time::Duration;

use crate::units::{Rate, Size, duration_text, parse_duration, parse_rate, parse_size};

#[test]
fn durations() {
    let micros = Duration::from_micros;
    for (text, expected) in [
        ("2s", Some(micros(2_000_000))),
        ("100ms", Some(micros(100_000))),
        ("7us", Some(micros(7))),
        ("1m30s", Some(micros(90_000_000))),
        ("1d2h", Some(Duration::from_secs(93_600))),
        ("0s", Some(Duration::ZERO)),
        ("", None),
        ("5", None),
        ("s", None),
        ("-1s", None),
        ("1.5s", None),
        ("2 s", None),
        ("5 fortnights", None),
        ("99999999999999999999s", None),
        ("18446744073709551615d", None),
    ] {
        assert_eq!(parse_duration(text), expected, "{text:?}");
        if let Some(duration) = expected {
            assert_eq!(parse_duration(&duration_text(duration)), Some(duration), "{text:?}");
        }
    }
    assert_eq!(duration_text(micros(90_000_001)), "1m30s1us");
}

#[test]
fn sizes() {
    for (text, expected) in [
        ("0", Some(0)),
        ("512", Some(512)),
        ("512B", Some(512)),
        ("64KiB", Some(65_536)),
        ("10MB", Some(10_000_000)),
        ("3GiB", Some(3 << 30)),
        ("", None),
        ("KiB", None),
        ("1KB", None),
        ("1.5MiB", None),
        ("99999999TiB", None),
    ] {
        assert_eq!(parse_size(text).map(|size| size.0), expected, "{text:?}");
    }
    assert_eq!(Size(65_536).to_string(), "64KiB");
    assert_eq!(Size(10_000_000).to_string(), "10000000B");
    assert_eq!(Size(0).to_string(), "0B");
}

#[test]
fn rates() {
    let rate = |count, per_secs: u64| Some(Rate { count, per_us: per_secs * 1_000_000 });
    for (text, expected) in [
        ("50/s", rate(50, 1)),
        ("600/min", rate(600, 60)),
        ("1/h", rate(1, 3_600)),
        ("10/15m", rate(10, 900)),
        ("5/30d", rate(5, 30 * 86_400)),
        ("0/s", None),
        ("5/0s", None),
        ("5/100ms", Some(Rate { count: 5, per_us: 100_000 })),
        ("5/0ms", None),
        ("5", None),
        ("/s", None),
        ("-5/s", None),
        ("5/fortnight", None),
    ] {
        assert_eq!(parse_rate(text), expected, "{text:?}");
        if let Some(rate) = expected {
            assert_eq!(parse_rate(&rate.to_string()), Some(rate), "{text:?}");
        }
    }
}
