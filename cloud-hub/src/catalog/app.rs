//! What the catalog service does: it keeps the menu as it was last published, and publishes another.
//!
//! Each run that publishes begins a journal of its own and states the menu whole there. Of all that the hub's journal
//! holds the highest revision is for sale. What nodes give back after the hub was restored may be such a revision; a
//! run that has published by then publishes again, as the next one.

use std::collections::BTreeMap;
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
use crate::kernel::journal::{Entry, Journal, author_stream_list, entry_list};
use crate::kernel::outbox::{LIVES_MAX, Outbox, OutboxError, append, life_heads, outbox_lock, said_list};

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
    /// Another process of the service published something in the meantime, again and again. Try again.
    #[error("another process keeps publishing menus: try again")]
    Stale,
    /// Somebody published another menu than the one that this was compared with.
    #[error("revision {published} of the menu was published meanwhile")]
    Moved {
        /// What is for sale now.
        published: u32,
    },
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

/// How far what others said was last seen to reach: other processes, and earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// In the hub's journal, which may hold more than the service's database: nodes give back what a restore lost.
    hub: Vec<(JournalId, u64)>,
    /// In the service's database, which may hold more than the hub's journal: it is copied from there.
    outbox: Vec<(JournalId, u64)>,
}

/// How often a menu is compared anew with what other processes published in the meantime.
const PUBLISH_TRIES_MAX: u32 = 5;

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
    /// What others said: other processes, and earlier ones.
    told: Told,
    /// How far that was seen.
    seen: Seen,
    /// The highest revision of what nodes gave back.
    returned: Option<u32>,
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
        let app = Self { db, outbox, hub, clock, state: RwLock::default() };
        app.refresh().await?;
        Ok(app)
    }

    /// Folds what others have said by now.
    async fn refresh(&self) -> Result<Arc<CatalogState>, CatalogAppError> {
        let own = self.outbox.journal_id();
        let (hub, mut lives) = self.hub.db().read_async(move |tx| lives_of_hub(tx, &own)).await?;
        let (outbox, lives) =
            self.db.read_async(move |tx| add_lives_of_outbox(tx, &own, &mut lives).map(|heads| (heads, lives))).await?;
        let gave_back = |journal: &JournalId| {
            let said = outbox.iter().find(|(life, _)| life == journal).map_or(0, |(_, seq)| *seq);
            hub.iter().any(|(life, seq)| life == journal && *seq > said)
        };
        let returned =
            lives.iter().filter(|(journal, _)| gave_back(journal)).filter_map(|(_, life)| life.told.number()).max();
        let mut told = Told::default();
        lives.into_values().for_each(|life| told.join(life.told));
        let state = CatalogState::of((told, Seen { hub, outbox }, returned), self.state().own.clone());
        self.set(state);
        Ok(self.state())
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
        self.publish(&menu, None).await
    }

    /// As [`CatalogApp::load_menu`], if `over` is the revision that is for sale, where it is said; 0 is none.
    pub(super) async fn publish(&self, menu: &Menu, over: Option<u32>) -> Result<MenuLoaded, CatalogAppError> {
        for _ in 1..PUBLISH_TRIES_MAX {
            match self.try_publish(menu, over).await {
                Err(CatalogAppError::Stale) => drop(self.refresh().await?),
                loaded => return loaded,
            }
        }
        self.try_publish(menu, over).await
    }

    async fn try_publish(&self, menu: &Menu, over: Option<u32>) -> Result<MenuLoaded, CatalogAppError> {
        let before = self.state();
        let published = before.revision();
        if over.is_some_and(|over| over != published) {
            return Err(CatalogAppError::Moved { published });
        }
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
        let seen = before.seen.outbox.clone();
        let own = self
            .db
            .write("menu_publish", move |tx| {
                outbox_lock(tx)?;
                if others_heads(tx, &id)? != seen {
                    return Err(CatalogAppError::Stale);
                }
                let events: Vec<_> = said.iter().cloned().map(Event::Catalog).collect();
                let head = append(tx, &id, &events, after, at)?;
                for event in &said {
                    // Only the last event publishes, and it is the journal's head.
                    own.fold(event, head.seq, at)?;
                }
                Ok::<_, CatalogAppError>(own)
            })
            .await?;
        let others = (before.told.clone(), before.seen.clone(), before.returned);
        self.set(CatalogState::of(others, own));
        Ok(())
    }

    /// Waits until the hub's journal holds all that this run said: there other services read it.
    pub(super) async fn handed_over(&self) -> Result<(), CatalogAppError> {
        let own = self.outbox.journal_id();
        let said = self.state().own.revisions.last().map_or(0, |published| published.seq);
        let mut commits = self.hub.commits();
        loop {
            commits.mark_unchanged();
            if self.hub.db().read_async(move |tx| hub_head(tx, &own)).await? >= said || commits.changed().await.is_err()
            {
                return Ok(());
            }
        }
    }

    /// Follows the hub's journal until it is stopped: after a restore, nodes give back what earlier runs had said.
    ///
    /// # Errors
    /// [`CatalogAppError`] if a database fails or what came back cannot be folded: run it again.
    pub async fn follow(&self, stop: CancellationToken) -> Result<(), CatalogAppError> {
        let mut commits = self.hub.commits();
        while !stop.is_cancelled() {
            commits.mark_unchanged();
            self.take_returned().await?;
            tokio::select! {
                () = stop.cancelled() => {}
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
            }
        }
        Ok(())
    }

    /// Takes in what others have said since it was last looked at, and what nodes have given back.
    ///
    /// # Errors
    /// As [`CatalogApp::follow`].
    pub async fn take_returned(&self) -> Result<(), CatalogAppError> {
        let own = self.outbox.journal_id();
        let hub = self.hub.db().read_async(move |tx| hub_heads(tx, &own)).await?;
        let outbox = self.db.read_async(move |tx| others_heads(tx, &own)).await?;
        if (Seen { hub, outbox }) == self.state().seen {
            return Ok(());
        }
        let state = self.refresh().await?;
        let (Some(ours), Some(theirs)) = (&state.own.published, state.returned) else { return Ok(()) };
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

/// One life, as far as it was read.
#[derive(Debug, Default)]
struct Life {
    told: Told,
    seq: u64,
}

impl Life {
    fn fold(&mut self, entries: &[Entry]) -> Result<(), CatalogAppError> {
        for entry in entries {
            let read = event::decode(&entry.bytes);
            let read = read.map_err(|source| CatalogAppError::Unreadable { seq: entry.seq, source })?;
            self.told.hlc = self.told.hlc.max(read.header.hlc);
            if let Event::Catalog(said) = &read.event {
                self.told.fold(said, entry.seq, read.header.at)?;
            }
            self.seq = entry.seq;
        }
        Ok(())
    }
}

/// The lives but this run's, in order.
type Lives = BTreeMap<JournalId, Life>;

/// How far the hub's journal holds each life but this run's.
fn hub_heads(tx: &ReadTx<'_>, own: &JournalId) -> Result<Vec<(JournalId, u64)>, StorageError> {
    let states = author_stream_list(tx, own.author, LIVES_MAX)?.into_iter();
    let others = states.filter(|state| state.journal != *own && state.journal.stream == own.stream);
    let mut heads: Vec<_> = others.map(|state| (state.journal, state.head.seq)).collect();
    heads.sort_unstable();
    Ok(heads)
}

/// How far the hub's journal holds a life.
fn hub_head(tx: &ReadTx<'_>, life: &JournalId) -> Result<u64, StorageError> {
    let states = author_stream_list(tx, life.author, LIVES_MAX)?;
    Ok(states.iter().find(|state| state.journal == *life).map_or(0, |state| state.head.seq))
}

/// How far each life but this run's reaches in the service's database.
fn others_heads(tx: &ReadTx<'_>, own: &JournalId) -> Result<Vec<(JournalId, u64)>, StorageError> {
    let mut heads = life_heads(tx, own.author, own.stream)?;
    heads.retain(|(journal, _)| journal != own);
    Ok(heads)
}

/// Folds every life that the hub's journal holds.
fn lives_of_hub(tx: &ReadTx<'_>, own: &JournalId) -> Result<(Vec<(JournalId, u64)>, Lives), CatalogAppError> {
    let heads = hub_heads(tx, own)?;
    let mut lives = Lives::new();
    for (journal, _) in &heads {
        let life = lives.entry(*journal).or_default();
        loop {
            let entries = entry_list(tx, journal, life.seq, READ_ENTRIES_MAX)?;
            if entries.is_empty() {
                break;
            }
            life.fold(&entries)?;
        }
    }
    Ok((heads, lives))
}

/// Folds what the hub's journal does not hold yet.
fn add_lives_of_outbox(
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
            life.fold(&entries)?;
        }
    }
    Ok(heads)
}

impl CatalogState {
    /// The revision that is for sale; 0 before the first.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.published.as_ref().map_or(0, |catalog| catalog.revision.number)
    }

    fn of((told, seen, returned): (Told, Seen, Option<u32>), own: Told) -> Self {
        let mut all = told.clone();
        all.join(own.clone());
        all.revisions.sort_by_key(|published| (published.revision.number, published.at));
        Self { published: all.published, revisions: all.revisions, draft: all.draft, told, seen, returned, own }
    }
}
