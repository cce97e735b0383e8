//! What a store-node does: one function a command, one transaction each.

pub(crate) mod audit;
pub(crate) mod books;
pub(crate) mod catalog;
pub(crate) mod error;
pub(crate) mod imports;
pub(crate) mod life;
pub(crate) mod movements;
pub(crate) mod repair;
pub(crate) mod reports;
pub(crate) mod take_back;
pub(crate) mod tickets;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::event::{ClockQuality, Event, Header, StoreDescribed};
use percolate_common::entropy::Entropy;
use percolate_common::hlc::Hlc;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::{AuthorId, Head, JournalId, SigningKey, StreamKind};
use percolate_common::time::{BusinessDay, Clock, StoreCalendar, UtcMillis};
use percolate_common::wire::event::encode;
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::sqlite::{ReadTx, StorageError, WriteTx};
use percolate_runtime::writer::Writer;
use tokio::sync::broadcast;

use crate::store::journal;
use crate::store::lives::{self, Life};
use error::AppError;

/// A wall clock this far behind what was already written is not believed, in milliseconds.
const BEHIND_MS_MAX: i64 = 2_000;
/// A clock this far from the hub's is suspect, in milliseconds.
const SKEW_MS_MAX: i64 = 120_000;
/// Notices that wait for a slow listener; the oldest are dropped for it, and it is told.
const NOTICES_MAX: usize = 256;

/// Who this node is and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) store: StoreId,
    pub(crate) node: NodeId,
    pub(crate) described: StoreDescribed,
}

/// Something that a screen in the shop may want to know at once.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    /// A ticket was sold; as JSON, as it was answered.
    Ticket(String),
    /// Another revision of the menu is sold.
    Catalog(u32),
    /// The link to the hub changed.
    Link(LinkState),
}

/// The link to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum LinkState {
    Down = 0,
    Up = 1,
    Refused = 2,
}

impl LinkState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Refused => "refused",
        }
    }
}

/// Why the node has stopped sending; it goes on selling.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Halted {
    /// For programs.
    #[schema(value_type = String)]
    pub(crate) code: &'static str,
    /// For a person.
    pub(crate) detail: String,
}

/// What changes while the node runs and is not in the database.
#[derive(Debug)]
pub(crate) struct Present {
    catalog: RwLock<Option<Arc<Catalog>>>,
    halted: RwLock<Option<Halted>>,
    link: AtomicU8,
    compared: AtomicBool,
    skew_ms: AtomicI64,
    /// Greetings of this process so far.
    greetings: AtomicU64,
    /// Absent once the node stops.
    notices: RwLock<Option<broadcast::Sender<Notice>>>,
}

impl Default for Present {
    fn default() -> Self {
        Self {
            catalog: RwLock::default(),
            halted: RwLock::default(),
            link: AtomicU8::new(LinkState::Down as u8),
            compared: AtomicBool::new(false),
            skew_ms: AtomicI64::new(0),
            greetings: AtomicU64::new(0),
            notices: RwLock::new(Some(broadcast::Sender::new(NOTICES_MAX))),
        }
    }
}

impl Present {
    pub(crate) fn catalog(&self) -> Option<Arc<Catalog>> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_catalog(&self, catalog: Option<Catalog>) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog.map(Arc::new);
    }

    pub(crate) fn halted(&self) -> Option<Halted> {
        self.halted.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_halted(&self, halted: Option<Halted>) {
        *self.halted.write().unwrap_or_else(PoisonError::into_inner) = halted;
    }

    pub(crate) fn link(&self) -> LinkState {
        match self.link.load(Ordering::Relaxed) {
            1 => LinkState::Up,
            2 => LinkState::Refused,
            _down => LinkState::Down,
        }
    }

    pub(crate) fn set_link(&self, link: LinkState) {
        if self.link.swap(link as u8, Ordering::Relaxed) != link as u8 {
            self.tell(Notice::Link(link));
        }
    }

    /// The hub's clock less ours, once compared.
    pub(crate) fn skew_ms(&self) -> Option<i64> {
        self.compared.load(Ordering::Relaxed).then(|| self.skew_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
        self.compared.store(true, Ordering::Relaxed);
    }

    /// The number of the next greeting: 1, 2, 3 …
    pub(crate) fn next_greeting(&self) -> u64 {
        self.greetings.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Tells whoever listens; nobody may.
    pub(crate) fn tell(&self, notice: Notice) {
        let notices = self.notices.read().unwrap_or_else(PoisonError::into_inner);
        let _listeners = notices.as_ref().map_or(0, |notices| notices.send(notice).unwrap_or(0));
    }

    /// What happens from now on, until the node stops.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Notice> {
        let notices = self.notices.read().unwrap_or_else(PoisonError::into_inner);
        notices.as_ref().map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe)
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        let notices = self.notices.read().unwrap_or_else(PoisonError::into_inner);
        notices.as_ref().is_some_and(|notices| notices.receiver_count() > 0)
    }

    /// Ends what listeners hear: a screen that is open must not hold up a node that stops.
    pub(crate) fn close(&self) {
        drop(self.notices.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The node as its commands see it. A clone is the same node.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) identity: Arc<Identity>,
    /// A fingerprint of the machine, where it has one.
    pub(crate) machine: Option<[u8; 16]>,
    pub(crate) calendar: Arc<StoreCalendar>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) writer: Writer,
    pub(crate) readers: ReadPool,
    pub(crate) present: Arc<Present>,
    pub(crate) data_dir: Arc<PathBuf>,
    pub(crate) disk_reserve_bytes: u64,
    /// What its heads are signed with.
    pub(crate) key: SigningKey,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// When something is recorded, and in which life: the one that its own transaction finds, for another may have begun
/// while the command waited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) life: Life,
    pub(crate) at: UtcMillis,
    pub(crate) hlc: Hlc,
    pub(crate) clock: ClockQuality,
}

impl App {
    /// The author of this node's journals.
    pub(crate) fn author(&self) -> AuthorId {
        AuthorId::node(self.identity.node)
    }

    /// The journal of one stream in a life.
    pub(crate) fn journal(&self, life: Life, stream: StreamKind) -> JournalId {
        JournalId { author: self.author(), incarnation: life.incarnation, stream }
    }

    /// The moment of a command: the wall clock, unless it has fallen behind what was already written.
    pub(crate) fn stamp(&self, tx: &ReadTx<'_>) -> Result<Stamp, StorageError> {
        let now = self.clock.now();
        let written = journal::hlc_max(tx)?;
        let fell_behind = now.get().saturating_add(BEHIND_MS_MAX) < written.millis().get();
        let hlc = written.tick(now);
        let clock = match self.present.skew_ms() {
            _ if fell_behind => ClockQuality::Suspect,
            None => ClockQuality::Unsynced,
            Some(skew_ms) if skew_ms.abs() > SKEW_MS_MAX => ClockQuality::Suspect,
            Some(_) => ClockQuality::Good,
        };
        Ok(Stamp { life: lives::present(tx)?, at: if fell_behind { hlc.millis() } else { now }, hlc, clock })
    }

    /// Writes a fact that happens now.
    pub(crate) fn record(&self, tx: &WriteTx<'_>, stamp: &Stamp, event: &Event) -> Result<Head, AppError> {
        self.record_on(tx, stamp, self.calendar.business_day(stamp.at), event)
    }

    /// Writes a fact with a business day of its own.
    pub(crate) fn record_on(
        &self,
        tx: &WriteTx<'_>,
        stamp: &Stamp,
        business_day: BusinessDay,
        event: &Event,
    ) -> Result<Head, AppError> {
        // Several facts of one command share a moment, but never a clock reading.
        let hlc = stamp.hlc.max(journal::hlc_max(tx)?.tick(stamp.hlc.millis()));
        let header = Header {
            store: self.identity.store,
            at: stamp.at,
            hlc,
            business_day,
            clock: stamp.clock,
            zone: self.calendar.zone_name().to_owned(),
        };
        let bytes = encode(&header, event, None)?;
        Ok(journal::entry_append(tx, stamp.life, &self.journal(stamp.life, event.stream()), &bytes, hlc)?)
    }

    /// Whether the database can be written; nothing is kept of the try, and nothing is flushed for it. Blocks.
    pub(crate) fn probe(&self) -> Result<(), StorageError> {
        let tried = self.writer.run_blocking("probe", |tx| {
            journal::meta_touch(tx)?;
            Err::<(), _>(Probe::CanBeWritten)
        });
        match tried {
            Ok(()) | Err(Probe::CanBeWritten) => Ok(()),
            Err(Probe::Failed(error)) => Err(error),
        }
    }

    /// Whether the database is still where it was: a file that somebody removes is written on without an error, and is
    /// gone with the process.
    pub(crate) fn check_files(&self) -> Result<(), AppError> {
        let database = self.readers.path();
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        if database.exists() && std::path::Path::new(&log).exists() {
            return Ok(());
        }
        Err(AppError::FilesGone { folder: self.data_dir.display().to_string() })
    }

    /// Free space where the database lies, in bytes.
    pub(crate) fn disk_free_bytes(&self) -> Option<u64> {
        percolate_runtime::files::disk_free_bytes(&self.data_dir).ok()
    }

    /// Refuses new sales and imports when only the reserve for closing the day is left. What was done before under the
    /// same key is looked up first: its answer needs no room.
    pub(crate) fn check_reserve(&self) -> Result<(), AppError> {
        self.check_files()?;
        match self.disk_free_bytes() {
            Some(free) if free < self.disk_reserve_bytes => Err(AppError::DiskReserve { free }),
            Some(_) | None => Ok(()),
        }
    }
}

/// How a probe ends: always with an error, so that it is rolled back.
enum Probe {
    CanBeWritten,
    Failed(StorageError),
}

impl From<StorageError> for Probe {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

const DESCRIBED_KEY: &str = "described";

/// Writes the store's description if it is not the one that was written last.
pub(crate) fn describe(app: &App, tx: &WriteTx<'_>) -> Result<(), AppError> {
    let described = app.identity.described.clone();
    let text = format!("{described:?}");
    if journal::meta_fetch(tx, DESCRIBED_KEY)?.as_deref() != Some(&text) {
        let stamp = app.stamp(tx)?;
        app.record(tx, &stamp, &Event::StoreDescribed(described))?;
        journal::meta_put(tx, DESCRIBED_KEY, &text)?;
    }
    Ok(())
}
