//! A box of a shop: a computer, its disk, and the process on it, if one runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::{Context as _, Result};
use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::NodeId;
use store_node::config::{CardConfig, Config, LogWords, PrintConfig};
use store_node::inline::{Node, Surroundings};

use super::ground::{Death, Mailbox, SimClock, image};

/// A process on a box.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) node: Node,
    /// Tells it from others of the world.
    pub(super) number: u64,
    pub(super) death: Arc<Death>,
    pub(super) mailbox: Arc<Mailbox>,
}

/// A connection to the broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    /// Tells it from others of the world.
    pub(super) number: u64,
    /// Nothing passes any more, and one end or both have not noticed.
    pub(super) dead: bool,
    /// When the last frame that is on its way arrives, each way.
    pub(super) up_at: u64,
    pub(super) down_at: u64,
}

/// A box.
#[derive(Debug)]
pub(super) struct ShopBox {
    pub(super) shop: usize,
    pub(super) folder: PathBuf,
    /// How often its disk was put back or replaced.
    pub(super) history: u32,
    pub(super) machine: u64,
    pub(super) clock: SimClock,
    pub(super) process: Option<Process>,
    pub(super) connection: Option<Connection>,
    /// No connection can be made before, in milliseconds of the world.
    pub(super) line_down_until: u64,
    /// The wake-up that counts; older ones are void.
    pub(super) alarm: u64,
    /// Since when it is known that what is on its disk was told to tills: cleared by a new history.
    pub(super) told: Vec<String>,
}

/// The node number of a shop.
pub(super) fn node_of(shop: usize) -> NodeId {
    NodeId::new(11 + u32::try_from(shop).unwrap_or(0))
}

impl ShopBox {
    pub(super) fn new(shop: usize, folder: PathBuf, machine: u64, world_ms: &Arc<AtomicI64>) -> Self {
        Self {
            shop,
            folder,
            history: 0,
            machine,
            clock: SimClock::new(world_ms.clone()),
            process: None,
            connection: None,
            line_down_until: 0,
            alarm: 0,
            told: Vec::new(),
        }
    }

    /// Starts a process on the disk as it is.
    pub(super) fn start(&mut self, number: u64, chance: u64) -> Result<()> {
        let mut machine = [0; 16];
        machine.copy_from_slice([self.machine.to_be_bytes(), self.machine.to_le_bytes()].concat().as_slice());
        let config = Config {
            data: self.folder.clone(),
            site: None,
            store: Some(1 + u32::try_from(self.shop)?),
            node: Some(node_of(self.shop).get()),
            name: Some(format!("Shop {}", self.shop + 1)),
            zone: Some("America/New_York".to_owned()),
            currency: Some("USD".to_owned()),
            cutover_hour: 4,
            http: ([127, 0, 0, 1], 0).into(),
            hub_mqtt: None,
            https: None,
            hub_https: Vec::new(),
            hub_password_file: None,
            plain_network: false,
            guard: None,
            disk_reserve_bytes: 0,
            cards: CardConfig::default(),
            prints: PrintConfig::default(),
            simulated_clock: None,
            hub_retry_s_max: 15,
            stop_with_parent: false,
            log_format: LogWords::Human,
            log: "info".to_owned(),
        };
        let (death, mailbox) = (Arc::new(Death::default()), Arc::new(Mailbox::default()));
        let surroundings = Surroundings {
            machine,
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(SeededEntropy::new(chance)),
            outlet: mailbox.clone(),
            hook: death.clone(),
        };
        let node = Node::open(&config, surroundings).context("starting a box")?;
        self.process = Some(Process { node, number, death, mailbox });
        Ok(())
    }

    /// The process is gone as by SIGKILL: what it had not committed is not on the disk, and its log is not copied.
    pub(super) fn kill(&mut self, fresh: PathBuf) -> Result<()> {
        if self.process.is_some() {
            image(&self.folder, &fresh, |_file| true).context("keeping a disk as it was")?;
            self.process = None;
            std::fs::remove_dir_all(&self.folder)?;
            self.folder = fresh;
        }
        self.connection = None;
        Ok(())
    }

    /// Whether what it sends arrives.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some_and(|connection| !connection.dead)
    }
}

/// A moment of the world as a process counts time.
pub(super) const fn moment(world_ms: u64) -> Duration {
    Duration::from_millis(world_ms)
}
