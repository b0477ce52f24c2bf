use super::{LAST_SECOND, format, parse, parse_at};

fn text(secs: u64) -> String {
    String::from_utf8(format(secs).to_vec()).unwrap()
}

#[test]
fn the_example_of_the_standard_in_three_forms() {
    let secs = 784_111_777;
    assert_eq!(text(secs), "Sun, 06 Nov 1994 08:49:37 GMT");
    for form in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        assert_eq!(parse(form.as_bytes()), Some(secs), "{form}");
        assert_eq!(parse(form.to_uppercase().as_bytes()), Some(secs), "{form}");
        assert_eq!(parse(form.to_lowercase().as_bytes()), Some(secs), "{form}");
    }
}

#[test]
fn edges_of_the_calendar() {
    assert_eq!(text(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(text(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(text(LAST_SECOND), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(text(u64::MAX), text(LAST_SECOND));
    assert_eq!(parse(b"Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
    assert_eq!(parse(b"Sat, 31 Dec 2016 23:59:60 GMT"), Some(1_483_228_800));
}

#[test]
fn what_is_no_date() {
    for bad in [
        "",
        "0",
        "-1",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 PST",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 1900 00:00:00 GMT",
        "Tue, 29 Feb 2001 00:00:00 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT x",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\u{e4}",
    ] {
        assert_eq!(parse(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(parse(b"\xff\xfe"), None);
}

#[test]
fn a_two_digit_year_is_never_far_ahead() {
    let now = parse(b"Sat, 21 Nov 2026 00:00:00 GMT").unwrap();
    let year = |yy: &str| {
        let secs = parse_at(format!("Sunday, 06-Nov-{yy} 08:49:37 GMT").as_bytes(), now).unwrap();
        text(secs)[12..16].to_owned()
    };
    assert_eq!(year("26"), "2026");
    assert_eq!(year("76"), "2076");
    assert_eq!(year("77"), "1977");
    assert_eq!(year("00"), "2000");
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read(secs in 0..=LAST_SECOND) {
        proptest::prop_assert_eq!(parse(&format(secs)), Some(secs));
    }

    #[test]
    fn days_follow_each_other(days in 0..=LAST_SECOND / 86_400) {
        let (year, month, day) = super::civil(days);
        proptest::prop_assert_eq!(super::days_since_1970(year, month, day), days);
    }
}
