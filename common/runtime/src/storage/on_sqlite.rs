//! Values, rows and statements on SQLite.

use std::borrow::Cow;
use std::ops::ControlFlow;

use rusqlite::params_from_iter;
use rusqlite::types::{ToSql, ToSqlOutput, Type, ValueRef};

use super::{Row, StorageError, Value, kept_text};
use crate::sqlite::{ReadTx, WriteTx};

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match *self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(number)),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Text(text) => match kept_text(text) {
                Cow::Borrowed(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
                Cow::Owned(text) => ToSqlOutput::from(text),
            },
            Self::Ints(_) | Self::Texts(_) | Self::Blobs(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure("an array cannot be bound here".into()));
            }
        })
    }
}

pub(super) fn cell<'r>(row: &'r rusqlite::Row<'_>, index: usize) -> Result<Value<'r>, StorageError> {
    let cell = row.get_ref(index)?;
    Ok(match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Blob(bytes) => Value::Blob(bytes),
        ValueRef::Text(_) => Value::Text(cell.as_str().map_err(rusqlite::Error::from)?),
        // No column of ours is a float, and no sum either.
        ValueRef::Real(_) => {
            return Err(rusqlite::Error::InvalidColumnType(index, "cell".to_owned(), Type::Real).into());
        }
    })
}

pub(super) fn query_while(
    tx: &ReadTx<'_>,
    sql: &str,
    params: &[Value<'_>],
    mut each: impl FnMut(&mut Row<'_>) -> Result<ControlFlow<()>, StorageError>,
) -> Result<(), StorageError> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(params))?;
    while let Some(row) = rows.next()?
        && each(&mut Row::of_sqlite(row))?.is_continue()
    {}
    Ok(())
}

pub(super) fn execute(tx: &WriteTx<'_>, sql: &str, params: &[Value<'_>]) -> Result<usize, StorageError> {
    tx.execute(sql, params_from_iter(params))
}

pub(super) fn execute_one<T>(
    tx: &WriteTx<'_>,
    sql: &str,
    params: &[Value<'_>],
    map: impl FnOnce(&mut Row<'_>) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    tx.execute_one(sql, params_from_iter(params), |row| map(&mut Row::of_sqlite(row)))
}
