//! Why the hub does not start, or, in a simulation, does not go on.

use std::path::PathBuf;

use percolate_common::time::UtcMillis;
use percolate_runtime::files::FileError;
use percolate_runtime::http::auth::TokenError;
use percolate_runtime::http::server::ServerError;
use percolate_runtime::pki::PkiError;
use percolate_runtime::storage::StorageError;
use percolate_runtime::system::SimulatedClockError;
use percolate_runtime::telemetry::TelemetryError;
use percolate_runtime::tls::TlsError;

use crate::broker::embedded::BrokerError;
use crate::catalog::error::CatalogAppError;
use crate::catalog::menu::MenuError;
use crate::identity::IdentityOpenError;
use crate::kernel::outbox::OutboxError;
use crate::kernel::projection::ProjectionError;
use crate::sync::downlink::DownlinkError;

/// Why the hub does not start, or, in a simulation, does not go on.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The data folder cannot be used.
    #[error("the data folder cannot be used")]
    DataDir(#[source] FileError),
    /// The chain's CA cannot be used.
    #[error("the folder of the chain's CA cannot be used")]
    Ca(#[source] FileError),
    /// The token cannot be used.
    #[error("the token cannot be used")]
    Token(#[from] TokenError),
    /// A database cannot be opened or read.
    #[error("the database {name} cannot be used")]
    Database {
        /// Which one.
        name: &'static str,
        /// The cause.
        #[source]
        source: StorageError,
    },
    /// The simulated clock cannot be read.
    #[error("the clock cannot be set")]
    Clock(#[from] SimulatedClockError),
    /// Metrics cannot be set up.
    #[error("metrics cannot be set up")]
    Telemetry(#[from] TelemetryError),
    /// The menu file cannot be taken.
    #[error("the menu file {path} cannot be taken")]
    Menu {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: MenuError,
    },
    /// The chain in this folder is elsewhere.
    #[error("this chain was moved to PostgreSQL on {at}: start it with --profile large")]
    Moved {
        /// When.
        at: UtcMillis,
    },
    /// The chain is neither here nor there.
    #[error("the move of this chain has not ended: run cloud-hub move-to-large again")]
    MoveUnfinished,
    /// This process does something else.
    #[error("this process does not do {part}")]
    NotHere {
        /// What was wanted of it.
        part: &'static str,
    },
    /// The catalog cannot be opened, or the menu cannot be published.
    #[error("the catalog cannot be used")]
    Catalog(#[from] CatalogAppError),
    /// Boxes cannot be enrolled.
    #[error("boxes cannot be enrolled")]
    Identity(#[from] IdentityOpenError),
    /// Nobody can connect over TLS.
    #[error("nobody can connect over TLS")]
    Tls(#[from] TlsError),
    /// There is no chain whose boxes the hub's own broker could let in.
    #[error("the hub's own broker needs the chain's CA")]
    NoChain,
    /// The certificate by which the hub comes to the broker cannot be read.
    #[error("the certificate in {folder} cannot be used: make it with provision chain hub-identity")]
    BrokerCertificate {
        /// Where it should be.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The hub's own certificate cannot be made.
    #[error("the hub's own certificate cannot be made")]
    OwnCertificate(#[from] PkiError),
    /// What the services have said cannot be copied into the journal.
    #[error("a service's journal cannot be copied into the hub's")]
    Relay(#[from] OutboxError),
    /// What was folded cannot be compared with the journal.
    #[error("a projection cannot be compared with the journal")]
    Projection(#[from] ProjectionError),
    /// What nodes have sent cannot be committed any more.
    #[error("what nodes have sent cannot be committed any more")]
    Ingest(#[source] StorageError),
    /// The nodes cannot be sent what is due.
    #[error("the nodes cannot be sent what is due")]
    Downlink(#[from] DownlinkError),
    /// Something waits that must not.
    #[error("a hub without threads waits for something: it never would be done")]
    Waits,
    /// The broker does not start.
    #[error("the broker cannot start")]
    Broker(#[from] BrokerError),
    /// The HTTP server does not start.
    #[error("the HTTP server cannot start")]
    Server(#[from] ServerError),
    /// Nobody could be told where the hub listens.
    #[error("the file that says where the hub listens cannot be written")]
    Endpoints(#[source] FileError),
}
