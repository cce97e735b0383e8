//! Values, rows and statements on PostgreSQL.

use std::error::Error;
use std::ops::ControlFlow;

use bytes::{BufMut as _, BytesMut};
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::{Row, StorageError, Value, kept_text};
use crate::postgres::Session;

type Refusal = Box<dyn Error + Sync + Send>;

/// A number takes the width of its column; nothing takes another kind.
impl ToSql for Value<'_> {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Refusal> {
        match (*self, column) {
            (Self::Null, _) => return Ok(IsNull::Yes),
            (Self::Int(number), &Type::INT2) => out.put_i16(number.try_into()?),
            (Self::Int(number), &Type::INT4) => out.put_i32(number.try_into()?),
            (Self::Int(number), &Type::INT8) => out.put_i64(number),
            (Self::Text(text), &Type::TEXT | &Type::VARCHAR) => out.put_slice(kept_text(text).as_bytes()),
            (Self::Blob(bytes), &Type::BYTEA) => out.put_slice(bytes),
            (Self::Ints(numbers), &Type::INT8_ARRAY) => return numbers.to_sql(column, out),
            (Self::Ints(numbers), &Type::INT4_ARRAY) => return narrowed::<i32>(numbers)?.to_sql(column, out),
            (Self::Ints(numbers), &Type::INT2_ARRAY) => return narrowed::<i16>(numbers)?.to_sql(column, out),
            (Self::Texts(texts), &Type::TEXT_ARRAY) => {
                let kept: Vec<_> = texts.iter().map(|text| text.map(kept_text)).collect();
                let kept: Vec<_> = kept.iter().map(Option::as_deref).collect();
                return kept.to_sql(column, out);
            }
            (Self::Blobs(pieces), &Type::BYTEA_ARRAY) => return pieces.to_sql(column, out),
            _ => return Err(format!("{} was bound where {column} is expected", self.kind()).into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_column: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn narrowed<T: TryFrom<i64>>(numbers: &[i64]) -> Result<Vec<T>, T::Error> {
    numbers.iter().map(|number| T::try_from(*number)).collect()
}

impl<'r> FromSql<'r> for Value<'r> {
    fn from_sql(column: &Type, raw: &'r [u8]) -> Result<Self, Refusal> {
        Ok(match *column {
            Type::BOOL => Self::Int(bool::from_sql(column, raw)?.into()),
            Type::INT2 => Self::Int(i16::from_sql(column, raw)?.into()),
            Type::INT4 => Self::Int(i32::from_sql(column, raw)?.into()),
            Type::INT8 => Self::Int(i64::from_sql(column, raw)?),
            Type::BYTEA => Self::Blob(raw),
            _ => Self::Text(std::str::from_utf8(raw)?),
        })
    }

    fn from_sql_null(_column: &Type) -> Result<Self, Refusal> {
        Ok(Self::Null)
    }

    fn accepts(column: &Type) -> bool {
        matches!(*column, Type::BOOL | Type::INT2 | Type::INT4 | Type::INT8 | Type::BYTEA | Type::TEXT | Type::VARCHAR)
    }
}

pub(super) fn cell(row: &postgres::Row, index: usize) -> Result<Value<'_>, StorageError> {
    Ok(row.try_get(index)?)
}

pub(super) fn query_while(
    session: &Session,
    sql: &str,
    params: &[Value<'_>],
    mut each: impl FnMut(&mut Row<'_>) -> Result<ControlFlow<()>, StorageError>,
) -> Result<(), StorageError> {
    for row in &session.query(sql, params)? {
        if each(&mut Row::of_postgres(row))?.is_break() {
            break;
        }
    }
    Ok(())
}

pub(super) fn execute_one<T>(
    session: &Session,
    sql: &str,
    params: &[Value<'_>],
    map: impl FnOnce(&mut Row<'_>) -> Result<T, StorageError>,
) -> Result<Option<T>, StorageError> {
    let rows = session.query(sql, params)?;
    rows.first().map(|row| map(&mut Row::of_postgres(row))).transpose()
}
