//! The field lines of a request.

/// Field lines in the order they came: name in lower case and value. `cookie` may come in several
/// lines (RFC 9113 8.2.3).
#[derive(Debug, Clone)]
pub struct FieldsIter<'a> {
    lines: std::slice::Iter<'a, (&'a [u8], &'a [u8])>,
}

impl<'a> Iterator for FieldsIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.lines.next().copied()
    }
}
