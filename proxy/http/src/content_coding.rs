//! Content codings and what a client says of them (RFC 9110 8.4.1 and 12.5.3).

use crate::{Fields, tokens};

/// A content coding that the edge makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentCoding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl ContentCoding {
    /// Every coding.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The coding of that name. `x-gzip` is `gzip` (RFC 9110 8.4.1.3).
    pub fn from_word(word: &[u8]) -> Option<Self> {
        let named = |coding: &Self| word.eq_ignore_ascii_case(coding.as_str().as_bytes());
        let known = Self::ALL.into_iter().find(named);
        known.or_else(|| word.eq_ignore_ascii_case(b"x-gzip").then_some(Self::Gzip))
    }

    /// The coding that the client likes best among `offered`, which stand in our own order of
    /// preference. `None` when it says nothing, takes none, or would rather have none.
    pub fn accepted(fields: &(impl Fields + ?Sized), offered: &[Self]) -> Option<Self> {
        let first = fields.first("accept-encoding")?;
        // What almost every client sends, on one line.
        let weights = match fields.count("accept-encoding") {
            1 => Weights::of(first),
            _ => Weights::of(&fields.joined("accept-encoding")?),
        };
        let weighed = offered.iter().map(|coding| (weights.of_coding(*coding), *coding));
        let mut best: Option<(u16, Self)> = None;
        for (weight, coding) in weighed {
            if weight > best.map_or(0, |(weight, _)| weight) {
                best = Some((weight, coding));
            }
        }
        best.filter(|(weight, _)| weights.identity.is_none_or(|identity| *weight >= identity))
            .map(|(_, coding)| coding)
    }
}

/// Weights in thousandths, `None` where nothing is said.
#[derive(Default)]
struct Weights {
    codings: [Option<u16>; 3],
    identity: Option<u16>,
    others: Option<u16>,
}

impl Weights {
    fn of(value: &[u8]) -> Self {
        let mut weights = Self::default();
        for member in tokens(value) {
            let mut parts = member.split(|&b| b == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let weight = parts.next().map_or(Some(1000), weight).unwrap_or(0);
            if let Some(coding) = ContentCoding::from_word(name) {
                weights.codings[coding as usize] = Some(weight);
            } else if name.eq_ignore_ascii_case(b"identity") {
                weights.identity = Some(weight);
            } else if name == b"*" {
                weights.others = Some(weight);
            }
        }
        weights
    }

    fn of_coding(&self, coding: ContentCoding) -> u16 {
        self.codings[coding as usize].or(self.others).unwrap_or(0)
    }
}

/// `q=0.5` in thousandths; `None` for what is no weight (RFC 9110 12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole, fraction @ ..] = parameter else { return None };
    let digits = match fraction {
        [] => &[][..],
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let thousandths = (0..3).try_fold(0, |sum, place| match digits.get(place) {
        None => Some(sum * 10),
        Some(digit @ b'0'..=b'9') => Some(sum * 10 + u16::from(digit - b'0')),
        Some(_) => None,
    })?;
    match (whole, thousandths) {
        (b'0', thousandths) => Some(thousandths),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
