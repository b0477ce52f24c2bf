//! Reading the settings of a format.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::keyset::KeysetError;

/// A format's settings, each of which is taken once; what is left over is unknown.
pub(crate) struct Settings<'s> {
    format: &'static str,
    given: &'s BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl<'s> Settings<'s> {
    pub(crate) fn new(format: &'static str, given: &'s BTreeMap<String, String>) -> Self {
        Self { format, given, known: Vec::new() }
    }

    pub(crate) fn optional(&mut self, name: &'static str) -> Option<&'s str> {
        self.known.push(name);
        self.given.get(name).map(String::as_str)
    }

    pub(crate) fn text(&mut self, name: &'static str, otherwise: &str) -> String {
        self.optional(name).unwrap_or(otherwise).to_owned()
    }

    /// A name of a query parameter or cookie, which needs no escape anywhere.
    pub(crate) fn name(
        &mut self,
        name: &'static str,
        otherwise: &str,
    ) -> Result<String, KeysetError> {
        let value = self.text(name, otherwise);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        match !value.is_empty() && value.bytes().all(plain) {
            true => Ok(value),
            false => Err(self.wrong(name, "must be letters, digits, -, _ or .")),
        }
    }

    /// A setting without which the format means nothing.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<&'s str, KeysetError> {
        self.optional(name).ok_or_else(|| self.wrong(name, "is required"))
    }

    /// A single character.
    pub(crate) fn character(
        &mut self,
        name: &'static str,
        otherwise: char,
    ) -> Result<char, KeysetError> {
        let Some(text) = self.optional(name) else { return Ok(otherwise) };
        text.parse().map_err(|_| self.wrong(name, "must be one character"))
    }

    /// A number, or a `bool`.
    pub(crate) fn number<T: FromStr>(
        &mut self,
        name: &'static str,
        otherwise: T,
    ) -> Result<T, KeysetError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| self.wrong(name, "must be a number, true or false"))
        };
        let given = self.given.get(name).map(|text| parse(text)).transpose()?;
        self.known.push(name);
        Ok(given.unwrap_or(otherwise))
    }

    pub(crate) fn done(self) -> Result<(), KeysetError> {
        let unknown = self.given.keys().find(|name| !self.known.contains(&name.as_str()));
        let Some(unknown) = unknown else { return Ok(()) };
        let known = match self.known.is_empty() {
            true => "is unknown; the format has none".to_owned(),
            false => format!("is unknown; there are {}", self.known.join(", ")),
        };
        Err(self.wrong(unknown, &known))
    }

    pub(crate) fn wrong(&self, setting: &str, problem: &str) -> KeysetError {
        let (setting, problem) = (setting.to_owned(), problem.to_owned());
        KeysetError::Setting { format: self.format, setting, problem }
    }
}
