//! Redirect rules as CSV (RFC 4180): `from,to[,status[,keep_query]]`, one rule a line.
//!
//! A first line that begins with `from` is a heading. Empty lines and lines that begin with `#` are left out.

use crate::fleet::Spec;
use crate::link::RedirectRule;
use crate::problem::Problem;
use crate::value::Value;

/// Most rules of one file.
pub const RULES_MAX: usize = 2_000_000;

/// Reads the rules of a file; every line that is wrong comes back at once, numbered in the file.
pub fn redirect_rules(text: &str) -> Result<Vec<RedirectRule>, Vec<Problem>> {
    let mut rules = Vec::new();
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        let heading = index == 0 && line.trim_start_matches('\u{feff}').starts_with("from,");
        if heading || line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match rule(line) {
            Ok(rule) if rules.len() < RULES_MAX => rules.push(rule),
            Ok(_) => return Err(vec![Problem::new("", format!("more than {RULES_MAX} rules"))]),
            Err(message) => {
                let line = u32::try_from(index + 1).ok();
                problems.push(Problem { line, ..Problem::new("", message) });
            }
        }
    }
    if problems.is_empty() { Ok(rules) } else { Err(problems) }
}

impl Spec {
    /// Puts the rules of every redirect table that names a file in the place of that name. `read` gives the
    /// text of a file, seen from wherever the spec is.
    ///
    /// Problems stand at the table; the line inside the file is in the message.
    pub fn load_redirects(
        &mut self,
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, table) in self.redirects.iter_mut().enumerate() {
            let Some(file) = table.file.take() else { continue };
            let path = format!("redirects[{index}].file");
            match read(&file) {
                Err(message) => problems.push(Problem::new(path, message)),
                Ok(text) => {
                    match redirect_rules(&text) {
                        Ok(rules) => table.rules.extend(rules),
                        Err(found) => problems.extend(found.into_iter().map(|problem| {
                            Problem::new(path.as_str(), format!("{file}: {problem}"))
                        })),
                    }
                }
            }
        }
        problems
    }
}

fn rule(line: &str) -> Result<RedirectRule, String> {
    let fields = fields(line)?;
    let [from, to, more @ ..] = fields.as_slice() else {
        return Err("expected from,to".into());
    };
    let mut rule =
        RedirectRule { from: from.clone(), to: to.clone(), ..RedirectRule::placeholder() };
    let (status, keep_query) = match more {
        [] => ("", ""),
        [status] => (status.as_str(), ""),
        [status, keep_query] => (status.as_str(), keep_query.as_str()),
        _ => return Err("more than from,to,status,keep_query".into()),
    };
    if !status.is_empty() {
        rule.status = status.parse().map_err(|_| format!("\"{status}\" is no status"))?;
    }
    if !keep_query.is_empty() {
        let wrong = |_| format!("\"{keep_query}\" is neither true nor false");
        rule.keep_query = keep_query.parse().map_err(wrong)?;
    }
    Ok(rule)
}

/// The fields of a line; a quoted one may hold commas, and `""` for a quote.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// The text up to the closing quote, and what comes after it.
fn quoted_field(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or("a quote is not closed")?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => break,
        }
    }
    let after = rest.trim_start();
    let ends = after.is_empty() || after.starts_with(',');
    if ends { Ok((field, after)) } else { Err("text after a closing quote".into()) }
}
