//! A frame from the broker as what it means: read once, outside of any transaction, and never trusted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, JournalId, Service, StreamKind};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{Ack, FromNode, Mark, Presence, Resend};
use percolate_common::wire::topic::Topic;

use super::greeting::Greeting;
use crate::kernel::journal::Arrival;

/// What a node says.
#[derive(Debug)]
pub(super) enum Message {
    /// Events.
    Batch(NodeId, Box<Arrival>),
    /// Events of a service of the hub, which nodes hold and the hub may have lost.
    Returned(NodeId, Box<Arrival>),
    /// It introduces itself.
    Hello(NodeId, Box<Greeting>),
    /// It has read a journal of the hub.
    Ack(NodeId, Ack),
    /// It asks for a journal of the hub again.
    Resend(NodeId, Resend),
    /// It vouches for its journals and its stock.
    Mark(NodeId, Mark),
    /// It is connected, or gone.
    Presence(NodeId, Presence),
    /// Nothing that can be read.
    Unreadable(Unreadable),
}

/// Who stands for the dead letters, of which old ones are dropped: one process at a time sees to them. No author has this
/// number.
const DEAD_LETTERS: AuthorId = AuthorId::from_number(u32::MAX);

impl Message {
    /// Whose journals, sessions and other rows it is about.
    pub(super) fn authors(&self) -> Vec<AuthorId> {
        match self {
            Self::Returned(node, arrival) => vec![AuthorId::node(*node), arrival.batch().journal.author],
            Self::Batch(node, _)
            | Self::Hello(node, _)
            | Self::Ack(node, _)
            | Self::Resend(node, _)
            | Self::Mark(node, _)
            // Every process hears who comes and goes, and all write the same row.
            | Self::Presence(node, _) => vec![AuthorId::node(*node)],
            Self::Unreadable(_) => vec![DEAD_LETTERS],
        }
    }
}

/// A frame that cannot be read, and why.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) topic: String,
    pub(super) reason: String,
    pub(super) frame: Vec<u8>,
}

impl Unreadable {
    /// The same frame on the same topic is the same dead letter.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.topic.len() as u64).to_be_bytes());
        hasher.update(self.topic.as_bytes());
        hasher.update(&self.frame);
        hasher.finalize().into()
    }
}

/// Reads a frame. A panic while reading is the frame's fault, and makes it unreadable like any other nonsense.
pub(super) fn read(topic: &str, frame: &[u8]) -> Message {
    let outcome = catch_unwind(AssertUnwindSafe(|| read_checked(topic, frame)));
    let refusal = match outcome {
        Ok(Ok(message)) => return message,
        Ok(Err(reason)) => reason,
        Err(_panic) => "reading it panicked".to_owned(),
    };
    Message::Unreadable(Unreadable { topic: topic.to_owned(), reason: refusal, frame: frame.to_vec() })
}

fn read_checked(topic: &str, frame: &[u8]) -> Result<Message, String> {
    let parsed: Topic = topic.parse().map_err(|error| format!("{error}"))?;
    match parsed {
        Topic::Up(node, stream) => {
            let batch = Batch::decode(frame).map_err(|error| error.to_string())?;
            check_batch(node, stream, &batch)?;
            let returned = is_of_service(&batch.journal);
            let arrival = Box::new(Arrival::new(batch));
            Ok(if returned { Message::Returned(node, arrival) } else { Message::Batch(node, arrival) })
        }
        Topic::UpSession(node) => Ok(match FromNode::decode(frame).map_err(|error| error.to_string())? {
            FromNode::Hello(hello) => Message::Hello(node, Box::new(Greeting::new(node, hello))),
            FromNode::Ack(ack) => Message::Ack(node, ack),
            FromNode::Resend(resend) => Message::Resend(node, resend),
            FromNode::Mark(mark) => Message::Mark(node, mark),
        }),
        Topic::Presence(node) => {
            Presence::decode(frame).map(|presence| Message::Presence(node, presence)).map_err(|error| error.to_string())
        }
        Topic::Down(..) | Topic::DownSession(_) | Topic::AllDown(_) | Topic::HubDownlink => {
            Err("nodes do not write there".to_owned())
        }
    }
}

/// Whether it is a journal of a service of the hub that nodes read.
pub(super) fn is_of_service(journal: &JournalId) -> bool {
    journal.author == AuthorId::service(Service::Catalog) && StreamKind::DOWN.contains(&journal.stream)
}

/// What the envelope must agree with: nobody writes in another's name, on another stream, or more than a column holds.
fn check_batch(node: NodeId, stream: StreamKind, batch: &Batch) -> Result<(), String> {
    let fits = |number: u64| i64::try_from(number).is_ok();
    let returned = is_of_service(&batch.journal) && batch.stock_totals.is_empty();
    let own = batch.journal.author == AuthorId::node(node) && batch.journal.author.as_node().is_some();
    if !returned && !own {
        return Err(format!("it is in the name of {}, on the topic of n{node}", batch.journal.author));
    }
    if batch.journal.stream != stream || !(returned || StreamKind::UP.contains(&stream)) {
        return Err(format!("it is of the stream {}, on the topic of {stream}", batch.journal.stream));
    }
    if !fits(batch.last_seq) || !fits(batch.seq_hi()) {
        return Err("its sequence is out of range".to_owned());
    }
    if batch.stock_totals.iter().any(|(_, total)| !fits(total.received) || !fits(total.used)) {
        return Err("a stock total is out of range".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use percolate_common::crdt::stock::StockTotal;
    use percolate_common::ids::StockItemId;
    use percolate_common::journal::Incarnation;
    use percolate_common::time::UtcMillis;

    use super::*;

    fn batch(node: u32, stream: StreamKind) -> Batch {
        let author = AuthorId::node(NodeId::new(node));
        let journal = JournalId { author, incarnation: Incarnation::new(7), stream };
        Batch {
            journal,
            seq_lo: 1,
            hash_before: journal.genesis().hash.short(),
            events: vec![b"one".to_vec()],
            stock_totals: Vec::new(),
            sent_at: UtcMillis::new(0),
            session: 1,
            last_seq: 1,
        }
    }

    fn reason(topic: &str, frame: &[u8]) -> Option<String> {
        match read(topic, frame) {
            Message::Unreadable(letter) => Some(letter.reason),
            Message::Batch(..)
            | Message::Returned(..)
            | Message::Hello(..)
            | Message::Ack(..)
            | Message::Resend(..)
            | Message::Mark(..)
            | Message::Presence(..) => None,
        }
    }

    #[test]
    fn a_batch_is_taken_from_its_author_on_its_own_topic_only() {
        let frame = batch(11, StreamKind::Sales).encode().unwrap();
        assert_eq!(reason("percolate/v1/n11/up/sales", &frame), None);
        assert!(reason("percolate/v1/n12/up/sales", &frame).unwrap().contains("in the name of n11"));
        assert!(reason("percolate/v1/n11/up/stock", &frame).unwrap().contains("of the stream sales"));
        assert!(reason("percolate/v1/n11/down/batch", &frame).unwrap().contains("do not write there"));
        assert!(reason("elsewhere", &frame).is_some());
        let down = batch(11, StreamKind::Catalog).encode().unwrap();
        assert!(reason("percolate/v1/n11/up/catalog", &down).is_some());
    }

    #[test]
    fn a_journal_of_the_hub_is_given_back_by_anybody_and_nothing_else_is_written_in_its_name() {
        let mut lost = batch(11, StreamKind::Catalog);
        lost.journal.author = AuthorId::service(Service::Catalog);
        let frame = lost.encode().unwrap();
        assert!(matches!(read("percolate/v1/n11/up/catalog", &frame), Message::Returned(node, _) if node.get() == 11));
        assert!(reason("percolate/v1/n11/up/sales", &frame).is_some());
        lost.stock_totals = vec![(StockItemId::new(1), StockTotal::default())];
        assert!(reason("percolate/v1/n11/up/catalog", &lost.encode().unwrap()).is_some());
        lost.journal.stream = StreamKind::Sales;
        assert!(reason("percolate/v1/n11/up/sales", &lost.encode().unwrap()).is_some());
    }

    #[test]
    fn numbers_that_no_column_holds_are_refused() {
        let mut greedy = batch(11, StreamKind::Sales);
        greedy.last_seq = u64::MAX;
        assert!(reason("percolate/v1/n11/up/sales", &greedy.encode().unwrap()).unwrap().contains("sequence"));
        let mut full = batch(11, StreamKind::Sales);
        full.stock_totals = vec![(StockItemId::new(1), StockTotal { received: u64::MAX, used: 0 })];
        assert!(reason("percolate/v1/n11/up/sales", &full.encode().unwrap()).unwrap().contains("stock total"));
    }

    #[test]
    fn nonsense_has_a_fingerprint_of_topic_and_frame() {
        let print = |topic: &str, frame: &[u8]| {
            let Message::Unreadable(letter) = read(topic, frame) else { panic!("a dead letter is expected") };
            letter.fingerprint()
        };
        let first = print("percolate/v1/n11/up/sales", b"nonsense");
        assert_eq!(first, print("percolate/v1/n11/up/sales", b"nonsense"));
        assert_ne!(first, print("percolate/v1/n12/up/sales", b"nonsense"));
        assert_ne!(first, print("percolate/v1/n11/up/sales", b"nonsenses"));
    }
}
