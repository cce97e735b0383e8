//! The senders' machines of all readers, and which of them may have something to send: of thousands of readers only those
//! are asked to whom something happened, or whose time has come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use percolate_common::ids::NodeId;
use percolate_common::sync::outbound::Outbound;

/// Who reads: a node in one of its sessions.
pub(super) type ReaderId = (NodeId, u64);

/// Every reader's machine.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    readers: BTreeMap<ReaderId, Reader>,
    /// When a reader has something to send or to repeat although nothing happens.
    timers: BTreeSet<(Duration, ReaderId)>,
    /// Readers to whom something happened since they were asked.
    touched: BTreeSet<ReaderId>,
}

#[derive(Debug, Default)]
struct Reader {
    lanes: Outbound,
    /// Its timer.
    due: Option<Duration>,
}

impl Lanes {
    /// Takes in a reader that has read nothing yet; what was known of it is forgotten.
    pub(super) fn begin(&mut self, reader: ReaderId) {
        self.end(reader);
        self.readers.insert(reader, Reader::default());
    }

    /// Takes in a reader, unless it is there.
    pub(super) fn ensure(&mut self, reader: ReaderId) {
        self.readers.entry(reader).or_default();
    }

    /// Forgets a reader.
    pub(super) fn end(&mut self, reader: ReaderId) {
        if let Some(Reader { due: Some(due), .. }) = self.readers.remove(&reader) {
            self.timers.remove(&(due, reader));
        }
        self.touched.remove(&reader);
    }

    pub(super) fn get(&self, reader: ReaderId) -> Option<&Outbound> {
        self.readers.get(&reader).map(|reader| &reader.lanes)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Outbound> {
        self.readers.values().map(|reader| &reader.lanes)
    }

    pub(super) fn len(&self) -> usize {
        self.readers.len()
    }

    /// Tells a reader's machine what happened: it is asked next time.
    pub(super) fn tell(&mut self, reader: ReaderId, happened: impl FnOnce(&mut Outbound)) {
        if self.step(reader, happened).is_some() {
            self.touched.insert(reader);
        }
    }

    /// Tells all.
    pub(super) fn tell_all(&mut self, mut happened: impl FnMut(&mut Outbound)) {
        let readers: Vec<_> = self.readers.keys().copied().collect();
        readers.into_iter().for_each(|reader| self.tell(reader, &mut happened));
    }

    /// A step of whoever asks a reader's machine what to send, if the reader is there.
    pub(super) fn step<T>(&mut self, reader: ReaderId, step: impl FnOnce(&mut Outbound) -> T) -> Option<T> {
        let Reader { lanes, due } = self.readers.get_mut(&reader)?;
        let outcome = step(lanes);
        let (before, now) = (*due, lanes.next_due());
        if before != now {
            *due = now;
            before.map(|due| self.timers.remove(&(due, reader)));
            now.map(|due| self.timers.insert((due, reader)));
        }
        Some(outcome)
    }

    /// Who is to be asked now, by node and session.
    pub(super) fn take_ready(&mut self, now: Duration) -> BTreeSet<ReaderId> {
        let mut ready = std::mem::take(&mut self.touched);
        ready.extend(self.timers.iter().take_while(|(due, _)| *due <= now).map(|(_, reader)| *reader));
        ready
    }

    /// Those could not be asked to the end.
    pub(super) fn put_back(&mut self, readers: impl IntoIterator<Item = ReaderId>) {
        self.touched.extend(readers);
    }

    /// When somebody is to be asked, if nothing happens before.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use percolate_common::journal::{AuthorId, Incarnation, JournalId, Service, StreamKind};
    use percolate_common::sync::outbound::RESEND_AFTER;

    use super::*;

    const FIRST: ReaderId = (NodeId::new(11), 1);
    const SECOND: ReaderId = (NodeId::new(12), 1);

    fn journal() -> JournalId {
        let author = AuthorId::service(Service::Catalog);
        JournalId { author, incarnation: Incarnation::new(7), stream: StreamKind::Catalog }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Two readers at the beginning of a journal of three entries, asked at 1 s; the first was sent all.
    fn asked() -> Lanes {
        let mut lanes = Lanes::default();
        for reader in [FIRST, SECOND] {
            lanes.begin(reader);
            lanes.tell(reader, |lanes| lanes.start(journal(), 0, 3, seconds(1)));
        }
        assert_eq!(lanes.take_ready(seconds(1)), BTreeSet::from([FIRST, SECOND]));
        let send = lanes.step(FIRST, |lanes| lanes.next_send(seconds(1))).flatten();
        assert_eq!(send.map(|send| send.seq_lo), Some(1));
        lanes.step(FIRST, |lanes| lanes.sent(journal(), 3, seconds(1)));
        lanes
    }

    #[test]
    fn a_reader_is_asked_after_something_happened_or_when_its_time_has_come() {
        let mut lanes = asked();
        assert_eq!(lanes.take_ready(seconds(1)), BTreeSet::new());
        let again = seconds(1) + RESEND_AFTER;
        assert_eq!(lanes.next_due(), Some(again));
        assert_eq!(lanes.take_ready(again - Duration::from_millis(1)), BTreeSet::new());
        assert_eq!(lanes.take_ready(again), BTreeSet::from([FIRST]));
        lanes.tell(SECOND, |lanes| lanes.appended(journal(), 4, 0, again));
        assert_eq!(lanes.take_ready(again), BTreeSet::from([FIRST, SECOND]));
    }

    #[test]
    fn an_acknowledgement_ends_the_wait_and_so_does_the_end_of_a_session() {
        let mut lanes = asked();
        lanes.tell(FIRST, |lanes| lanes.acked(journal(), 3, seconds(2)));
        assert_eq!(lanes.next_due(), None);
        let mut lanes = asked();
        lanes.end(FIRST);
        assert_eq!((lanes.next_due(), lanes.len()), (None, 1));
        lanes.tell(FIRST, |_lanes| panic!("nobody is there"));
        assert_eq!(lanes.take_ready(seconds(100)), BTreeSet::new());
    }

    #[test]
    fn who_begins_anew_has_nothing_in_flight_and_who_is_there_is_left_alone() {
        let mut lanes = asked();
        lanes.ensure(FIRST);
        assert!(lanes.next_due().is_some());
        lanes.begin(FIRST);
        assert_eq!(lanes.next_due(), None);
        assert_eq!(lanes.get(FIRST).and_then(|lanes| lanes.acked_seq(journal())), None);
    }

    #[test]
    fn who_could_not_be_asked_is_asked_again() {
        let mut lanes = asked();
        lanes.put_back([SECOND]);
        assert_eq!(lanes.take_ready(seconds(1)), BTreeSet::from([SECOND]));
    }
}
