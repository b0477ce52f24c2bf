//! Rows that come out of a statement, read by position.

use crate::{Error, Result};

/// One row of either engine.
pub struct Row<'a>(pub(crate) Inner<'a>);

pub(crate) enum Inner<'a> {
    Lite(&'a rusqlite::Row<'a>),
    Pg(&'a tokio_postgres::Row),
}

/// A type that one column becomes.
pub trait FromVal: Sized {
    /// Reads column `index` (from 0). A null or another type is [`Error::Column`].
    fn from_col(row: &Row<'_>, index: usize) -> Result<Self>;
}

/// A type that one row becomes: a tuple of columns, one column, or a struct by [`from_row!`](crate::from_row).
pub trait FromRow: Sized {
    /// Reads the row's columns in the order of the `SELECT`.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

impl Row<'_> {
    /// Column `index` (from 0).
    pub fn col<T: FromVal>(&self, index: usize) -> Result<T> {
        T::from_col(self, index)
    }
}

macro_rules! columns {
    ($($ty:ty),+) => { $(
        impl FromVal for $ty {
            fn from_col(row: &Row<'_>, index: usize) -> Result<Self> {
                match &row.0 {
                    Inner::Lite(row) => row.get(index).map_err(|e| column(index, e.to_string())),
                    Inner::Pg(row) => row.try_get(index).map_err(|e| column(index, e.to_string())),
                }
            }
        }
        impl FromVal for Option<$ty> {
            fn from_col(row: &Row<'_>, index: usize) -> Result<Self> {
                match &row.0 {
                    Inner::Lite(row) => row.get(index).map_err(|e| column(index, e.to_string())),
                    Inner::Pg(row) => row.try_get(index).map_err(|e| column(index, e.to_string())),
                }
            }
        }
    )+ };
}

columns!(i64, f64, String, Vec<u8>);

macro_rules! narrowed {
    ($($ty:ty),+) => { $(
        impl FromVal for $ty {
            fn from_col(row: &Row<'_>, index: usize) -> Result<Self> {
                let wide = i64::from_col(row, index)?;
                Self::try_from(wide).map_err(|e| column(index, format!("{wide}: {e}")))
            }
        }
        impl FromVal for Option<$ty> {
            fn from_col(row: &Row<'_>, index: usize) -> Result<Self> {
                let Some(wide) = Option::<i64>::from_col(row, index)? else { return Ok(None) };
                <$ty>::try_from(wide).map(Some).map_err(|e| column(index, format!("{wide}: {e}")))
            }
        }
    )+ };
}

narrowed!(u64, u32, i32, u16, u8, usize);

impl FromVal for bool {
    fn from_col(row: &Row<'_>, index: usize) -> Result<Self> {
        Ok(i64::from_col(row, index)? != 0)
    }
}

macro_rules! tuples {
    ($($name:ident $index:tt),+) => {
        impl<$($name: FromVal),+> FromRow for ($($name,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($($name::from_col(row, $index)?,)+))
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);

/// Implements [`FromRow`] for a struct: `from_row!(Link { code, url, at })`, columns in that order.
#[macro_export]
macro_rules! from_row {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::FromRow for $name {
            fn from_row(row: &$crate::Row<'_>) -> $crate::Result<Self> {
                let mut index = 0..;
                Ok(Self { $($field: row.col(index.next().unwrap_or(usize::MAX))?),+ })
            }
        }
    };
}

fn column(index: usize, detail: String) -> Error {
    Error::Column { index, detail }
}
