//! Journals: who states a fact, in which order, and how anybody can check that none is missing or changed.
//!
//! A journal is identified by its author, the author's incarnation and a stream; its entries are numbered from 1
//! without gaps and chained by hash. Entries are bytes made once by the author and kept as they are everywhere.

mod audit;
mod chain;
mod sign;

use core::fmt;
use core::str::FromStr;

pub use audit::{ChainAudit, ChainFinding};
pub use chain::{EventId, Hash, ShortHash};
pub(crate) use sign::head_message;
pub use sign::{PublicKey, Signature, SigningKey, SigningKeyError};

use crate::ids::NodeId;

/// Who may state facts: a store-node by its number, or a service of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorId(u32);

/// A service of the hub that authors a journal of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The menu, prices and tax classes.
    Catalog,
}

impl AuthorId {
    /// Ids from here on are services of the hub.
    const SERVICE_BASE: u32 = 0x8000_0000;

    /// The author of a node's journals.
    #[must_use]
    pub const fn node(node: NodeId) -> Self {
        Self(node.get())
    }

    /// The author of a hub service's journals.
    #[must_use]
    pub const fn service(service: Service) -> Self {
        match service {
            Service::Catalog => Self(Self::SERVICE_BASE + 1),
        }
    }

    /// Wraps the number as it travels.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The number as it travels.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The node, unless it is a service of the hub.
    #[must_use]
    pub const fn as_node(self) -> Option<NodeId> {
        if self.0 < Self::SERVICE_BASE { Some(NodeId::new(self.0)) } else { None }
    }
}

impl fmt::Display for AuthorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_node() {
            Some(node) => write!(f, "n{node}"),
            None if *self == Self::service(Service::Catalog) => f.write_str("catalog"),
            None => write!(f, "service-{}", self.0 - Self::SERVICE_BASE),
        }
    }
}

/// One life of an author's database: random, minted when the database is new, restored or moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// Wraps a random number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that names no stream or incarnation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no known journal part")]
pub struct JournalParseError(String);

impl FromStr for Incarnation {
    type Err = JournalParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The standard library would take a sign, too.
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(text);
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.map(Self).ok_or_else(|| JournalParseError(text.to_owned()))
    }
}

/// What a journal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKind {
    /// Up: tickets.
    Sales,
    /// Up: movements of stock that are not sales.
    Stock,
    /// Up: punches.
    Labor,
    /// Up: what the node says of itself.
    Ops,
    /// Down: menu, prices, tax classes.
    Catalog,
}

impl StreamKind {
    /// Every stream, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Sales, Self::Stock, Self::Labor, Self::Ops, Self::Catalog];

    /// The streams that a node authors.
    pub const UP: [Self; 4] = [Self::Sales, Self::Stock, Self::Labor, Self::Ops];

    /// The streams that a node reads.
    pub const DOWN: [Self; 1] = [Self::Catalog];

    /// The number as it travels.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Sales => 1,
            Self::Stock => 2,
            Self::Labor => 3,
            Self::Ops => 4,
            Self::Catalog => 16,
        }
    }

    /// The stream with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name in topics and addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Stock => "stock",
            Self::Labor => "labor",
            Self::Ops => "ops",
            Self::Catalog => "catalog",
        }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StreamKind {
    type Err = JournalParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| JournalParseError(text.to_owned()))
    }
}

/// The identity of one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId {
    /// Who writes it.
    pub author: AuthorId,
    /// In which life.
    pub incarnation: Incarnation,
    /// About what.
    pub stream: StreamKind,
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.author, self.incarnation, self.stream)
    }
}

/// Where an event was first written: it stays with the event when the repair of a fork writes it again in another life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The life that first wrote it.
    pub incarnation: Incarnation,
    /// Its place there.
    pub seq: u64,
    /// Its id: the start of the chain's hash there.
    pub id: EventId,
}

/// How far a journal reaches: the last sequence number without a gap before it, and the chain's hash there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Last sequence number; 0 for an empty journal.
    pub seq: u64,
    /// Chain hash at `seq`; the genesis hash for an empty journal.
    pub hash: Hash,
}

impl JournalId {
    /// The head of this journal while it is empty.
    #[must_use]
    pub fn genesis(&self) -> Head {
        Head { seq: 0, hash: chain::genesis(self) }
    }
}

impl Head {
    /// The head after one more entry.
    #[must_use]
    pub fn after(&self, event_bytes: &[u8]) -> Self {
        Self { seq: self.seq + 1, hash: chain::link(&self.hash, event_bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_numbers_and_names_round_trip() {
        for kind in StreamKind::ALL {
            assert_eq!(StreamKind::from_number(kind.number()), Some(kind));
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!(StreamKind::from_number(0), None);
        assert!("".parse::<StreamKind>().is_err());
    }

    #[test]
    fn streams_travel_under_these_numbers_and_names() {
        let said = StreamKind::ALL.map(|kind| (kind.number(), kind.as_str()));
        assert_eq!(said, [(1, "sales"), (2, "stock"), (3, "labor"), (4, "ops"), (16, "catalog")]);
        let journal = JournalId {
            author: AuthorId::from_number(11),
            incarnation: Incarnation::new(0xab),
            stream: StreamKind::Ops,
        };
        assert_eq!(journal.to_string(), "n11/00000000000000ab/ops");
    }

    #[test]
    fn a_life_is_read_as_it_is_written() {
        for life in [0, 0xab, u64::MAX].map(Incarnation::new) {
            assert_eq!(life.to_string().parse(), Ok(life));
        }
        assert!("+ab".parse::<Incarnation>().is_err());
        assert!("".parse::<Incarnation>().is_err() && "xyz".parse::<Incarnation>().is_err());
    }

    #[test]
    fn services_are_not_nodes() {
        assert_eq!(AuthorId::node(NodeId::new(11)).to_string(), "n11");
        assert_eq!(AuthorId::service(Service::Catalog).to_string(), "catalog");
        assert_eq!(AuthorId::service(Service::Catalog).as_node(), None);
        assert_eq!(AuthorId::service(Service::Catalog).number(), 0x8000_0001);
        assert_eq!(AuthorId::from_number(0x7fff_ffff).as_node(), Some(NodeId::new(0x7fff_ffff)));
        assert_eq!(AuthorId::from_number(0x8000_0000).as_node(), None);
        assert_eq!(AuthorId::from_number(0x8000_0007).to_string(), "service-7");
    }
}
