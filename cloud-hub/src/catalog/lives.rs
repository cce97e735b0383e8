//! What the catalog has said in each run, read back and folded.

use std::collections::BTreeMap;
use std::sync::Arc;

use percolate_common::domain::catalog::{Catalog, CatalogError, CatalogEvent, Draft};
use percolate_common::domain::event::Event;
use percolate_common::hlc::Hlc;
use percolate_common::journal::JournalId;
use percolate_common::wire::event;
use percolate_runtime::storage::{ReadTx, StorageError};

use super::error::CatalogAppError;
use super::revision::{PublishedRevision, Said};
use crate::kernel::journal::{Entry, author_stream_list, entry_list};
use crate::kernel::outbox::{LIVES_MAX, life_heads, said_list};

/// Entries that are read at a time.
const READ_ENTRIES_MAX: usize = 1_000;

/// What was said in one or more lives, folded.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Everything that the life of the last revision said, published or not.
    pub(super) draft: Draft,
    /// The last revision.
    pub(super) published: Option<Arc<Catalog>>,
    /// The last revision that is for all shops.
    pub(super) everywhere: Option<Arc<Catalog>>,
    /// Every revision.
    pub(super) revisions: Vec<PublishedRevision>,
    /// The latest clock reading of anything said.
    pub(super) hlc: Hlc,
}

impl Told {
    pub(super) fn fold(&mut self, event: &CatalogEvent, said: Said) -> Result<(), CatalogError> {
        self.draft.apply(event);
        if let CatalogEvent::RevisionPublished(revision) = event {
            let catalog = Arc::new(self.draft.publish(revision.clone())?);
            if revision.stores.is_empty() {
                self.everywhere = Some(catalog.clone());
            }
            self.published = Some(catalog);
            self.revisions.push(PublishedRevision { revision: revision.clone(), said });
        }
        Ok(())
    }

    pub(super) fn number(&self) -> Option<u32> {
        self.published.as_ref().map(|catalog| catalog.revision.number)
    }

    /// Takes in another life: each states the menu whole, and the highest revision is for sale.
    pub(super) fn join(&mut self, mut other: Self) {
        self.revisions.append(&mut other.revisions);
        let number = |known: &Option<Arc<Catalog>>| known.as_ref().map(|catalog| catalog.revision.number);
        if (number(&other.everywhere), other.hlc) > (number(&self.everywhere), self.hlc) {
            self.everywhere = other.everywhere.take();
        }
        if (other.number(), other.hlc) > (self.number(), self.hlc) {
            self.draft = other.draft;
            self.published = other.published;
        }
        self.hlc = self.hlc.max(other.hlc);
    }
}

/// One life, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) told: Told,
    pub(super) seq: u64,
}

impl Life {
    fn fold(&mut self, journal: &JournalId, entries: &[Entry]) -> Result<(), CatalogAppError> {
        for entry in entries {
            let read = event::decode(&entry.bytes);
            let read = read.map_err(|source| CatalogAppError::Unreadable { seq: entry.seq, source })?;
            self.told.hlc = self.told.hlc.max(read.header.hlc);
            if let Event::Catalog(said) = &read.event {
                self.told.fold(said, Said { journal: *journal, seq: entry.seq, at: read.header.at })?;
            }
            self.seq = entry.seq;
        }
        Ok(())
    }
}

/// The lives but this run's, in order.
pub(super) type Lives = BTreeMap<JournalId, Life>;

/// How far the hub's journal holds each life but this run's.
pub(super) fn hub_heads(tx: &ReadTx<'_>, own: &JournalId) -> Result<Vec<(JournalId, u64)>, StorageError> {
    let states = author_stream_list(tx, own.author, LIVES_MAX)?.into_iter();
    let others = states.filter(|state| state.journal != *own && state.journal.stream == own.stream);
    let mut heads: Vec<_> = others.map(|state| (state.journal, state.head.seq)).collect();
    heads.sort_unstable();
    Ok(heads)
}

/// How far the hub's journal holds a life.
pub(super) fn hub_head(tx: &ReadTx<'_>, life: &JournalId) -> Result<u64, StorageError> {
    let states = author_stream_list(tx, life.author, LIVES_MAX)?;
    Ok(states.iter().find(|state| state.journal == *life).map_or(0, |state| state.head.seq))
}

/// How far each life but this run's reaches in the service's database.
pub(super) fn others_heads(tx: &ReadTx<'_>, own: &JournalId) -> Result<Vec<(JournalId, u64)>, StorageError> {
    let mut heads = life_heads(tx, own.author, own.stream)?;
    heads.retain(|(journal, _)| journal != own);
    Ok(heads)
}

/// Folds every life that the hub's journal holds.
pub(super) fn lives_of_hub(
    tx: &ReadTx<'_>,
    own: &JournalId,
) -> Result<(Vec<(JournalId, u64)>, Lives), CatalogAppError> {
    let heads = hub_heads(tx, own)?;
    let mut lives = Lives::new();
    for (journal, _) in &heads {
        let life = lives.entry(*journal).or_default();
        loop {
            let entries = entry_list(tx, journal, life.seq, READ_ENTRIES_MAX)?;
            if entries.is_empty() {
                break;
            }
            life.fold(journal, &entries)?;
        }
    }
    Ok((heads, lives))
}

/// Folds what the hub's journal does not hold yet.
pub(super) fn add_lives_of_outbox(
    tx: &ReadTx<'_>,
    own: &JournalId,
    lives: &mut Lives,
) -> Result<Vec<(JournalId, u64)>, CatalogAppError> {
    let heads = others_heads(tx, own)?;
    for (journal, head) in &heads {
        let life = lives.entry(*journal).or_default();
        while life.seq < *head {
            let entries = said_list(tx, journal, life.seq)?;
            if entries.is_empty() {
                break;
            }
            life.fold(journal, &entries)?;
        }
    }
    Ok(heads)
}

/// The content of a revision, as it was when it was published: its life is folded up to there, so many entries at a time.
pub(super) fn content_in_hub(tx: &ReadTx<'_>, said: &Said) -> Result<(u64, Draft), CatalogAppError> {
    let (mut draft, mut seq) = (Draft::default(), 0);
    while seq < said.seq {
        let entries = entry_list(tx, &said.journal, seq, READ_ENTRIES_MAX)?;
        if entries.is_empty() {
            break;
        }
        seq = apply(&mut draft, &entries, said.seq)?;
    }
    Ok((seq, draft))
}

/// As [`content_in_hub`], going on with what the hub's journal does not hold yet.
pub(super) fn content_in_outbox(
    tx: &ReadTx<'_>,
    said: &Said,
    (mut seq, mut draft): (u64, Draft),
) -> Result<(u64, Draft), CatalogAppError> {
    while seq < said.seq {
        let entries = said_list(tx, &said.journal, seq)?;
        if entries.is_empty() {
            break;
        }
        seq = apply(&mut draft, &entries, said.seq)?;
    }
    Ok((seq, draft))
}

fn apply(draft: &mut Draft, entries: &[Entry], last: u64) -> Result<u64, CatalogAppError> {
    let mut seq = 0;
    for entry in entries.iter().take_while(|entry| entry.seq <= last) {
        let read = event::decode(&entry.bytes);
        let read = read.map_err(|source| CatalogAppError::Unreadable { seq: entry.seq, source })?;
        if let Event::Catalog(said) = &read.event {
            draft.apply(said);
        }
        seq = entry.seq;
    }
    Ok(seq)
}
