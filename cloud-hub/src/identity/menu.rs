//! The catalog's journals as the frames in which the hub would send them: a box that takes them in sells without a line, and
//! needs nothing sent again when it has one.

use percolate_common::journal::{AuthorId, Service, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_runtime::storage::{ReadTx, StorageError};

use crate::kernel::journal::{author_stream_list, portion_read};
use crate::kernel::outbox::LIVES_MAX;

/// All of them, in the order in which they are taken in.
pub(super) fn frames(tx: &ReadTx<'_>) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut frames = Vec::new();
    let mut states = author_stream_list(tx, AuthorId::service(Service::Catalog), LIVES_MAX)?;
    // The oldest life first: what was said last is what holds.
    states.reverse();
    for state in states.iter().filter(|state| StreamKind::DOWN.contains(&state.journal.stream)) {
        let mut seq_lo = 1;
        while seq_lo <= state.head.seq {
            let portion = portion_read(tx, &state.journal, seq_lo)?;
            if portion.events.is_empty() {
                break;
            }
            let batch = Batch {
                journal: state.journal,
                seq_lo,
                hash_before: portion.hash_before,
                events: portion.events,
                stock_totals: Vec::new(),
                sent_at: UtcMillis::new(0),
                session: 0,
                last_seq: state.head.seq,
            };
            seq_lo = batch.seq_hi() + 1;
            frames.push(batch.encode().map_err(|error| StorageError::Unsound { detail: error.to_string() })?);
        }
    }
    Ok(frames)
}
