//! A row of the journal, as both engines write and read it.

use percolate_common::journal::Head;
use percolate_runtime::storage::{Row, StorageError};

use super::Entry;
use crate::kernel::db::head_taken;

/// Most bytes of events that one reading takes, so that a slice of large events stays small in memory.
pub(super) const READ_BYTES_MAX: i64 = 4 * 1024 * 1024;

/// An entry that is to be kept.
pub(super) struct Fresh<'b> {
    pub(super) head: Head,
    pub(super) bytes: &'b [u8],
    /// Whether this program cannot read it.
    pub(super) parked: bool,
    /// Whether it counts elsewhere.
    pub(super) alias: bool,
}

pub(super) fn entry(row: &mut Row<'_>) -> Result<Entry, StorageError> {
    let Head { seq, hash } = head_taken(row)?;
    Ok(Entry { seq, hash, bytes: row.take()?, parked: row.take()?, alias: row.take()? })
}
