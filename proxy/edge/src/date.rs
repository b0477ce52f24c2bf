//! The `Date` field line of this thread, rendered once a second.

use std::cell::Cell;

const LINE_BYTES: usize = "Date: ".len() + 29 + "\r\n".len();

thread_local! {
    static LINE: Cell<(u64, [u8; LINE_BYTES])> = const { Cell::new((0, [0; LINE_BYTES])) };
}

/// Tells this thread the time, in seconds since 1970; cheap when the second is still the same.
pub(crate) fn set(unix_s: u64) {
    if LINE.get().0 != unix_s {
        let mut line = [0; LINE_BYTES];
        line[..6].copy_from_slice(b"Date: ");
        line[6..35].copy_from_slice(&tidegate_http::date::format(unix_s));
        line[35..].copy_from_slice(b"\r\n");
        LINE.set((unix_s, line));
    }
}

/// Appends the line.
pub(crate) fn write(out: &mut Vec<u8>) {
    out.extend_from_slice(&LINE.get().1);
}

/// The value alone.
pub(crate) fn value() -> [u8; 29] {
    let mut value = [0; 29];
    value.copy_from_slice(&LINE.get().1[6..35]);
    value
}
