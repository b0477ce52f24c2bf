//! HTTP dates (RFC 9110 5.6.7).

/// The IMF-fixdate form of a time in seconds since 1970, up to the year 9999.
pub fn format(unix_secs: u64) -> [u8; 29] {
    let _ = unix_secs;
    *b"Thu, 01 Jan 1970 00:00:00 GMT"
}

/// Reads any of the three forms: seconds since 1970, `None` for earlier or malformed dates.
/// A two-digit year from 70 on is of the last century.
pub fn parse(text: &[u8]) -> Option<u64> {
    let _ = text;
    None
}
