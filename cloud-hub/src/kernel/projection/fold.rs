//! Folding: slices are read, and folded in one transaction with their positions.

use percolate_common::journal::{Head, JournalId};
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};
use percolate_runtime::writer::GROUP_COMMANDS_MAX;

use super::positions::position_move;
use super::{Projection, ProjectionError, Slice};
use crate::kernel::journal::entry_list;
use crate::kernel::unread;

/// Entries of one slice.
pub const SLICE_ENTRIES_MAX: usize = 1_000;

/// Slices, each of another journal, that are folded together: no more than a writer takes for one commit, should each have to be
/// folded by itself.
const SLICES_MAX: usize = GROUP_COMMANDS_MAX;

/// Entries of all slices that are folded together: what one reading of many short slices, or of a few long ones, holds in memory.
const ENTRIES_MAX: u64 = 16_000;

/// A journal that is ahead of the projection.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub(super) journal: JournalId,
    /// How far it is folded.
    pub(super) position: Head,
    /// How many entries it is ahead.
    pub(super) entries: u64,
}

/// How many of them, from the first on, are folded in one commit: at least one.
pub(super) fn group_size(due: &[Due]) -> usize {
    let slice_max = u64::try_from(SLICE_ENTRIES_MAX).unwrap_or(u64::MAX);
    let mut entries = 0;
    let fits = |due: &&Due| {
        entries += due.entries.min(slice_max);
        entries <= ENTRIES_MAX
    };
    due.iter().take(SLICES_MAX).take_while(fits).count().max(1)
}

pub(super) fn slice_list(tx: &ReadTx<'_>, due: &[Due]) -> Result<Vec<(Slice, Due)>, StorageError> {
    let mut slices = Vec::with_capacity(due.len());
    for due in due {
        let entries = entry_list(tx, &due.journal, due.position.seq, SLICE_ENTRIES_MAX)?;
        slices.extend(Slice::read(due.journal, due.position, entries).map(|slice| (slice, *due)));
    }
    Ok(slices)
}

/// Folds slices and moves the positions, in one transaction. Returns how many entries of each that were.
pub(super) fn fold_slices(
    tx: &WriteTx<'_>,
    projection: &dyn Projection,
    slices: &[(Slice, Due)],
) -> Result<Vec<u64>, ProjectionError> {
    let (mut entries, mut moved) = (Vec::with_capacity(slices.len()), Vec::with_capacity(slices.len()));
    for (slice, due) in slices {
        // The position first: whoever else folds the same slice waits here, and finds it folded.
        if !position_move(tx, projection.name(), slice, due.position)? {
            // Folded already: by somebody else, or the commit before this one was kept although it seemed to fail.
            entries.push(0);
            continue;
        }
        if !slice.continues {
            let seq = due.position.seq + 1;
            return Err(ProjectionError::Discontinued { journal: slice.journal, seq });
        }
        for entry in slice.entries.iter().filter(|entry| entry.recorded.is_none()) {
            unread::keep(tx, projection.name(), &(slice.journal, entry.seq))?;
        }
        entries.push(slice.entries.len() as u64);
        moved.push(slice);
    }
    if !moved.is_empty() {
        projection.apply(tx, &moved)?;
    }
    Ok(entries)
}
