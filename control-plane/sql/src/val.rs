//! Values that go into a statement.

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A parameter of a statement. Booleans are 0 and 1; times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub enum Val<'a> {
    /// `NULL` of any type.
    Null,
    /// `BIGINT`.
    I(i64),
    /// `DOUBLE PRECISION`.
    F(f64),
    /// `TEXT`.
    T(Cow<'a, str>),
    /// `BYTEA`.
    B(Cow<'a, [u8]>),
}

impl Val<'_> {
    /// The same value, owning its bytes, for a statement that runs later.
    pub fn into_owned(self) -> Val<'static> {
        match self {
            Self::Null => Val::Null,
            Self::I(n) => Val::I(n),
            Self::F(n) => Val::F(n),
            Self::T(text) => Val::T(Cow::Owned(text.into_owned())),
            Self::B(bytes) => Val::B(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// A slice of [`Val`] from anything that converts: `params![id, name, at]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::Val::from($value)),*] };
}

macro_rules! integers {
    ($($int:ty),+) => { $(impl From<$int> for Val<'_> {
        fn from(n: $int) -> Self { Self::I(i64::from(n)) }
    })+ };
}

integers!(i64, i32, u32, u16, u8, bool);

/// Above `i64::MAX` the value saturates: nothing here counts that far.
impl From<u64> for Val<'_> {
    fn from(n: u64) -> Self {
        Self::I(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Val<'_> {
    fn from(n: usize) -> Self {
        Self::from(n as u64)
    }
}

impl From<f64> for Val<'_> {
    fn from(n: f64) -> Self {
        Self::F(n)
    }
}

impl<'a> From<&'a str> for Val<'a> {
    fn from(text: &'a str) -> Self {
        Self::T(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Val<'a> {
    fn from(text: &'a String) -> Self {
        Self::T(Cow::Borrowed(text))
    }
}

impl From<String> for Val<'_> {
    fn from(text: String) -> Self {
        Self::T(Cow::Owned(text))
    }
}

impl<'a> From<&'a [u8]> for Val<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::B(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a Vec<u8>> for Val<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::B(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for Val<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::B(Cow::Owned(bytes))
    }
}

#[allow(clippy::use_self, reason = "the bound comes before there is a Self")]
impl<'a, T: Into<Val<'a>>> From<Option<T>> for Val<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Val<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::I(n) => ValueRef::Integer(*n),
            Self::F(n) => ValueRef::Real(*n),
            Self::T(text) => ValueRef::Text(text.as_bytes()),
            Self::B(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The server tells the type it expects; a value that does not fit it is an error, not a cast.
impl ToSql for Val<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => return Ok(IsNull::Yes),
            (Self::I(n), &Type::INT8) => out.put_i64(*n),
            (Self::I(n), &Type::INT4) => out.put_i32(i32::try_from(*n)?),
            (Self::I(n), &Type::INT2) => out.put_i16(i16::try_from(*n)?),
            (Self::F(n), &Type::FLOAT8) => out.put_f64(*n),
            (Self::T(text), &Type::TEXT | &Type::VARCHAR | &Type::NAME) => {
                out.put_slice(text.as_bytes());
            }
            (Self::B(bytes), &Type::BYTEA) => out.put_slice(bytes),
            _ => return Err(format!("cannot send {self:?} as {ty}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
