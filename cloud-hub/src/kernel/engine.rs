//! What databases run on: files of this process, or schemas of a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percolate_runtime::connection::Place;
use percolate_runtime::migrate::Migration;
use percolate_runtime::postgres::Server;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks;
use percolate_runtime::writer::CommitHook;

/// What databases run on.
#[derive(Clone)]
pub enum Engine {
    /// Files, and threads of their own.
    Threads,
    /// Files, and the thread of whoever asks: in a simulation, whose hook lets the process die at any commit.
    Inline(Arc<dyn CommitHook>),
    /// A server's database, and threads of their own.
    Server(Arc<ChainServer>),
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads => f.write_str("Threads"),
            Self::Inline(_) => f.write_str("Inline"),
            Self::Server(server) => server.fmt(f),
        }
    }
}

impl Engine {
    /// Opens something. That waits for the disk: never on a thread that serves others, unless there is no other.
    ///
    /// # Errors
    /// What `open` returns; [`StorageError::Panicked`] if it panics.
    pub async fn opened<T: Send + 'static>(
        &self,
        open: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        match self {
            Self::Threads | Self::Server(_) => {
                tasks::blocking(open).await.unwrap_or(Err(StorageError::Panicked { name: "open" }))
            }
            Self::Inline(_) => open(),
        }
    }

    /// Where a service has its database, or the journal is: `<name>.db` in the data folder, or the schema of that name.
    pub(crate) fn place(&self, name: &str, data_dir: &Path) -> Result<Place, StorageError> {
        Ok(match self {
            Self::Threads | Self::Inline(_) => data_dir.join(format!("{name}.db")).into(),
            Self::Server(server) => server.schema(name, name)?.into(),
        })
    }
}

/// What a database holds, on either engine.
#[derive(Debug)]
pub struct Schema {
    /// The name of the database in logs and metrics, of its file and of its schema: a fixed word.
    pub name: &'static str,
    /// How a file comes to its present shape.
    pub sqlite: &'static [Migration],
    /// How the schema of a server does.
    pub postgres: &'static [Migration],
}

impl Schema {
    pub(crate) fn migrations(&self, place: &Place) -> &'static [Migration] {
        match place {
            Place::File(_) => self.sqlite,
            Place::Server(_) => self.postgres,
        }
    }
}

/// The database of a chain on a PostgreSQL server, in which each service has a schema and a role of its own.
#[derive(Clone)]
pub struct ChainServer {
    connection: String,
    secrets: Option<PathBuf>,
}

impl fmt::Debug for ChainServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The connection string may hold a password.
        f.debug_struct("ChainServer").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl ChainServer {
    /// The database that a connection string names, as in `host=/run/postgresql dbname=percolate`. Roles have their
    /// passwords in the folder `secrets`, unless the server asks for none.
    #[must_use]
    pub fn new(connection: &str, secrets: Option<PathBuf>) -> Self {
        Self { connection: connection.to_owned(), secrets }
    }

    /// A schema as the role of a service sees it. Blocks.
    ///
    /// # Errors
    /// [`StorageError::Unsound`] if the service's password cannot be read; [`StorageError::Query`] if the connection
    /// string is none.
    pub fn schema(&self, schema: &str, service: &str) -> Result<Server, StorageError> {
        let role = role(service);
        let password = self.secrets.as_ref().map(|folder| password(&password_path(folder, &role))).transpose()?;
        Ok(Server::new(&self.connection, schema)?.with_role(&role, password.as_deref()))
    }
}

/// The role of a service.
#[must_use]
pub fn role(service: &str) -> String {
    format!("percolate_{service}")
}

/// The file that has a role's password.
#[must_use]
pub fn password_path(secrets: &Path, role: &str) -> PathBuf {
    secrets.join(format!("{role}.password"))
}

fn password(path: &Path) -> Result<String, StorageError> {
    let text = std::fs::read_to_string(path).map_err(|error| StorageError::Unsound {
        detail: format!("the password {} cannot be read: {error}", path.display()),
    })?;
    Ok(text.trim_end().to_owned())
}
