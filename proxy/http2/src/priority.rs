//! Priorities (RFC 9218).

use tidegate_http::sf;

/// How a response stands among the others of its connection (RFC 9218 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    /// 0 first, 7 last.
    pub urgency: u8,
    /// Whether pieces are of use before the whole is there.
    pub incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Self { urgency: 3, incremental: false }
    }
}

impl Priority {
    /// Reads a Priority Field Value; what it does not say, or says wrongly, is as the default
    /// (RFC 9218 4).
    pub fn parse(value: &[u8]) -> Self {
        Self::usual(value).unwrap_or_else(|| Self::any(value))
    }

    /// The forms that clients really send.
    fn usual(value: &[u8]) -> Option<Self> {
        let (urgency, incremental) = match value {
            [b'u', b'=', digit @ b'0'..=b'7'] => (digit - b'0', false),
            [b'u', b'=', digit @ b'0'..=b'7', b',', b'i'] => (digit - b'0', true),
            [b'u', b'=', digit @ b'0'..=b'7', b',', b' ', b'i'] => (digit - b'0', true),
            b"i" => (3, true),
            _ => return None,
        };
        Some(Self { urgency, incremental })
    }

    fn any(value: &[u8]) -> Self {
        let mut priority = Self::default();
        let Ok(dictionary) = sf::parse_dictionary(value) else { return priority };
        if let Some(sf::Bare::Integer(urgency @ 0..=7)) = dictionary.item("u").map(|u| &u.bare) {
            priority.urgency = *urgency as u8;
        }
        if let Some(sf::Bare::Boolean(incremental)) = dictionary.item("i").map(|i| &i.bare) {
            priority.incremental = *incremental;
        }
        priority
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_default() {
        let of = |urgency, incremental| Priority { urgency, incremental };
        for (value, expected) in [
            ("", of(3, false)),
            ("u=0", of(0, false)),
            ("u=7, i", of(7, true)),
            ("i,u=1", of(1, true)),
            ("i", of(3, true)),
            ("u=5,i=?0", of(5, false)),
            ("u=5, i=?1;x=y, z", of(5, true)),
            ("u=8", of(3, false)),
            ("u=-1, i", of(3, true)),
            ("u=1.5", of(3, false)),
            ("u=3i", of(3, false)),
            ("u=1, i, ", of(3, false)),
        ] {
            assert_eq!(Priority::parse(value.as_bytes()), expected, "{value}");
        }
    }
}
