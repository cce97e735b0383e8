//! A database as whoever keeps rows in it sees it, whichever engine it runs on: values, rows, the two kinds of
//! transaction, and what can go wrong.
//!
//! A function is written once, with one text for all engines: `?1`, `?2` for what is bound, and the cells of a row in
//! the order of the text. What a text may be so that all engines understand it is in docs/design/large-profile.md.
//!
//! Who may write is decided by type: a function that takes a [`WriteTx`] writes, one that takes a [`ReadTx`] cannot.
//! A `&WriteTx` is lent as a `&ReadTx` by itself wherever one is asked for.

mod error;
mod on_postgres;
mod on_sqlite;
mod row;
mod tx;
mod value;

pub use error::StorageError;
pub use row::Row;
pub use tx::{EngineKind, ReadTx, WriteTx};
pub use value::{FromValue, Value, kept_text};
