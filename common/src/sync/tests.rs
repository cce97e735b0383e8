//! Sender and reader against each other over a network that loses, doubles, delays and reorders.

use core::convert::Infallible;
use core::time::Duration;

use proptest::prelude::*;

use super::inbound::{Judgement, judge};
use super::outbound::{
    COLLECT_BYTES, COLLECT_EVENTS, COLLECT_TIME, Outbound, RESEND_AFTER, RESEND_AFTER_MAX, SendFrom, WINDOW,
    WINDOW_PRESSED,
};
use crate::ids::NodeId;
use crate::journal::{AuthorId, Hash, Head, Incarnation, JournalId, StreamKind};
use crate::time::UtcMillis;
use crate::wire::envelope::Batch;

const SALES: JournalId =
    JournalId { author: AuthorId::node(NodeId::new(11)), incarnation: Incarnation::new(7), stream: StreamKind::Sales };
const MS: fn(u64) -> Duration = Duration::from_millis;

/// A journal in memory: bytes and heads.
#[derive(Debug, Clone)]
struct Journal {
    entries: Vec<Vec<u8>>,
    heads: Vec<Head>,
}

impl Journal {
    fn new() -> Self {
        Self { entries: Vec::new(), heads: vec![SALES.genesis()] }
    }

    fn head(&self) -> Head {
        self.heads[self.heads.len() - 1]
    }

    fn append(&mut self, bytes: Vec<u8>) {
        self.heads.push(self.head().after(&bytes));
        self.entries.push(bytes);
    }

    fn hash_at(&self, seq: u64) -> Option<Hash> {
        self.heads.get(usize::try_from(seq).unwrap()).map(|head| head.hash)
    }

    fn batch(&self, seq_lo: u64, most: usize) -> Batch {
        let from = usize::try_from(seq_lo).unwrap() - 1;
        let events: Vec<_> = self.entries.iter().skip(from).take(most).cloned().collect();
        Batch {
            journal: SALES,
            seq_lo,
            hash_before: self.heads[from].hash.short(),
            events,
            stock_totals: vec![],
            sent_at: UtcMillis::new(0),
            session: 1,
            last_seq: self.head().seq,
        }
    }

    /// Reads a batch as the hub does; tells what it was.
    fn take(&mut self, batch: &Batch) -> &'static str {
        let held = self.clone();
        match judge::<Infallible>(self.head(), batch, |seq| Ok(held.hash_at(seq))).unwrap() {
            Judgement::Append(accepted) => {
                for event in accepted {
                    assert_eq!(event.head.seq, self.head().seq + 1, "I2: contiguous");
                    self.append(event.bytes.to_vec());
                    assert_eq!(event.head, self.head(), "I3: the chain is the author's");
                }
                "append"
            }
            Judgement::Repeat => "repeat",
            Judgement::Gap => "gap",
            Judgement::Fork { .. } => "fork",
        }
    }
}

fn grown(count: u64) -> Journal {
    let mut journal = Journal::new();
    (0..count).for_each(|n| journal.append(format!("event {n}").into_bytes()));
    journal
}

#[test]
fn a_batch_is_new_held_ahead_or_a_fork() {
    let author = grown(10);
    let mut reader = Journal::new();
    assert_eq!(reader.take(&author.batch(3, 2)), "gap");
    assert_eq!(reader.take(&author.batch(1, 4)), "append");
    assert_eq!(reader.take(&author.batch(1, 4)), "repeat");
    assert_eq!(reader.take(&author.batch(2, 2)), "repeat");
    assert_eq!(reader.take(&author.batch(3, 5)), "append", "overlapping");
    assert_eq!(reader.head(), author.heads[7]);
    let mut restored = grown(5);
    restored.append(b"another sixth".to_vec());
    restored.append(b"another seventh".to_vec());
    restored.append(b"an eighth".to_vec());
    for (seq_lo, most) in [(6, 2), (6, 3), (7, 2), (8, 1)] {
        assert_eq!(reader.take(&restored.batch(seq_lo, most)), "fork", "{seq_lo} {most}");
    }
    assert_eq!(reader.head(), author.heads[7], "a fork changes nothing");
}

#[test]
fn what_follows_directly_needs_no_look_into_the_journal() {
    let (author, reader) = (grown(10), grown(4));
    let unasked = |seq: u64| Err(seq);
    let next = author.batch(5, 2);
    let judged = judge(reader.head(), &next, unasked).unwrap();
    assert!(matches!(judged, Judgement::Append(accepted) if accepted.len() == 2));
    assert!(matches!(judge(Journal::new().head(), &author.batch(1, 2), unasked), Ok(Judgement::Append(_))));
    assert_eq!(judge(reader.head(), &author.batch(3, 4), unasked), Err(2), "an overlap is looked up");
}

#[test]
fn where_the_journal_is_no_longer_kept_nothing_is_taken_unchecked() {
    let (author, reader) = (grown(10), grown(8));
    let judged = |seq_lo, most| {
        let batch = author.batch(seq_lo, most);
        let outcome = judge::<Infallible>(reader.head(), &batch, |_seq| Ok(None)).unwrap();
        matches!(outcome, Judgement::Repeat).then_some("repeat").or(matches!(outcome, Judgement::Gap).then_some("gap"))
    };
    assert_eq!(judged(3, 2), Some("repeat"), "all of it is held");
    assert_eq!(judged(3, 6), Some("repeat"), "to the last");
    assert_eq!(judged(3, 7), Some("gap"), "one is new, and cannot be checked from there");
}

#[test]
fn the_sender_collects_as_much_as_is_said() {
    assert_eq!((COLLECT_EVENTS, COLLECT_BYTES, COLLECT_TIME), (50, 65_536, MS(200)), "as in ARCHITECTURE.md");
}

#[test]
fn alone_is_sent_at_once_and_company_is_collected() {
    let mut sender = Outbound::default();
    sender.start(SALES, 0, 0, MS(0));
    assert_eq!(sender.next_send(MS(0)), None);
    sender.appended(SALES, 1, 100, MS(10));
    assert_eq!(sender.next_send(MS(10)), Some(SendFrom { journal: SALES, seq_lo: 1 }));
    sender.sent(SALES, 1, MS(10));
    sender.appended(SALES, 2, 100, MS(20));
    assert_eq!(sender.next_send(MS(20)), None, "one is in flight: collect");
    assert_eq!(sender.next_due(), Some(MS(20) + COLLECT_TIME));
    assert!(sender.next_send(MS(20) + COLLECT_TIME).is_some(), "but not for ever");
    sender.appended(SALES, 1 + COLLECT_EVENTS, 100, MS(21));
    assert!(sender.next_send(MS(21)).is_some(), "nor beyond a full batch");
    sender.acked(SALES, 1, MS(22));
    assert!(sender.next_send(MS(22)).is_some(), "nor when nothing is in flight");
}

#[test]
fn the_window_is_kept_and_an_ack_opens_it() {
    let mut sender = Outbound::default();
    sender.start(SALES, 0, 10_000, MS(0));
    let mut sent = 0;
    while let Some(send) = sender.next_send(MS(0)) {
        assert_eq!(send.seq_lo, sent * 100 + 1);
        sent += 1;
        sender.sent(SALES, sent * 100, MS(0));
    }
    assert_eq!(sent, WINDOW as u64);
    sender.acked(SALES, 100, MS(1));
    assert!(sender.next_send(MS(1)).is_some());
}

#[test]
fn silence_sends_again_from_the_last_ack_with_growing_waits() {
    let mut sender = Outbound::default();
    sender.start(SALES, 0, 3, MS(0));
    sender.sent(SALES, 3, MS(0));
    sender.acked(SALES, 1, MS(100));
    assert_eq!(sender.next_send(MS(100) + RESEND_AFTER - MS(1)), None);
    assert_eq!(sender.next_send(MS(100) + RESEND_AFTER).map(|send| send.seq_lo), Some(2));
    sender.sent(SALES, 3, MS(100) + RESEND_AFTER);
    assert_eq!(sender.next_send(MS(100) + RESEND_AFTER * 2), None, "the wait has doubled");
    assert!(sender.next_send(MS(100) + RESEND_AFTER * 3).is_some());
}

#[test]
fn late_and_absurd_acks_do_no_harm() {
    let mut sender = Outbound::default();
    sender.start(SALES, 5, 8, MS(0));
    sender.acked(SALES, 3, MS(1));
    assert_eq!(sender.acked_seq(SALES), Some(5), "I2: acks are monotone");
    sender.acked(SALES, 99, MS(1));
    assert_eq!(sender.acked_seq(SALES), Some(8), "nobody acks what was not written");
    sender.resend_after(SALES, 2, MS(1));
    assert_eq!(sender.acked_seq(SALES), Some(8));
    sender.stop();
    sender.appended(SALES, 9, 1, MS(2));
    assert_eq!(sender.next_send(MS(2)), None, "no session, nothing sent");
}

/// The first number of what would be sent now.
fn sends(sender: &mut Outbound, now: Duration) -> Option<u64> {
    sender.next_send(now).map(|send| send.seq_lo)
}

#[test]
fn a_collection_ends_at_its_limits_and_not_before() {
    let collecting = || {
        let mut sender = Outbound::default();
        sender.start(SALES, 0, 1, MS(0));
        sender.sent(SALES, 1, MS(0));
        sender
    };
    let mut sender = collecting();
    sender.appended(SALES, COLLECT_EVENTS, 0, MS(1));
    assert_eq!(sends(&mut sender, MS(1)), None, "one event too few");
    sender.appended(SALES, COLLECT_EVENTS + 1, 0, MS(1));
    assert_eq!(sends(&mut sender, MS(1)), Some(2));
    let mut sender = collecting();
    sender.appended(SALES, 2, COLLECT_BYTES - 1, MS(1));
    assert_eq!(sends(&mut sender, MS(1)), None, "one byte too few");
    sender.appended(SALES, 3, 1, MS(1));
    assert_eq!(sends(&mut sender, MS(1)), Some(2));
    sender.sent(SALES, 3, MS(1));
    sender.appended(SALES, 4, COLLECT_BYTES - 1, MS(1));
    assert_eq!(sends(&mut sender, MS(1)), None, "bytes are counted anew");
    let mut sender = collecting();
    sender.appended(SALES, 2, 0, MS(1));
    sender.appended(SALES, 3, 0, MS(90));
    assert_eq!(sends(&mut sender, MS(1) + COLLECT_TIME - MS(1)), None, "a millisecond too early");
    assert_eq!(sends(&mut sender, MS(1) + COLLECT_TIME), Some(2), "the first of them has waited long enough");
    sender.appended(SALES, 3, COLLECT_BYTES, MS(91));
    assert_eq!(sends(&mut sender, MS(91)), None, "what was there already has not grown");
}

#[test]
fn it_says_when_it_must_be_asked_again() {
    let mut sender = Outbound::default();
    assert_eq!(sender.next_due(), None);
    sender.start(SALES, 0, 1, MS(0));
    assert_eq!(sender.next_due(), None, "it may send at once");
    sender.sent(SALES, 1, MS(7));
    assert_eq!(sender.next_due(), Some(MS(7) + RESEND_AFTER));
    sender.appended(SALES, 2, 1, MS(10));
    assert_eq!(sender.next_due(), Some(MS(10) + COLLECT_TIME), "the earlier of the two");
    for more in 2..=WINDOW as u64 {
        sender.appended(SALES, more, 1, MS(10));
        sender.sent(SALES, more, MS(10));
    }
    sender.appended(SALES, 9, 1, MS(20));
    assert_eq!(sender.next_due(), Some(MS(7) + RESEND_AFTER), "the window is full: collecting helps nothing");
    sender.acked(SALES, 1, MS(30));
    assert_eq!(sender.next_due(), Some(MS(20) + COLLECT_TIME));
    sender.acked(SALES, 9, MS(40));
    assert_eq!(sender.next_due(), None);
    sender.appended(SALES, 20, 1, MS(50));
    sender.sent(SALES, 15, MS(60));
    assert_eq!(
        sender.next_due(),
        Some(MS(60) + COLLECT_TIME),
        "what the batch could not hold is collected from then on"
    );
}

#[test]
fn batches_in_flight_end_one_by_one() {
    let mut sender = Outbound::default();
    sender.start(SALES, 0, 100, MS(0));
    for seq_hi in [10, 20, 30, 40] {
        sender.sent(SALES, seq_hi, MS(0));
    }
    assert_eq!(sends(&mut sender, MS(0)), None, "the window is full");
    sender.acked(SALES, 9, MS(1));
    assert_eq!(sends(&mut sender, MS(1)), None, "the first batch is not held whole");
    sender.acked(SALES, 20, MS(2));
    sender.sent(SALES, 50, MS(2));
    sender.sent(SALES, 60, MS(2));
    assert_eq!(sends(&mut sender, MS(2)), None, "two have ended, two are new");
    sender.sent(SALES, 55, MS(3));
    assert_eq!(sender.acked_seq(SALES), Some(20), "what is in flight already is no batch more");
    sender.acked(SALES, 100, MS(4));
    sender.appended(SALES, 101, 1, MS(5));
    assert_eq!(sends(&mut sender, MS(5)), Some(101), "what was acknowledged is not sent");
}

#[test]
fn a_reader_may_ask_again_for_what_it_lacks_and_for_nothing_else() {
    let mut sender = Outbound::default();
    sender.start(SALES, 5, 20, MS(0));
    sender.sent(SALES, 10, MS(0));
    sender.resend_after(SALES, 11, MS(1));
    assert_eq!(sender.acked_seq(SALES), Some(5), "that was never sent");
    sender.resend_after(SALES, 4, MS(1));
    assert_eq!(sender.acked_seq(SALES), Some(5), "that was acknowledged");
    assert_eq!(sends(&mut sender, MS(1)), None, "and what is in flight stays there");
    sender.resend_after(SALES, 5, MS(1));
    assert_eq!(sends(&mut sender, MS(1)), Some(6));
    sender.sent(SALES, 10, MS(1));
    sender.resend_after(SALES, 10, MS(2));
    assert_eq!((sender.acked_seq(SALES), sends(&mut sender, MS(2))), (Some(10), Some(11)));
}

#[test]
fn waits_for_a_silent_reader_grow_to_their_limit_and_start_over_when_it_speaks() {
    let mut sender = Outbound::default();
    sender.start(SALES, 0, 2, MS(0));
    let (mut now, mut waits) = (MS(0), Vec::new());
    for _try in 0..6 {
        sender.sent(SALES, 2, now);
        let due = sender.next_due().unwrap();
        waits.push((due - now).as_secs());
        assert_eq!(sends(&mut sender, due - MS(1)), None);
        assert_eq!(sends(&mut sender, due), Some(1));
        now = due;
    }
    assert_eq!(waits, [5, 10, 20, 40, 60, RESEND_AFTER_MAX.as_secs()]);
    sender.sent(SALES, 2, now);
    sender.acked(SALES, 1, now);
    assert_eq!(sender.next_due(), Some(now + RESEND_AFTER));
}

#[test]
fn each_journal_has_a_lane_of_its_own() {
    let stock = JournalId { stream: StreamKind::Stock, ..SALES };
    let mut sender = Outbound::default();
    // The reader holds more than is said to be there: nothing is behind it.
    sender.start(SALES, 9, 3, MS(0));
    sender.start(stock, 0, 1, MS(0));
    assert_eq!(sender.next_send(MS(0)), Some(SendFrom { journal: stock, seq_lo: 1 }));
    sender.sent(stock, 1, MS(0));
    assert_eq!(sender.next_send(MS(0)), None);
    sender.appended(SALES, 10, 1, MS(1));
    assert_eq!(sender.next_send(MS(1)), Some(SendFrom { journal: SALES, seq_lo: 10 }));
    sender.end(SALES);
    assert_eq!((sender.acked_seq(SALES), sender.acked_seq(stock)), (None, Some(0)));
    assert_eq!(sender.next_send(MS(1)), None);
}

/// What the network does to the next message.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Deliver,
    Lose,
    Double,
    Swap,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate =
        prop_oneof![4 => Just(Fate::Deliver), 2 => Just(Fate::Lose), 1 => Just(Fate::Double), 1 => Just(Fate::Swap)];
    prop::collection::vec(fate, 0..200)
}

fn pass<T: Clone>(queue: &mut Vec<T>, message: T, fate: Fate) {
    match fate {
        Fate::Deliver => queue.push(message),
        Fate::Lose => {}
        Fate::Double => queue.extend([message.clone(), message]),
        Fate::Swap => queue.insert(0, message),
    }
}

proptest! {
    /// I1, I2, I3, I13: whatever the network did, once it is quiet the reader holds the author's journal, once.
    #[test]
    fn everything_arrives_once_and_in_order(
        fates in fates(),
        growth in prop::collection::vec(0_u64..40, 1..20),
        restarts in prop::collection::vec(any::<bool>(), 20),
        batch_size in 1_usize..60,
    ) {
        let mut author = Journal::new();
        let mut reader = Journal::new();
        let mut sender = Outbound::default();
        let mut now = MS(0);
        let mut fate = fates.into_iter().chain(core::iter::repeat(Fate::Deliver));
        sender.start(SALES, 0, 0, now);
        let mut rounds = growth.iter().zip(restarts).collect::<Vec<_>>().into_iter();
        for _round in 0..400 {
            if let Some((more, restart)) = rounds.next() {
                for _ in 0..*more {
                    let bytes = format!("event {}", author.head().seq).into_bytes();
                    author.append(bytes);
                }
                sender.appended(SALES, author.head().seq, more * 10, now);
                if restart {
                    // The link fell: the reader says how far it is, from its database.
                    sender.stop();
                    sender.start(SALES, reader.head().seq, author.head().seq, now);
                }
            }
            let mut batches = Vec::new();
            while let Some(send) = sender.next_send(now) {
                let batch = author.batch(send.seq_lo, batch_size);
                sender.sent(SALES, batch.seq_hi(), now);
                pass(&mut batches, batch, fate.next().unwrap());
            }
            let mut acks = Vec::new();
            for batch in &batches {
                let outcome = reader.take(batch);
                prop_assert_ne!(outcome, "fork");
                let asked_again = outcome == "gap";
                pass(&mut acks, (reader.head().seq, asked_again), fate.next().unwrap());
            }
            for (seq, asked_again) in acks {
                if asked_again { sender.resend_after(SALES, seq, now) } else { sender.acked(SALES, seq, now) }
                prop_assert!(sender.acked_seq(SALES) <= Some(reader.head().seq), "I2: acked <= held");
            }
            now = sender.next_due().map_or(now + MS(1), |due| due.max(now + MS(1)));
        }
        prop_assert_eq!(reader.head(), author.head());
        prop_assert_eq!(&reader.entries, &author.entries);
        prop_assert_eq!(sender.acked_seq(SALES), Some(author.head().seq));
    }

    /// I3, I10: a journal that was changed anywhere is never taken for the one that is held.
    #[test]
    fn a_changed_past_is_always_a_fork(length in 2_u64..30, at in 0_usize..30, batch_lo in 1_u64..30, most in 1_usize..40) {
        let author = grown(length);
        let mut reader = author.clone();
        let mut changed = Journal::new();
        let at = at % author.entries.len();
        for (index, entry) in author.entries.iter().enumerate() {
            changed.append(if index == at { b"edited".to_vec() } else { entry.clone() });
        }
        changed.append(b"one more".to_vec());
        let batch_lo = batch_lo.min(length + 1);
        let batch = changed.batch(batch_lo, most);
        let touches_change = usize::try_from(batch.seq_hi()).unwrap() > at;
        let outcome = reader.take(&batch);
        if touches_change && batch.seq_hi() >= length {
            prop_assert_eq!(outcome, "fork");
        } else {
            prop_assert_ne!(outcome, "append");
        }
        prop_assert_eq!(&reader.entries, &author.entries);
    }
}

/// What is sent until there is nothing more to send, [`COLLECT_EVENTS`] in a batch.
fn all_sends(sender: &mut Outbound, now: Duration) -> Vec<JournalId> {
    core::iter::from_fn(|| {
        let SendFrom { journal, seq_lo } = sender.next_send(now)?;
        sender.sent(journal, seq_lo + COLLECT_EVENTS - 1, now);
        Some(journal)
    })
    .collect()
}

#[test]
fn sales_go_before_everything_else_and_nothing_is_starved() {
    // An older life comes first among journals; that makes its counts no more urgent than this life's sales.
    let stock = JournalId { incarnation: Incarnation::new(6), stream: StreamKind::Stock, ..SALES };
    let ops = JournalId { stream: StreamKind::Ops, ..SALES };
    let mut sender = Outbound::default();
    for (journal, batches) in [(ops, 1), (stock, 8), (SALES, 8)] {
        sender.start(journal, 0, batches * COLLECT_EVENTS, MS(0));
    }
    let all_at_first = [vec![SALES; WINDOW], vec![stock; WINDOW_PRESSED], vec![ops]].concat();
    assert_eq!(all_sends(&mut sender, MS(0)), all_at_first);
    assert_eq!(sender.next_due(), Some(RESEND_AFTER), "nothing else is due: who drives it sleeps");
    sender.acked(SALES, 2 * COLLECT_EVENTS, MS(1));
    assert_eq!(all_sends(&mut sender, MS(1)), [SALES; 2], "what is pressed waits for its own acknowledgement");
    sender.acked(stock, COLLECT_EVENTS, MS(2));
    assert_eq!(all_sends(&mut sender, MS(2)), [stock], "which is enough to go on");
    sender.appended(stock, 8 * COLLECT_EVENTS + 1, 1, MS(2));
    assert_eq!(
        sender.next_due(),
        Some(RESEND_AFTER),
        "a collection that cannot be sent is not due: only ops may be late"
    );
    sender.acked(SALES, 6 * COLLECT_EVENTS, MS(3));
    let all_at_last = [vec![SALES; 2], vec![stock; WINDOW - WINDOW_PRESSED]].concat();
    assert_eq!(all_sends(&mut sender, MS(3)), all_at_last, "once the last sales are out, nobody is pressed");
}
