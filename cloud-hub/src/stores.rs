//! What a hub holds in its databases, opened and made whole before anybody is let in: all of it, or what one process of
//! several needs for its parts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::Entropy;
use percolate_common::time::Clock;
use percolate_runtime::storage::StorageError;
use percolate_runtime::system::monotonic_now;

use crate::catalog::app::{CatalogApp, MenuLoaded};
use crate::catalog::menu::Menu;
use crate::config::Part;
use crate::hub_error::HubError;
use crate::identity::app::IdentityApp;
use crate::kernel::db::Db;
use crate::kernel::engine::{ChainServer, Engine};
use crate::kernel::journal::{self, Journal, arriving, moved_at};
use crate::kernel::{ServiceContext, ServiceParts, parked};
use crate::{catalog, identity, reporting};

/// How long a process waits for the one that brings the journal to the present schema.
const JOURNAL_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The databases and what was folded from them at the start.
pub(crate) struct Stores {
    pub(crate) context: ServiceContext,
    /// Only where it is one of the parts.
    pub(crate) catalog: Option<Arc<CatalogApp>>,
    /// Only where it is one of the parts.
    pub(crate) reporting: Option<ServiceParts>,
    /// Only where the chain's CA is.
    pub(crate) identity: Option<Arc<IdentityApp>>,
}

impl Stores {
    /// Opens everything, lets projections forget what the journal does not hold, and reads again what could not be read.
    pub(crate) async fn open(
        (data_dir, ca): (PathBuf, Option<&Path>),
        (engine, parts): (Engine, &BTreeSet<Part>),
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Result<Self, HubError> {
        let journal = open_journal(&data_dir, &engine, parts).await.map_err(failed(journal::NAME))?;
        refuse_absent_chain(&journal, &engine).await?;
        if journal.db().is_ours() {
            journal.quarters_ensure(clock.now()).await.map_err(failed(journal::NAME))?;
        }
        if journal.db().is_ours() {
            parked::retry(&journal).await.map_err(failed(journal::NAME))?;
        }
        let context = ServiceContext { data_dir, engine, journal, clock, entropy };
        let catalog = match parts.contains(&Part::Catalog) {
            true => Some(catalog::open(&context).await?),
            false => None,
        };
        let mut reporting = None;
        if parts.contains(&Part::Reporting) {
            let own = context.clone();
            let opened =
                context.engine.opened(move || reporting::parts(&own)).await.map_err(failed(reporting::NAME))?;
            for projection in &opened.projections {
                projection.reconcile().await?;
            }
            reporting = Some(opened);
        }
        let identity = match ca {
            Some(ca) => Some(identity::open(&context, ca).await?),
            None => None,
        };
        Ok(Self { context, catalog, reporting, identity })
    }

    /// The catalog.
    ///
    /// # Errors
    /// [`HubError::NotHere`] in a process that does something else.
    pub(crate) fn catalog(&self) -> Result<&Arc<CatalogApp>, HubError> {
        self.catalog.as_ref().ok_or(HubError::NotHere { part: catalog::NAME })
    }

    /// Reporting.
    ///
    /// # Errors
    /// [`HubError::NotHere`] in a process that does something else.
    pub(crate) fn reporting(&self) -> Result<&ServiceParts, HubError> {
        self.reporting.as_ref().ok_or(HubError::NotHere { part: reporting::NAME })
    }

    /// Publishes a menu file if it differs from what was published last, and was not published before that.
    pub(crate) async fn load_menu_file(&self, (menu, hash): (Menu, [u8; 32])) -> Result<MenuLoaded, HubError> {
        let loaded = self.catalog()?.load_menu_file(menu, hash).await?;
        match loaded {
            MenuLoaded::Unchanged { revision } => tracing::info!(revision, "the menu is revision {revision} already"),
            MenuLoaded::Held { revision } => tracing::warn!(
                revision,
                "some shops try revision {revision} of the menu: what --menu says is not published to all while they do"
            ),
            MenuLoaded::Superseded { revision } => tracing::warn!(
                revision,
                "revision {revision} of the menu was published since the file of --menu was: the file stays unpublished until it changes"
            ),
            MenuLoaded::Published { revision, events } => {
                tracing::info!(revision, events, "the menu was published as revision {revision}");
            }
        }
        Ok(loaded)
    }

    /// Copies what the services of this process have said into the journal, if this process writes it.
    pub(crate) async fn relay(&self) -> Result<(), HubError> {
        if let (Some(catalog), true) = (&self.catalog, self.context.journal.db().is_ours()) {
            catalog::relay(catalog.db().clone(), &self.context).catch_up().await?;
        }
        Ok(())
    }

    /// In the order in which they are stopped: the journal last, everybody follows it.
    pub(crate) fn databases(&self) -> Vec<Db> {
        let reporting = self.reporting.as_ref().map(|reporting| reporting.db.clone());
        let catalog = self.catalog.as_ref().map(|catalog| catalog.db().clone());
        let identity = self.identity.as_ref().map(|identity| identity.db().clone());
        reporting.into_iter().chain(catalog).chain(identity).chain([self.context.journal.db().clone()]).collect()
    }
}

/// A chain is in files or on a server, and nothing is started where it is not.
async fn refuse_absent_chain(journal: &Journal, engine: &Engine) -> Result<(), HubError> {
    match engine {
        Engine::Server(_) => match journal.db().read_async(arriving).await.map_err(failed(journal::NAME))? {
            Some((_, false)) => Err(HubError::MoveUnfinished),
            Some((_, true)) | None => Ok(()),
        },
        Engine::Threads | Engine::Inline(_) => {
            match journal.db().read_async(moved_at).await.map_err(failed(journal::NAME))? {
                Some(at) => Err(HubError::Moved { at }),
                None => Ok(()),
            }
        }
    }
}

/// The journal: written here if this process takes in what nodes send, else read as one of the services does.
async fn open_journal(
    data_dir: &std::path::Path,
    engine: &Engine,
    parts: &BTreeSet<Part>,
) -> Result<Journal, StorageError> {
    let reader = [(Part::Catalog, catalog::NAME), (Part::Reporting, reporting::NAME)];
    let reader = reader.into_iter().find(|(part, _)| parts.contains(part)).map_or(identity::NAME, |(_, name)| name);
    match engine {
        Engine::Server(server) if !parts.contains(&Part::Ingest) => awaited_journal(engine, server, reader).await,
        Engine::Server(_) | Engine::Threads | Engine::Inline(_) => {
            let (path, own) = (data_dir.to_owned(), engine.clone());
            engine.opened(move || Journal::open_with(&path, &own)).await
        }
    }
}

/// Processes are started in any order: one that only reads waits for the one that makes the tables.
async fn awaited_journal(
    engine: &Engine,
    server: &Arc<ChainServer>,
    reader: &'static str,
) -> Result<Journal, StorageError> {
    let until = monotonic_now() + JOURNAL_WAIT_MAX;
    let mut told = false;
    loop {
        let own = server.clone();
        match engine.opened(move || Journal::open_reader(&own, reader)).await {
            Err(StorageError::OlderDatabase { found, known }) if monotonic_now() < until => {
                if !std::mem::replace(&mut told, true) {
                    tracing::info!(found, known, "waiting for the process that brings the journal to schema {known}");
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            opened => return opened,
        }
    }
}

fn failed(name: &'static str) -> impl FnOnce(StorageError) -> HubError {
    move |source| HubError::Database { name, source }
}
