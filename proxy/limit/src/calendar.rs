//! Where a period of the calendar begins and ends (proleptic Gregorian, fixed offset from UTC).

use crate::rule::Period;

#[cfg(test)]
mod tests;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// A period, in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

/// The period that holds `now_ns`.
pub(crate) fn span(period: Period, offset_s: i32, now_ns: u64) -> Span {
    let local_s = now_ns as i64 / SECOND_NS + i64::from(offset_s);
    let (start_s, end_s) = match period {
        Period::Hour => around(local_s, 3600, 0),
        Period::Day => around(local_s, DAY_S, 0),
        // The epoch was a Thursday.
        Period::Week => around(local_s, 7 * DAY_S, 3 * DAY_S),
        Period::Month => month(local_s.div_euclid(DAY_S)),
    };
    let ns =
        |local_s: i64| ((local_s - i64::from(offset_s)).max(0).saturating_mul(SECOND_NS)) as u64;
    Span { start_ns: ns(start_s), end_ns: ns(end_s) }
}

/// A period's length in seconds; of a month the longest.
pub(crate) fn length_s(period: Period) -> u64 {
    match period {
        Period::Hour => 3600,
        Period::Day => 86_400,
        Period::Week => 7 * 86_400,
        Period::Month => 31 * 86_400,
    }
}

fn around(local_s: i64, length_s: i64, shift_s: i64) -> (i64, i64) {
    let start_s = local_s - (local_s + shift_s).rem_euclid(length_s);
    (start_s, start_s + length_s)
}

fn month(day: i64) -> (i64, i64) {
    let (year, month) = year_month(day);
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    (first_day(year, month) * DAY_S, first_day(next_year, next_month) * DAY_S)
}

/// Year and month (1-12) of a day counted from the epoch. Years are counted from March, so that the
/// leap day comes last; 146097 days are 400 years.
fn year_month(day: i64) -> (i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month)
}

/// The first day of a month, counted from the epoch.
fn first_day(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
