//! How a path changes on its way upstream.

use std::borrow::Cow;

use tidegate_route::{Params, Template};

/// A change of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// A new path with the parameters filled in.
    Path(Template),
    /// A prefix taken away, another put in its place.
    Prefix {
        /// Taken from the front, without the slash at its end.
        strip: Box<str>,
        /// Put before the rest, without the slash at its end.
        add: Box<str>,
    },
}

impl Rewrite {
    /// The path that goes upstream.
    pub fn path<'p>(&self, path: &'p str, params: &Params) -> Cow<'p, str> {
        match self {
            Self::Path(template) => {
                let mut new = String::with_capacity(path.len());
                template.render(path, params, &mut new);
                Cow::Owned(new)
            }
            Self::Prefix { strip, add } => {
                let rest = strip_prefix(path, strip);
                if add.is_empty() && rest.starts_with('/') {
                    return Cow::Borrowed(rest);
                }
                let slash = if rest.starts_with('/') { "" } else { "/" };
                Cow::Owned(format!("{add}{slash}{rest}"))
            }
        }
    }
}

/// `/a/b` without `/a` is `/b`; `/ab` does not begin with the segment `/a` and stays.
fn strip_prefix<'p>(path: &'p str, prefix: &str) -> &'p str {
    match path.strip_prefix(prefix) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}
