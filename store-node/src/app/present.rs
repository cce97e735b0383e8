//! What is known while the node runs and is not in its database.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use percolate_common::domain::catalog::Catalog;
use percolate_common::journal::JournalId;
use percolate_common::time::UtcMillis;
use percolate_common::wire::session::ACK_PARKED_MAX;
use percolate_runtime::tls::TlsTrouble;
use tokio::sync::{broadcast, watch};

use super::catalog::Unread;
use super::enrolment::Enrolment;
use super::outage::HubState;
use crate::guard::GuardState;

/// Notices that wait for a slow listener; the oldest are dropped for it, and it is told.
const NOTICES_MAX: usize = 256;

/// Two clocks that differ by no more agree, in milliseconds.
const AGREED_MS_MAX: i64 = 5 * 60 * 1_000;

/// Who follows the journal hears at once of a commit after a pause, and of a stream of commits so often: to look after
/// each would take the cores from the next sale, at more cost than the sale itself.
pub(crate) const FOLLOW_EVERY: Duration = Duration::from_millis(5);

/// Something that a screen in the shop may want to know at once.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    /// A ticket was sold; as JSON, as it was answered.
    Ticket(String),
    /// An open ticket changed; as JSON, as it is now.
    OpenTicket(String),
    /// Something is to be prepared, was made, or need not be any more; as JSON, as it is now.
    Kitchen(String),
    /// Another revision of the menu is sold.
    Catalog(u32),
    /// The link to the hub changed.
    Link(LinkState),
    /// How the shop stands to head office, and since when.
    Hub(HubState, UtcMillis),
}

/// The link to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum LinkState {
    Down = 0,
    Up = 1,
    Refused = 2,
    /// The box has no certificate, and no link is tried.
    NotEnrolled = 3,
}

impl LinkState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Refused => "refused",
            Self::NotEnrolled => "not_enrolled",
        }
    }
}

/// Which file it is that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Of the file there; none if there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|file| Self { device: file.dev(), inode: file.ino() })
    }
}

/// Where terminals come in from the shop's network. Who is the box's own chain stands in it whether or not anybody can come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lan {
    /// As `https://NAME:PORT`, the first name first; none where nothing is served there.
    pub(crate) urls: Vec<String>,
    /// Where it listens; none if it does not.
    pub(crate) address: Option<SocketAddr>,
    /// Whether it was told an address that cannot be listened at.
    pub(crate) is_taken: bool,
    /// The root's certificate, PEM.
    pub(crate) root: String,
    /// The SHA-256 of it, as a person compares it.
    pub(crate) root_sha256: String,
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

/// Events of one of the node's journals that the hub holds and cannot read yet: its program is older than the node's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ParkedThere {
    pub(crate) count: u64,
    /// The sequence numbers of the latest.
    pub(crate) latest: BTreeSet<u64>,
}

/// What changes while the node runs and is not in the database.
#[derive(Debug)]
pub(crate) struct Present {
    catalog: RwLock<Option<Arc<Catalog>>>,
    halted: RwLock<Option<Halted>>,
    /// Absent without a guard file.
    guard: RwLock<Option<GuardState>>,
    /// Absent on a box that no bundle has made.
    enrolment: RwLock<Option<Enrolment>>,
    /// Absent on a box that no bundle has made.
    lan: RwLock<Option<Arc<Lan>>>,
    /// The last instant of the certificate that terminals are shown, UTC milliseconds; 0 without one.
    lan_until_ms: AtomicI64,
    /// What the link was last told of a certificate, until it is up.
    trouble: watch::Sender<Option<TlsTrouble>>,
    /// The hub's time when the two clocks last agreed; 0 before.
    agreed_ms: AtomicI64,
    /// The latest moment that was written since then, or ours when they agreed; 0 before.
    latest_ms: AtomicI64,
    link: AtomicU8,
    compared: AtomicBool,
    skew_ms: AtomicI64,
    parked: RwLock<BTreeMap<JournalId, ParkedThere>>,
    /// What this program cannot read of the hub's journals, and since when that is known.
    unread: RwLock<BTreeMap<JournalId, (Unread, UtcMillis)>>,
    /// How the shop stands to head office, and since when.
    hub: RwLock<(HubState, UtcMillis)>,
    /// Greetings of this process so far.
    greetings: AtomicU64,
    /// The writer's group that found its files and the room to write them.
    room_in_group: AtomicU64,
    /// The database's file and its log, as they were at the first look.
    files: OnceLock<(FileIdentity, FileIdentity)>,
    /// Absent once the node stops.
    notices: RwLock<Option<broadcast::Sender<Notice>>>,
}

impl Default for Present {
    fn default() -> Self {
        Self {
            catalog: RwLock::default(),
            halted: RwLock::default(),
            guard: RwLock::default(),
            enrolment: RwLock::default(),
            lan: RwLock::default(),
            lan_until_ms: AtomicI64::new(0),
            trouble: watch::Sender::default(),
            agreed_ms: AtomicI64::new(0),
            latest_ms: AtomicI64::new(0),
            link: AtomicU8::new(LinkState::Down as u8),
            compared: AtomicBool::new(false),
            skew_ms: AtomicI64::new(0),
            parked: RwLock::default(),
            unread: RwLock::default(),
            hub: RwLock::new((HubState::Starting, UtcMillis::new(0))),
            greetings: AtomicU64::new(0),
            room_in_group: AtomicU64::new(0),
            files: OnceLock::new(),
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

    pub(crate) fn room_in_group(&self) -> u64 {
        self.room_in_group.load(Ordering::Relaxed)
    }

    pub(crate) fn set_room_in_group(&self, group: u64) {
        self.room_in_group.store(group, Ordering::Relaxed);
    }

    /// Whether these are the files of the first look.
    pub(crate) fn are_files(&self, seen: (FileIdentity, FileIdentity)) -> bool {
        *self.files.get_or_init(|| seen) == seen
    }

    pub(crate) fn halted(&self) -> Option<Halted> {
        self.halted.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_halted(&self, halted: Option<Halted>) {
        *self.halted.write().unwrap_or_else(PoisonError::into_inner) = halted;
    }

    pub(crate) fn guard(&self) -> Option<GuardState> {
        self.guard.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps how it stands with the guard file, and gives back how it stood before.
    pub(crate) fn set_guard(&self, guard: GuardState) -> Option<GuardState> {
        self.guard.write().unwrap_or_else(PoisonError::into_inner).replace(guard)
    }

    pub(crate) fn link(&self) -> LinkState {
        match self.link.load(Ordering::Relaxed) {
            1 => LinkState::Up,
            2 => LinkState::Refused,
            3 => LinkState::NotEnrolled,
            _down => LinkState::Down,
        }
    }

    pub(crate) fn set_link(&self, link: LinkState) {
        if self.link.swap(link as u8, Ordering::Relaxed) != link as u8 {
            self.tell(Notice::Link(link));
        }
    }

    /// How the shop stands to head office, and since when.
    pub(crate) fn hub(&self) -> (HubState, UtcMillis) {
        *self.hub.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands from now on; whoever listens is told if that is new.
    pub(crate) fn set_hub(&self, state: HubState, at: UtcMillis) {
        let mut hub = self.hub.write().unwrap_or_else(PoisonError::into_inner);
        // The first one is no change, and counts from the start.
        if hub.0 == state && hub.1.get() != 0 {
            return;
        }
        *hub = (state, at);
        drop(hub);
        for each in HubState::ALL {
            metrics::gauge!("node_hub_state", "state" => each.as_str()).set(f64::from(u8::from(each == state)));
        }
        tracing::info!(hub.state = state.as_str(), "the shop stands to head office as: {}", state.as_str());
        self.tell(Notice::Hub(state, at));
    }

    /// The hub's clock less ours, once compared.
    pub(crate) fn skew_ms(&self) -> Option<i64> {
        self.compared.load(Ordering::Relaxed).then(|| self.skew_ms.load(Ordering::Relaxed))
    }

    /// The hub has said what time it is.
    pub(crate) fn set_skew(&self, theirs: UtcMillis, ours: UtcMillis) {
        let skew_ms = theirs.get().saturating_sub(ours.get());
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
        self.compared.store(true, Ordering::Relaxed);
        if skew_ms.abs() <= AGREED_MS_MAX {
            self.agreed_ms.store(theirs.get(), Ordering::Relaxed);
            // What was written before is not compared with any more: the clock may have been ahead then.
            self.latest_ms.store(ours.get(), Ordering::Relaxed);
        }
    }

    /// The latest moment that was written since the hub and this box agreed what time it is; none before they have.
    pub(crate) fn latest_moment(&self) -> Option<UtcMillis> {
        self.agreed().map(|_agreed| UtcMillis::new(self.latest_ms.load(Ordering::Relaxed)))
    }

    /// Something was written at a moment.
    pub(crate) fn add_moment(&self, at: UtcMillis) {
        self.latest_ms.fetch_max(at.get(), Ordering::Relaxed);
    }

    /// A time that the hub and this box agreed upon: it is past.
    pub(crate) fn agreed(&self) -> Option<UtcMillis> {
        Some(self.agreed_ms.load(Ordering::Relaxed)).filter(|agreed| *agreed > 0).map(UtcMillis::new)
    }

    /// How it stands with the certificate; none on a box that no bundle has made.
    pub(crate) fn enrolment(&self) -> Option<Enrolment> {
        self.enrolment.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps how it stands with the certificate, and gives back how it stood before.
    pub(crate) fn set_enrolment(&self, enrolment: Enrolment) -> Option<Enrolment> {
        self.enrolment.write().unwrap_or_else(PoisonError::into_inner).replace(enrolment)
    }

    /// Where terminals come in; none on a box that no bundle has made.
    pub(crate) fn lan(&self) -> Option<Arc<Lan>> {
        self.lan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_lan(&self, lan: Lan) {
        *self.lan.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(lan));
    }

    /// Until when the certificate holds that terminals are shown; none without one.
    pub(crate) fn lan_until(&self) -> Option<UtcMillis> {
        Some(self.lan_until_ms.load(Ordering::Relaxed)).filter(|until| *until != 0).map(UtcMillis::new)
    }

    pub(crate) fn set_lan_until(&self, until: UtcMillis) {
        self.lan_until_ms.store(until.get(), Ordering::Relaxed);
    }

    /// What the link is told of certificates, and when that changes.
    pub(crate) fn troubles(&self) -> watch::Receiver<Option<TlsTrouble>> {
        self.trouble.subscribe()
    }

    /// The link was told something of a certificate; or it is up, or shows another one, and what was told counts no more.
    pub(crate) fn set_trouble(&self, trouble: Option<TlsTrouble>) {
        self.trouble.send_if_modified(|told| std::mem::replace(told, trouble) != trouble);
    }

    /// What the hub cannot read of the node's journals, as it last said.
    pub(crate) fn parked(&self) -> BTreeMap<JournalId, ParkedThere> {
        self.parked.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The hub has said all that it cannot read.
    pub(crate) fn set_parked(&self, parked: BTreeMap<JournalId, ParkedThere>) {
        gauge_parked(&parked);
        *self.parked.write().unwrap_or_else(PoisonError::into_inner) = parked;
    }

    /// The hub cannot read these either. One that it says again is not counted again.
    pub(crate) fn add_parked(&self, journal: JournalId, seqs: &[u64]) {
        let mut all = self.parked.write().unwrap_or_else(PoisonError::into_inner);
        let there = all.entry(journal).or_default();
        for seq in seqs {
            there.count += u64::from(there.latest.insert(*seq));
        }
        while there.latest.len() > ACK_PARKED_MAX {
            there.latest.pop_first();
        }
        gauge_parked(&all);
    }

    /// What this program cannot read of the hub's journals, and since when that is known.
    pub(crate) fn unread(&self) -> BTreeMap<JournalId, (Unread, UtcMillis)> {
        self.unread.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All that it cannot read now.
    pub(crate) fn set_unread(&self, now_unread: BTreeMap<JournalId, Unread>, at: UtcMillis) {
        let mut unread = self.unread.write().unwrap_or_else(PoisonError::into_inner);
        let since = |journal: &JournalId| unread.get(journal).map_or(at, |(_, since)| *since);
        let all: BTreeMap<_, _> = now_unread.into_iter().map(|(id, what)| (id, (what, since(&id)))).collect();
        let count: u64 = all.values().map(|(what, _)| what.count).sum();
        metrics::gauge!("node_events_unread").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        *unread = all;
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

fn gauge_parked(parked: &BTreeMap<JournalId, ParkedThere>) {
    let count: u64 = parked.values().map(|there| there.count).sum();
    metrics::gauge!("node_events_parked").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

#[cfg(test)]
mod tests {
    use percolate_common::ids::NodeId;
    use percolate_common::journal::{AuthorId, Incarnation, StreamKind};

    use super::*;

    #[test]
    fn a_time_is_past_for_good_only_if_both_clocks_agree() {
        let present = Present::default();
        let at = |ms| UtcMillis::new(1_795_000_000_000 + ms);
        assert_eq!(present.agreed(), None);
        present.set_skew(at(AGREED_MS_MAX + 1), at(0));
        assert_eq!((present.agreed(), present.skew_ms()), (None, Some(AGREED_MS_MAX + 1)));
        present.set_skew(at(0), at(AGREED_MS_MAX));
        assert_eq!(present.agreed(), Some(at(0)));
        present.set_skew(at(9), at(AGREED_MS_MAX + 10));
        assert_eq!(present.agreed(), Some(at(0)));
    }

    #[test]
    fn an_event_that_the_hub_cannot_read_is_counted_once_and_until_the_hub_says_otherwise() {
        let journal = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let present = Present::default();
        present.add_parked(journal, &[3, 5]);
        present.add_parked(journal, &[5, 6]);
        let there = present.parked().remove(&journal).unwrap();
        assert_eq!((there.count, there.latest.into_iter().collect::<Vec<_>>()), (3, vec![3, 5, 6]));
        present.add_parked(journal, &(10..100).collect::<Vec<_>>());
        let there = present.parked().remove(&journal).unwrap();
        assert_eq!((there.count, there.latest.len(), there.latest.first().copied()), (93, ACK_PARKED_MAX, Some(68)));
        present.set_parked(BTreeMap::new());
        assert!(present.parked().is_empty());
    }
}
