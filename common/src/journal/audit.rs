//! The audit of a journal: whether its entries are numbered 1 to n without a gap, and chained as their hashes say.

use super::{Hash, Head, JournalId};

/// Reads a journal from its first entry to its last, and computes its chain anew.
#[derive(Debug, Clone)]
pub struct ChainAudit {
    computed: Head,
    entries: u64,
    gap_at: Option<u64>,
    broken_at: Option<u64>,
}

/// What an audit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainFinding {
    /// How many entries there are.
    pub entries: u64,
    /// The last entry's number and the hash that all entries together come to.
    pub computed: Head,
    /// The first number that is missing.
    pub gap_at: Option<u64>,
    /// The first entry that is not the one that its hash was made from.
    pub broken_at: Option<u64>,
}

impl ChainFinding {
    /// Whether the journal is whole and unchanged, and ends at the head that is said of it.
    #[must_use]
    pub fn is_sound(&self, said: &Head) -> bool {
        self.gap_at.is_none() && self.broken_at.is_none() && self.computed == *said
    }
}

impl ChainAudit {
    /// An audit of one journal.
    #[must_use]
    pub fn new(journal: &JournalId) -> Self {
        Self { computed: journal.genesis(), entries: 0, gap_at: None, broken_at: None }
    }

    /// Reads the next entry, in the order of their numbers.
    pub fn entry(&mut self, seq: u64, bytes: &[u8], hash: &Hash) {
        self.entries += 1;
        if seq != self.computed.seq + 1 {
            self.gap_at.get_or_insert(self.computed.seq + 1);
        }
        let after = self.computed.after(bytes);
        // Behind a gap nothing fits any more: that is one finding, not two.
        if after.hash != *hash && self.gap_at.is_none() {
            self.broken_at.get_or_insert(seq);
        }
        self.computed = Head { seq, hash: after.hash };
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> ChainFinding {
        let Self { computed, entries, gap_at, broken_at } = self;
        ChainFinding { entries, computed, gap_at, broken_at }
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::NodeId;
    use crate::journal::{AuthorId, Incarnation, StreamKind};

    use super::*;

    fn journal() -> JournalId {
        JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        }
    }

    /// Ten entries as they stand in a table.
    fn table() -> Vec<(u64, Vec<u8>, Hash)> {
        let mut head = journal().genesis();
        let mut entry = |n: u64| {
            let bytes = format!("event {n}").into_bytes();
            head = head.after(&bytes);
            (n, bytes, head.hash)
        };
        (1..=10).map(&mut entry).collect()
    }

    fn audit(change: impl FnOnce(&mut Vec<(u64, Vec<u8>, Hash)>)) -> (ChainFinding, Head) {
        let mut rows = table();
        let said = rows.last().map(|(seq, _, hash)| Head { seq: *seq, hash: *hash }).unwrap();
        change(&mut rows);
        let mut audit = ChainAudit::new(&journal());
        rows.iter().for_each(|(seq, bytes, hash)| audit.entry(*seq, bytes, hash));
        (audit.finish(), said)
    }

    #[test]
    fn an_honest_journal_is_sound() {
        let (finding, said) = audit(|_| {});
        assert!(finding.is_sound(&said), "{finding:?}");
        assert_eq!(finding.entries, 10);
    }

    #[test]
    fn an_entry_that_was_changed_is_named() {
        let (finding, said) = audit(|rows| rows[6].1 = b"cheaper".to_vec());
        assert_eq!((finding.broken_at, finding.gap_at), (Some(7), None));
        assert!(!finding.is_sound(&said));
    }

    #[test]
    fn an_entry_that_is_gone_is_named() {
        let (finding, said) = audit(|rows| drop(rows.remove(6)));
        assert_eq!((finding.gap_at, finding.broken_at, finding.entries), (Some(7), None, 9));
        assert!(!finding.is_sound(&said));
    }

    #[test]
    fn a_hash_that_was_changed_is_named_though_the_entries_come_to_the_same() {
        let (finding, said) = audit(|rows| rows[6].2 = rows[5].2);
        assert_eq!((finding.broken_at, finding.gap_at, finding.computed), (Some(7), None, said));
        assert!(!finding.is_sound(&said));
    }

    #[test]
    fn a_number_that_was_skipped_is_named_though_nothing_else_is_wrong() {
        let (finding, said) = audit(|rows| rows.iter_mut().skip(5).for_each(|row| row.0 += 1));
        assert_eq!((finding.gap_at, finding.broken_at), (Some(6), None));
        let said = Head { seq: 11, ..said };
        assert_eq!(finding.computed, said);
        assert!(!finding.is_sound(&said));
    }

    #[test]
    fn a_tail_that_is_gone_or_sealed_anew_does_not_end_where_it_is_said_to() {
        let (finding, said) = audit(|rows| drop(rows.pop()));
        assert_eq!((finding.gap_at, finding.broken_at), (None, None));
        assert!(!finding.is_sound(&said));
        let (finding, said) = audit(|rows| {
            let mut head = journal().genesis();
            rows[3].1 = b"cheaper".to_vec();
            for (_, bytes, hash) in rows.iter_mut() {
                head = head.after(bytes);
                *hash = head.hash;
            }
        });
        assert_eq!((finding.gap_at, finding.broken_at), (None, None));
        assert!(!finding.is_sound(&said), "only what others have signed or hold can show this");
    }
}
