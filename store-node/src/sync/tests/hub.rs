//! A hub as the node's contract with it says, in memory: greetings, fences, the common past, and what counts twice.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::crdt::stock::{StockDigest, StockTotal};
use percolate_common::domain::event::Event;
use percolate_common::ids::{NodeId, StockItemId, TicketId};
use percolate_common::journal::{AuthorId, EventId, Head, Incarnation, JournalId, StreamKind};
use percolate_common::sync::inbound::{Judgement, judge};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event::{decode, origin};
use percolate_common::wire::session::{Ack, FromHub, Hello, Mark, Position, Resend, Verdict, Welcome};

use super::shop::NODE;

/// Entries of one batch that the hub gives back.
const GIVEN_BACK: usize = 7;

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) bytes: Vec<u8>,
    pub(super) head: Head,
    pub(super) alias: bool,
}

#[derive(Debug, Clone, Default)]
struct HubLife {
    session: u64,
    boot: u64,
    greeting: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Hub {
    pub(super) journals: BTreeMap<JournalId, Vec<Entry>>,
    lives: BTreeMap<u64, HubLife>,
    boots: BTreeSet<(u64, u64)>,
    sessions: u64,
    cells: BTreeMap<(Incarnation, u32), StockTotal>,
    counted: BTreeSet<EventId>,
    /// How often a node has vouched.
    pub(super) marks: u32,
    /// Verdicts that were given.
    pub(super) verdicts: Vec<&'static str>,
}

fn author() -> AuthorId {
    AuthorId::node(NodeId::new(NODE))
}

impl Hub {
    fn head(&self, id: &JournalId) -> Head {
        self.journals.get(id).and_then(|entries| entries.last()).map_or_else(|| id.genesis(), |entry| entry.head)
    }

    fn holds(&self, position: &Position) -> bool {
        let Some(id) = position.journal() else { return false };
        let Some(before) = position.seq().checked_sub(1) else { return position.hash() == id.genesis().hash.short() };
        let entry = self.journals.get(&id).and_then(|entries| entries.get(usize::try_from(before).unwrap()));
        entry.is_some_and(|entry| entry.head.hash.short() == position.hash())
    }

    fn positions(&self) -> Vec<Position> {
        self.journals.keys().map(|id| self.position(id)).collect()
    }

    fn position(&self, id: &JournalId) -> Position {
        let head = self.head(id);
        Position::new(id, head.seq, head.hash.short())
    }

    /// The answer to a greeting; none to one that is late.
    pub(super) fn greet(&mut self, hello: &Hello) -> Option<Welcome> {
        let (incarnation, number) = (hello.incarnation, hello.number.unwrap_or(0));
        let life = self.lives.entry(incarnation).or_default().clone();
        if life.boot == hello.boot && number <= life.greeting {
            return None;
        }
        let superseded = life.boot != hello.boot && self.boots.contains(&(incarnation, hello.boot));
        let marks = hello.marks.clone().unwrap_or_default();
        let (mut agreed, mut contested) = (BTreeMap::new(), None);
        for stream in StreamKind::UP {
            let id = JournalId { author: author(), incarnation: Incarnation::new(incarnation), stream };
            let said = hello.heads.iter().find(|head| head.stream() == Some(stream)).map(|signed| signed.head());
            let said = said.unwrap_or_else(|| id.genesis());
            let (held, said) = (self.head(&id), Position::new(&id, said.seq, said.hash.short()));
            let other = held.seq > said.seq() || (held.seq == said.seq() && held.hash.short() != said.hash());
            let differs =
                marks.iter().any(|mark| mark.journal() == Some(id) && mark.seq() <= held.seq && !self.holds(mark));
            if other || differs {
                contested = Some(stream);
            }
            agreed.insert(id, if self.holds(&said) { said } else { Position::new(&id, 0, id.genesis().hash.short()) });
        }
        for mark in &marks {
            let id = mark.journal().unwrap();
            let best = agreed.entry(id).or_insert_with(|| Position::new(&id, 0, id.genesis().hash.short()));
            if self.holds(mark) && mark.seq() > best.seq() {
                *best = mark.clone();
            }
        }
        self.sessions += 1;
        let life = self.lives.entry(incarnation).or_default();
        let verdict = match contested {
            _ if superseded => Verdict::Fenced,
            Some(stream) => Verdict::Forked { stream: stream.number() },
            None => Verdict::Welcome,
        };
        let welcome = verdict == Verdict::Welcome;
        self.verdicts.push(if welcome {
            "welcome"
        } else if superseded {
            "fenced"
        } else {
            "forked"
        });
        if welcome {
            self.boots.insert((incarnation, hello.boot));
            *life = HubLife { session: self.sessions, boot: hello.boot, greeting: number };
        } else if life.boot == hello.boot {
            (life.session, life.greeting) = (0, number);
        }
        Some(Welcome {
            boot: hello.boot,
            session: if welcome { self.sessions } else { 0 },
            verdict,
            positions: self.positions(),
            hub_ms: hello.now_ms,
            agreed: (!welcome || !marks.is_empty()).then(|| agreed.into_values().collect()),
            incarnation: Some(incarnation),
            number: hello.number,
            parked: None,
        })
    }

    /// What the node vouches for must be what is held.
    pub(super) fn compare(&mut self, mark: &Mark) {
        self.marks += 1;
        assert!(self.lives.values().any(|life| life.session == mark.session), "a mark of a session");
        assert!(!mark.stock.is_empty());
        for stock in &mark.stock {
            let incarnation = Incarnation::new(stock.incarnation);
            for (stream, seq) in [(StreamKind::Sales, stock.sales_seq), (StreamKind::Stock, stock.stock_seq)] {
                assert_eq!(self.head(&JournalId { author: author(), incarnation, stream }).seq, seq);
            }
            let cells = self.cells.iter().filter(|((of, _), _)| *of == incarnation);
            let held = StockDigest::of(cells.map(|((_, item), total)| (StockItemId::new(*item), *total)));
            assert_eq!(held.number(), stock.digest, "the stock of {incarnation}");
        }
    }

    /// What a batch is answered with.
    pub(super) fn take(&mut self, batch: &Batch) -> FromHub {
        let id = batch.journal;
        let owner = self.lives.iter().find(|(_, life)| life.session == batch.session && batch.session != 0);
        let Some(owner) = owner.map(|(incarnation, _)| *incarnation) else {
            return FromHub::Rehello { session: batch.session };
        };
        let held = self.head(&id);
        let hash_at = |seq: u64| {
            let entry = self.journals.get(&id).and_then(|entries| entries.get(usize::try_from(seq - 1).unwrap()));
            Ok::<_, ()>(entry.map(|entry| entry.head.hash))
        };
        match judge(held, batch, hash_at).unwrap() {
            Judgement::Append(accepted) => {
                for (bytes, head) in accepted.into_iter().map(|one| (one.bytes.to_vec(), one.head)) {
                    let alias = self.is_alias(&id, &bytes, head);
                    self.journals.entry(id).or_default().push(Entry { bytes, head, alias });
                }
                self.totals(batch);
            }
            Judgement::Repeat if batch.seq_hi() == held.seq => self.totals(batch),
            Judgement::Repeat => {}
            Judgement::Gap => {
                return FromHub::Resend(Resend { position: self.position(&id), session: batch.session });
            }
            Judgement::Fork { .. } if owner == id.incarnation.get() => {
                self.lives.entry(owner).or_default().session = 0;
                return FromHub::Rehello { session: batch.session };
            }
            Judgement::Fork { .. } => {
                return FromHub::Contested { position: self.position(&id), session: batch.session };
            }
        }
        let (position, reader_ms) = (self.position(&id), batch.sent_at.get());
        FromHub::Ack(Ack { position, session: batch.session, reader_ms, parked: None })
    }

    fn is_alias(&mut self, id: &JournalId, bytes: &[u8], head: Head) -> bool {
        let Some(origin) = origin(bytes).unwrap() else { return self.counted.contains(&head.hash.event_id()) };
        let first = JournalId { incarnation: origin.incarnation, ..*id };
        let place = usize::try_from(origin.seq - 1).unwrap();
        let stands = self.journals.get(&first).and_then(|entries| entries.get(place));
        stands.is_some_and(|entry| entry.head.hash.event_id() == origin.id) || !self.counted.insert(origin.id)
    }

    fn totals(&mut self, batch: &Batch) {
        for (item, total) in &batch.stock_totals {
            let cell = self.cells.entry((batch.journal.incarnation, item.get())).or_default();
            *cell = cell.join(*total);
        }
    }

    /// What follows a place in a journal of the node: a batch, or nothing, or word that it is another journal.
    pub(super) fn give_back(&self, asked: &Resend) -> Result<Option<Batch>, Box<FromHub>> {
        let id = asked.position.journal().unwrap();
        if asked.position.seq() > self.head(&id).seq || !self.holds(&asked.position) {
            return Err(Box::new(FromHub::Contested { position: self.position(&id), session: asked.session }));
        }
        let after = usize::try_from(asked.position.seq()).unwrap();
        let entries: Vec<_> = self.journals.get(&id).into_iter().flatten().skip(after).take(GIVEN_BACK).collect();
        if entries.is_empty() {
            return Ok(None);
        }
        Ok(Some(Batch {
            journal: id,
            seq_lo: asked.position.seq() + 1,
            hash_before: asked.position.hash(),
            events: entries.into_iter().map(|entry| entry.bytes.clone()).collect(),
            stock_totals: Vec::new(),
            sent_at: UtcMillis::new(0),
            session: asked.session,
            last_seq: self.head(&id).seq,
        }))
    }

    /// Sales that count, each as often as it counts.
    pub(super) fn tickets(&self) -> Vec<TicketId> {
        let counting = self.journals.values().flatten().filter(|entry| !entry.alias);
        let mut tickets: Vec<_> = counting
            .filter_map(|entry| match decode(&entry.bytes).unwrap().event {
                Event::TicketSold(sold) => Some(sold.id),
                _other => None,
            })
            .collect();
        tickets.sort_unstable();
        tickets
    }

    /// Stock as the hub has it: all that was stated, less what is stated twice.
    pub(super) fn on_hand(&self) -> BTreeMap<u32, i64> {
        let mut stock = BTreeMap::new();
        for ((_, item), total) in &self.cells {
            let net = i64::try_from(total.received).unwrap() - i64::try_from(total.used).unwrap();
            *stock.entry(*item).or_default() += net;
        }
        for entry in self.journals.values().flatten().filter(|entry| entry.alias) {
            for line in decode(&entry.bytes).unwrap().event.stock_effects() {
                *stock.entry(line.stock_item.get()).or_default() -= line.quantity.get();
            }
        }
        stock.retain(|_, much| *much != 0);
        stock
    }

    /// A backup of it is put back: only so many entries of each journal are left.
    pub(super) fn forget_after(&mut self, entries_kept: usize) {
        self.journals.values_mut().for_each(|entries| entries.truncate(entries_kept));
        self.journals.retain(|_, entries| !entries.is_empty());
        (self.cells, self.lives, self.boots) = Default::default();
        self.counted.clear();
    }
}
