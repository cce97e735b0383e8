//! What a hub holds on its disk, opened and made whole before anybody is let in.

use std::path::PathBuf;
use std::sync::Arc;

use percolate_common::entropy::Entropy;
use percolate_common::time::Clock;
use percolate_runtime::storage::StorageError;

use crate::catalog::app::{CatalogApp, MenuLoaded};
use crate::catalog::menu::Menu;
use crate::hub::HubError;
use crate::kernel::db::Db;
use crate::kernel::engine::Engine;
use crate::kernel::journal::{self, Journal};
use crate::kernel::outbox::Relay;
use crate::kernel::{ServiceContext, ServiceParts, parked};
use crate::{catalog, reporting};

/// The databases and what was folded from them at the start.
pub(crate) struct Stores {
    pub(crate) context: ServiceContext,
    pub(crate) catalog: Arc<CatalogApp>,
    pub(crate) reporting: ServiceParts,
    /// Of what the catalog says into the journal.
    pub(crate) relay: Relay,
}

impl Stores {
    /// Opens everything, lets projections forget what the journal does not hold, and reads again what could not be read.
    pub(crate) async fn open(
        data_dir: PathBuf,
        engine: Engine,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Result<Self, HubError> {
        let (path, own) = (data_dir.clone(), engine.clone());
        let journal = engine.opened(move || Journal::open_with(&path, &own)).await.map_err(failed(journal::NAME))?;
        journal.quarters_ensure(clock.now()).await.map_err(failed(journal::NAME))?;
        let context = ServiceContext { data_dir, engine, journal, clock, entropy };
        let catalog = catalog::open(&context).await?;
        let own = context.clone();
        let reporting = context.engine.opened(move || reporting::parts(&own)).await.map_err(failed(reporting::NAME))?;
        for projection in &reporting.projections {
            projection.reconcile().await?;
        }
        parked::retry(&context.journal, &reporting.projections).await?;
        let relay = Relay::new(catalog.outbox().clone(), context.journal.clone(), context.clock.clone());
        Ok(Self { context, catalog, reporting, relay })
    }

    /// Publishes a menu if it differs from the one that was published last.
    pub(crate) async fn load_menu(&self, menu: Menu) -> Result<MenuLoaded, HubError> {
        let loaded = self.catalog.load_menu(menu).await?;
        match loaded {
            MenuLoaded::Unchanged { revision } => tracing::info!(revision, "the menu is revision {revision} already"),
            MenuLoaded::Published { revision, events } => {
                tracing::info!(revision, events, "the menu was published as revision {revision}");
            }
        }
        Ok(loaded)
    }

    /// In the order in which they are stopped: the journal last, everybody follows it.
    pub(crate) fn databases(&self) -> Vec<Db> {
        vec![self.reporting.db.clone(), self.catalog.db().clone(), self.context.journal.db().clone()]
    }
}

fn failed(name: &'static str) -> impl FnOnce(StorageError) -> HubError {
    move |source| HubError::Database { name, source }
}
