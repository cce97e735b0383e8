//! What every service of the hub stands on: databases, the journal, outboxes, projections, HTTP.
//!
//! A service is a folder beside this one with a function that takes a [`ServiceContext`] and gives its [`ServiceParts`].
//! It may use this room and `percolate-common`, and never another service: services meet in the journal only.

pub mod auth;
pub mod db;
pub mod duty;
pub mod engine;
pub mod headway;
pub mod http;
pub mod journal;
pub mod metrics;
pub mod outbox;
pub mod parked;
pub mod problem;
pub mod projection;
pub mod unread;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use percolate_common::entropy::Entropy;
use percolate_common::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::kernel::db::Db;
use crate::kernel::engine::Engine;
use crate::kernel::http::ServiceRouter;
use crate::kernel::journal::Journal;
use crate::kernel::projection::ProjectionRunner;

/// What a service is given.
#[derive(Clone)]
pub struct ServiceContext {
    /// Where its database file lies.
    pub data_dir: PathBuf,
    /// What its database runs on.
    pub engine: Engine,
    /// Everybody's journals.
    pub journal: Journal,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for ServiceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceContext").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

/// What a service gives the composition root, which starts and stops it.
pub struct ServiceParts {
    /// Its name: a fixed word, and the part of its paths after `/v1/`.
    pub name: &'static str,
    /// Its database; stopped after everything that uses it.
    pub db: Db,
    /// Its routes with their descriptions, all behind the token.
    pub router: ServiceRouter,
    /// Its projections, each carried by one process at a time.
    pub projections: Vec<ProjectionRunner>,
    /// Its other tasks.
    pub tasks: Vec<ServiceTask>,
}

impl fmt::Debug for ServiceParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceParts").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a task of a service ended; it is started anew.
#[derive(Debug, thiserror::Error)]
#[error("a task of a service failed")]
pub struct TaskFailure(#[source] pub Box<dyn std::error::Error + Send + Sync>);

type TaskFuture = Pin<Box<dyn Future<Output = Result<(), TaskFailure>> + Send>>;

/// A task of a service: restarted with growing waits when it fails or panics, over when it returns `Ok`.
pub struct ServiceTask {
    /// Its name in logs and metrics: a fixed word.
    pub name: &'static str,
    /// Makes one run of it; it ends when the token is cancelled.
    pub start: Box<dyn FnMut(CancellationToken) -> TaskFuture + Send>,
}

impl ServiceTask {
    /// A task from a function that makes its runs.
    pub fn new<Fut>(name: &'static str, mut start: impl FnMut(CancellationToken) -> Fut + Send + 'static) -> Self
    where
        Fut: Future<Output = Result<(), TaskFailure>> + Send + 'static,
    {
        Self { name, start: Box::new(move |stop| Box::pin(start(stop))) }
    }
}

impl fmt::Debug for ServiceTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTask").field("name", &self.name).finish_non_exhaustive()
    }
}
