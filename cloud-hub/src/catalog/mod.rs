//! The catalog service: the menu, its prices and tax classes, and the revisions in which nodes receive them.
//!
//! It authors one journal. What it knows is what it has said there: at start the journal is folded again.

pub mod app;
pub mod http;
pub mod menu;

use std::sync::Arc;

use percolate_common::journal::{Service, StreamKind};
use percolate_runtime::migrate::Migration;
use percolate_runtime::sqlite::StorageError;

use crate::catalog::app::{CatalogApp, CatalogAppError};
use crate::kernel::db::Db;
use crate::kernel::outbox::{self, Outbox};
use crate::kernel::{ServiceContext, ServiceParts};

/// Its name in paths, logs and metrics.
const NAME: &str = "catalog";

const MIGRATIONS: &[Migration] = &[outbox::migration(1)];

/// Opens the service's database and journal.
///
/// # Errors
/// [`CatalogAppError`] if the database cannot be used, or its journal contradicts the hub's.
pub async fn open(context: &ServiceContext) -> Result<Arc<CatalogApp>, CatalogAppError> {
    let data_dir = context.data_dir.clone();
    let opened = percolate_runtime::tasks::blocking(move || Db::open(NAME, &data_dir, MIGRATIONS)).await;
    let db = opened.unwrap_or(Err(StorageError::Panicked { name: "open" }))?;
    let chance_and_time = (&*context.clock, &*context.entropy);
    let outbox =
        Outbox::open(db.clone(), (Service::Catalog, StreamKind::Catalog), &context.journal, chance_and_time).await?;
    Ok(Arc::new(CatalogApp::open(db, outbox, context.clock.clone()).await?))
}

/// What the composition root starts.
#[must_use]
pub fn parts(app: Arc<CatalogApp>) -> ServiceParts {
    ServiceParts {
        name: NAME,
        db: app.db().clone(),
        router: http::router(app),
        projections: Vec::new(),
        tasks: Vec::new(),
    }
}
