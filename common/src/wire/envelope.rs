//! A batch of events on its way from an author to a reader.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::{BATCH_EVENTS_MAX, FRAME_BYTES_MAX, WIRE_VERSION, WIRE_VERSION_MIN, WireError, body};
use crate::crdt::stock::StockTotal;
use crate::ids::StockItemId;
use crate::journal::{AuthorId, Incarnation, JournalId, ShortHash, StreamKind};
use crate::time::UtcMillis;

/// A batch: consecutive events of one journal, as the author wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which journal.
    pub journal: JournalId,
    /// Sequence number of the first event.
    pub seq_lo: u64,
    /// Chain hash before the first event.
    pub hash_before: ShortHash,
    /// The events' bytes, in order; never empty.
    pub events: Vec<Vec<u8>>,
    /// This incarnation's totals of the stock items that the events touch, no older than the last of them.
    pub stock_totals: Vec<(StockItemId, StockTotal)>,
    /// When it was sent, by the sender's clock.
    pub sent_at: UtcMillis,
    /// The session that the reader opened for the sender.
    pub session: u64,
    /// The sender's last sequence number of this journal when it sent.
    pub last_seq: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct BatchV1 {
    #[n(0)]
    wire: u8,
    #[n(1)]
    author: u32,
    #[n(2)]
    incarnation: u64,
    #[n(3)]
    stream: u8,
    #[n(4)]
    seq_lo: u64,
    #[n(5)]
    count: u16,
    #[n(6)]
    hash_before: ByteArray<8>,
    #[n(7)]
    packing: u8,
    #[n(8)]
    body: ByteVec,
    #[n(9)]
    stock_totals: Option<Vec<StockTotalV1>>,
    #[n(10)]
    sent_ms: i64,
    #[n(11)]
    session: u64,
    #[n(12)]
    last_seq: Option<u64>,
}

#[derive(Encode, Decode)]
struct StockTotalV1 {
    #[n(0)]
    item: u32,
    #[n(1)]
    received: u64,
    #[n(2)]
    used: u64,
}

impl Batch {
    /// Sequence number of the last event.
    #[must_use]
    pub fn seq_hi(&self) -> u64 {
        self.seq_lo.saturating_add(self.events.len() as u64).saturating_sub(1)
    }

    /// The frame to publish.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] if the events do not fit into one frame.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let (packing, packed) = body::pack(&self.events)?;
        let count = u16::try_from(self.events.len()).ok().filter(|count| *count <= BATCH_EVENTS_MAX);
        let count = count.ok_or(WireError::TooLarge {
            what: "batch",
            bytes: self.events.len(),
            limit: usize::from(BATCH_EVENTS_MAX),
        })?;
        let totals: Vec<_> = self
            .stock_totals
            .iter()
            .map(|(item, total)| StockTotalV1 { item: item.get(), received: total.received, used: total.used })
            .collect();
        let twin = BatchV1 {
            wire: WIRE_VERSION,
            author: self.journal.author.number(),
            incarnation: self.journal.incarnation.get(),
            stream: self.journal.stream.number(),
            seq_lo: self.seq_lo,
            count,
            hash_before: (*self.hash_before.as_bytes()).into(),
            packing: packing.number(),
            body: packed.into(),
            stock_totals: (!totals.is_empty()).then_some(totals),
            sent_ms: self.sent_at.get(),
            session: self.session,
            last_seq: (self.last_seq != self.seq_hi()).then_some(self.last_seq),
        };
        let frame = minicbor::to_vec(&twin).map_err(|error| WireError::malformed("batch", error))?;
        if frame.len() > FRAME_BYTES_MAX {
            return Err(WireError::TooLarge { what: "batch", bytes: frame.len(), limit: FRAME_BYTES_MAX });
        }
        Ok(frame)
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`WireError`] if it is anything but a well-formed batch of a version that this program reads.
    pub fn decode(frame: &[u8]) -> Result<Self, WireError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(WireError::TooLarge { what: "batch", bytes: frame.len(), limit: FRAME_BYTES_MAX });
        }
        let twin: BatchV1 = minicbor::decode(frame).map_err(|error| WireError::malformed("batch", error))?;
        if !(WIRE_VERSION_MIN..=WIRE_VERSION).contains(&twin.wire) {
            return Err(WireError::Version(twin.wire));
        }
        let refused = |reason: &str| WireError::malformed("batch", reason);
        let stream = StreamKind::from_number(twin.stream).ok_or_else(|| refused("unknown stream"))?;
        let events = body::unpack(twin.packing, &twin.body)?;
        if twin.count == 0 || events.len() != usize::from(twin.count) || twin.count > BATCH_EVENTS_MAX {
            return Err(refused("the count differs from the body"));
        }
        let seq_hi = twin.seq_lo.checked_add(u64::from(twin.count) - 1).filter(|_| twin.seq_lo > 0);
        let seq_hi = seq_hi.ok_or_else(|| refused("the sequence is out of range"))?;
        let total =
            |row: StockTotalV1| (StockItemId::new(row.item), StockTotal { received: row.received, used: row.used });
        Ok(Self {
            journal: JournalId {
                author: AuthorId::from_number(twin.author),
                incarnation: Incarnation::new(twin.incarnation),
                stream,
            },
            seq_lo: twin.seq_lo,
            hash_before: ShortHash::from_bytes(*twin.hash_before),
            events,
            stock_totals: twin.stock_totals.unwrap_or_default().into_iter().map(total).collect(),
            sent_at: UtcMillis::new(twin.sent_ms),
            session: twin.session,
            last_seq: twin.last_seq.unwrap_or(seq_hi),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ids::NodeId;

    use super::*;

    fn batch(events: Vec<Vec<u8>>) -> Batch {
        let journal = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(0x0123_4567_89ab_cdef),
            stream: StreamKind::Sales,
        };
        Batch {
            journal,
            seq_lo: 5,
            hash_before: journal.genesis().hash.short(),
            events,
            stock_totals: vec![(StockItemId::new(1), StockTotal { received: 1_000_000, used: 18_000 })],
            sent_at: UtcMillis::new(1_795_000_000_000),
            session: 42,
            last_seq: 9,
        }
    }

    #[test]
    fn golden_batch() {
        // Frozen: tagged versions must read each other's bytes.
        let frame = batch(vec![b"one".to_vec(), b"two".to_vec()]).encode().unwrap();
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("v1/golden/batch.hex").trim());
    }

    #[test]
    fn a_batch_that_lies_about_itself_is_refused() {
        assert!(Batch::decode(&[]).is_err());
        let mut zero = batch(vec![b"one".to_vec()]);
        zero.seq_lo = 0;
        assert!(Batch::decode(&zero.encode().unwrap()).is_err());
        let mut beyond = batch(vec![b"one".to_vec(), b"two".to_vec()]);
        beyond.seq_lo = u64::MAX;
        beyond.last_seq = u64::MAX;
        let encoded = beyond.encode();
        assert!(encoded.is_err() || Batch::decode(&encoded.unwrap()).is_err());
        assert!(Batch::decode(&vec![0; FRAME_BYTES_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn batches_round_trip(events in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..50)) {
            let sent = batch(events);
            prop_assert_eq!(Batch::decode(&sent.encode().unwrap()).unwrap(), sent);
        }

        #[test]
        fn nonsense_never_panics(frame in prop::collection::vec(any::<u8>(), 0..400)) {
            let _outcome = Batch::decode(&frame);
        }

        #[test]
        fn a_flipped_bit_is_refused_or_read_but_never_panics(at in 0_usize..80, bit in 0_u8..8) {
            let mut frame = batch(vec![b"one".to_vec(), b"two".to_vec()]).encode().unwrap();
            let index = at % frame.len();
            frame[index] ^= 1 << bit;
            let _outcome = Batch::decode(&frame);
        }
    }
}
