//! Reporting: what was sold where, when and of what; what is in stock; and how complete each of these figures is.
//!
//! Everything here is folded from the journal into rollups and read from them, never by counting tickets. It can be
//! thrown away and folded again, and comes out the same.

mod audit;
mod closings;
mod completeness;
mod differences;
mod export;
mod fold_error;
mod http;
mod later;
mod live;
mod measures;
mod menus;
mod money;
mod projection;
mod recomputed;
mod reports;
mod store;

use std::path::Path;
use std::sync::Arc;

use percolate_runtime::migrate::Migration;
use percolate_runtime::storage::StorageError;

use crate::kernel::db::Db;
use crate::kernel::duty::{self, Duty};
use crate::kernel::engine::{Engine, Schema};
use crate::kernel::journal::Journal;
use crate::kernel::projection::{self as kernel_projection, ProjectionError, ProjectionRunner};
use crate::kernel::unread;
use crate::kernel::{ServiceContext, ServiceParts, ServiceTask};

/// The service's name: the part of its paths after `/v1/`, and of its file.
pub const NAME: &str = "reporting";

/// What its database holds, on either engine.
pub static SCHEMA: Schema = Schema {
    name: NAME,
    sqlite: &[
        Migration::new(1, "reporting", include_str!("../../migrations/reporting/0001_reporting.sql")),
        kernel_projection::migration(2),
        Migration::new(3, "stock_alias", include_str!("../../migrations/reporting/0002_stock_alias.sql")),
        Migration::new(4, "no_stock_cell", include_str!("../../migrations/reporting/0003_no_stock_cell.sql")),
        unread::migration(5),
        Migration::new(6, "fold_anew", include_str!("../../migrations/reporting/0004_fold_anew.sql")),
        Migration::new(7, "closings", include_str!("../../migrations/reporting/0005_closings.sql")),
        Migration::new(8, "books", include_str!("../../migrations/reporting/0006_books.sql")),
        Migration::new(9, "refunds", include_str!("../../migrations/reporting/0007_refunds.sql")),
        Migration::new(10, "tips", include_str!("../../migrations/reporting/0008_tips.sql")),
    ],
    postgres: &[
        Migration::new(1, "reporting", include_str!("../../migrations/reporting/postgres/0001_reporting.sql")),
        kernel_projection::migration_postgres(2),
        duty::migration(3),
        unread::migration_postgres(4),
        Migration::new(5, "fold_anew", include_str!("../../migrations/reporting/postgres/0002_fold_anew.sql")),
        Migration::new(6, "closings", include_str!("../../migrations/reporting/postgres/0003_closings.sql")),
        Migration::new(7, "books", include_str!("../../migrations/reporting/postgres/0004_books.sql")),
        Migration::new(8, "refunds", include_str!("../../migrations/reporting/postgres/0005_refunds.sql")),
        Migration::new(9, "tips", include_str!("../../migrations/reporting/postgres/0006_tips.sql")),
    ],
};

/// What stands behind the routes.
#[derive(Debug, Clone)]
pub(crate) struct Reporting {
    db: Db,
    journal: Journal,
}

/// Opens the service: its database, its projection, its routes and its live feed.
///
/// # Errors
/// [`StorageError`] if its database cannot be opened.
pub fn parts(context: &ServiceContext) -> Result<ServiceParts, StorageError> {
    let db = Db::open(&SCHEMA, &context.data_dir, &context.engine)?;
    recomputed::begin_counting();
    let reporting = Reporting { db: db.clone(), journal: context.journal.clone() };
    let feed = live::Feed::new(reporting.clone(), context.clock.clone());
    let runner =
        ProjectionRunner::new(Arc::new(projection::SalesProjection::default()), context.journal.clone(), db.clone());
    let publisher = feed.clone();
    let audited = reporting.clone();
    let duty = Duty::new(db.clone(), "stock_audit", context.entropy.next_u64());
    Ok(ServiceParts {
        name: NAME,
        db,
        router: http::router(reporting, feed, context.clock.clone()),
        projections: vec![runner],
        tasks: vec![
            ServiceTask::new("reporting_live", move |stop| publisher.clone().run(stop)),
            ServiceTask::new("reporting_stock_audit", move |stop| {
                let (duty, audited) = (duty.clone(), audited.clone());
                duty.work(stop, move |held| audit::run(audited.clone(), held))
            }),
        ],
    })
}

/// Why the reports were not folded anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The journal cannot be folded, or a database not be opened.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// A process of a large hub folds them.
    #[error("a process of the hub folds the reports: stop all that do reporting first")]
    Folding,
}

/// Folds the whole journal anew, while no hub runs on its files; on a server, while no process folds the reports.
///
/// # Errors
/// [`RebuildError`] if that is not so, the journal cannot be folded, or a database cannot be opened.
pub async fn rebuild(data_dir: &Path, engine: &Engine) -> Result<(), RebuildError> {
    let (data_dir, own) = (data_dir.to_owned(), engine.clone());
    let open = move || {
        let journal = match &own {
            Engine::Server(server) => Journal::open_reader(server, NAME)?,
            Engine::Threads | Engine::Inline(_) => Journal::open_with(&data_dir, &own)?,
        };
        Ok((journal, Db::open(&SCHEMA, &data_dir, &own)?))
    };
    let (journal, db) = engine.opened(open).await.map_err(ProjectionError::from)?;
    let runner = ProjectionRunner::new(Arc::new(projection::SalesProjection::default()), journal.clone(), db.clone());
    let duty = Duty::new(db.clone(), runner.name(), u64::from(std::process::id()));
    let outcome = duty.once(runner.rebuild()).await;
    db.stop().await;
    journal.db().stop().await;
    Ok(outcome.ok_or(RebuildError::Folding)??)
}

/// A hash over each table's rows in order, and over all of them: equal for equal content. Blocks.
///
/// # Errors
/// [`StorageError`] if the database cannot be read.
pub fn digest(data_dir: &Path, engine: &Engine) -> Result<Vec<(&'static str, String)>, StorageError> {
    let db = Db::open(&SCHEMA, data_dir, engine)?;
    let digest = digest_of(&db);
    db.stop_blocking();
    digest
}

/// As [`digest`], of a database that is open.
///
/// # Errors
/// As [`digest`].
pub fn digest_of(db: &Db) -> Result<Vec<(&'static str, String)>, StorageError> {
    db.read(store::digest)
}
