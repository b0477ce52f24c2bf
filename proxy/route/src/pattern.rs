//! Patterns of paths and hosts, as people write them.

/// Most segments of a path pattern; deeper paths are still matched by `/*`.
pub const SEGMENTS_MAX: usize = 32;

use crate::tree::PARAMS_MAX;

/// The name under which the part of a path below `/*` is known.
pub const REST: &str = "rest";

/// `/x` exactly, `/x/*` everything below, `/u/{id}` with a parameter of one whole segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern {
    segments: Vec<Segment>,
    rest: bool,
}

/// One part of a path between slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text.
    Text(Box<str>),
    /// Any text that is not empty, under this name.
    Param(Box<str>),
}

/// An exact host, everything below a domain, or every host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host, in lower case.
    Exact(Box<str>),
    /// `*.example.com`, kept as `.example.com`: any depth below, not the domain itself.
    Below(Box<str>),
    /// `*`: hosts that nothing else takes.
    Any,
}

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternInvalid {
    /// It does not begin with a slash.
    #[error("a path begins with \"/\"")]
    NoSlash,
    /// A `*` stands somewhere else than as the whole last segment.
    #[error("\"*\" can only be the whole last segment, as in /x/*")]
    StarInside,
    /// Braces that are not one whole segment with a name.
    #[error("a parameter is a whole segment with a name of letters, digits and _, as in /u/{{id}}")]
    Parameter,
    /// The same parameter twice, or `{rest}` beside `/*`.
    #[error("parameter {{{0}}} stands twice")]
    ParameterTwice(Box<str>),
    /// A character that no normalised path has.
    #[error(
        "character {0:?} cannot stand in a path; write it percent-encoded, and queries not at all"
    )]
    Character(char),
    /// Too many segments.
    #[error("more than {SEGMENTS_MAX} segments")]
    TooDeep,
    /// Too many parameters.
    #[error("more than {PARAMS_MAX} parameters")]
    TooManyParams,
    /// It is no host.
    #[error(
        "a host is a name like www.example.com, *.example.com, or *, without scheme, port and path"
    )]
    Host,
}

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternInvalid> {
        let inner = text.strip_prefix('/').ok_or(PatternInvalid::NoSlash)?;
        let (inner, rest) = match inner.strip_suffix('*') {
            Some("") => return Ok(Self { segments: Vec::new(), rest: true }),
            Some(before) => (before.strip_suffix('/').ok_or(PatternInvalid::StarInside)?, true),
            None => (inner, false),
        };
        let segments: Vec<Segment> =
            inner.split('/').map(Segment::parse).collect::<Result<_, _>>()?;
        let pattern = Self { segments, rest };
        pattern.check()?;
        Ok(pattern)
    }

    /// The segments before the rest.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it ends in `/*`.
    pub fn takes_rest(&self) -> bool {
        self.rest
    }

    /// The one path it takes, when it has neither parameter nor rest.
    pub fn literal(&self) -> Option<String> {
        let text = |segment: &Segment| match segment {
            Segment::Text(text) => Some(format!("/{text}")),
            Segment::Param(_) => None,
        };
        if self.rest { None } else { self.segments.iter().map(text).collect() }
    }

    /// Names of what is taken out of a path, in the order of [`crate::Params`]; the rest is last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let params = self.segments.iter().filter_map(|segment| match segment {
            Segment::Param(name) => Some(&**name),
            Segment::Text(_) => None,
        });
        params.chain(self.rest.then_some(REST))
    }

    /// Whether both take the same paths.
    pub fn same_shape(&self, other: &Self) -> bool {
        let same = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::Text(a), Segment::Text(b)) => a == b,
            (Segment::Param(_), Segment::Param(_)) => true,
            (Segment::Text(_), Segment::Param(_)) | (Segment::Param(_), Segment::Text(_)) => false,
        };
        self.rest == other.rest
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }

    fn check(&self) -> Result<(), PatternInvalid> {
        if self.segments.len() > SEGMENTS_MAX {
            return Err(PatternInvalid::TooDeep);
        }
        let names: Vec<&str> = self.names().collect();
        if names.len() > PARAMS_MAX {
            return Err(PatternInvalid::TooManyParams);
        }
        let twice = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
        twice.map_or(Ok(()), |(_, name)| Err(PatternInvalid::ParameterTwice((*name).into())))
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, PatternInvalid> {
        if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let good = !name.is_empty() && name.chars().all(word);
            return if good {
                Ok(Self::Param(name.into()))
            } else {
                Err(PatternInvalid::Parameter)
            };
        }
        match text.chars().find(|c| !is_path_char(*c)) {
            None => Ok(Self::Text(text.into())),
            Some('*') => Err(PatternInvalid::StarInside),
            Some('{' | '}') => Err(PatternInvalid::Parameter),
            Some(other) => Err(PatternInvalid::Character(other)),
        }
    }
}

impl HostPattern {
    /// Reads a pattern; upper case is lowered.
    pub fn parse(text: &str) -> Result<Self, PatternInvalid> {
        let text = text.to_ascii_lowercase();
        if text == "*" {
            return Ok(Self::Any);
        }
        let name = text.strip_prefix("*.").unwrap_or(&text);
        if !is_host(name) {
            return Err(PatternInvalid::Host);
        }
        let below = || Self::Below(format!(".{name}").into());
        Ok(if name.len() < text.len() { below() } else { Self::Exact(name.into()) })
    }
}

/// RFC 3986 section 3.3, pchar, without `*`, which patterns keep for themselves.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~%!$&'()+,;=:@".contains(c)
}

/// A DNS name, or an address; IPv6 in brackets.
fn is_host(name: &str) -> bool {
    if let Some(inner) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}
