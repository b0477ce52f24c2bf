//! Comma-separated values (RFC 4180), as far as tables of links need them.

/// Records of one table.
pub(crate) const RECORDS_MAX: usize = 1000;
/// Fields of one record.
const FIELDS_MAX: usize = 64;

/// Why a table cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CsvError {
    #[error("line {0}: a quoted field is not closed")]
    Open(usize),
    #[error("line {0}: text after a closing quote")]
    AfterQuote(usize),
    #[error("line {0}: more than 64 fields")]
    Fields(usize),
    #[error("more than 1000 records")]
    Records,
    #[error("the table is empty")]
    Empty,
}

/// The names of the columns, and the records with the lines they begin at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) records: Vec<(usize, Vec<String>)>,
}

/// Reads a table whose first record names the columns; empty lines are passed over.
pub(crate) fn read(text: &str) -> Result<Table, CsvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text, line: 1 };
    let columns = reader.record()?.ok_or(CsvError::Empty)?.1;
    let columns = columns.into_iter().map(|name| name.trim().to_lowercase()).collect();
    let mut records = Vec::new();
    while let Some(record) = reader.record()? {
        if records.len() == RECORDS_MAX {
            return Err(CsvError::Records);
        }
        records.push(record);
    }
    Ok(Table { columns, records })
}

/// One record with its line end.
pub(crate) fn write(fields: &[&str]) -> String {
    let mut out = fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",");
    out.push_str("\r\n");
    out
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
}

impl Reader<'_> {
    fn record(&mut self) -> Result<Option<(usize, Vec<String>)>, CsvError> {
        while let Some(rest) =
            self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n'))
        {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (line, mut fields) = (self.line, Vec::new());
        loop {
            if fields.len() == FIELDS_MAX {
                return Err(CsvError::Fields(line));
            }
            fields.push(self.field()?);
            match self.rest.chars().next() {
                Some(',') => self.rest = &self.rest[1..],
                _ => return Ok(Some((line, fields))),
            }
        }
    }

    /// Reads up to the comma or line end behind the field.
    fn field(&mut self) -> Result<String, CsvError> {
        let Some(mut inner) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (field, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Ok(field.trim_end_matches('\r').to_owned());
        };
        let mut field = String::new();
        loop {
            let end = inner.find('"').ok_or(CsvError::Open(self.line))?;
            field.push_str(&inner[..end]);
            inner = &inner[end + 1..];
            match inner.strip_prefix('"') {
                Some(rest) => inner = rest,
                None => break,
            }
            field.push('"');
        }
        self.line += field.matches('\n').count();
        self.rest = inner.strip_prefix('\r').filter(|r| r.starts_with('\n')).unwrap_or(inner);
        match self.rest.chars().next() {
            None | Some(',' | '\n') => Ok(field),
            Some(_) => Err(CsvError::AfterQuote(self.line)),
        }
    }
}

fn quoted(field: &str) -> String {
    if !field.contains([',', '"', '\r', '\n']) && field.trim() == field {
        return field.to_owned();
    }
    format!("\"{}\"", field.replace('"', "\"\""))
}
