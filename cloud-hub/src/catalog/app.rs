//! What the catalog service does: it keeps the menu as it was last published, and publishes another.
//!
//! Each run that publishes begins a journal of its own and states the menu whole there. Of all that the hub's journal
//! holds the highest revision is for sale. What nodes give back after the hub was restored may be such a revision; a
//! run that has published by then publishes again, as the next one.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::domain::catalog::{Catalog, CatalogEvent, Draft, Revision};
use percolate_common::domain::event::Event;
use percolate_common::ids::StoreId;
use percolate_common::journal::JournalId;
use percolate_common::money::Currency;
use percolate_common::time::{Clock, UtcMillis};
use tokio_util::sync::CancellationToken;

use super::currencies::other_currency;
use super::error::CatalogAppError;
use super::lives::{
    Told, add_lives_of_outbox, content_in_hub, content_in_outbox, hub_head, hub_heads, lives_of_hub, others_heads,
};
use super::revision::{PublishedRevision, Said};
use super::store::{menu_file_fetch, menu_file_set, publication_insert};
use crate::catalog::menu::Menu;
use crate::kernel::db::Db;
use crate::kernel::journal::Journal;
use crate::kernel::outbox::{Outbox, append, outbox_lock};

/// How a menu is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Publishing {
    /// To these shops; none is all.
    pub(super) stores: Vec<StoreId>,
    /// Over this revision and no other, where it is said; 0 is none.
    pub(super) over: Option<u32>,
    /// By whom, if it was a person of the office.
    pub(super) person: Option<u32>,
}

/// What loading a menu did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuLoaded {
    /// It is what was published last.
    Unchanged {
        /// Which revision that is.
        revision: u32,
    },
    /// Some shops try another revision: a file must not end that.
    Held {
        /// Which revision they try.
        revision: u32,
    },
    /// The file was published at an earlier start, and something else since: the file has not changed.
    Superseded {
        /// Which revision was published last.
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
    /// The menu that was published last, once there is one: for all shops or for some.
    pub published: Option<Arc<Catalog>>,
    /// The menu that was published last for all shops.
    pub everywhere: Option<Arc<Catalog>>,
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

    /// Publishes a menu to all shops if it differs from the one that was published last, in one transaction; not while some
    /// shops try another.
    ///
    /// # Errors
    /// [`CatalogAppError::Menu`] if it cannot be sold; nothing was said then.
    pub async fn load_menu(&self, menu: Menu) -> Result<MenuLoaded, CatalogAppError> {
        let state = self.state();
        if let Some(tried) = state.published.as_ref().filter(|catalog| !catalog.revision.stores.is_empty()) {
            menu.content.check()?;
            return Ok(MenuLoaded::Held { revision: tried.revision.number });
        }
        let over = Some(state.revision());
        match self.publish(&menu, &Publishing { over, ..Publishing::default() }).await {
            // Another process of the service published meanwhile: what it published is looked at as well.
            Err(CatalogAppError::Moved { .. }) => Box::pin(self.load_menu(menu)).await,
            loaded => loaded,
        }
    }

    /// As [`CatalogApp::load_menu`], of a file whose hash is `hash`: it is not published again over what was published since it was.
    ///
    /// # Errors
    /// As [`CatalogApp::load_menu`].
    pub async fn load_menu_file(&self, menu: Menu, hash: [u8; 32]) -> Result<MenuLoaded, CatalogAppError> {
        let state = self.state();
        let was_published = self.db.read_async(menu_file_fetch).await? == Some(hash);
        if was_published && state.published.is_some() && !menu.content.changes_from(&state.draft).is_empty() {
            menu.content.check()?;
            return Ok(MenuLoaded::Superseded { revision: state.revision() });
        }
        let loaded = self.load_menu(menu).await?;
        match loaded {
            // It is published once these shops have tried enough.
            MenuLoaded::Held { .. } | MenuLoaded::Superseded { .. } => {}
            MenuLoaded::Unchanged { .. } | MenuLoaded::Published { .. } => {
                self.db.write("menu_file", move |tx| menu_file_set(tx, &hash)).await?;
            }
        }
        Ok(loaded)
    }

    /// Publishes a menu in one transaction, unless it is what was published last.
    pub(super) async fn publish(&self, menu: &Menu, how: &Publishing) -> Result<MenuLoaded, CatalogAppError> {
        for _ in 1..PUBLISH_TRIES_MAX {
            match self.try_publish(menu, how).await {
                Err(CatalogAppError::Stale) => drop(self.refresh().await?),
                loaded => return loaded,
            }
        }
        self.try_publish(menu, how).await
    }

    /// What a revision said: all of it that is in the service's journals. Of two with one number it is the later one.
    pub(super) async fn menu_of(&self, number: u32) -> Result<Menu, CatalogAppError> {
        let state = self.state();
        let found = state.revisions.iter().rev().find(|published| published.revision.number == number);
        let PublishedRevision { revision, said } =
            found.cloned().ok_or(CatalogAppError::UnknownRevision { revision: number })?;
        let folded = self.hub.db().read_async(move |tx| content_in_hub(tx, &said)).await?;
        let (seq, content) = self.db.read_async(move |tx| content_in_outbox(tx, &said, folded)).await?;
        if seq < said.seq {
            return Err(CatalogAppError::UnknownRevision { revision: number });
        }
        Ok(Menu { currency: revision.currency, content })
    }

    /// What the clock says, for what is kept besides the journals.
    pub(super) fn now(&self) -> UtcMillis {
        self.clock.now()
    }

    /// Refuses a menu in another currency than a shop sells in that it is for.
    pub(super) async fn check_currency(&self, currency: Currency, stores: &[StoreId]) -> Result<(), CatalogAppError> {
        let state = self.state();
        // What they sell by now they were planned for.
        if [&state.published, &state.everywhere]
            .iter()
            .all(|menu| menu.as_ref().is_some_and(|menu| menu.revision.currency == currency))
        {
            return Ok(());
        }
        let stores = stores.to_vec();
        let other = self.hub.db().read_async(move |tx| other_currency(tx, &stores, currency)).await?;
        match other {
            Some((store, shops)) => Err(CatalogAppError::Currency { menus: currency, store, shops }),
            None => Ok(()),
        }
    }

    async fn try_publish(&self, menu: &Menu, how: &Publishing) -> Result<MenuLoaded, CatalogAppError> {
        let before = self.state();
        let published = before.revision();
        if how.over.is_some_and(|over| over != published) {
            return Err(CatalogAppError::Moved { published });
        }
        let last = before.published.as_ref().map(|catalog| &catalog.revision);
        let is_same = menu.content.changes_from(&before.draft).is_empty();
        let is_said = |last: &&Revision| is_same && last.currency == menu.currency && last.stores == how.stores;
        if let Some(last) = last.filter(is_said) {
            return Ok(MenuLoaded::Unchanged { revision: last.number });
        }
        self.check_currency(menu.currency, &how.stores).await?;
        let changes = menu.content.changes_from(&before.own.draft);
        let mut draft = before.own.draft.clone();
        changes.iter().for_each(|event| draft.apply(event));
        let number = last.map_or(1, |last| last.number.saturating_add(1));
        let revision = draft.revision(number, menu.currency, how.stores.clone());
        // Checked before it is said: what is in the journal stays there.
        draft.publish(revision.clone())?;
        let said: Vec<_> = changes.into_iter().chain([CatalogEvent::RevisionPublished(revision)]).collect();
        let events = said.len();
        self.say(&before, said, how.person).await?;
        Ok(MenuLoaded::Published { revision: number, events })
    }

    /// Says something in the journal of this run, and takes it into the state.
    async fn say(
        &self,
        before: &CatalogState,
        said: Vec<CatalogEvent>,
        person: Option<u32>,
    ) -> Result<(), CatalogAppError> {
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
                    own.fold(event, Said { journal: id, seq: head.seq, at })?;
                }
                if let Some(person) = person {
                    publication_insert(tx, (&id, head.seq), person)?;
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
        let said = self.state().own.revisions.last().map_or(0, |published| published.said.seq);
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
        let revision = Revision { number: theirs.saturating_add(1), ..ours.revision.clone() };
        self.say(&state, vec![CatalogEvent::RevisionPublished(revision)], None).await
    }
}

impl CatalogState {
    /// What shops sell now that a menu for these shops would take the place of; none said is all shops.
    pub(super) fn before(&self, stores: &[StoreId]) -> Option<&Catalog> {
        if stores.is_empty() { self.everywhere.as_deref() } else { self.published.as_deref() }
    }

    /// The revision that was published last; 0 before the first.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.published.as_ref().map_or(0, |catalog| catalog.revision.number)
    }

    fn of((told, seen, returned): (Told, Seen, Option<u32>), own: Told) -> Self {
        let mut all = told.clone();
        all.join(own.clone());
        all.revisions.sort_by_key(|published| (published.revision.number, published.said.at));
        let Told { published, everywhere, revisions, draft, .. } = all;
        Self { published, everywhere, revisions, draft, told, seen, returned, own }
    }
}
