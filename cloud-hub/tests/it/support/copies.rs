//! Journals of one author in several lives: copies of a disk that go on apart, and what is written again afterwards.

use percolate_common::hlc::Hlc;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, EventId, Incarnation, JournalId, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::event;

use super::events::{NOON_MS, Written, encoded, ticket};

/// An empty journal of sales of node 11 in a life.
pub(crate) fn sales_of_life(life: u64) -> Written {
    let author = AuthorId::node(NodeId::new(11));
    Written::new(JournalId { author, incarnation: Incarnation::new(life), stream: StreamKind::Sales })
}

/// Sells: each ticket has a number of its own, so that no two copies sell the same.
pub(crate) fn sell(journal: &mut Written, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let bytes = encoded(journal.id, number, &ticket(journal.id, number));
        journal.push(bytes);
    }
}

/// The journal up to an entry: an older image of the disk.
pub(crate) fn image(journal: &Written, seq: u64) -> Written {
    let mut older = journal.clone();
    older.events.truncate(usize::try_from(seq).unwrap());
    older.heads.truncate(usize::try_from(seq).unwrap() + 1);
    older
}

/// Writes the entries of `from` after `agreed_seq` again at the end of `into`.
pub(crate) fn write_again(into: &mut Written, from: &Written, agreed_seq: u64) {
    let recorded = Hlc::default().tick(UtcMillis::new(NOON_MS + 3_600_000));
    for (index, bytes) in from.events.iter().enumerate().skip(usize::try_from(agreed_seq).unwrap()) {
        let head = from.heads[index + 1];
        let (again, _) = event::reissue(bytes, (from.id.incarnation, head.seq, head.hash), recorded).unwrap();
        into.push(again);
    }
}

/// The id under which each entry counts: that of its first writing.
pub(crate) fn ids(journal: &Written) -> Vec<EventId> {
    let id = |(bytes, head): (&Vec<u8>, &percolate_common::journal::Head)| {
        event::origin(bytes).unwrap().map_or_else(|| head.hash.event_id(), |origin| origin.id)
    };
    journal.events.iter().zip(&journal.heads[1..]).map(id).collect()
}
