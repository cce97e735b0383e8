//! What a store-node does: one function a command, one transaction each.

pub(crate) mod audit;
pub(crate) mod books;
pub(crate) mod bundle;
pub(crate) mod card_payments;
pub(crate) mod card_refunds;
pub(crate) mod catalog;
pub(crate) mod drawers;
pub(crate) mod enrolment;
pub(crate) mod error;
pub(crate) mod exchanges;
pub(crate) mod house;
pub(crate) mod imports;
pub(crate) mod kitchen;
pub(crate) mod life;
pub(crate) mod movements;
pub(crate) mod open_tickets;
pub(crate) mod outage;
pub(crate) mod owed;
pub(crate) mod present;
pub(crate) mod prints;
pub(crate) mod readings;
pub(crate) mod refunds;
pub(crate) mod repair;
pub(crate) mod reports;
pub(crate) mod staff;
pub(crate) mod take_back;
pub(crate) mod terminal_list;
pub(crate) mod terminals;
pub(crate) mod ticket_answer;
pub(crate) mod tickets;
pub(crate) mod tips;

use std::path::PathBuf;
use std::sync::Arc;

use percolate_common::domain::catalog::hours::Channel;
use percolate_common::domain::catalog::look_up::Moment;
use percolate_common::domain::event::{ClockQuality, Event, Header, StoreDescribed};
use percolate_common::entropy::Entropy;
use percolate_common::hlc::Hlc;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::{AuthorId, Head, JournalId, SigningKey, StreamKind};
use percolate_common::time::{BusinessDay, Clock, StoreCalendar, UtcMillis};
use percolate_common::wire::event::encode;
use percolate_runtime::sqlite::{ReadTx, WriteTx, log_path};
use percolate_runtime::storage::StorageError;

use crate::store::file::{NodeReaders, NodeWriter};
use crate::store::journal;
use crate::store::lives::{self, Life};
pub(crate) use card_payments::Cards;
pub(crate) use enrolment::Enrolment;
use error::AppError;
pub(crate) use present::{FOLLOW_EVERY, FileIdentity, Halted, Lan, LinkState, Notice, Present};
pub(crate) use prints::{Printer, Printers};
pub(crate) use staff::Staff;
pub(crate) use terminal_list::Terminals;

/// A wall clock this far behind what was already written is not believed, in milliseconds.
const BEHIND_MS_MAX: i64 = 2_000;
/// A clock this far from the hub's is suspect, in milliseconds.
const SKEW_MS_MAX: i64 = 120_000;

/// Who this node is and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) store: StoreId,
    pub(crate) node: NodeId,
    pub(crate) described: StoreDescribed,
    /// The hash of the description that it has read; none on a box that no bundle has made.
    pub(crate) plan: Option<String>,
    /// Whether another box of the shop may have sold before: this one is not of the shop's first bundle.
    pub(crate) follows: bool,
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
    pub(crate) writer: NodeWriter,
    pub(crate) readers: NodeReaders,
    pub(crate) present: Arc<Present>,
    pub(crate) terminals: Arc<Terminals>,
    pub(crate) staff: Arc<Staff>,
    pub(crate) cards: Cards,
    pub(crate) printers: Arc<Printers>,
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

    /// The moment of a command: the wall clock, unless it has fallen behind what was already written. Once head office has said that
    /// the clock is right, it is what was written before that may be wrong: order goes on from there, and moments from the hub's word.
    pub(crate) fn stamp(&self, tx: &ReadTx<'_>) -> Result<Stamp, StorageError> {
        let now = self.clock.now();
        let written = journal::hlc_max(tx)?;
        let hlc = written.tick(now);
        let skew_ms = self.present.skew_ms();
        let is_right = skew_ms.is_some_and(|skew_ms| skew_ms.abs() <= SKEW_MS_MAX);
        let since_agreed = self.present.latest_moment().filter(|_| is_right);
        let before = since_agreed.unwrap_or_else(|| written.millis());
        let fell_behind = now.get().saturating_add(BEHIND_MS_MAX) < before.get();
        let clock = match skew_ms {
            _ if fell_behind => ClockQuality::Suspect,
            None => ClockQuality::Unsynced,
            Some(_) if !is_right => ClockQuality::Suspect,
            Some(_) => ClockQuality::Good,
        };
        let at = if fell_behind { since_agreed.unwrap_or_else(|| hlc.millis()) } else { now };
        Ok(Stamp { life: lives::present(tx)?, at, hlc, clock })
    }

    /// Where and when something is sold at the counter.
    pub(crate) fn moment(&self, at: UtcMillis) -> Moment {
        Moment {
            store: self.identity.store,
            channel: Channel::Counter,
            day: self.calendar.business_day(at),
            wall: self.calendar.wall_time(at),
        }
    }

    /// Writes a fact that happens now.
    pub(crate) fn record(&self, tx: &WriteTx<'_>, stamp: &Stamp, event: &Event) -> Result<Head, AppError> {
        self.record_on(tx, stamp, self.calendar.business_day(stamp.at), event)
    }

    /// What is said of a fact that happens now.
    fn header(&self, stamp: &Stamp, hlc: Hlc, business_day: BusinessDay) -> Header {
        Header {
            store: self.identity.store,
            at: stamp.at,
            hlc,
            business_day,
            clock: stamp.clock,
            zone: self.calendar.zone_name().to_owned(),
        }
    }

    /// How many bytes the entry of a fact would have.
    pub(crate) fn entry_bytes(&self, stamp: &Stamp, event: &Event) -> Result<usize, AppError> {
        let header = self.header(stamp, stamp.hlc, self.calendar.business_day(stamp.at));
        Ok(encode(&header, event, None)?.len())
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
        let bytes = encode(&self.header(stamp, hlc, business_day), event, None)?;
        self.present.add_moment(stamp.at);
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

    /// Whether the database is still where it was, and still the same: a file that somebody removes or replaces is written
    /// on without an error, and is gone with the process. The first look says which files they are.
    pub(crate) fn check_files(&self) -> Result<(), AppError> {
        let Some(database) = self.readers.path() else { return Ok(()) };
        let seen = FileIdentity::of(database).zip(FileIdentity::of(&log_path(database)));
        if seen.is_some_and(|seen| self.present.are_files(seen)) {
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
    ///
    /// Looks once for all commands that share a flush.
    pub(crate) fn check_reserve(&self) -> Result<(), AppError> {
        let group = self.writer.group_number();
        if self.present.room_in_group() == group {
            return Ok(());
        }
        self.check_reserve_now()?;
        self.present.set_room_in_group(group);
        Ok(())
    }

    /// As [`App::check_reserve`], for a command that writes much: it looks itself.
    pub(crate) fn check_reserve_now(&self) -> Result<(), AppError> {
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
