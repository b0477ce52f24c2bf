//! The field lines of a request.

use std::{fmt, slice};

use crate::hpack::Line;

/// Field lines in the order they came: name in lower case and value. `cookie` may come in several
/// lines (RFC 9113 8.2.3).
#[derive(Clone)]
pub struct FieldsIter<'a> {
    pub(crate) lines: slice::Iter<'a, Line>,
    pub(crate) arena: &'a [u8],
}

impl<'a> Iterator for FieldsIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.lines.next().map(|line| (line.name(self.arena), line.value(self.arena)))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.lines.size_hint()
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for FieldsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.clone().map(|(name, _)| name.escape_ascii().to_string());
        f.debug_list().entries(names).finish()
    }
}
