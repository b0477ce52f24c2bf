//! Pages by key, never by offset: a cursor names the last row seen, so that rows which come or go
//! meanwhile neither repeat nor hide others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Fault;

/// Rows of a page where the caller names no number.
pub const PAGE_ROWS: u32 = 50;
/// Rows of the largest page.
pub const PAGE_ROWS_MAX: u32 = 100;
const CURSOR_BYTES_MAX: usize = 1024;
const TAG_BYTES: usize = 8;

/// What a caller says about the page it wants.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Rows wanted, 1 to 100; 50 when absent.
    pub limit: Option<u32>,
    /// `next` of the page before; absent for the first page.
    pub cursor: Option<String>,
}

/// One page of rows.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Makes and reads cursors; opaque to callers and signed, so that a cursor made by hand is refused.
#[derive(Clone)]
pub struct Cursors(hmac::Key);

impl Paging {
    /// The number of rows to return.
    ///
    /// # Errors
    /// 422 outside 1 to [`PAGE_ROWS_MAX`].
    pub fn rows(&self) -> Result<u32, Fault> {
        let rows = self.limit.unwrap_or(PAGE_ROWS);
        if (1..=PAGE_ROWS_MAX).contains(&rows) {
            return Ok(rows);
        }
        Err(Fault::invalid("limit", "range", format!("limit is 1 to {PAGE_ROWS_MAX}")))
    }
}

impl<T> Page<T> {
    /// Builds a page from up to `rows + 1` items: the one too many says that there is a next page, whose
    /// cursor `key` makes from the last item that stays.
    pub fn cut(mut items: Vec<T>, rows: u32, key: impl FnOnce(&T) -> String) -> Self {
        let rows = rows as usize;
        let more = items.len() > rows;
        items.truncate(rows);
        let next = if more { items.last().map(key) } else { None };
        Self { items, next }
    }
}

impl Cursors {
    /// `secret` stays the same across restarts and processes, else cursors end with the process.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The cursor that stands for `key`.
    pub fn seal<K: Serialize>(&self, key: &K) -> String {
        let mut bytes = serde_json::to_vec(key).unwrap_or_default();
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(&tag.as_ref()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key in `cursor`.
    ///
    /// # Errors
    /// 422 when the cursor was not made by [`Cursors::seal`] with this secret.
    pub fn open<K: DeserializeOwned>(&self, cursor: &str) -> Result<K, Fault> {
        self.opened(cursor)
            .ok_or_else(|| Fault::invalid("cursor", "cursor", "this cursor is not one of ours"))
    }

    fn opened<K: DeserializeOwned>(&self, cursor: &str) -> Option<K> {
        if cursor.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        let good = hmac::sign(&self.0, body);
        same(&good.as_ref()[..TAG_BYTES], tag).then(|| serde_json::from_slice(body).ok())?
    }
}

/// Compares without telling by its duration where the difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}
