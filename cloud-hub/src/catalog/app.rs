//! What the catalog service does: it keeps the menu as it was last published, and publishes another.
//!
//! Each run that publishes begins a journal of its own and states the menu whole there. Of all that the hub's journal
//! holds the highest revision is for sale. What nodes give back after the hub was restored may be such a revision; a
//! run that has published by then publishes again, as the next one.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::domain::catalog::{Catalog, CatalogError, CatalogEvent, Draft, Revision};
use percolate_common::domain::event::Event;
use percolate_common::hlc::Hlc;
use percolate_common::journal::JournalId;
use percolate_common::time::{Clock, UtcMillis};
use percolate_common::wire::event::{self, EventError};
use percolate_runtime::storage::{ReadTx, StorageError};
use tokio_util::sync::CancellationToken;

use crate::catalog::menu::Menu;
use crate::kernel::db::Db;
use crate::kernel::journal::{Journal, author_stream_list, entry_list};
use crate::kernel::outbox::{LIVES_MAX, Outbox, OutboxError, append};

/// Entries that are read at a time.
const READ_ENTRIES_MAX: usize = 1_000;

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

/// How far what earlier runs said was last seen to reach in the hub's journal.
#[derive(Debug, Default)]
pub struct Seen(Vec<(JournalId, u64)>);

/// The catalog service.
pub struct CatalogApp {
    db: Db,
    outbox: Outbox,
    hub: Journal,
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
    /// The menu for sale, once a revision is published.
    pub published: Option<Catalog>,
    /// Every revision, the first one first.
    pub revisions: Vec<PublishedRevision>,
    /// What the life of that menu has said, published or not.
    draft: Draft,
    /// What earlier runs said.
    told: Told,
    /// What this run said.
    own: Told,
}

impl CatalogApp {
    /// Folds what was said before, as far as the hub's journal holds it.
    pub(super) async fn open(
        db: Db,
        outbox: Outbox,
        hub: Journal,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CatalogAppError> {
        let own = outbox.journal_id();
        let told = hub.db().read_async(move |tx| earlier(tx, &own)).await?;
        let state = CatalogState::of(told, Told::default());
        Ok(Self { db, outbox, hub, clock, state: RwLock::new(Arc::new(state)) })
    }

    /// The service's database.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// The service's journals.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What is for sale, and every revision.
    #[must_use]
    pub fn state(&self) -> Arc<CatalogState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: CatalogState) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// Publishes a menu if it differs from the one that was published last, in one transaction.
    ///
    /// # Errors
    /// [`CatalogAppError::Menu`] if it cannot be sold; nothing was said then.
    pub async fn load_menu(&self, menu: Menu) -> Result<MenuLoaded, CatalogAppError> {
        let before = self.state();
        let last = before.published.as_ref().map(|catalog| catalog.revision);
        let is_same = menu.content.changes_from(&before.draft).is_empty();
        if let Some(last) = last.filter(|last| is_same && last.currency == menu.currency) {
            return Ok(MenuLoaded::Unchanged { revision: last.number });
        }
        let changes = menu.content.changes_from(&before.own.draft);
        let mut draft = before.own.draft.clone();
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
        self.say(&before, said).await?;
        Ok(MenuLoaded::Published { revision: revision.number, events })
    }

    /// Says something in the journal of this run, and takes it into the state.
    async fn say(&self, before: &CatalogState, said: Vec<CatalogEvent>) -> Result<(), CatalogAppError> {
        let id: JournalId = self.outbox.journal_id();
        let at = self.clock.now();
        let after = before.told.hlc.max(before.own.hlc);
        let mut own = before.own.clone();
        own.hlc = after.tick(at);
        let own = self
            .db
            .write("menu_publish", move |tx| {
                let events: Vec<_> = said.iter().cloned().map(Event::Catalog).collect();
                let head = append(tx, &id, &events, after, at)?;
                for event in &said {
                    // Only the last event publishes, and it is the journal's head.
                    own.fold(event, head.seq, at)?;
                }
                Ok::<_, CatalogAppError>(own)
            })
            .await?;
        self.set(CatalogState::of(before.told.clone(), own));
        Ok(())
    }

    /// Follows the hub's journal until it is stopped: after a restore, nodes give back what earlier runs had said.
    ///
    /// # Errors
    /// [`CatalogAppError`] if a database fails or what came back cannot be folded: run it again.
    pub async fn follow(&self, stop: CancellationToken) -> Result<(), CatalogAppError> {
        let mut commits = self.hub.commits();
        let mut seen = Seen::default();
        while !stop.is_cancelled() {
            commits.mark_unchanged();
            self.take_returned(&mut seen).await?;
            tokio::select! {
                () = stop.cancelled() => {}
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
            }
        }
        Ok(())
    }

    /// Takes in what nodes have given back since it was last looked at.
    ///
    /// # Errors
    /// As [`CatalogApp::follow`].
    pub async fn take_returned(&self, seen: &mut Seen) -> Result<(), CatalogAppError> {
        let own = self.outbox.journal_id();
        let states = self.hub.db().read_async(move |tx| author_stream_list(tx, own.author, LIVES_MAX)).await?;
        let others = states.iter().filter(|state| state.journal != own);
        let mut heads: Vec<_> = others.map(|state| (state.journal, state.head.seq)).collect();
        heads.sort_unstable();
        if heads == seen.0 {
            return Ok(());
        }
        let told = self.hub.db().read_async(move |tx| earlier(tx, &own)).await?;
        let state = CatalogState::of(told, self.state().own.clone());
        self.set(state.clone());
        seen.0 = heads;
        let (Some(ours), Some(theirs)) = (&state.own.published, state.told.number()) else { return Ok(()) };
        if theirs < ours.revision.number {
            return Ok(());
        }
        tracing::warn!(
            revision = theirs,
            "nodes gave back revision {theirs} of the menu: this run publishes its own again"
        );
        let revision = Revision { number: theirs.saturating_add(1), ..ours.revision };
        self.say(&state, vec![CatalogEvent::RevisionPublished(revision)]).await
    }
}

/// What was said in one or more lives, folded.
#[derive(Debug, Clone, Default)]
struct Told {
    /// Everything that the life of the last revision said, published or not.
    draft: Draft,
    /// The last revision.
    published: Option<Catalog>,
    /// Every revision.
    revisions: Vec<PublishedRevision>,
    /// The latest clock reading of anything said.
    hlc: Hlc,
}

impl Told {
    fn fold(&mut self, event: &CatalogEvent, seq: u64, at: UtcMillis) -> Result<(), CatalogError> {
        self.draft.apply(event);
        if let CatalogEvent::RevisionPublished(revision) = event {
            self.published = Some(self.draft.publish(*revision)?);
            self.revisions.push(PublishedRevision { revision: *revision, seq, at });
        }
        Ok(())
    }

    fn number(&self) -> Option<u32> {
        self.published.as_ref().map(|catalog| catalog.revision.number)
    }

    /// Takes in another life: each states the menu whole, and the highest revision is for sale.
    fn join(&mut self, mut other: Self) {
        self.revisions.append(&mut other.revisions);
        if (other.number(), other.hlc) > (self.number(), self.hlc) {
            self.draft = other.draft;
            self.published = other.published;
        }
        self.hlc = self.hlc.max(other.hlc);
    }
}

/// Folds every life that the hub's journal holds, except this run's.
fn earlier(tx: &ReadTx<'_>, own: &JournalId) -> Result<Told, CatalogAppError> {
    let mut told = Told::default();
    let mut lives = author_stream_list(tx, own.author, LIVES_MAX)?;
    lives.sort_by_key(|state| state.journal);
    for state in lives.iter().filter(|state| state.journal != *own && state.journal.stream == own.stream) {
        let mut life = Told::default();
        let mut seq = 0;
        loop {
            let entries = entry_list(tx, &state.journal, seq, READ_ENTRIES_MAX)?;
            let Some(last) = entries.last() else { break };
            seq = last.seq;
            for entry in &entries {
                let read = event::decode(&entry.bytes);
                let read = read.map_err(|source| CatalogAppError::Unreadable { seq: entry.seq, source })?;
                life.hlc = life.hlc.max(read.header.hlc);
                if let Event::Catalog(said) = &read.event {
                    life.fold(said, entry.seq, read.header.at)?;
                }
            }
        }
        told.join(life);
    }
    Ok(told)
}

impl CatalogState {
    fn of(told: Told, own: Told) -> Self {
        let mut all = told.clone();
        all.join(own.clone());
        all.revisions.sort_by_key(|published| (published.revision.number, published.at));
        Self { published: all.published, revisions: all.revisions, draft: all.draft, told, own }
    }
}
