//! Header edits, compiled.

use std::borrow::Cow;

use tidegate_http::FieldList;

use crate::cors::Cors;

/// Edits in both directions, and what else is said in response fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderPolicy {
    /// On the request, before it goes upstream.
    pub request: Edits,
    /// On the answer, before it goes to the client.
    pub response: Edits,
    /// The value of `Strict-Transport-Security` under https.
    pub hsts: Option<Box<str>>,
    /// Who else's pages may read answers.
    pub cors: Option<Box<Cors>>,
}

/// Remove, then set, then add. Names are in lower case, names and values were checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// Fields taken away.
    pub remove: Vec<Box<str>>,
    /// Fields replaced.
    pub set: Vec<(Box<str>, Value)>,
    /// Fields that get one more line.
    pub add: Vec<(Box<str>, Value)>,
}

/// A field value, with places to be filled in for each request.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Always the same.
    Fixed(Box<str>),
    /// In parts.
    Filled(Box<[Part]>),
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text as written.
    Text(Box<str>),
    /// Something of the request.
    Variable(Variable),
}

macro_rules! variables {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal,)*) => {
        /// What a value may hold of the request it is sent for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Variable { $($(#[doc = $doc])* $name,)* }

        impl Variable {
            /// The words, as they stand between braces.
            pub const WORDS: &[&str] = &[$($word),*];

            fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }
    };
}

variables! {
    /// The client's address, as trusted proxies say.
    ClientIp = "client_ip",
    /// The host asked for, without the port.
    Host = "host",
    /// `http` or `https`.
    Scheme = "scheme",
    /// The method.
    Method = "method",
    /// The path.
    Path = "path",
    /// The query, without the question mark.
    Query = "query",
    /// The trace id, in 32 hexadecimal digits.
    RequestId = "request_id",
    /// The site's name.
    Site = "site",
    /// The route's name.
    Route = "route",
    /// The node's name.
    Node = "node",
}

/// A name in braces that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable(pub String);

/// Says what variables stand for.
pub trait Facts {
    /// The text of a variable.
    fn text(&self, variable: Variable) -> Cow<'_, str>;
}

impl HeaderPolicy {
    /// Whether nothing is said and nothing edited.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && !self.touches_responses()
    }

    /// Whether responses are not sent as they are.
    pub fn touches_responses(&self) -> bool {
        !self.response.is_empty() || self.hsts.is_some() || self.cors.is_some()
    }

    /// Edits the fields of a response to a request with this `Origin`.
    pub fn dress(&self, fields: &mut FieldList, origin: Option<&[u8]>, facts: &dyn Facts) {
        self.response.apply(fields, facts);
        if let Some(cors) = &self.cors {
            cors.dress(fields, origin);
        }
        if let Some(hsts) = &self.hsts
            && facts.text(Variable::Scheme) == "https"
        {
            // RFC 6797 section 7.2: never over a connection that is not secure.
            fields.set("strict-transport-security", hsts.as_bytes());
        }
    }
}

impl Edits {
    /// Whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Edits a header section.
    pub fn apply(&self, fields: &mut FieldList, facts: &dyn Facts) {
        for name in &self.remove {
            fields.remove(name.as_bytes());
        }
        for (name, value) in &self.set {
            fields.set(name.as_bytes(), value.text(facts).as_bytes());
        }
        for (name, value) in &self.add {
            fields.push(name.as_bytes(), value.text(facts).as_bytes());
        }
    }

    /// These edits and then `later`, as one.
    pub(crate) fn then(&self, later: &Self) -> Self {
        let mut both = self.clone();
        both.remove.extend(later.remove.iter().cloned());
        // A field that is set and later removed must end up gone: set comes after remove.
        both.set.retain(|(name, _)| !later.remove.contains(name));
        both.add.retain(|(name, _)| !later.remove.contains(name));
        both.add.retain(|(name, _)| !later.set.iter().any(|(set, _)| set == name));
        both.set.retain(|(name, _)| !later.set.iter().any(|(set, _)| set == name));
        both.set.extend(later.set.iter().cloned());
        both.add.extend(later.add.iter().cloned());
        both
    }
}

impl Value {
    /// Reads a value. Only a word of small letters and underscores in braces is a variable: other
    /// braces belong to the value, which may well be JSON.
    ///
    /// # Errors
    /// Such a word that stands for nothing.
    pub fn parse(text: &str) -> Result<Self, UnknownVariable> {
        let mut parts = Vec::new();
        let (mut rest, mut from) = (text, 0);
        while let Some(open) = rest[from..].find('{').map(|at| from + at) {
            let word = rest[open + 1..].split_once('}').map(|(word, _)| word);
            let Some(word) = word.filter(|word| is_word(word)) else {
                from = open + 1;
                continue;
            };
            let variable = Variable::of(word).ok_or_else(|| UnknownVariable(word.to_owned()))?;
            parts.push(Part::Text(rest[..open].into()));
            parts.push(Part::Variable(variable));
            (rest, from) = (&rest[open + word.len() + 2..], 0);
        }
        if parts.is_empty() {
            return Ok(Self::Fixed(text.into()));
        }
        parts.push(Part::Text(rest.into()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self::Filled(parts.into()))
    }

    fn text(&self, facts: &dyn Facts) -> Cow<'_, str> {
        match self {
            Self::Fixed(text) => Cow::Borrowed(text),
            Self::Filled(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => Cow::Borrowed(&**text),
                    Part::Variable(variable) => facts.text(*variable),
                })
                .collect::<String>()
                .into(),
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}
