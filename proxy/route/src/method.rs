//! Sets of methods.

use tidegate_http::Method;

/// Which methods a route takes. `GET` takes `HEAD` with it (RFC 9110 section 9.3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MethodSet {
    known: u16,
    others: Vec<Box<str>>,
    any: bool,
}

impl MethodSet {
    /// Every method.
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// These methods; every method when there are none.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self::default();
        for word in words {
            set.add(Method::from_token(word));
        }
        if set == Self::default() { Self::any() } else { set }
    }

    /// Whether `method` is one of them.
    pub fn has(&self, method: Method<'_>) -> bool {
        self.any
            || match bit(method) {
                Some(bit) => self.known & bit != 0,
                None => self.others.iter().any(|other| **other == *method.as_str()),
            }
    }

    /// Whether every method of `other` is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        self.any
            || (!other.any
                && self.known & other.known == other.known
                && other.others.iter().all(|word| self.others.contains(word)))
    }

    fn add(&mut self, method: Method<'_>) {
        match bit(method) {
            Some(bit) => self.known |= bit,
            None => self.others.push(method.as_str().into()),
        }
        if method == Method::Get {
            self.add(Method::Head);
        }
    }
}

fn bit(method: Method<'_>) -> Option<u16> {
    Some(match method {
        Method::Get => 1,
        Method::Head => 1 << 1,
        Method::Post => 1 << 2,
        Method::Put => 1 << 3,
        Method::Delete => 1 << 4,
        Method::Options => 1 << 5,
        Method::Patch => 1 << 6,
        Method::Trace => 1 << 7,
        Method::Connect => 1 << 8,
        Method::Other(_) => return None,
    })
}
