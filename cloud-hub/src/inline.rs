//! The hub for a simulation: the code that ships, without threads, sockets, a broker or a runtime.
//!
//! Whoever drives it is the network and the time: it hands in what the link would tell, a group at a time, and says what
//! moment it is; frames go to an outlet as they are said. Everything is done when a call returns. For the same clock,
//! chance, moments and events, the hub says the same.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::Entropy;
use percolate_common::time::Clock;
use percolate_runtime::mqtt::{LinkEvent, Outlet, Publisher};
use percolate_runtime::tasks::ready_now;
use percolate_runtime::writer::CommitHook;
use tokio::sync::{mpsc, watch};

use clap::ValueEnum as _;

use crate::catalog::app::{CatalogApp, MenuLoaded};
use crate::catalog::menu::Menu;
use crate::config::Part;
use crate::hub_error::HubError;
use crate::ingest_part;
use crate::kernel::engine::Engine;
use crate::reporting;
use crate::stores::Stores;
use crate::sync::downlink::EVENTS_MAX;
use crate::sync::downlink_event::DownlinkEvent;
use crate::sync::intake::{Intake, Replicas};
use crate::sync::outgoing::{Outgoing, RETRY};
use crate::sync::readers::{Means, Readers};

/// What a hub is given.
pub struct Options {
    /// A folder that exists. It holds the databases and nothing else.
    pub data_dir: PathBuf,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Takes the hub's frames.
    pub outlet: Arc<dyn Outlet>,
    /// Lets the hub die at a commit.
    pub hook: Arc<dyn CommitHook>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

/// A hub that does something only when it is called. Dropped without more, it has died where it stood.
///
/// After an error nothing more can be had from it: what it has said is said, and the next one is opened on its folder.
pub struct Hub {
    stores: Stores,
    intake: Intake,
    outgoing: Outgoing,
    readers: Readers,
    /// What the intake has to tell the readers.
    told: mpsc::Receiver<DownlinkEvent>,
    journal_commits: watch::Receiver<u64>,
    catalog: Arc<CatalogApp>,
    catalog_commits: watch::Receiver<u64>,
    now: Duration,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("context", &self.stores.context).finish_non_exhaustive()
    }
}

impl Hub {
    /// Opens a hub as a process does when it starts: nodes that are in session from a run before are nudged.
    ///
    /// # Errors
    /// [`HubError`] says what could not be opened.
    pub fn open(options: Options, now: Duration) -> Result<Self, HubError> {
        let Options { data_dir, clock, entropy, outlet, hook } = options;
        at_once(async {
            let time_and_chance = (clock.clone(), entropy.clone());
            let stores = Stores::open(
                (data_dir, None),
                (Engine::Inline(hook), &Part::value_variants().iter().copied().collect()),
                time_and_chance.clone(),
            )
            .await?;
            stores.relay().await?;
            let catalog = stores.catalog()?.clone();
            let journal = stores.context.journal.clone();
            let (journal_commits, catalog_commits) = (journal.commits(), catalog.db().commits());
            let publisher = Publisher::inline(outlet);
            let (downlink, told) = mpsc::channel(EVENTS_MAX);
            let means = Means {
                journal: journal.clone(),
                clock,
                publisher: publisher.clone(),
                services: ingest_part::SERVICES.into(),
            };
            let readers = Readers::open(means, now).await?;
            let mut hub = Self {
                stores,
                catalog,
                intake: Intake::new(journal, time_and_chance, downlink, Replicas::Alone),
                outgoing: Outgoing::new(publisher),
                readers,
                told,
                journal_commits,
                catalog_commits,
                now,
            };
            hub.take_returned().await?;
            hub.go_on(now).await?;
            Ok(hub)
        })
    }

    /// Publishes a menu if it differs from the one that was published last, and sends it.
    ///
    /// # Errors
    /// [`HubError`] if it cannot be sold or a database fails.
    pub fn load_menu(&mut self, menu: Menu, now: Duration) -> Result<MenuLoaded, HubError> {
        at_once(async {
            let loaded = self.stores.catalog()?.load_menu(menu).await?;
            self.go_on(now).await?;
            Ok(loaded)
        })
    }

    /// Takes in what the link tells, as one group; answers it, and sends what became due by it.
    ///
    /// # Errors
    /// [`HubError`] if a database is closed, or cannot be read. Frames may have been said all the same.
    pub fn hear(&mut self, events: Vec<LinkEvent>, now: Duration) -> Result<(), HubError> {
        at_once(async {
            self.intake.take(events, &mut self.outgoing).await.map_err(HubError::Ingest)?;
            self.go_on(now).await
        })
    }

    /// Sends what is due; see [`Hub::next_due`].
    ///
    /// # Errors
    /// [`HubError`] if a database fails.
    pub fn wake(&mut self, now: Duration) -> Result<(), HubError> {
        self.outgoing.flush();
        at_once(self.go_on(now))
    }

    /// When to call [`Hub::wake`], unless something is heard before.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let again = self.outgoing.is_waiting().then(|| self.now + RETRY);
        again.into_iter().chain(self.readers.next_due()).min()
    }

    /// Tells all nodes how far the journals reach: what a hub does after a minute in which nothing was due.
    ///
    /// # Errors
    /// [`HubError::Downlink`] if a nudge cannot be made.
    pub fn nudge(&mut self, now: Duration) -> Result<(), HubError> {
        Ok(self.readers.at(now).nudge_all()?)
    }

    /// Lets every projection fold what the journal holds.
    ///
    /// # Errors
    /// [`HubError::Projection`] if something cannot be folded; everything else is.
    pub fn project(&self) -> Result<(), HubError> {
        at_once(async {
            for runner in &self.stores.reporting()?.projections {
                runner.catch_up().await?;
            }
            Ok(())
        })
    }

    /// Lets every projection forget everything and fold the whole journal anew.
    ///
    /// # Errors
    /// As [`Hub::project`].
    pub fn rebuild(&self) -> Result<(), HubError> {
        at_once(async {
            for runner in &self.stores.reporting()?.projections {
                runner.rebuild().await?;
            }
            Ok(())
        })
    }

    /// A hash over the rows of each table of the reports, and over all of them.
    ///
    /// # Errors
    /// [`HubError::Database`] if they cannot be read.
    pub fn digest(&self) -> Result<Vec<(&'static str, String)>, HubError> {
        let read = reporting::digest_of(&self.stores.reporting()?.db);
        read.map_err(|source| HubError::Database { name: reporting::NAME, source })
    }

    /// The revision of the menu that is for sale.
    #[must_use]
    pub fn revision(&self) -> Option<u32> {
        self.catalog.state().published.as_ref().map(|catalog| catalog.revision.number)
    }

    /// What tasks of their own do in a process when they see a commit: the readers hear of it, the catalog takes in what
    /// came back, what it says is relayed, and what is due is sent.
    async fn go_on(&mut self, now: Duration) -> Result<(), HubError> {
        self.now = now;
        self.readers.at(now);
        while let Ok(event) = self.told.try_recv() {
            self.readers.hear(event).await?;
            self.readers.send_due().await?;
        }
        let has_grown = has_changed(&mut self.journal_commits);
        if has_grown {
            self.take_returned().await?;
        }
        if has_changed(&mut self.catalog_commits) {
            self.stores.relay().await?;
        }
        if has_grown || has_changed(&mut self.journal_commits) {
            self.readers.grow().await?;
        }
        Ok(self.readers.send_due().await?)
    }

    async fn take_returned(&mut self) -> Result<(), HubError> {
        Ok(self.catalog.take_returned().await?)
    }
}

/// Whether there was a commit since this was last asked.
fn has_changed(commits: &mut watch::Receiver<u64>) -> bool {
    let changed = commits.has_changed().unwrap_or(false);
    commits.mark_unchanged();
    changed
}

/// The outcome of work on inline databases, which never waits.
fn at_once<T>(work: impl Future<Output = Result<T, HubError>>) -> Result<T, HubError> {
    ready_now(work).unwrap_or(Err(HubError::Waits))
}
