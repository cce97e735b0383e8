//! The catalog's journals as the frames in which the hub would send them: a box that takes them in sells without a line, and
//! needs nothing sent again when it has one.

use std::sync::Arc;

use percolate_common::domain::catalog::{Catalog, CatalogEvent, Draft};
use percolate_common::domain::event::Event;
use percolate_common::journal::{AuthorId, JournalId, Service, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;
use percolate_runtime::storage::{ReadTx, StorageError};

use crate::kernel::journal::{author_stream_list, entry_list, portion_read};
use crate::kernel::outbox::LIVES_MAX;

/// Entries that are read at a time.
const READ_ENTRIES_MAX: usize = 1_000;

/// The menu as it was folded last, and how far the catalog's journals reached then.
pub(super) type MenuSeen = Option<(Heads, Arc<Option<Catalog>>)>;

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

/// How far the catalog's journals reach, by life.
pub(super) type Heads = Vec<(JournalId, u64)>;

/// How far the catalog's journals reach: what was folded of them holds until they reach further.
pub(super) fn heads(tx: &ReadTx<'_>) -> Result<Heads, StorageError> {
    let states = author_stream_list(tx, AuthorId::service(Service::Catalog), LIVES_MAX)?.into_iter();
    let down = states.filter(|state| StreamKind::DOWN.contains(&state.journal.stream));
    Ok(down.map(|state| (state.journal, state.head.seq)).collect())
}

/// The menu that is for sale: of all lives the highest revision. What this program cannot read it passes over.
pub(super) fn published(tx: &ReadTx<'_>, heads: &Heads) -> Result<Option<Catalog>, StorageError> {
    let mut newest: Option<Catalog> = None;
    for (journal, head) in heads {
        let (mut draft, mut seq) = (Draft::default(), 0);
        while seq < *head {
            let entries = entry_list(tx, journal, seq, READ_ENTRIES_MAX)?;
            let Some(last) = entries.last() else { break };
            seq = last.seq;
            for entry in &entries {
                let Ok(read) = event::decode(&entry.bytes) else { continue };
                let Event::Catalog(said) = &read.event else { continue };
                draft.apply(said);
                let CatalogEvent::RevisionPublished(revision) = said else { continue };
                if newest.as_ref().is_none_or(|newest| newest.revision.number < revision.number)
                    && let Ok(catalog) = draft.publish(revision.clone())
                {
                    newest = Some(catalog);
                }
            }
        }
    }
    Ok(newest)
}
