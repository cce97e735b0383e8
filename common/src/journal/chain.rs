//! The hash chain: 32 bytes of BLAKE3 over the hash before and the entry's bytes.

use core::fmt;

use super::JournalId;

const GENESIS_CONTEXT: &str = "percolate 2026 genesis of a journal";

/// A chain hash, whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// The first eight bytes of a chain hash: what batches and acknowledgements carry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortHash([u8; 8]);

/// The identity of an event, derived from its first place in a journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! byte_string {
    ($name:ident, $len:literal) => {
        impl $name {
            /// Wraps the bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Takes a slice of exactly the right length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }
    };
}

byte_string!(Hash, 32);
byte_string!(ShortHash, 8);
byte_string!(EventId, 16);

impl Hash {
    /// The first eight bytes.
    #[must_use]
    pub fn short(&self) -> ShortHash {
        let mut short = [0_u8; 8];
        short.copy_from_slice(self.0.split_at(8).0);
        ShortHash(short)
    }
}

fn identity(context: &str, journal: &JournalId) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(&journal.author.number().to_be_bytes());
    hasher.update(&journal.incarnation.get().to_be_bytes());
    hasher.update(&[journal.stream.number()]);
    hasher
}

/// The hash before the first entry: bound to the journal's identity, so that no chain can be passed off as another's.
pub(super) fn genesis(journal: &JournalId) -> Hash {
    Hash(*identity(GENESIS_CONTEXT, journal).finalize().as_bytes())
}

/// The hash after one more entry.
pub(super) fn link(previous: &Hash, event_bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&previous.0);
    hasher.update(event_bytes);
    Hash(*hasher.finalize().as_bytes())
}

impl Hash {
    /// The id of the event that brought the chain to this hash: its first 16 bytes.
    ///
    /// It binds who wrote the event, in which life, at which place and after what: two copies of a disk that go on by
    /// themselves never give one id to two events, and the same event never has two.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        let mut id = [0_u8; 16];
        id.copy_from_slice(self.as_bytes().split_at(16).0);
        EventId(id)
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::NodeId;
    use crate::journal::{AuthorId, Incarnation, StreamKind};

    use super::*;

    fn journal(node: u32, incarnation: u64, stream: StreamKind) -> JournalId {
        JournalId { author: AuthorId::node(NodeId::new(node)), incarnation: Incarnation::new(incarnation), stream }
    }

    #[test]
    fn a_chain_depends_on_every_byte_and_on_order_and_on_identity() {
        let id = journal(11, 7, StreamKind::Sales);
        let chain = |entries: &[&[u8]]| entries.iter().fold(id.genesis(), |head, entry| head.after(entry));
        let honest = chain(&[b"one", b"two", b"three"]);
        assert_eq!(honest.seq, 3);
        assert_ne!(honest.hash, chain(&[b"one", b"twO", b"three"]).hash);
        assert_ne!(honest.hash, chain(&[b"two", b"one", b"three"]).hash);
        assert_ne!(honest.hash, chain(&[b"one", b"three"]).hash);
        for other in
            [journal(12, 7, StreamKind::Sales), journal(11, 8, StreamKind::Sales), journal(11, 7, StreamKind::Stock)]
        {
            assert_ne!(other.genesis().hash, id.genesis().hash);
            assert_ne!(other.genesis().after(b"one").hash.event_id(), id.genesis().after(b"one").hash.event_id());
        }
    }

    #[test]
    fn two_copies_of_a_journal_give_no_id_to_two_events() {
        let common = journal(11, 7, StreamKind::Sales).genesis().after(b"one");
        let (one, other) = (common.after(b"two"), common.after(b"another two"));
        assert_eq!(one.seq, other.seq);
        assert_ne!(one.hash.event_id(), other.hash.event_id());
    }

    #[test]
    fn golden_genesis_and_link() {
        // Frozen: a change here breaks every journal in the field.
        let id = journal(11, 0x0123_4567_89ab_cdef, StreamKind::Sales);
        assert_eq!(id.genesis().hash.to_string(), include_str!("golden/genesis.hex").trim());
        assert_eq!(id.genesis().after(b"entry").hash.to_string(), include_str!("golden/link.hex").trim());
        assert_eq!(
            id.genesis().after(b"entry").hash.event_id().to_string(),
            include_str!("golden/event_id.hex").trim()
        );
    }
}
