//! The alias rule: an event that a later life of its author wrote again counts once, wherever it came first.
//!
//! A node whose past forked, or that was restored, writes again what it believes the hub not to hold; what it believes
//! is a lower bound. What the hub holds after all, or comes to hold later, is the same event twice. It is decided once,
//! when an entry is appended, in the one order that all projections share: a rebuild decides nothing anew. Events are
//! told apart by the id of their first writing and never by content: two equal sales in one millisecond are two sales.

use percolate_common::journal::{EventId, Head, JournalId, Origin};
use percolate_runtime::params;
use percolate_runtime::storage::{EngineKind, StorageError, WriteTx};

use super::read::hash_fetch;
use super::row::Fresh;
use super::{postgres, sqlite};

/// The re-emitted events of one author, as the entries of one journal are appended.
pub(super) struct Origins<'a, 'c> {
    tx: &'a WriteTx<'c>,
    journal: JournalId,
    /// Where the journal's entries go.
    place: i64,
    /// Whether the author has ever written an event again. Nearly none has, and then nothing more is asked.
    any: bool,
}

impl<'a, 'c> Origins<'a, 'c> {
    /// For entries that are appended to a journal.
    pub(super) fn of(tx: &'a WriteTx<'c>, journal: &JournalId, place: i64) -> Result<Self, StorageError> {
        let any = tx.query_one(
            "SELECT EXISTS (SELECT 1 FROM journal_origin WHERE author = ?1)",
            params![journal.author.number()],
            |row| row.take(),
        )?;
        Ok(Self { tx, journal: *journal, place, any })
    }

    /// Whether the entry at `head` is an event that counts elsewhere. Takes note of it if it was written again.
    /// `before` are the entries of the same batch that come before it: they are not written yet.
    pub(super) fn alias(
        &mut self,
        head: Head,
        origin: Option<Origin>,
        before: &[Fresh<'_>],
    ) -> Result<bool, StorageError> {
        let Some(origin) = origin else {
            return if self.any { self.counts(head.hash.event_id()) } else { Ok(false) };
        };
        let alias = self.first_writing_is_held(&origin, before)? || self.counts(origin.id)?;
        let writing = (head.seq, origin.id);
        match self.tx.engine() {
            EngineKind::Sqlite => sqlite::origin_insert(self.tx, (&self.journal, self.place), writing, !alias)?,
            EngineKind::Postgres => postgres::origin_insert(self.tx, &self.journal, writing, !alias)?,
        }
        self.any = true;
        Ok(alias)
    }

    fn first_writing_is_held(&self, origin: &Origin, before: &[Fresh<'_>]) -> Result<bool, StorageError> {
        let journal = JournalId { incarnation: origin.incarnation, ..self.journal };
        let beside = before.iter().find(|entry| journal == self.journal && entry.head.seq == origin.seq);
        let hash = match beside {
            Some(entry) => Some(entry.head.hash),
            None => hash_fetch(self.tx, &journal, origin.seq)?,
        };
        Ok(hash.is_some_and(|hash| hash.event_id() == origin.id))
    }

    /// Whether an event with this id was written again, and that writing counts.
    fn counts(&self, id: EventId) -> Result<bool, StorageError> {
        self.tx.query_one(
            "SELECT EXISTS (SELECT 1 FROM journal_origin WHERE author = ?1 AND event_id = ?2 AND counted = 1)",
            params![self.journal.author.number(), id.as_bytes()],
            |row| row.take(),
        )
    }
}
