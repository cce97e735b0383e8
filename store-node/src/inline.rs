//! A node without threads and sockets, for a simulation: the rooms that ship, on a clock, chance, a network and a disk
//! that the caller plays. Everything is answered before the call returns.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::Entropy;
use percolate_common::time::Clock;
use percolate_runtime::files::DataDir;
use percolate_runtime::mqtt::{LinkEvent, Outlet, Publisher};
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::writer::{CommitHook, Writer};

use crate::app::App;
use crate::config::Config;
use crate::http::{Direct, DirectRequest};
use crate::node::{Storage, database, open, signing_key};
use crate::site::Shop;
use crate::start_error::{Part as _, StartError};
use crate::store::file::{NodeReaders, NodeWriter};
use crate::sync::exchange::{Exchange, Turn};
use crate::sync::session::Machine;

/// What a node stands on.
pub struct Surroundings {
    /// The fingerprint of its machine.
    pub machine: [u8; 16],
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance: another one for each process.
    pub entropy: Arc<dyn Entropy>,
    /// Takes the frames that it sends.
    pub outlet: Arc<dyn Outlet>,
    /// Is told of every commit, and may end the process there.
    pub hook: Arc<dyn CommitHook>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// A process on a data folder. Drop it, and the process is gone as by SIGKILL.
pub struct Node {
    app: App,
    api: Direct,
    exchange: Exchange,
    boot: u64,
    /// Held to the end: one process uses a data folder.
    _data: DataDir,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("boot", &self.boot).finish_non_exhaustive()
    }
}

/// The exchange failed at a step: with the database, or because the process has died at a commit.
#[derive(Debug, thiserror::Error)]
#[error("the exchange with the hub failed")]
pub struct ExchangeFailed(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Node {
    /// Starts a process; addresses and the simulated clock of the configuration are not used.
    ///
    /// # Errors
    /// [`StartError`] as for the program.
    pub fn open(config: &Config, surroundings: Surroundings) -> Result<Self, StartError> {
        let Surroundings { machine, clock, entropy, outlet, hook } = surroundings;
        let data = DataDir::open(&config.data).part("taking the data folder")?;
        let key = signing_key(&data, &*entropy)?;
        let database = database(&data)?;
        let place = database.place().clone();
        let writer = Writer::inline("node", database, hook);
        let readers = ReadPool::open_inline(&place).part("opening the readers")?;
        let storage = Storage { writer: NodeWriter(writer), readers: NodeReaders(readers) };
        let boot = entropy.next_u64();
        let app = open((config, &Shop::read(config)?), &data, storage, (key.clone(), Some(machine)), (clock, entropy))?;
        let exchange = Exchange::new(app.clone(), Machine { key, boot }, Publisher::inline(outlet));
        Ok(Self { api: Direct::new(app.clone()), app, exchange, boot, _data: data })
    }

    /// What tells this process from others on the same folder.
    #[must_use]
    pub const fn boot(&self) -> u64 {
        self.boot
    }

    /// Posts to the API; the status and the body of the answer.
    #[must_use]
    pub fn post(&self, path: &str, key: &str, body: &str) -> (u16, String) {
        self.api.ask(DirectRequest { post: true, path, key: Some(key), body })
    }

    /// Reads from the API.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, String) {
        self.api.ask(DirectRequest { post: false, path, key: None, body: "" })
    }

    /// The number of the menu that is sold, if one is.
    #[must_use]
    pub fn revision(&self) -> Option<u32> {
        self.app.present.catalog().map(|catalog| catalog.revision.number)
    }

    /// Something came over the link, which is at `now` of the caller's monotonic time.
    ///
    /// # Errors
    /// [`ExchangeFailed`]: it goes on with the next turn.
    pub fn hear(&mut self, event: LinkEvent, now: Duration) -> Result<(), ExchangeFailed> {
        self.turn(Turn::Link(event), now)
    }

    /// Something was committed.
    ///
    /// # Errors
    /// As [`Node::hear`].
    pub fn grown(&mut self, now: Duration) -> Result<(), ExchangeFailed> {
        self.turn(Turn::Grown, now)
    }

    /// The wait is over.
    ///
    /// # Errors
    /// As [`Node::hear`].
    pub fn wake(&mut self, now: Duration) -> Result<(), ExchangeFailed> {
        self.turn(Turn::Due, now)
    }

    /// How long there is nothing to do, if nothing happens.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Duration {
        self.exchange.wait(now)
    }

    fn turn(&mut self, turn: Turn, now: Duration) -> Result<(), ExchangeFailed> {
        self.exchange.turn(turn, now).map_err(|error| ExchangeFailed(Box::new(error)))
    }
}
