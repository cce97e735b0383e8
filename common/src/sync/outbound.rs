//! A sender's machine for one reader: what to send, when, and when to send it again.
//!
//! Nothing in flight: send at once. Else collect until an acknowledgement, [`COLLECT_EVENTS`] events, [`COLLECT_BYTES`]
//! bytes or [`COLLECT_TIME`]. At most [`WINDOW`] batches are in flight for each journal. Without progress for
//! [`RESEND_AFTER`], everything after the last acknowledgement is sent again, with growing waits.
//!
//! Streams go by weight, in the order of [`StreamKind`](crate::journal::StreamKind): on a thin line sales are not kept waiting
//! by counts. While one of more weight has a backlog, a lesser one has at most [`WINDOW_PRESSED`] batches in flight; it is never
//! starved.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::backoff::Backoff;
use crate::journal::{JournalId, StreamKind};

/// Batches of one journal that may be in flight.
pub const WINDOW: usize = 4;
/// Batches of one journal that may be in flight while a stream of more weight has a backlog.
pub const WINDOW_PRESSED: usize = 1;
/// Events that end a collection.
pub const COLLECT_EVENTS: u64 = 50;
/// Bytes that end a collection.
pub const COLLECT_BYTES: u64 = 64 * 1024;
/// Time that ends a collection.
pub const COLLECT_TIME: Duration = Duration::from_millis(200);
/// Time without progress after which is sent again.
pub const RESEND_AFTER: Duration = Duration::from_secs(5);
/// Longest time between repetitions.
pub const RESEND_AFTER_MAX: Duration = Duration::from_secs(60);

/// What the driver should read from the journal and send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendFrom {
    /// Which journal.
    pub journal: JournalId,
    /// First sequence number; send as many from here as one batch may hold.
    pub seq_lo: u64,
}

#[derive(Debug)]
struct Lane {
    /// The journal's last sequence number.
    last: u64,
    acked: u64,
    /// Next to send; `acked < next <= last + 1`.
    next: u64,
    /// Last sequence number of each batch in flight, in order.
    in_flight: VecDeque<u64>,
    /// When progress was last made while something was in flight.
    progress_at: Duration,
    collecting_since: Option<Duration>,
    collected_bytes: u64,
    backoff: Backoff,
}

impl Lane {
    fn at(position: u64, last: u64, now: Duration) -> Self {
        Self {
            last: last.max(position),
            acked: position,
            next: position + 1,
            in_flight: VecDeque::new(),
            progress_at: now,
            collecting_since: None,
            collected_bytes: 0,
            backoff: Backoff::new(RESEND_AFTER, RESEND_AFTER_MAX),
        }
    }

    const fn backlog(&self) -> u64 {
        (self.last + 1).saturating_sub(self.next)
    }

    fn ready(&self, window: usize, now: Duration) -> bool {
        if self.backlog() == 0 || self.in_flight.len() >= window {
            return false;
        }
        let collected = self.backlog() >= COLLECT_EVENTS || self.collected_bytes >= COLLECT_BYTES;
        let waited = self.collecting_since.is_some_and(|since| now >= since + COLLECT_TIME);
        self.in_flight.is_empty() || collected || waited
    }

    fn rewind(&mut self, now: Duration) {
        self.next = self.acked + 1;
        self.in_flight.clear();
        self.progress_at = now;
        self.collecting_since = None;
    }

    fn expire(&mut self, now: Duration) {
        if !self.in_flight.is_empty() && now >= self.progress_at + self.backoff.upcoming() {
            let _waited = self.backoff.after_failure();
            self.rewind(now);
        }
    }

    fn next_due(&self, window: usize) -> Option<Duration> {
        let resend = (!self.in_flight.is_empty()).then(|| self.progress_at + self.backoff.upcoming());
        let flush = match self.collecting_since {
            Some(since) if self.backlog() > 0 && self.in_flight.len() < window => Some(since + COLLECT_TIME),
            Some(_) | None => None,
        };
        [resend, flush].into_iter().flatten().min()
    }
}

/// The sender's state for one reader: all journals that it reads from here, each with a lane of its own.
#[derive(Debug, Default)]
pub struct Outbound {
    lanes: BTreeMap<JournalId, Lane>,
}

impl Outbound {
    /// The reader has said how far it is with a journal that reaches to `last`: begin after it.
    pub fn start(&mut self, journal: JournalId, position: u64, last: u64, now: Duration) {
        self.lanes.insert(journal, Lane::at(position, last, now));
    }

    /// The reader needs this journal no more.
    pub fn end(&mut self, journal: JournalId) {
        self.lanes.remove(&journal);
    }

    /// The session is over: send nothing until the reader has spoken again.
    pub fn stop(&mut self) {
        self.lanes.clear();
    }

    /// The journal has grown to `last`, by `bytes`.
    pub fn appended(&mut self, journal: JournalId, last: u64, bytes: u64, now: Duration) {
        let Some(lane) = self.lanes.get_mut(&journal) else { return };
        if last > lane.last {
            lane.last = last;
            lane.collected_bytes = lane.collected_bytes.saturating_add(bytes);
            lane.collecting_since.get_or_insert(now);
        }
    }

    /// The reader has committed everything up to `seq`. Acknowledgements may come late, twice or in any order.
    pub fn acked(&mut self, journal: JournalId, seq: u64, now: Duration) {
        let Some(lane) = self.lanes.get_mut(&journal) else { return };
        let seq = seq.min(lane.last);
        if seq <= lane.acked {
            return;
        }
        lane.acked = seq;
        lane.next = lane.next.max(seq + 1);
        while lane.in_flight.front().is_some_and(|hi| *hi <= seq) {
            lane.in_flight.pop_front();
        }
        lane.progress_at = now;
        lane.backoff.succeeded();
    }

    /// The reader asks for everything after `seq` again.
    pub fn resend_after(&mut self, journal: JournalId, seq: u64, now: Duration) {
        if let Some(lane) = self.lanes.get_mut(&journal).filter(|lane| seq >= lane.acked && seq < lane.next) {
            lane.acked = seq;
            lane.rewind(now);
        }
    }

    /// What to send now, if anything. Call again after [`Outbound::sent`].
    pub fn next_send(&mut self, now: Duration) -> Option<SendFrom> {
        self.lanes.values_mut().for_each(|lane| lane.expire(now));
        let ready = self.by_weight().find(|(_, lane, window)| lane.ready(*window, now));
        ready.map(|(journal, lane, _)| SendFrom { journal, seq_lo: lane.next })
    }

    /// All lanes, those of the most weight first, with the batches that each may have in flight now.
    fn by_weight(&self) -> impl Iterator<Item = (JournalId, &Lane, usize)> {
        StreamKind::ALL
            .into_iter()
            .scan(WINDOW, |window, stream| {
                let window_here = *window;
                let lanes = || self.lanes.iter().filter(move |(journal, _)| journal.stream == stream);
                if lanes().any(|(_, lane)| lane.backlog() > 0) {
                    *window = WINDOW_PRESSED;
                }
                Some(lanes().map(move |(journal, lane)| (*journal, lane, window_here)))
            })
            .flatten()
    }

    /// A batch up to `seq_hi` has been handed to the transport.
    pub fn sent(&mut self, journal: JournalId, seq_hi: u64, now: Duration) {
        let Some(lane) = self.lanes.get_mut(&journal).filter(|lane| seq_hi >= lane.next) else { return };
        if lane.in_flight.is_empty() {
            lane.progress_at = now;
        }
        lane.in_flight.push_back(seq_hi);
        lane.next = seq_hi + 1;
        lane.collected_bytes = 0;
        lane.collecting_since = (lane.backlog() > 0).then_some(now);
    }

    /// When to ask [`Outbound::next_send`] again, if nothing else happens.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.by_weight().filter_map(|(_, lane, window)| lane.next_due(window)).min()
    }

    /// Whether the reader has everything that is known to be there.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lanes.values().all(|lane| lane.acked == lane.last)
    }

    /// The last acknowledged sequence number of a journal, while in session.
    #[must_use]
    pub fn acked_seq(&self, journal: JournalId) -> Option<u64> {
        self.lanes.get(&journal).map(|lane| lane.acked)
    }
}
