//! The menu that is sold: the last revision that was received whole.

use std::collections::BTreeMap;

use percolate_common::domain::catalog::{Catalog, CatalogEvent, Draft};
use percolate_common::domain::event::Event;
use percolate_common::ids::StoreId;
use percolate_common::journal::{Head, JournalId, StreamKind};
use percolate_common::money::Currency;
use percolate_common::sync::inbound::{Judgement, judge};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event::decode;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;

use super::App;
use super::error::AppError;
use crate::store::down;

/// Which shop a menu is for: its number, and what it sells in.
pub(crate) type Shop = (StoreId, Currency);

/// A journal of the menu as it is folded: all that was said, and its last sound revision for this shop.
#[derive(Debug)]
struct Fold {
    shop: Shop,
    draft: Draft,
    published: Option<Catalog>,
    unread: Unread,
}

/// Entries of one of the hub's journals that this program cannot read: it is older than the hub. They are held, and a newer one
/// reads them at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unread {
    pub(crate) count: u64,
    /// The sequence number of the first; 0 if there is none.
    pub(crate) first_seq: u64,
}

/// What the hub's journals come to here.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    catalog: Option<Catalog>,
    unread: BTreeMap<JournalId, Unread>,
}

impl Fold {
    fn take(&mut self, seq: u64, bytes: &[u8]) {
        // What this program cannot read, it does not sell.
        let Ok(Event::Catalog(event)) = decode(bytes).map(|recorded| recorded.event) else {
            if self.unread.count == 0 {
                self.unread.first_seq = seq;
            }
            self.unread.count += 1;
            return;
        };
        self.draft.apply(&event);
        if let CatalogEvent::RevisionPublished(revision) = event
            && revision.is_for(self.shop.0)
        {
            if revision.currency != self.shop.1 {
                let (number, theirs, ours) = (revision.number, revision.currency, self.shop.1);
                tracing::error!(
                    catalog.revision = number,
                    "menu revision {number} is in {theirs}, and this shop sells in {ours}: it is not sold"
                );
                return;
            }
            match self.draft.publish(revision) {
                Ok(sound) => self.published = Some(sound),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a menu that is not sound is not sold");
                }
            }
        }
    }
}

/// The last sound revision for a shop in a journal of the menu, however long it is.
fn published(tx: &ReadTx<'_>, journal: &JournalId, shop: Shop) -> Result<(Option<Catalog>, Unread), StorageError> {
    let mut fold = Fold { shop, draft: Draft::default(), published: None, unread: Unread::default() };
    let mut seq = 0;
    loop {
        let page = down::entry_list(tx, journal, seq)?;
        if page.is_empty() {
            return Ok((fold.published, fold.unread));
        }
        page.iter().zip(seq + 1..).for_each(|(bytes, seq)| fold.take(seq, bytes));
        seq += page.len() as u64;
    }
}

/// The menu for sale: the highest revision of all journals, for the service begins a new one whenever it speaks after a
/// start, and the hub may have been put back. Of two that are equal, that of the journal that came last.
pub(crate) fn load(tx: &ReadTx<'_>, shop: Shop) -> Result<Loaded, StorageError> {
    let (mut catalog, mut unread) = (None, BTreeMap::new());
    for (journal, _head) in down::head_list(tx)? {
        if journal.stream == StreamKind::Catalog {
            let before: Option<Catalog> = catalog.take();
            let number = |known: &Option<Catalog>| known.as_ref().map(|known| known.revision.number);
            let (other, passed_over) = published(tx, &journal, shop)?;
            if passed_over.count > 0 {
                unread.insert(journal, passed_over);
            }
            catalog = if number(&other) >= number(&before) { other } else { before };
        }
    }
    Ok(Loaded { catalog, unread })
}

/// What a batch from the hub was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    /// Held up to here; acknowledge.
    Held(Head),
    /// Something is missing; ask again from here.
    Gap(Head),
    /// Contradicts what is held.
    Forked,
    /// Not to be taken now, or at all.
    Unwanted,
}

/// Takes over a batch of one of the hub's journals.
pub(crate) fn receive(tx: &WriteTx<'_>, batch: &Batch) -> Result<Received, AppError> {
    let journal: JournalId = batch.journal;
    let held = down::head_fetch(tx, &journal)?;
    Ok(match judge(held, batch, |seq| down::hash_at(tx, &journal, seq))? {
        Judgement::Append(entries) => {
            down::entries_append(tx, &journal, &entries)?;
            Received::Held(entries.last().map_or(held, |entry| entry.head))
        }
        Judgement::Repeat => Received::Held(held),
        Judgement::Gap => Received::Gap(held),
        Judgement::Fork { .. } => Received::Forked,
    })
}

/// Reads the menu anew and tells the screens if it is another revision. Blocks.
pub(crate) fn refresh(app: &App) -> Result<(), AppError> {
    let before = app.present.catalog().map(|catalog| catalog.revision.clone());
    let Loaded { catalog, unread } =
        app.readers.read(|tx| load(tx, (app.identity.store, app.identity.described.currency)))?;
    app.present.set_unread(unread, app.clock.now());
    let after = catalog.as_ref().map(|catalog| catalog.revision.clone());
    app.present.set_catalog(catalog);
    if before != after
        && let Some(revision) = after
    {
        tracing::info!(catalog.revision = revision.number, "menu revision {} is sold now", revision.number);
        app.present.tell(super::Notice::Catalog(revision.number));
    }
    Ok(())
}
