//! What to say to the hub, and what its messages mean: no sockets and no clock in here.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use percolate_common::journal::{Head, Incarnation, JournalId, SigningKey};
use percolate_common::sync::greeting::Greeting;
use percolate_common::sync::outbound::{Outbound, SendFrom};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{Ack, FromHub, FromNode, Hello, Position, Resend, SignedHead};
use percolate_common::wire::{BATCH_EVENTS_MAX, BODY_BYTES_MAX, WIRE_VERSION, WIRE_VERSION_MIN};
use percolate_runtime::sqlite::ReadTx;

use super::mark::Marks;
use super::standing::{Contested, marks};
use super::totals::{LastEntry, Totals};
use super::welcome::Asked;
use crate::app::error::AppError;
use crate::app::{App, LinkState, repair};
use crate::store::{down, journal, lives};

/// Greetings that may follow each other without a wait while a fork is being cleared up; a hub that is never content is
/// asked again with growing waits, like one that does not answer.
const EAGER_GREETINGS_MAX: u32 = 4;

/// Bytes that an event needs in a batch besides its own.
const EVENT_OVERHEAD_BYTES: usize = 8;

/// Contested journals that one greeting asks about: their marks fit into it. The others follow.
const CONTESTED_MAX: usize = 4;

/// What tells this process from others.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) key: SigningKey,
    pub(crate) boot: u64,
}

/// The node's side of the exchange.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) greeting: Greeting,
    pub(super) outbound: Outbound,
    pub(super) totals: Totals,
    pub(super) marks: Marks,
    pub(super) asked: Option<Asked>,
    /// Journals whose common past the next greeting asks for.
    pub(super) contested: Vec<Contested>,
    /// Greetings without a wait since the hub was last content.
    pub(super) eager: u32,
    /// What the hub holds of older lives beyond what is here.
    pub(super) missing: BTreeMap<JournalId, u64>,
    /// Those of them that are still to be asked for.
    pub(super) asks: VecDeque<JournalId>,
    /// Whether entries may have to be written again: at the start until it was looked, and after a fork.
    pub(crate) repairing: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            greeting: Greeting::default(),
            outbound: Outbound::default(),
            totals: Totals::default(),
            marks: Marks::default(),
            asked: None,
            contested: Vec::new(),
            eager: 0,
            missing: BTreeMap::new(),
            asks: VecDeque::new(),
            repairing: true,
        }
    }
}

impl Session {
    pub(crate) fn link_up(&mut self, now: Duration) {
        self.greeting.connected(now);
    }

    pub(crate) fn link_down(&mut self, app: &App) {
        self.greeting.disconnected();
        self.leave();
        app.present.set_link(LinkState::Down);
    }

    /// The session is over.
    pub(super) fn leave(&mut self) {
        self.asked = None;
        self.outbound.stop();
        self.totals.clear();
        self.marks.end();
        self.missing.clear();
        self.asks.clear();
    }

    /// The greeting to send now, if one is due. Blocks.
    pub(crate) fn hello(&mut self, app: &App, machine: &Machine, now: Duration) -> Result<Option<Hello>, AppError> {
        if !self.greeting.take_due(now) {
            return Ok(None);
        }
        self.contested.truncate(CONTESTED_MAX);
        let (life, heads, positions, marks) = app.readers.read(|tx| {
            let life = lives::present(tx)?;
            let heads = journal::head_list(tx, life)?;
            Ok::<_, AppError>((life, heads, down::head_list(tx)?, marks(tx, &self.contested)?))
        })?;
        let number = app.present.next_greeting();
        self.asked = Some(Asked {
            number,
            incarnation: life.incarnation.get(),
            heads: heads.iter().map(|head| (head.stream, head.head.seq)).collect(),
            about: self.contested.iter().map(|contested| contested.id).collect(),
        });
        let signed =
            |head: &journal::StreamHead| SignedHead::sign(&machine.key, &app.journal(life, head.stream), &head.head);
        Ok(Some(Hello {
            wire_min: WIRE_VERSION_MIN,
            wire_max: WIRE_VERSION,
            incarnation: life.incarnation.get(),
            store: app.identity.store.get(),
            machine: app.machine.unwrap_or_default().into(),
            boot: machine.boot,
            now_ms: app.clock.now().get(),
            public_key: (*machine.key.public_key().as_bytes()).into(),
            heads: heads.iter().map(signed).collect(),
            positions: positions.iter().map(|(id, head)| Position::new(id, head.seq, head.hash.short())).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            marks: (!marks.is_empty()).then_some(marks),
            number: Some(number),
        }))
    }

    /// Takes in what the hub says. Blocks.
    pub(crate) fn heard(
        &mut self,
        app: &App,
        machine: &Machine,
        message: FromHub,
        now: Duration,
    ) -> Result<(), AppError> {
        match message {
            FromHub::Welcome(welcome) if welcome.boot == machine.boot && self.is_answer(&welcome) => {
                self.welcomed(app, &welcome, now)?;
            }
            FromHub::Welcome(_) => {}
            FromHub::Ack(ack) => self.acked(app, &ack, now)?,
            FromHub::Resend(Resend { position, session }) => {
                if self.greeting.session() == Some(session) {
                    self.asked_for(app, &position, now)?;
                }
            }
            FromHub::Rehello { session } => {
                // A late refusal of a session before this one says nothing, and the greeting under way stays asked.
                if self.greeting.session() == Some(session) {
                    self.greeting.refused(session, now);
                    self.leave();
                }
            }
            FromHub::Contested { position, session } => {
                if let Some(id) = self.own(app, &position).filter(|_| self.greeting.session() == Some(session)) {
                    self.contest(id, position.seq(), now);
                }
            }
            FromHub::TotalsDiffer { incarnation, session } => {
                if self.greeting.session() == Some(session) {
                    self.totals_differ(Incarnation::new(incarnation), now);
                }
            }
        }
        Ok(())
    }

    /// The hub asks for a journal from a place on: one of this node's, or one of its own that it has lost.
    fn asked_for(&mut self, app: &App, position: &Position, now: Duration) -> Result<(), AppError> {
        let Some(id) = position.journal() else { return Ok(()) };
        if id.author == app.author() {
            self.outbound.resend_after(id, position.seq(), now);
            return Ok(());
        }
        let (head, own) = app
            .readers
            .read(|tx| Ok::<_, AppError>((down::head_fetch(tx, &id)?, down::hash_at(tx, &id, position.seq())?)))?;
        let own = if position.seq() == 0 { Some(id.genesis().hash) } else { own };
        if head.seq > position.seq() && own.map(|hash| hash.short()) == Some(position.hash()) {
            tracing::warn!(journal = %id, "the hub has lost a part of {id}, which this node gives back");
            self.outbound.start(id, position.seq(), head.seq, now);
        }
        Ok(())
    }

    fn own(&self, app: &App, position: &Position) -> Option<JournalId> {
        position.journal().filter(|id| id.author == app.author())
    }

    /// The hub holds other entries of an older life: ask for the common past.
    pub(crate) fn contest(&mut self, id: JournalId, held: u64, now: Duration) {
        if self.contested.iter().all(|contested| contested.id != id) {
            self.contested.push(Contested { id, held });
        }
        self.greet_again(now);
    }

    pub(super) fn greet_again(&mut self, now: Duration) {
        self.eager += 1;
        if self.eager <= EAGER_GREETINGS_MAX || self.greeting.session().is_some() {
            self.greeting.again(now);
        }
        self.leave();
    }

    fn acked(&mut self, app: &App, ack: &Ack, now: Duration) -> Result<(), AppError> {
        let in_session = self.greeting.session() == Some(ack.session);
        let Some(id) = ack.position.journal().filter(|_| in_session) else { return Ok(()) };
        let Some(before) = self.outbound.acked_seq(id) else { return Ok(()) };
        app.present.set_skew(UtcMillis::new(ack.reader_ms), app.clock.now());
        self.outbound.acked(id, ack.position.seq(), now);
        let seq = self.outbound.acked_seq(id).unwrap_or(before);
        self.totals.acked(id, seq);
        if let Some(parked) = ack.parked.as_deref().filter(|_| id.author == app.author()) {
            app.present.add_parked(id, parked);
        }
        if seq <= before || id.author != app.author() {
            return Ok(());
        }
        metrics::gauge!("node_acked_seq", "stream" => id.stream.as_str())
            .set(f64::from(u32::try_from(seq).unwrap_or(u32::MAX)));
        app.writer.run_blocking("acked", move |tx| match lives::find(tx, id.incarnation)? {
            Some(life) => Ok(journal::acked_put(tx, life, id.stream, seq)?),
            None => Ok(()),
        })
    }

    /// Writes some entries again, if there are any to be written again. Blocks.
    pub(crate) fn repair(&mut self, app: &App, now: Duration) -> Result<(), AppError> {
        let repairing = app.clone();
        let left = app.writer.run_blocking("repair_step", move |tx| repair::step(&repairing, tx))?;
        self.repairing = left.is_some_and(|left| left > 0);
        if left == Some(0) {
            tracing::info!("what the hub lacked is written again");
            // The old journals end elsewhere now: what follows there can be asked for.
            self.greet_again(now);
        }
        Ok(())
    }

    /// Takes note of what was written since. Blocks.
    pub(crate) fn grown(&mut self, app: &App, now: Duration) -> Result<(), AppError> {
        let (life, heads) = app.readers.read(|tx| {
            let life = lives::present(tx)?;
            Ok::<_, AppError>((life, journal::head_list(tx, life)?))
        })?;
        for head in heads {
            self.outbound.appended(app.journal(life, head.stream), head.head.seq, 0, now);
        }
        Ok(())
    }

    /// The next batch to send, if one is due. Blocks.
    pub(crate) fn batch(&mut self, app: &App, now: Duration) -> Result<Option<Batch>, AppError> {
        let Some(session) = self.greeting.session() else { return Ok(None) };
        if let Some(send) = self.outbound.next_send(now) {
            return app.readers.read(|tx| self.read_batch(app, tx, send, session));
        }
        let owing: Vec<_> = self.totals.owing().collect();
        for incarnation in owing {
            let (last, batch) = app.readers.read(|tx| {
                let Some(life) = lives::find(tx, incarnation)? else { return Ok((LastEntry::NotYet, None)) };
                let last = self.totals.last_entry(app, tx, life, &self.outbound)?;
                let LastEntry::At(journal, seq_lo) = last else { return Ok((last, None)) };
                let batch = self.read_batch(app, tx, SendFrom { journal, seq_lo }, session)?;
                Ok::<_, AppError>((last, batch))
            })?;
            match batch {
                Some(batch) if batch.stock_totals.is_empty() => self.totals.settle(incarnation),
                Some(batch) => return Ok(Some(batch)),
                None if last == LastEntry::Nothing => self.totals.settle(incarnation),
                None => {}
            }
        }
        Ok(None)
    }

    fn read_batch(&self, app: &App, tx: &ReadTx<'_>, send: SendFrom, session: u64) -> Result<Option<Batch>, AppError> {
        let id = send.journal;
        if id.author != app.author() {
            return read_down_batch(app, tx, send, session);
        }
        let Some(life) = lives::find(tx, id.incarnation)? else { return Ok(None) };
        let (events_max, bytes_max) = (usize::from(BATCH_EVENTS_MAX), BODY_BYTES_MAX);
        let events = journal::entry_list(tx, life, id.stream, send.seq_lo, events_max, bytes_max)?;
        let before = journal::hash_at(tx, life, &id, send.seq_lo.saturating_sub(1))?;
        let (Some(before), false) = (before, events.is_empty()) else { return Ok(None) };
        let mut batch = Batch {
            journal: id,
            seq_lo: send.seq_lo,
            hash_before: before.short(),
            stock_totals: Vec::new(),
            events,
            sent_at: app.clock.now(),
            session,
            last_seq: journal::head_fetch(tx, life, &id)?.seq,
        };
        batch.stock_totals = self.totals.exact(app, tx, life, &batch, &self.outbound)?;
        Ok(Some(batch))
    }

    /// A batch has been handed to the link.
    pub(crate) fn sent(&mut self, batch: &Batch, now: Duration) {
        // It may hold entries that were committed since the journal's end was last noted.
        self.outbound.appended(batch.journal, batch.last_seq, 0, now);
        self.outbound.sent(batch.journal, batch.seq_hi(), now);
        self.totals.sent(batch);
    }

    /// When to look again, if nothing happens.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        [self.greeting.next_due(), self.outbound.next_due(), self.mark_due()].into_iter().flatten().min()
    }

    /// What to say about a journal that is read here: how far it is held, or nothing outside a session.
    pub(crate) fn about_down(&self, app: &App, id: &JournalId, head: Head, gap: bool) -> Option<FromNode> {
        let session = self.greeting.session()?;
        let position = Position::new(id, head.seq, head.hash.short());
        Some(if gap {
            FromNode::Resend(Resend { position, session })
        } else {
            FromNode::Ack(Ack { position, session, reader_ms: app.clock.now().get(), parked: None })
        })
    }

    /// Whether journals of older lives are still to be asked for.
    pub(crate) fn has_to_ask(&self) -> bool {
        !self.asks.is_empty()
    }

    /// The request for the next journal of an older life of which the hub holds more. Blocks.
    pub(crate) fn ask(&self, app: &App) -> Result<Option<FromNode>, AppError> {
        let Some(id) = self.asks.front() else { return Ok(None) };
        let head = app.readers.read(|tx| match lives::find(tx, id.incarnation)? {
            Some(life) => journal::head_fetch(tx, life, id),
            None => Ok(id.genesis()),
        })?;
        Ok(self.about_down(app, id, head, true))
    }

    /// That request has been handed to the link.
    pub(crate) fn asked(&mut self) {
        let _asked = self.asks.pop_front();
    }

    /// An older life has come back up to here; it is a journal like any other once nothing is missing.
    pub(crate) fn returned(&mut self, id: JournalId, head: Head, now: Duration) {
        if self.missing.get(&id).is_some_and(|held| *held <= head.seq) {
            self.missing.remove(&id);
            self.outbound.start(id, head.seq, head.seq, now);
            self.totals.owe(id.incarnation);
        }
    }
}

/// Entries of a journal of the hub, for the hub.
fn read_down_batch(app: &App, tx: &ReadTx<'_>, send: SendFrom, session: u64) -> Result<Option<Batch>, AppError> {
    let id = send.journal;
    let seq_before = send.seq_lo.saturating_sub(1);
    let before = if seq_before == 0 { Some(id.genesis().hash) } else { down::hash_at(tx, &id, seq_before)? };
    let mut bytes = 0_usize;
    let mut events = down::entry_list(tx, &id, seq_before)?;
    events.truncate(usize::from(BATCH_EVENTS_MAX));
    let fits = events.iter().take_while(|event| {
        bytes = bytes.saturating_add(event.len()).saturating_add(EVENT_OVERHEAD_BYTES);
        bytes <= BODY_BYTES_MAX
    });
    let fitting = fits.count().max(1);
    events.truncate(fitting);
    let (Some(before), false) = (before, events.is_empty()) else { return Ok(None) };
    Ok(Some(Batch {
        journal: id,
        seq_lo: send.seq_lo,
        hash_before: before.short(),
        events,
        stock_totals: Vec::new(),
        sent_at: app.clock.now(),
        session,
        last_seq: down::head_fetch(tx, &id)?.seq,
    }))
}

#[cfg(test)]
mod tests {
    use percolate_common::ids::NodeId;
    use percolate_common::journal::{AuthorId, StreamKind};

    use super::*;

    #[test]
    fn an_acknowledgement_of_what_was_written_since_the_last_look_counts_in_full() {
        let journal = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let mut session = Session::default();
        session.outbound.start(journal, 0, 4, Duration::ZERO);
        // The fifth entry was committed after the journal's end was last noted, and went along.
        let batch = Batch {
            journal,
            seq_lo: 1,
            hash_before: journal.genesis().hash.short(),
            events: vec![vec![0]; 5],
            stock_totals: Vec::new(),
            sent_at: UtcMillis::new(0),
            session: 1,
            last_seq: 5,
        };
        session.sent(&batch, Duration::ZERO);
        session.outbound.acked(journal, 5, Duration::ZERO);
        assert_eq!(session.outbound.acked_seq(journal), Some(5));
        assert_eq!(session.outbound.next_due(), None, "nothing is in flight, nothing is sent again");
    }
}
