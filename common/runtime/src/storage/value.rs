//! Values, as they are bound to a statement and as a row has them.

use std::borrow::Cow;

/// A value of a column, or one that is bound.
///
/// Engines keep a flag as 0 or 1, and 64 bits without a sign as the signed number of the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'v> {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// Text.
    Text(&'v str),
    /// Bytes.
    Blob(&'v [u8]),
    /// Numbers as one array: a server takes many rows with one statement. Only bound, and only there.
    Ints(&'v [i64]),
    /// Texts as one array, as above.
    Texts(&'v [Option<&'v str>]),
    /// Pieces of bytes as one array, as above.
    Blobs(&'v [&'v [u8]]),
}

impl Value<'_> {
    /// Its kind, for whoever expected another.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Int(_) => "a number",
            Self::Text(_) => "text",
            Self::Blob(_) => "bytes",
            Self::Ints(_) | Self::Texts(_) | Self::Blobs(_) => "an array",
        }
    }
}

/// A text as databases keep it: U+0000, which not all of them can keep, is U+FFFD. Every text that is bound is made so;
/// what compares texts with those of a table, or picks one to be kept, makes them so first.
#[must_use]
pub fn kept_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The values of `?1`, `?2`, … of a statement.
///
/// ```
/// use percolate_runtime::params;
/// use percolate_runtime::storage::{StorageError, WriteTx};
///
/// fn note_insert(tx: &WriteTx<'_>, text: &str, at_ms: i64) -> Result<(), StorageError> {
///     tx.execute("INSERT INTO note (text, at_ms) VALUES (?1, ?2)", params![text, at_ms])?;
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::storage::Value::from($value)),*]
    };
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u8> for Value<'_> {
    fn from(number: u8) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(flag.into())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'v, const N: usize> From<&'v [u8; N]> for Value<'v> {
    fn from(bytes: &'v [u8; N]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'v> From<&'v [i64]> for Value<'v> {
    fn from(numbers: &'v [i64]) -> Self {
        Self::Ints(numbers)
    }
}

impl<'v> From<&'v [Option<&'v str>]> for Value<'v> {
    fn from(texts: &'v [Option<&'v str>]) -> Self {
        Self::Texts(texts)
    }
}

impl<'v> From<&'v [&'v [u8]]> for Value<'v> {
    fn from(pieces: &'v [&'v [u8]]) -> Self {
        Self::Blobs(pieces)
    }
}

impl<'v, T: Into<Value<'v>>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a cell can be read as.
pub trait FromValue<'v>: Sized {
    /// The value as this type; nothing if it is of another kind, or beyond the type's range.
    fn from_value(value: Value<'v>) -> Option<Self>;
}

impl<'v> FromValue<'v> for Value<'v> {
    fn from_value(value: Value<'v>) -> Option<Self> {
        Some(value)
    }
}

impl FromValue<'_> for i64 {
    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Int(number) = value { Some(number) } else { None }
    }
}

impl FromValue<'_> for i32 {
    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value)?.try_into().ok()
    }
}

impl FromValue<'_> for u32 {
    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value)?.try_into().ok()
    }
}

impl FromValue<'_> for bool {
    fn from_value(value: Value<'_>) -> Option<Self> {
        Some(i64::from_value(value)? != 0)
    }
}

impl<'v> FromValue<'v> for &'v str {
    fn from_value(value: Value<'v>) -> Option<Self> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }
}

impl FromValue<'_> for String {
    fn from_value(value: Value<'_>) -> Option<Self> {
        <&str>::from_value(value).map(str::to_owned)
    }
}

impl<'v> FromValue<'v> for &'v [u8] {
    fn from_value(value: Value<'v>) -> Option<Self> {
        if let Value::Blob(bytes) = value { Some(bytes) } else { None }
    }
}

impl FromValue<'_> for Vec<u8> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        <&[u8]>::from_value(value).map(<[u8]>::to_vec)
    }
}

impl<const N: usize> FromValue<'_> for [u8; N] {
    fn from_value(value: Value<'_>) -> Option<Self> {
        <&[u8]>::from_value(value)?.try_into().ok()
    }
}

impl<'v, T: FromValue<'v>> FromValue<'v> for Option<T> {
    fn from_value(value: Value<'v>) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_its_own_kind_and_within_the_range_only() {
        assert_eq!(u32::from_value(Value::Int(7)), Some(7));
        assert_eq!(u32::from_value(Value::Int(-1)), None);
        assert_eq!(i32::from_value(Value::Int(i64::from(i32::MAX) + 1)), None);
        assert_eq!(i64::from_value(Value::Text("7")), None);
        assert_eq!(String::from_value(Value::Blob(b"7")), None);
        assert_eq!(<[u8; 2]>::from_value(Value::Blob(b"ab")), Some(*b"ab"));
        assert_eq!(<[u8; 2]>::from_value(Value::Blob(b"abc")), None);
        assert_eq!(i64::from_value(Value::Null), None);
    }

    #[test]
    fn nothing_is_read_where_it_may_be() {
        assert_eq!(<Option<i64>>::from_value(Value::Null), Some(None));
        assert_eq!(<Option<i64>>::from_value(Value::Int(0)), Some(Some(0)));
        assert_eq!(<Option<i64>>::from_value(Value::Text("x")), None);
        assert_eq!(Value::from(None::<&str>), Value::Null);
    }

    #[test]
    fn a_flag_is_a_number() {
        assert_eq!((Value::from(true), Value::from(false)), (Value::Int(1), Value::Int(0)));
        assert_eq!((bool::from_value(Value::Int(1)), bool::from_value(Value::Int(0))), (Some(true), Some(false)));
    }
}
