//! A header section, whoever stores it.

use std::borrow::Cow;

/// One field line: the name as received (compare without regard to case) and the value without the
/// whitespace around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Field name, a token.
    pub name: &'a [u8],
    /// Field value, may hold obs-text (RFC 9110 5.5).
    pub value: &'a [u8],
}

/// Reads a header section. `name` is always given in lower case.
pub trait Fields {
    /// The value of the first line with this name.
    fn first(&self, name: &str) -> Option<&[u8]>;

    /// Calls `f` with name and value of every line, in order.
    fn each(&self, f: &mut dyn FnMut(&[u8], &[u8]));

    /// Calls `f` with the value of every line with this name, in order.
    fn lines(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        self.each(&mut |n, value| {
            if n.eq_ignore_ascii_case(name.as_bytes()) {
                f(value);
            }
        });
    }

    /// Whether there is a line with this name.
    fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The number of lines with this name.
    fn count(&self, name: &str) -> usize {
        let mut lines = 0;
        self.each(&mut |n, _| lines += usize::from(n.eq_ignore_ascii_case(name.as_bytes())));
        lines
    }

    /// All lines with this name as one value, joined with `", "` (RFC 9110 5.3).
    fn joined<'a>(&'a self, name: &str) -> Option<Cow<'a, [u8]>> {
        let first = self.first(name)?;
        if self.count(name) == 1 {
            return Some(Cow::Borrowed(first));
        }
        let mut all = Vec::new();
        self.each(&mut |n, value| {
            if n.eq_ignore_ascii_case(name.as_bytes()) {
                if !all.is_empty() {
                    all.extend_from_slice(b", ");
                }
                all.extend_from_slice(value);
            }
        });
        Some(Cow::Owned(all))
    }
}
