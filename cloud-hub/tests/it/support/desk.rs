//! The reports over a journal, without a broker: what is taken in and what is folded happens when a test says so.

use std::sync::Arc;
use std::time::Duration;

use cloud_hub::kernel::ServiceContext;
use cloud_hub::kernel::db::Db;
use cloud_hub::kernel::http::{Surface, assemble};
use cloud_hub::kernel::journal::{Arrival, Journal, Receipt, batch_apply};
use cloud_hub::kernel::projection::ProjectionRunner;
use cloud_hub::{reporting, sync};
use percolate_common::entropy::SeededEntropy;
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_runtime::http::auth::TokenAuth;
use percolate_runtime::http::health::Health;
use percolate_runtime::http::server::BoundServer;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks::{TaskGroup, blocking};
use percolate_runtime::telemetry::install_metrics;
use reqwest::StatusCode;
use serde_json::Value;

use super::events::NOON_MS;
use super::ground::{Ground, opened};
use super::hub::{Asker, StandingClock};

/// The reports and what they stand on.
pub(crate) struct Desk {
    pub(crate) journal: Journal,
    pub(crate) db: Db,
    /// Folds when it is told to.
    pub(crate) runner: ProjectionRunner,
    asker: Asker,
    folder: Ground,
    tasks: TaskGroup,
}

impl Desk {
    /// Over a journal of its own.
    pub(crate) async fn new() -> Self {
        let folder = Ground::new();
        let journal = folder.journal();
        Self::over(journal, folder).await
    }

    /// Over a journal that somebody else writes; the reports' own database is in `folder`.
    pub(crate) async fn over(journal: Journal, folder: Ground) -> Self {
        let entropy = Arc::new(SeededEntropy::new(9));
        // As a hub does: what counts from the start must be counted somewhere.
        let metrics = install_metrics().unwrap();
        let context = ServiceContext {
            data_dir: folder.path().to_owned(),
            engine: folder.engine(),
            journal: journal.clone(),
            clock: Arc::new(StandingClock),
            entropy: entropy.clone(),
        };
        let mut parts = opened(folder.path(), |_, _| reporting::parts(&context)).unwrap();
        let surface = Surface {
            services: vec![sync::http::router(journal.clone()), parts.router],
            token: TokenAuth::open(folder.path(), &*entropy).unwrap(),
            people: None,
            clock: Arc::new(StandingClock),
            health: Health { checks: Arc::new(Vec::new), metrics },
            entropy,
        };
        let server = BoundServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let asker = Asker::new(server.address(), folder.path());
        let router = assemble(surface).own_machine;
        let tasks = TaskGroup::new();
        tasks.spawn("desk", |stop| async move { server.serve(router, stop).await.unwrap() });
        Self { journal, db: parts.db, runner: parts.projections.remove(0), asker, folder, tasks }
    }

    /// Takes a batch into the journal.
    pub(crate) async fn take(&self, batch: Batch) -> Receipt {
        let arrival = Arrival::new(batch);
        let applied: Result<Receipt, StorageError> =
            self.journal.db().write("take", move |tx| batch_apply(tx, &arrival, UtcMillis::new(NOON_MS))).await;
        applied.unwrap()
    }

    /// Folds everything that the journal holds.
    pub(crate) async fn fold(&self) {
        self.runner.catch_up().await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.asker.get(path).await
    }

    /// The body of an answer that must be well.
    pub(crate) async fn body(&self, path: &str) -> Value {
        self.asker.body(path).await
    }

    /// Status and body of what is written.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.asker.request(reqwest::Method::POST, path).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        self.asker.openly(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
    }

    /// The hashes of the reports' tables.
    pub(crate) async fn digest(&self) -> Vec<(&'static str, String)> {
        let db = self.db.clone();
        blocking(move || reporting::digest_of(&db)).await.unwrap().unwrap()
    }

    /// Stops everything and leaves the folder.
    pub(crate) async fn leave(self) -> Ground {
        assert!(self.tasks.stop(Duration::from_secs(10)).await.is_clean());
        self.db.stop().await;
        self.journal.db().stop().await;
        self.folder
    }
}
