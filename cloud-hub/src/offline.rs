//! The command line of `rebuild` and `digest`: which read model, of which hub.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use percolate_runtime::files::{DataDir, FileError};

use crate::arguments::{ConfigError, ProfileName, refuse_open_database};
use crate::kernel::engine::{ChainServer, Engine};

/// A read model of a hub.
#[derive(Debug, Args)]
pub struct OfflineArguments {
    /// Which read model
    projection: ReadModel,
    /// On what the hub stands: small is files in --data, large is PostgreSQL
    #[arg(long, value_enum, default_value_t = ProfileName::Small)]
    profile: ProfileName,
    /// The data folder of a small hub, which must not be running
    #[arg(long = "data", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Of a large hub: the chain's database, as in "host=/run/postgresql dbname=percolate"; no role and no password
    #[arg(long, value_name = "CONNECTION", conflicts_with = "data_dir")]
    postgres: Option<String>,
    /// Of a large hub: the folder with the passwords of its database roles
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// Of a large hub: the database is reached over a network that is private
    #[arg(long)]
    plain_network: bool,
}

/// The read models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadModel {
    /// Sales, stock and what the reports are read from
    Reporting,
}

/// Why a read model cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// What was said does not go together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder that does not exist is a mistake, and is not made.
    #[error("there is no data folder {}", .0.display())]
    NoFolder(PathBuf),
    /// No folder was named.
    #[error("name the data folder of the small hub with --data, or the database of a large one: --profile large")]
    Nowhere,
    /// Somebody else uses it.
    #[error("the data folder cannot be used")]
    Folder(#[source] FileError),
}

/// Where a read model is.
#[derive(Debug)]
pub struct Offline {
    /// Which.
    pub projection: ReadModel,
    /// The folder of its files.
    pub data_dir: PathBuf,
    /// What it stands on.
    pub engine: Engine,
    /// Held to the end: no hub runs on these files meanwhile.
    _alone: Option<DataDir>,
}

impl OfflineArguments {
    /// Where it is, if what was said goes together. A folder of files is locked.
    ///
    /// # Errors
    /// [`OfflineError`] says what to change.
    pub fn opened(self) -> Result<Offline, OfflineError> {
        let Self { projection, profile, data_dir, postgres, secrets, plain_network } = self;
        match profile {
            ProfileName::Small => {
                let of_large = [
                    ("--postgres", postgres.is_some()),
                    ("--secrets", secrets.is_some()),
                    ("--plain-network", plain_network),
                ];
                if let Some((option, _)) = of_large.into_iter().find(|(_, given)| *given) {
                    return Err(ConfigError::OfLarge { option }.into());
                }
                let data_dir = data_dir.ok_or(OfflineError::Nowhere)?;
                if !data_dir.is_dir() {
                    return Err(OfflineError::NoFolder(data_dir));
                }
                let alone = DataDir::open(&data_dir).map_err(OfflineError::Folder)?;
                Ok(Offline { projection, data_dir, engine: Engine::Threads, _alone: Some(alone) })
            }
            ProfileName::Large => {
                let missing = |option, what| ConfigError::Missing { option, what };
                let postgres = postgres.ok_or(missing("--postgres \"host=... dbname=...\"", "the chain's database"))?;
                let secrets = secrets.ok_or(missing("--secrets DIR", "the passwords of its database roles"))?;
                refuse_open_database(&postgres, plain_network)?;
                let engine = Engine::Server(Arc::new(ChainServer::new(&postgres, Some(secrets))));
                Ok(Offline { projection, data_dir: PathBuf::new(), engine, _alone: None })
            }
        }
    }
}
