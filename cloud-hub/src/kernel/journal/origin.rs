//! The alias rule: an event that a later life of its author wrote again counts once, wherever it came first.
//!
//! A node whose past forked, or that was restored, writes again what it believes the hub not to hold; what it believes
//! is a lower bound. What the hub holds after all, or comes to hold later, is the same event twice. It is decided once,
//! when an entry is appended, in the one order that all projections share: a rebuild decides nothing anew. Events are
//! told apart by the id of their first writing and never by content: two equal sales in one millisecond are two sales.

use percolate_common::journal::{EventId, Head, JournalId, Origin};
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, WriteTx};

use super::read::hash_fetch;
use crate::kernel::db::seq_column;

/// The re-emitted events of one author, as the entries of one journal are appended.
pub(super) struct Origins<'a, 'c> {
    tx: &'a WriteTx<'c>,
    journal: JournalId,
    stream_id: i64,
    /// Whether the author has ever written an event again. Nearly none has, and then nothing more is asked.
    any: bool,
}

impl<'a, 'c> Origins<'a, 'c> {
    /// For entries that are appended to a journal.
    pub(super) fn of(tx: &'a WriteTx<'c>, journal: &JournalId, stream_id: i64) -> Result<Self, StorageError> {
        let any = tx.query_one(
            "SELECT EXISTS (SELECT 1 FROM journal_origin WHERE author = ?1)",
            params![journal.author.number()],
            |row| row.take(),
        )?;
        Ok(Self { tx, journal: *journal, stream_id, any })
    }

    /// Whether the entry at `head` is an event that counts elsewhere. Takes note of it if it was written again.
    pub(super) fn alias(&mut self, head: Head, origin: Option<Origin>) -> Result<bool, StorageError> {
        let Some(origin) = origin else {
            return if self.any { self.counts(head.hash.event_id()) } else { Ok(false) };
        };
        let alias = self.first_writing_is_held(&origin)? || self.counts(origin.id)?;
        self.tx.execute(
            "INSERT INTO journal_origin (event_id, author, stream_id, seq, counted)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![origin.id.as_bytes(), self.journal.author.number(), self.stream_id, seq_column(head.seq), !alias],
        )?;
        self.any = true;
        Ok(alias)
    }

    fn first_writing_is_held(&self, origin: &Origin) -> Result<bool, StorageError> {
        let journal = JournalId { incarnation: origin.incarnation, ..self.journal };
        let hash = hash_fetch(self.tx, &journal, origin.seq)?;
        Ok(hash.is_some_and(|hash| hash.event_id() == origin.id))
    }

    /// Whether an event with this id was written again, and that writing counts.
    fn counts(&self, id: EventId) -> Result<bool, StorageError> {
        self.tx.query_one(
            "SELECT EXISTS (SELECT 1 FROM journal_origin WHERE event_id = ?1 AND counted = 1)",
            params![id.as_bytes()],
            |row| row.take(),
        )
    }
}
