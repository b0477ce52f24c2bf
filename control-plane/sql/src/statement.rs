//! SQL text with a name, declared once and known to the tests.

use std::borrow::Cow;

/// Marks where PostgreSQL needs `FOR UPDATE SKIP LOCKED`; SQLite has one writer and needs nothing.
const LOCK_MARKER: &str = "{lock}";

/// One statement: a name for errors and the text both engines read.
#[derive(Clone, Debug)]
pub struct Statement {
    name: &'static str,
    text: Cow<'static, str>,
}

impl Statement {
    /// A statement with a fixed text; use [`statements!`](crate::statements) to declare it.
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text: Cow::Borrowed(text) }
    }

    /// A statement whose text is put together at run time, such as an `IN` list. Never from input.
    pub fn built(name: &'static str, text: String) -> Self {
        Self { name, text: Cow::Owned(text) }
    }

    /// The name that errors carry.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The text as declared, markers included.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn lite(&self) -> Cow<'_, str> {
        self.expand("")
    }

    pub(crate) fn pg(&self) -> Cow<'_, str> {
        self.expand("FOR UPDATE SKIP LOCKED")
    }

    fn expand(&self, lock: &str) -> Cow<'_, str> {
        if self.text.contains(LOCK_MARKER) {
            return Cow::Owned(self.text.replace(LOCK_MARKER, lock));
        }
        Cow::Borrowed(&self.text)
    }
}

/// Declares statements and the slice that lists them, for the test that prepares every one.
///
/// ```ignore
/// tidegate_sql::statements! {
///     pub STATEMENTS:
///     LINK_ADD = "INSERT INTO link (code, url) VALUES ($1, $2)";
///     LINK_FIND = "SELECT url FROM link WHERE code = $1";
/// }
/// ```
#[macro_export]
macro_rules! statements {
    ($vis:vis $all:ident: $($name:ident = $text:expr;)+) => {
        $(pub(crate) static $name: $crate::Statement =
            $crate::Statement::new(stringify!($name), $text);)+
        /// Every statement of this module.
        #[allow(dead_code, reason = "read by the test that prepares them")]
        $vis static $all: &[&$crate::Statement] = &[$(&$name),+];
    };
}
