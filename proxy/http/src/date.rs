//! HTTP dates (RFC 9110 5.6.7).

/// The IMF-fixdate form of a time in seconds since 1970. Times after the year 9999 give its last
/// second.
pub fn format(unix_secs: u64) -> [u8; 29] {
    let secs = unix_secs.min(LAST_SECOND);
    let (days, of_day) = (secs / DAY_SECS, secs % DAY_SECS);
    let (year, month, day) = civil(days);
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    out[0..3].copy_from_slice(WEEKDAYS[(days % 7) as usize].as_bytes());
    two_digits(&mut out[5..7], day);
    out[8..11].copy_from_slice(MONTHS[month as usize].as_bytes());
    two_digits(&mut out[12..14], year / 100);
    two_digits(&mut out[14..16], year % 100);
    two_digits(&mut out[17..19], of_day / 3600);
    two_digits(&mut out[20..22], of_day / 60 % 60);
    two_digits(&mut out[23..25], of_day % 60);
    out
}

/// Reads any of the three forms, in any case: seconds since 1970, `None` for earlier or malformed
/// dates. A two-digit year from 70 on is of the last century; [`parse_at`] does as the standard
/// says.
pub fn parse(text: &[u8]) -> Option<u64> {
    let pivot = |year: u64| if year < 70 { 2000 + year } else { 1900 + year };
    parse_with(text, pivot)
}

/// Like [`parse`], but a two-digit year that seems to lie more than 50 years after `now`, in
/// seconds since 1970, is of the century before (RFC 9110 5.6.7).
pub fn parse_at(text: &[u8], now: u64) -> Option<u64> {
    let this_year = civil(now.min(LAST_SECOND) / DAY_SECS).0;
    parse_with(text, |year| {
        let year = this_year - this_year % 100 + year;
        if year > this_year + 50 { year - 100 } else { year }
    })
}

const DAY_SECS: u64 = 86_400;
/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;
/// From the weekday of the first of January 1970 on.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const WEEKDAYS_LONG: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn parse_with(text: &[u8], full_year: impl Fn(u64) -> u64) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    match text.split_once(", ") {
        Some((weekday, rest)) if is_one_of(weekday, &WEEKDAYS) => imf(rest),
        Some((weekday, rest)) if is_one_of(weekday, &WEEKDAYS_LONG) => rfc850(rest, full_year),
        Some(_) => None,
        None => asctime(text),
    }
}

/// `06 Nov 1994 08:49:37 GMT`
fn imf(text: &str) -> Option<u64> {
    let mut words = text.split(' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let (time, zone) = (words.next()?, words.next()?);
    let last = words.next().is_none() && zone.eq_ignore_ascii_case("GMT");
    let year = number(year, 4)?;
    seconds(year, month, number(day, 2)?, time).filter(|_| last)
}

/// `06-Nov-94 08:49:37 GMT`
fn rfc850(text: &str, full_year: impl Fn(u64) -> u64) -> Option<u64> {
    let mut words = text.split(' ');
    let (date, time, zone) = (words.next()?, words.next()?, words.next()?);
    let last = words.next().is_none() && zone.eq_ignore_ascii_case("GMT");
    let mut parts = date.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let last = last && parts.next().is_none();
    let year = full_year(number(year, 2)?);
    seconds(year, month, number(day, 2)?, time).filter(|_| last)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &str) -> Option<u64> {
    let (weekday, rest) = text.split_once(' ')?;
    let (month, rest) = rest.split_once(' ')?;
    let (day, rest) = rest.split_at_checked(2)?;
    let (time, year) = rest.strip_prefix(' ')?.split_once(' ')?;
    let day = match day.strip_prefix(' ') {
        Some(digit) => number(digit, 1)?,
        None => number(day, 2)?,
    };
    seconds(number(year, 4)?, month, day, time).filter(|_| is_one_of(weekday, &WEEKDAYS))
}

fn seconds(year: u64, month: &str, day: u64, time: &str) -> Option<u64> {
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as u64;
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let days = match month {
        1 if leap => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    if year < 1970 || day == 0 || day > days {
        return None;
    }
    Some(days_since_1970(year, month, day) * DAY_SECS + time_of_day(time)?)
}

/// `08:49:37`; a leap second counts as the first second of the next minute.
fn time_of_day(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let hour = number(parts.next()?, 2).filter(|&hour| hour < 24)?;
    let minute = number(parts.next()?, 2).filter(|&minute| minute < 60)?;
    let second = number(parts.next()?, 2).filter(|&second| second <= 60)?;
    parts.next().is_none().then_some(hour * 3600 + minute * 60 + second)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.bytes().fold(0, |sum, b| sum * 10 + u64::from(b - b'0')))
}

fn is_one_of(word: &str, names: &[&str]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(word))
}

fn two_digits(out: &mut [u8], n: u64) {
    out[0] = b'0' + (n / 10 % 10) as u8;
    out[1] = b'0' + (n % 10) as u8;
}

/// Days from the first of March of year 0 to the first of January 1970.
const DAYS_TO_1970: u64 = 719_468;
const DAYS_400_YEARS: u64 = 146_097;

/// Year, month from 0, day from 1. Counts years from March, so that a leap day is the last of its
/// year: then months alternate regularly and no table is needed.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, of_era) = (days / DAYS_400_YEARS, days % DAYS_400_YEARS);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    (era * 400 + year + u64::from(month < 2), month, day)
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month < 2);
    let from_march = (month + 10) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - DAYS_TO_1970
}

#[cfg(test)]
mod tests;
