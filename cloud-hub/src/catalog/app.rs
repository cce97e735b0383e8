//! What the catalog service does: it keeps the menu as it was last published, and publishes another.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::domain::catalog::{Catalog, CatalogError, CatalogEvent, Draft, Revision};
use percolate_common::domain::event::Event;
use percolate_common::journal::JournalId;
use percolate_common::time::{Clock, UtcMillis};
use percolate_common::wire::event::{self, EventError};
use percolate_runtime::sqlite::StorageError;

use crate::catalog::menu::Menu;
use crate::kernel::db::Db;
use crate::kernel::outbox::{Outbox, OutboxError, append, said_list};

/// Why the catalog service could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogAppError {
    /// The database failed.
    #[error("the catalog could not be read or written")]
    Storage(#[from] StorageError),
    /// The outbox cannot be used.
    #[error("the catalog's journal cannot be used")]
    Outbox(#[from] OutboxError),
    /// The menu cannot be sold.
    #[error("the menu cannot be published")]
    Menu(#[from] CatalogError),
    /// The service's own journal holds something that this program cannot read: it was written by a newer one.
    #[error("entry {seq} of the catalog's own journal cannot be read")]
    Unreadable {
        /// Which entry.
        seq: u64,
        /// Why not.
        #[source]
        source: EventError,
    },
}

/// A revision that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedRevision {
    /// What it says.
    pub revision: Revision,
    /// The entry of the catalog's journal that published it.
    pub seq: u64,
    /// When.
    pub at: UtcMillis,
}

/// What loading a menu did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuLoaded {
    /// It is what was published last.
    Unchanged {
        /// Which revision that is.
        revision: u32,
    },
    /// It was published.
    Published {
        /// As which revision.
        revision: u32,
        /// In how many events, the publishing one included.
        events: usize,
    },
}

/// The catalog service.
pub struct CatalogApp {
    db: Db,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    state: RwLock<Arc<CatalogState>>,
}

impl fmt::Debug for CatalogApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogApp").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

/// What the service has said so far, folded.
#[derive(Debug, Clone, Default)]
pub struct CatalogState {
    /// Everything said, published or not.
    draft: Draft,
    /// The menu for sale, once a revision is published.
    pub published: Option<Catalog>,
    /// Every revision, the first one first.
    pub revisions: Vec<PublishedRevision>,
}

impl CatalogApp {
    /// Folds what was said before.
    pub(super) async fn open(db: Db, outbox: Outbox, clock: Arc<dyn Clock>) -> Result<Self, CatalogAppError> {
        let mut state = CatalogState::default();
        let mut seq = 0;
        let id = outbox.journal_id();
        loop {
            let entries = db.read_async(move |tx| said_list(tx, &id, seq)).await?;
            for entry in &entries {
                let read = event::decode(&entry.bytes);
                let read = read.map_err(|source| CatalogAppError::Unreadable { seq: entry.seq, source })?;
                if let Event::Catalog(said) = &read.event {
                    state.fold(said, entry.seq, read.header.at)?;
                }
            }
            match entries.last() {
                Some(last) => seq = last.seq,
                None => break,
            }
        }
        Ok(Self { db, outbox, clock, state: RwLock::new(Arc::new(state)) })
    }

    /// The service's database.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// The service's journal.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What is for sale, and every revision.
    #[must_use]
    pub fn state(&self) -> Arc<CatalogState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes a menu if it differs from the one that was published last, in one transaction.
    ///
    /// # Errors
    /// [`CatalogAppError::Menu`] if it cannot be sold; nothing was said then.
    pub async fn load_menu(&self, menu: Menu) -> Result<MenuLoaded, CatalogAppError> {
        let before = self.state();
        let last = before.published.as_ref().map(|catalog| catalog.revision);
        let changes = menu.content.changes_from(&before.draft);
        if let Some(last) = last.filter(|last| changes.is_empty() && last.currency == menu.currency) {
            return Ok(MenuLoaded::Unchanged { revision: last.number });
        }
        let mut draft = before.draft.clone();
        changes.iter().for_each(|event| draft.apply(event));
        let revision = Revision {
            number: last.map_or(1, |last| last.number.saturating_add(1)),
            currency: menu.currency,
            item_count: u32::try_from(draft.items.len()).unwrap_or(u32::MAX),
        };
        // Checked before it is said: what is in the journal stays there.
        draft.publish(revision)?;
        let said: Vec<_> = changes.into_iter().chain([CatalogEvent::RevisionPublished(revision)]).collect();
        let events = said.len();
        let at = self.clock.now();
        let state = self.say(before, said, at).await?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        Ok(MenuLoaded::Published { revision: revision.number, events })
    }

    async fn say(
        &self,
        before: Arc<CatalogState>,
        said: Vec<CatalogEvent>,
        at: UtcMillis,
    ) -> Result<CatalogState, CatalogAppError> {
        let id: JournalId = self.outbox.journal_id();
        self.db
            .write("menu_publish", move |tx| {
                let events: Vec<_> = said.iter().cloned().map(Event::Catalog).collect();
                let head = append(tx, &id, &events, at)?;
                let mut state = (*before).clone();
                for event in &said {
                    // Only the last event publishes, and it is the journal's head.
                    state.fold(event, head.seq, at)?;
                }
                Ok(state)
            })
            .await
    }
}

impl CatalogState {
    fn fold(&mut self, event: &CatalogEvent, seq: u64, at: UtcMillis) -> Result<(), CatalogError> {
        self.draft.apply(event);
        if let CatalogEvent::RevisionPublished(revision) = event {
            self.published = Some(self.draft.publish(*revision)?);
            self.revisions.push(PublishedRevision { revision: *revision, seq, at });
        }
        Ok(())
    }
}
