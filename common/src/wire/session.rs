//! What is said about journals: greetings, acknowledgements, requests to send again.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::{FRAME_BYTES_MAX, WireError};
use crate::journal::{
    AuthorId, Hash, Head, Incarnation, JournalId, PublicKey, ShortHash, Signature, SigningKey, StreamKind, head_message,
};

/// Streams of one greeting.
pub const GREETING_STREAMS_MAX: usize = 64;
/// Marks of one greeting.
pub const GREETING_MARKS_MAX: usize = 256;
/// Journals of a node that an answer to its greeting lists, some 30 KiB; those heard of last if there are more.
pub const WELCOME_POSITIONS_MAX: usize = 1_024;
/// Journals with parked events that an answer to a greeting lists.
pub const WELCOME_PARKED_MAX: usize = 64;
/// Sequence numbers of parked events that one acknowledgement lists, and one row of an answer to a greeting.
pub const ACK_PARKED_MAX: usize = 32;
/// Lives whose stock one mark states; the present one and the newest of the others if there are more.
pub const MARK_LIVES_MAX: usize = 32;

/// A journal's head as its author vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedHead {
    #[n(0)]
    stream: u8,
    #[n(1)]
    seq: u64,
    #[n(2)]
    hash: ByteArray<32>,
    #[n(3)]
    signature: ByteArray<64>,
}

impl SignedHead {
    /// Signs a head.
    #[must_use]
    pub fn sign(key: &SigningKey, journal: &JournalId, head: &Head) -> Self {
        Self {
            stream: journal.stream.number(),
            seq: head.seq,
            hash: (*head.hash.as_bytes()).into(),
            signature: (*key.sign_head(journal, head).as_bytes()).into(),
        }
    }

    /// The stream, if this program knows it.
    #[must_use]
    pub fn stream(&self) -> Option<StreamKind> {
        StreamKind::from_number(self.stream)
    }

    /// The head that is vouched for.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: Hash::from_bytes(*self.hash) }
    }

    /// The signature: 64 bytes.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Whether `key` signed it for this author and incarnation.
    #[must_use]
    pub fn holds(&self, key: &PublicKey, author: AuthorId, incarnation: Incarnation) -> bool {
        self.signed(author, incarnation).is_some_and(|(message, signature)| key.signed(&message, &signature))
    }

    /// What must have been signed for this author and incarnation, and the signature: for whoever checks many.
    #[must_use]
    pub fn signed(&self, author: AuthorId, incarnation: Incarnation) -> Option<(Vec<u8>, Signature)> {
        let journal = JournalId { author, incarnation, stream: self.stream()? };
        Some((head_message(&journal, &self.head()), Signature::from_slice(&self.signature[..])?))
    }
}

/// How far a reader has got with somebody's journal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Position {
    #[n(0)]
    author: u32,
    #[n(1)]
    incarnation: u64,
    #[n(2)]
    stream: u8,
    #[n(3)]
    seq: u64,
    #[n(4)]
    hash: ByteArray<8>,
}

impl Position {
    /// States a position.
    #[must_use]
    pub fn new(journal: &JournalId, seq: u64, hash: ShortHash) -> Self {
        Self {
            author: journal.author.number(),
            incarnation: journal.incarnation.get(),
            stream: journal.stream.number(),
            seq,
            hash: (*hash.as_bytes()).into(),
        }
    }

    /// The journal, if this program knows its stream.
    #[must_use]
    pub fn journal(&self) -> Option<JournalId> {
        let stream = StreamKind::from_number(self.stream)?;
        Some(JournalId {
            author: AuthorId::from_number(self.author),
            incarnation: Incarnation::new(self.incarnation),
            stream,
        })
    }

    /// The last sequence number that is held without a gap.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The chain hash there.
    #[must_use]
    pub fn hash(&self) -> ShortHash {
        ShortHash::from_bytes(*self.hash)
    }
}

/// A node introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// Oldest wire version that the node reads.
    #[n(0)]
    pub wire_min: u8,
    /// Newest wire version that the node reads.
    #[n(1)]
    pub wire_max: u8,
    /// The node's incarnation.
    #[n(2)]
    pub incarnation: u64,
    /// The store it serves.
    #[n(3)]
    pub store: u32,
    /// A fingerprint of the machine, to tell a moved or cloned disk.
    #[n(4)]
    pub machine: ByteArray<16>,
    /// Random per start of the process.
    #[n(5)]
    pub boot: u64,
    /// The node's clock.
    #[n(6)]
    pub now_ms: i64,
    /// The node's public key.
    #[n(7)]
    pub public_key: ByteArray<33>,
    /// The heads of its journals.
    #[n(8)]
    pub heads: Vec<SignedHead>,
    /// How far it has read the hub's journals.
    #[n(9)]
    pub positions: Vec<Position>,
    /// The version of its program.
    #[n(10)]
    pub version: String,
    /// Places of its own journals at which the common past is to be found, where the hub has contested one; at most
    /// [`GREETING_MARKS_MAX`].
    #[n(11)]
    pub marks: Option<Vec<Position>>,
    /// Counts the greetings of this boot from 1: a late one is told from the present one.
    #[n(12)]
    pub number: Option<u64>,
}

/// The outcome of a greeting.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Verdict {
    /// Go on from the positions.
    #[n(0)]
    Welcome,
    /// A journal of the node is not the one that the hub holds: its disk was restored or cloned.
    #[n(1)]
    Forked {
        /// Which stream.
        #[n(0)]
        stream: u8,
    },
    /// The node's program is too old or too new.
    #[n(2)]
    WireVersion {
        /// Oldest that the hub reads.
        #[n(0)]
        min: u8,
        /// Newest that the hub reads.
        #[n(1)]
        max: u8,
    },
    /// The greeting itself cannot be taken: a signature does not hold, or the key is another than before.
    #[n(3)]
    Untrusted,
    /// Another process goes on with this life of the database: a copy of it was started later.
    #[n(4)]
    Fenced,
}

/// The hub's answer to a greeting.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// The boot number of the greeting that is answered.
    #[n(0)]
    pub boot: u64,
    /// The outcome.
    #[n(1)]
    pub verdict: Verdict,
    /// The session that batches must carry.
    #[n(2)]
    pub session: u64,
    /// How far the hub has read the node's journals.
    #[n(3)]
    pub positions: Vec<Position>,
    /// The hub's clock.
    #[n(4)]
    pub hub_ms: i64,
    /// For each journal that the greeting asked about, the last place at which both sides hold the same; 0 if none is.
    #[n(5)]
    pub agreed: Option<Vec<Position>>,
    /// The incarnation of the greeting that is answered.
    #[n(6)]
    pub incarnation: Option<u64>,
    /// The number of the greeting that is answered.
    #[n(7)]
    pub number: Option<u64>,
    /// Events of the node that the hub holds and cannot read, by journal; absent if there are none.
    #[n(8)]
    pub parked: Option<Vec<Parked>>,
}

/// Events of one journal that a reader holds and cannot read yet.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Parked {
    #[n(0)]
    incarnation: u64,
    #[n(1)]
    stream: u8,
    #[n(2)]
    count: u64,
    #[n(3)]
    latest: Vec<u64>,
}

impl Parked {
    /// States how many there are, and the latest of them in ascending order, at most [`ACK_PARKED_MAX`].
    #[must_use]
    pub fn new(journal: &JournalId, count: u64, latest: Vec<u64>) -> Self {
        Self { incarnation: journal.incarnation.get(), stream: journal.stream.number(), count, latest }
    }

    /// The journal of `author`, if this program knows its stream.
    #[must_use]
    pub fn journal(&self, author: AuthorId) -> Option<JournalId> {
        let stream = StreamKind::from_number(self.stream)?;
        Some(JournalId { author, incarnation: Incarnation::new(self.incarnation), stream })
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The sequence numbers of the latest.
    #[must_use]
    pub fn latest(&self) -> &[u64] {
        &self.latest
    }
}

/// A reader acknowledges what it has committed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ack {
    /// How far.
    #[n(0)]
    pub position: Position,
    /// The session it belongs to.
    #[n(1)]
    pub session: u64,
    /// The reader's clock.
    #[n(2)]
    pub reader_ms: i64,
    /// Newly parked events, by sequence number; the latest if there are more than fit.
    #[n(3)]
    pub parked: Option<Vec<u64>>,
}

/// A reader asks for a journal again from the entry after a position.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Resend {
    /// What it holds.
    #[n(0)]
    pub position: Position,
    /// The session it belongs to.
    #[n(1)]
    pub session: u64,
}

/// A life's stock totals as its node counts them, at a place of its journals.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LifeStock {
    /// The life.
    #[n(0)]
    pub incarnation: u64,
    /// The last entry of its sales that the totals count.
    #[n(1)]
    pub sales_seq: u64,
    /// The last entry of its movements that the totals count.
    #[n(2)]
    pub stock_seq: u64,
    /// The digest of the totals.
    #[n(3)]
    pub digest: u64,
}

/// A node vouches for its journals and its stock while a session lasts: once all is acknowledged, and from time to time.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Mark {
    /// The session it belongs to.
    #[n(0)]
    pub session: u64,
    /// The heads of the journals of the present life.
    #[n(1)]
    pub heads: Vec<SignedHead>,
    /// The stock of the lives of which the hub has everything; at most [`MARK_LIVES_MAX`].
    #[n(2)]
    pub stock: Vec<LifeStock>,
}

/// What a node says on its session topic.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum FromNode {
    /// It introduces itself.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// It acknowledges a down stream.
    #[n(1)]
    Ack(#[n(0)] Ack),
    /// It asks for a journal that the hub may hold, after a position: one of the hub's, or one of its own past.
    #[n(2)]
    Resend(#[n(0)] Resend),
    /// It vouches for what it has written.
    #[n(3)]
    Mark(#[n(0)] Mark),
}

/// What the hub says on a node's session topic.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum FromHub {
    /// The answer to a greeting.
    #[n(0)]
    Welcome(#[n(0)] Welcome),
    /// It acknowledges an up stream.
    #[n(1)]
    Ack(#[n(0)] Ack),
    /// It asks for a journal that the node may hold, after a position: one of the node's, or one of the hub's own past.
    #[n(2)]
    Resend(#[n(0)] Resend),
    /// The session is not known: introduce yourself again.
    #[n(3)]
    Rehello {
        /// The session that was refused.
        #[n(0)]
        session: u64,
    },
    /// A journal of an earlier life of the node is not the one that the hub holds.
    #[n(4)]
    Contested {
        /// What the hub holds of it.
        #[n(0)]
        position: Position,
        /// The session it belongs to.
        #[n(1)]
        session: u64,
    },
    /// The stock totals of a life are others at the hub, though both sides hold the same journals: state them all again.
    #[n(5)]
    TotalsDiffer {
        /// The life.
        #[n(0)]
        incarnation: u64,
        /// The session it belongs to.
        #[n(1)]
        session: u64,
    },
}

/// The hub tells all nodes that a journal has grown; whoever is behind asks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Nudge {
    /// Where the journal ends.
    #[n(0)]
    pub head: Position,
}

/// Whether a node is connected, as its retained message or its will says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Presence {
    /// The boot number of the process that says so.
    #[n(0)]
    pub boot: u64,
    /// Connected or gone.
    #[n(1)]
    pub online: bool,
}

macro_rules! frame {
    ($type:ident, $what:literal) => {
        impl $type {
            /// The frame to publish.
            ///
            /// # Errors
            /// [`WireError::TooLarge`] if it does not fit into one frame.
            pub fn encode(&self) -> Result<Vec<u8>, WireError> {
                let frame = minicbor::to_vec(self).map_err(|error| WireError::malformed($what, error))?;
                if frame.len() > FRAME_BYTES_MAX {
                    return Err(WireError::TooLarge { what: $what, bytes: frame.len(), limit: FRAME_BYTES_MAX });
                }
                Ok(frame)
            }

            /// Reads a frame.
            ///
            /// # Errors
            /// [`WireError`] if it is anything else.
            pub fn decode(frame: &[u8]) -> Result<Self, WireError> {
                if frame.len() > FRAME_BYTES_MAX {
                    return Err(WireError::TooLarge { what: $what, bytes: frame.len(), limit: FRAME_BYTES_MAX });
                }
                minicbor::decode(frame).map_err(|error| WireError::malformed($what, error))
            }
        }
    };
}

frame!(FromNode, "message of a node");
frame!(FromHub, "message of the hub");
frame!(Nudge, "nudge");
frame!(Presence, "presence");

#[cfg(test)]
mod tests {
    use crate::ids::NodeId;

    use super::*;

    fn hello() -> FromNode {
        let journal = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let key = SigningKey::from_random(&[7; 32]).unwrap();
        let head = journal.genesis().after(b"one");
        FromNode::Hello(Hello {
            wire_min: 1,
            wire_max: 1,
            incarnation: 7,
            store: 1,
            machine: [1; 16].into(),
            boot: 99,
            now_ms: 1_795_000_000_000,
            public_key: (*key.public_key().as_bytes()).into(),
            heads: vec![SignedHead::sign(&key, &journal, &head)],
            positions: vec![Position::new(&journal, 3, journal.genesis().hash.short())],
            version: "0.1.0".to_owned(),
            marks: None,
            number: None,
        })
    }

    #[test]
    fn golden_hello() {
        // Frozen: deterministic signatures make even this repeatable.
        let hex: String = hello().encode().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("v1/golden/hello.hex").trim());
    }

    #[test]
    fn golden_ack() {
        let journal = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let position = Position::new(&journal, 3, journal.genesis().hash.short());
        let ack = FromHub::Ack(Ack { position, session: 42, reader_ms: 1_795_000_000_000, parked: None });
        let hex: String = ack.encode().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("v1/golden/ack.hex").trim());
    }

    #[test]
    fn golden_answers_to_a_greeting() {
        let journal = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let place = |seq| Position::new(&journal, seq, journal.genesis().hash.short());
        let welcome = Welcome {
            boot: 99,
            verdict: Verdict::Forked { stream: 1 },
            session: 0,
            positions: vec![place(9)],
            hub_ms: 1_795_000_000_000,
            agreed: Some(vec![place(3)]),
            incarnation: Some(7),
            number: Some(2),
            parked: None,
        };
        let contested = FromHub::Contested { position: place(9), session: 42 };
        for (message, golden) in [
            (FromHub::Welcome(welcome), include_str!("v1/golden/welcome_forked.hex")),
            (contested, include_str!("v1/golden/contested.hex")),
        ] {
            let hex: String = message.encode().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, golden.trim());
            assert_eq!(FromHub::decode(&message.encode().unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn a_signed_head_holds_for_its_author_only() {
        let FromNode::Hello(hello) = FromNode::decode(&hello().encode().unwrap()).unwrap() else { panic!("a hello") };
        let key = PublicKey::from_slice(&hello.public_key[..]).unwrap();
        let node = AuthorId::node(NodeId::new(11));
        assert!(hello.heads[0].holds(&key, node, Incarnation::new(7)));
        assert!(!hello.heads[0].holds(&key, node, Incarnation::new(8)));
        assert!(!hello.heads[0].holds(&key, AuthorId::node(NodeId::new(12)), Incarnation::new(7)));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(FromHub::decode(b"nonsense").is_err());
        assert!(Presence::decode(&[]).is_err());
    }
}
