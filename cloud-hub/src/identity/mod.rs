//! The identity service: which shops there are, which boxes may speak for them, and who is shut out.
//!
//! It has the chain's issuing CA. A box shows once that it knows the code of its bundle, and from then on by certificates;
//! who is let in stands in tables that every process reads (`kernel::auth`).

pub mod app;
pub mod http;
pub mod issuer;

mod bundles;
mod certificates;
mod check;
mod crl;
mod differences;
mod enrol;
mod error;
mod kept;
mod menu;
mod overview;
mod plans;
mod sign_in;
mod store;
mod users;

use std::path::Path;
use std::sync::Arc;

use percolate_runtime::migrate::Migration;

use self::app::IdentityApp;
use self::error::IdentityError;
use self::issuer::{Issuer, IssuerError};
use crate::kernel::auth::{self, Auth};
use crate::kernel::db::Db;
use crate::kernel::duty;
use crate::kernel::engine::Schema;
use crate::kernel::{ServiceContext, ServiceParts, ServiceTask, TaskFailure};

/// Its name in paths, logs and metrics.
pub(crate) const NAME: &str = "identity";

/// What its database holds, on either engine.
pub static SCHEMA: Schema = Schema {
    name: NAME,
    sqlite: &[
        auth::migration(1),
        Migration::new(2, "identity", include_str!("../../migrations/identity/0001_identity.sql")),
        Migration::new(3, "code_site", include_str!("../../migrations/identity/0002_code_site.sql")),
        auth::people_migration(4),
        Migration::new(5, "people", include_str!("../../migrations/identity/0003_people.sql")),
    ],
    postgres: &[
        auth::migration_postgres(1),
        Migration::new(2, "identity", include_str!("../../migrations/identity/postgres/0001_identity.sql")),
        duty::migration(3),
        Migration::new(4, "code_site", include_str!("../../migrations/identity/postgres/0002_code_site.sql")),
        auth::people_migration_postgres(5),
        Migration::new(6, "people", include_str!("../../migrations/identity/postgres/0003_people.sql")),
        auth::keys::migration_postgres(7),
    ],
};

/// Why identity cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum IdentityOpenError {
    /// The chain's CA.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// Its database, or the list of what was revoked.
    #[error(transparent)]
    App(#[from] IdentityError),
}

/// Where boxes reach the hub.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// Over HTTPS, as `https://HOST:PORT`.
    pub https: Vec<String>,
    /// The broker, as `HOST:PORT`.
    pub mqtt: Vec<String>,
}

/// Opens the service with the CA in a folder. Where boxes reach the hub it is told later: [`IdentityApp::reached_at`].
///
/// # Errors
/// [`IdentityOpenError`] if there is no chain, or its database cannot be used.
pub async fn open(context: &ServiceContext, ca: &Path) -> Result<Arc<IdentityApp>, IdentityOpenError> {
    let (data_dir, engine) = (context.data_dir.clone(), context.engine.clone());
    let opened = context.engine.opened(move || Db::open(&SCHEMA, &data_dir, &engine)).await;
    let db = opened.map_err(IdentityError::from)?;
    let issuer = Arc::new(Issuer::open(ca)?);
    let auth = Auth::open(*issuer.id(), context.clock.clone(), db.clone()).await.map_err(IdentityError::from)?;
    let time_and_chance = (context.clock.clone(), context.entropy.clone());
    let app = IdentityApp::new((db, context.journal.clone()), (issuer, auth), time_and_chance);
    app.remember().await?;
    app.invite_owner(&context.data_dir).await?;
    Ok(Arc::new(app))
}

/// What the composition root starts.
#[must_use]
pub fn parts(app: Arc<IdentityApp>) -> ServiceParts {
    let auth = app.auth().clone();
    let follow = move |stop| {
        let auth = auth.clone();
        async move { auth.follow(stop).await.map_err(|error| TaskFailure(Box::new(error))) }
    };
    let listed = app.clone();
    let list = move |stop| {
        let listed = listed.clone();
        async move { crl::keep(listed, stop).await.map_err(|error| TaskFailure(Box::new(error))) }
    };
    ServiceParts {
        name: NAME,
        db: app.db().clone(),
        router: http::router(app),
        projections: Vec::new(),
        tasks: vec![ServiceTask::new("auth_view", follow), ServiceTask::new("revoked_list", list)],
    }
}
