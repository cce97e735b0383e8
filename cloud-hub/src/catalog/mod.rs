//! The catalog service: the menu, its prices and tax classes, and the revisions in which nodes receive them.
//!
//! It authors a journal in each run that says something. What it knows is what it has said there: at start the journals
//! are folded again.

pub mod app;
mod currencies;
mod differences;
pub mod error;
pub mod http;
mod lives;
pub mod menu;
mod revision;
mod store;

use std::sync::Arc;

use percolate_common::journal::{Service, StreamKind};
use percolate_runtime::migrate::Migration;

use crate::catalog::app::CatalogApp;
use crate::catalog::error::CatalogAppError;
use crate::kernel::db::Db;
use crate::kernel::duty;
use crate::kernel::engine::Schema;
use crate::kernel::outbox::{self, Outbox, Relay};
use crate::kernel::{ServiceContext, ServiceParts, ServiceTask, TaskFailure};

/// Its name in paths, logs and metrics.
pub(crate) const NAME: &str = "catalog";

pub(crate) static SCHEMA: Schema = Schema {
    name: NAME,
    sqlite: &{
        let [begun, lives, side_by_side] = outbox::migrations(1);
        [
            begun,
            lives,
            side_by_side,
            Migration::new(4, "drafts", include_str!("../../migrations/catalog/0001_drafts.sql")),
            Migration::new(5, "menu_file", include_str!("../../migrations/catalog/0002_menu_file.sql")),
        ]
    },
    postgres: &[
        outbox::migration_postgres(1),
        duty::migration(2),
        Migration::new(3, "drafts", include_str!("../../migrations/catalog/postgres/0001_drafts.sql")),
        Migration::new(4, "menu_file", include_str!("../../migrations/catalog/postgres/0002_menu_file.sql")),
    ],
};

/// Who says something, and in which stream.
pub(crate) const OUTBOX: (Service, StreamKind) = (Service::Catalog, StreamKind::Catalog);

/// Opens the service's database and journal.
///
/// # Errors
/// [`CatalogAppError`] if the database cannot be used, or its journal contradicts the hub's.
pub async fn open(context: &ServiceContext) -> Result<Arc<CatalogApp>, CatalogAppError> {
    let (data_dir, engine) = (context.data_dir.clone(), context.engine.clone());
    let db = context.engine.opened(move || Db::open(&SCHEMA, &data_dir, &engine)).await?;
    let hub = context.journal.clone();
    let outbox = Outbox::open(&db, OUTBOX, &hub, &*context.entropy).await?;
    // The hub's journal may have been put back to before it was said.
    if hub.db().is_ours() {
        relay(db.clone(), context).catch_up().await?;
    }
    Ok(Arc::new(CatalogApp::open(db, outbox, hub, context.clock.clone()).await?))
}

/// What the catalog says, on its way into the hub's journal; `db` is its database, whoever writes it.
#[must_use]
pub fn relay(db: Db, context: &ServiceContext) -> Relay {
    Relay::new(db, OUTBOX, context.journal.clone(), context.clock.clone())
}

/// What the composition root starts.
#[must_use]
pub fn parts(app: Arc<CatalogApp>) -> ServiceParts {
    let follower = app.clone();
    let follow = move |stop| {
        let app = follower.clone();
        async move { app.follow(stop).await.map_err(|error| TaskFailure(Box::new(error))) }
    };
    ServiceParts {
        name: NAME,
        db: app.db().clone(),
        router: http::router(app),
        projections: Vec::new(),
        tasks: vec![ServiceTask::new("catalog_returned", follow)],
    }
}
