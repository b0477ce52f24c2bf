//! `Idempotency-Key`: a request that is sent twice has one effect and one answer.
//!
//! The row that remembers the answer is written in the transaction of the effect, so that there is no
//! moment at which one exists without the other.

use http::{HeaderMap, StatusCode};
use ring::digest;
use tidegate_sql::{Tx, params};

use crate::clock::SECOND_US;
use crate::store::{IDEM_BEGIN, IDEM_EXPIRE, IDEM_FIND, IDEM_RECORD};
use crate::{Fault, Micros};

/// The request field.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Bytes of the longest key.
pub const KEY_BYTES_MAX: usize = 255;
/// How long an answer is remembered.
pub const KEEP_US: Micros = 24 * 3600 * SECOND_US;

/// One request's key, what it is valid for, and a print of the body.
#[derive(Debug, Clone)]
pub struct Key {
    scope: String,
    key: String,
    print: Vec<u8>,
}

/// An answer as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Status code.
    pub status: u16,
    /// The value of `Location`, where the answer had one.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Key {
    /// The key in `headers`, if there is one; `scope` names caller and operation.
    ///
    /// # Errors
    /// 400 when the field is there and is not 1 to [`KEY_BYTES_MAX`] visible characters.
    pub fn read(headers: &HeaderMap, scope: &str, body: &[u8]) -> Result<Option<Self>, Fault> {
        let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
        // The draft writes a string of structured fields; clients in the wild send it bare.
        let key = value.to_str().unwrap_or("").trim_matches('"');
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(Fault::Malformed(format!(
                "{IDEMPOTENCY_KEY} is 1 to {KEY_BYTES_MAX} characters"
            )));
        }
        let print = digest::digest(&digest::SHA256, body).as_ref().to_vec();
        Ok(Some(Self { scope: scope.to_owned(), key: key.to_owned(), print }))
    }

    /// Claims the key in this transaction; the answer of before, when there is one.
    ///
    /// # Errors
    /// 422 when the key was used with another body, 409 while its first request is still at work.
    pub async fn begin(&self, tx: &mut Tx, now: Micros) -> Result<Option<Recorded>, Fault> {
        let values = params![&self.scope, &self.key, &self.print, now + KEEP_US, now];
        if tx.opt::<(String,)>(&IDEM_BEGIN, values).await?.is_some() {
            return Ok(None);
        }
        let row = tx.one(&IDEM_FIND, params![&self.scope, &self.key]).await?;
        self.replay(row).map(Some)
    }

    /// Remembers the answer, in the transaction of the effect.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record(&self, tx: &mut Tx, answer: &Recorded) -> Result<(), Fault> {
        let location = answer.location.as_deref();
        let values = params![answer.status, location, &answer.body, &self.scope, &self.key];
        tx.exec(&IDEM_RECORD, values).await?;
        Ok(())
    }

    fn replay(
        &self,
        row: (Vec<u8>, Option<u16>, Option<String>, Option<Vec<u8>>),
    ) -> Result<Recorded, Fault> {
        let (print, status, location, body) = row;
        if print != self.print {
            return Err(Fault::invalid(
                IDEMPOTENCY_KEY,
                "key-reused",
                "this key came with another body before",
            ));
        }
        match (status, body) {
            (Some(status), Some(body)) => Ok(Recorded { status, location, body }),
            _ => Err(Fault::Conflict {
                code: "in-flight",
                detail: "the first request with this key is at work".to_owned(),
            }),
        }
    }
}

/// Forgets the answers whose time is over; the number of rows that went.
///
/// # Errors
/// Those of the database.
pub async fn expire(tx: &mut Tx, now: Micros) -> Result<u64, tidegate_sql::Error> {
    tx.exec(&IDEM_EXPIRE, params![now]).await
}

impl axum::response::IntoResponse for Recorded {
    fn into_response(self) -> axum::response::Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, crate::caching::Caching::Never, self.body).into_response();
        let headers = response.headers_mut();
        headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        if let Some(Ok(location)) = self.location.map(|l| l.parse()) {
            headers.insert("location", location);
        }
        response
    }
}
