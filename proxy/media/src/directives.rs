//! The delivery directives of low-latency HLS, and the canonical query of a media request.
//!
//! The draft (6.2.5) reserves every name that begins with `_HLS_`. Clients send parameters in UTF-8 order,
//! but nothing enforces it: here they are sorted, so that one resource has one key.

use std::borrow::Cow;

use crate::cmcd::PARAMETER as CMCD;

#[cfg(test)]
mod tests;

/// `_HLS_msn`.
pub const MSN: &str = "_HLS_msn";
/// `_HLS_part`.
pub const PART: &str = "_HLS_part";
/// `_HLS_skip`.
pub const SKIP: &str = "_HLS_skip";

/// What a playlist request asks for beyond the playlist (draft 6.2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Directives {
    /// Hold the answer until the playlist contains this.
    pub position: Option<Position>,
    /// A delta update is welcome.
    pub skip: Option<Skip>,
}

/// A place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Media Sequence Number.
    pub msn: u64,
    /// Part of that segment; none means the whole segment.
    pub part: Option<u64>,
}

/// Which delta update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Segments may be left out.
    Segments,
    /// Date ranges too.
    DateRanges,
}

/// Directives that no stream can satisfy: 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `_HLS_part` without `_HLS_msn` (draft 6.2.5.2).
    #[error("_HLS_part needs _HLS_msn")]
    PartAlone,
    /// A directive that is no decimal number.
    #[error("a delivery directive is not a decimal number")]
    NotANumber,
    /// A directive given twice.
    #[error("a delivery directive is given twice")]
    Twice,
    /// More than two segments, or the parts of three seconds, ahead (draft 6.2.5.2).
    #[error("the position is too far ahead of the live edge")]
    FarAhead,
}

impl Directives {
    /// Reads the directives of a query.
    ///
    /// # Errors
    /// [`Refused`]: the answer is 400.
    pub fn of(query: Option<&str>) -> Result<Self, Refused> {
        let Some(query) = query.filter(|query| query.contains("_HLS_")) else {
            return Ok(Self::default());
        };
        let (mut msn, mut part, mut skip) = (None, None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                MSN => &mut msn,
                PART => &mut part,
                SKIP => &mut skip,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Refused::Twice);
            }
        }
        let msn = msn.map(number).transpose()?;
        let part = part.map(number).transpose()?;
        if part.is_some() && msn.is_none() {
            return Err(Refused::PartAlone);
        }
        let skip = match skip {
            Some("YES") => Some(Skip::Segments),
            Some("v2") => Some(Skip::DateRanges),
            // What is not known is not asked for: the whole playlist answers.
            Some(_) | None => None,
        };
        Ok(Self { position: msn.map(|msn| Position { msn, part }), skip })
    }

    /// Whether the answer may have to wait.
    pub const fn blocks(&self) -> bool {
        self.position.is_some()
    }
}

/// The query that names the resource: what players say about themselves is left out, `_HLS_` directives are
/// sorted behind the rest, and the rest stays as it is. `None` when nothing is left.
pub fn canonical_query(query: Option<&str>) -> Option<Cow<'_, str>> {
    let query = query?;
    let about_player = |pair: &str| name_of(pair) == CMCD;
    let directive = |pair: &str| pair.starts_with("_HLS_");
    let special = |pair: &str| about_player(pair) || directive(pair);
    if !query.split('&').any(special) {
        return Some(query.into());
    }
    let mut kept: Vec<&str> = query.split('&').filter(|p| !p.is_empty() && !special(p)).collect();
    let mut directives: Vec<&str> =
        query.split('&').filter(|p| directive(p) && !about_player(p)).collect();
    directives.sort_unstable();
    kept.extend(directives);
    (!kept.is_empty()).then(|| kept.join("&").into())
}

/// The query without any directive: the resource whose states the directives tell apart.
pub fn without_directives(query: Option<&str>) -> Option<Cow<'_, str>> {
    let query = query?;
    if !query.contains("_HLS_") {
        return Some(query.into());
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("_HLS_")).collect();
    (!kept.is_empty()).then(|| kept.join("&").into())
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

/// decimal-integer of RFC 8216 4.2.
fn number(text: &str) -> Result<u64, Refused> {
    let plain = !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().map_err(|_| Refused::NotANumber) } else { Err(Refused::NotANumber) }
}
