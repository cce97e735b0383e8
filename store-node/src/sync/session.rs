//! What to say to the hub, and what its messages mean: no sockets and no clock in here.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use percolate_common::domain::event::LifeReason;
use percolate_common::journal::{Head, JournalId, SigningKey, StreamKind};
use percolate_common::sync::greeting::Greeting;
use percolate_common::sync::outbound::{Outbound, SendFrom};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{Ack, FromHub, FromNode, Hello, Position, Resend, SignedHead, Verdict, Welcome};
use percolate_common::wire::{BATCH_EVENTS_MAX, BODY_BYTES_MAX, WIRE_VERSION, WIRE_VERSION_MIN};
use percolate_runtime::sqlite::ReadTx;

use super::standing::{Contested, Relation, Standing, Survey, marks, survey};
use super::totals::Totals;
use crate::app::error::AppError;
use crate::app::repair::{self, Contest};
use crate::app::{App, Halted, LinkState, life};
use crate::store::lives;
use crate::store::{down, journal};

/// Greetings that may follow each other without a wait while a fork is being cleared up; a hub that is never content is
/// asked again with growing waits, like one that does not answer.
const EAGER_GREETINGS_MAX: u32 = 4;

/// What tells this process from others.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) key: SigningKey,
    pub(crate) boot: u64,
}

/// What was asked with the last greeting.
#[derive(Debug)]
struct Asked {
    number: u64,
    incarnation: u64,
    heads: BTreeMap<StreamKind, u64>,
    /// Contested journals whose common past was asked for.
    about: Vec<JournalId>,
}

/// The node's side of the exchange.
#[derive(Debug)]
pub(crate) struct Session {
    greeting: Greeting,
    outbound: Outbound,
    totals: Totals,
    asked: Option<Asked>,
    /// Journals whose common past the next greeting asks for.
    contested: Vec<Contested>,
    /// Greetings without a wait since the hub was last content.
    eager: u32,
    /// What the hub holds of older lives beyond what is here.
    missing: BTreeMap<JournalId, u64>,
    /// Those of them that are still to be asked for.
    asks: VecDeque<JournalId>,
    /// Whether entries may have to be written again: at the start until it was looked, and after a fork.
    pub(crate) repairing: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            greeting: Greeting::default(),
            outbound: Outbound::default(),
            totals: Totals::default(),
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
    fn leave(&mut self) {
        self.asked = None;
        self.outbound.stop();
        self.totals.clear();
        self.missing.clear();
        self.asks.clear();
    }

    /// The greeting to send now, if one is due. Blocks.
    pub(crate) fn hello(&mut self, app: &App, machine: &Machine, now: Duration) -> Result<Option<Hello>, AppError> {
        if !self.greeting.take_due(now) {
            return Ok(None);
        }
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
            stock_digest: None,
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
                if let Some(id) = self.own(app, &position).filter(|_| self.greeting.session() == Some(session)) {
                    self.outbound.resend_after(id, position.seq(), now);
                }
            }
            FromHub::Rehello { session } => {
                self.greeting.refused(session, now);
                if self.greeting.session().is_none() {
                    self.leave();
                }
            }
            FromHub::Contested { position, session } => {
                if let Some(id) = self.own(app, &position).filter(|_| self.greeting.session() == Some(session)) {
                    self.contest(id, position.seq(), now);
                }
            }
        }
        Ok(())
    }

    /// Whether this answers the last greeting. A late answer to one before it is none.
    fn is_answer(&self, welcome: &Welcome) -> bool {
        let answers = |given: Option<u64>, asked: fn(&Asked) -> u64| {
            given.is_none_or(|given| self.asked.as_ref().is_some_and(|last| asked(last) == given))
        };
        answers(welcome.number, |asked| asked.number) && answers(welcome.incarnation, |asked| asked.incarnation)
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

    fn greet_again(&mut self, now: Duration) {
        self.eager += 1;
        if self.eager <= EAGER_GREETINGS_MAX || self.greeting.session().is_some() {
            self.greeting.again(now);
        }
        self.leave();
    }

    fn acked(&mut self, app: &App, ack: &Ack, now: Duration) -> Result<(), AppError> {
        let in_session = self.greeting.session() == Some(ack.session);
        let Some(id) = self.own(app, &ack.position).filter(|_| in_session) else { return Ok(()) };
        let Some(before) = self.outbound.acked_seq(id) else { return Ok(()) };
        app.present.set_skew_ms(ack.reader_ms.saturating_sub(app.clock.now().get()));
        self.outbound.acked(id, ack.position.seq(), now);
        let seq = self.outbound.acked_seq(id).unwrap_or(before);
        self.totals.acked(id, seq);
        if seq <= before {
            return Ok(());
        }
        metrics::gauge!("node_acked_seq", "stream" => id.stream.as_str())
            .set(f64::from(u32::try_from(seq).unwrap_or(u32::MAX)));
        app.writer.run_blocking("acked", move |tx| match lives::find(tx, id.incarnation)? {
            Some(life) => Ok(journal::acked_put(tx, life, id.stream, seq)?),
            None => Ok(()),
        })
    }

    fn halt(&mut self, app: &App, code: &'static str, detail: &str) {
        tracing::error!(code, "sending has stopped: {detail}");
        metrics::counter!("node_sync_halts_total").increment(1);
        self.outbound.stop();
        app.present.set_link(LinkState::Refused);
        app.present.set_halted(Some(Halted { code, detail: detail.to_owned() }));
    }

    fn welcomed(&mut self, app: &App, welcome: &Welcome, now: Duration) -> Result<(), AppError> {
        let reason = match &welcome.verdict {
            Verdict::Welcome => None,
            Verdict::Forked { .. } => Some(LifeReason::Forked),
            Verdict::Fenced => Some(LifeReason::Fenced),
            Verdict::WireVersion { min, max } => {
                let detail = format!(
                    "The hub reads wire versions {min} to {max}, this program writes {WIRE_VERSION}: update the box."
                );
                self.halt(app, "wire_version", &detail);
                return Ok(());
            }
            Verdict::Untrusted => {
                self.halt(app, "untrusted", "The hub does not believe this box's key. It sells on; call support.");
                return Ok(());
            }
        };
        app.present.set_skew_ms(welcome.hub_ms.saturating_sub(app.clock.now().get()));
        let mut survey = app.readers.read(|tx| survey(app, tx, &welcome.positions))?;
        if !survey.unknown.is_empty() {
            let (adopting, unknown) = (app.clone(), std::mem::take(&mut survey.unknown));
            app.writer.run_blocking("adopt", move |tx| life::adopt(&adopting, tx, &unknown))?;
            survey = app.readers.read(|tx| super::standing::survey(app, tx, &welcome.positions))?;
        }
        let of_present = |standing: &&Standing| standing.life == survey.present;
        let contested =
            survey.standings.iter().filter(of_present).any(|standing| standing.relation != Relation::Behind);
        if contested || reason.is_some() {
            return self.life_contested(app, welcome, &survey, reason.unwrap_or(LifeReason::Forked), now);
        }
        if !self.settle_older(app, welcome, &survey, now)? {
            return Ok(());
        }
        let repaired = app.readers.read(|tx| super::standing::survey(app, tx, &welcome.positions))?;
        self.open(app, welcome.session, repaired, now)
    }

    /// The present life has no future: it ends where both sides agree, once that is known.
    fn life_contested(
        &mut self,
        app: &App,
        welcome: &Welcome,
        survey: &Survey,
        reason: LifeReason,
        now: Duration,
    ) -> Result<(), AppError> {
        let asked = self.asked.as_ref();
        let settled = |standing: &&Standing| {
            let head_then = asked.and_then(|asked| asked.heads.get(&standing.id.stream)).copied().unwrap_or(u64::MAX);
            let head_is_held = welcome.agreed.iter().flatten().any(|position| {
                position.journal() == Some(standing.id) && position.seq() > 0 && position.seq() >= head_then
            });
            let was_asked = asked.is_some_and(|asked| asked.about.contains(&standing.id));
            standing.last == 0 || standing.relation == Relation::Behind || head_is_held || was_asked
        };
        let of_present = |standing: &&Standing| standing.life == survey.present;
        let open: Vec<_> = survey.standings.iter().filter(of_present).filter(|standing| !settled(standing)).collect();
        if !open.is_empty() {
            self.contested = open.iter().map(|standing| Contested { id: standing.id, held: standing.held }).collect();
            self.greet_again(now);
            return Ok(());
        }
        let contest = Contest {
            incarnation: survey.present.incarnation,
            streams: StreamKind::UP.to_vec(),
            held: held_alike(welcome),
            reason,
        };
        self.begin_repair(app, contest)?;
        app.present.set_halted(None);
        self.contested.clear();
        self.greet_again(now);
        Ok(())
    }

    fn begin_repair(&mut self, app: &App, contest: Contest) -> Result<(), AppError> {
        let repairing = app.clone();
        app.writer.run_blocking("repair_begin", move |tx| repair::begin(&repairing, tx, &contest))?;
        self.repairing = true;
        Ok(())
    }

    /// Older lives that the hub contests are repaired, too, once the common past is known; tells whether it is.
    fn settle_older(&mut self, app: &App, welcome: &Welcome, survey: &Survey, now: Duration) -> Result<bool, AppError> {
        let asked = self.asked.as_ref();
        let was_asked = |id: &JournalId| asked.is_some_and(|asked| asked.about.contains(id));
        let others = survey.standings.iter().filter(|standing| standing.relation == Relation::Other);
        let asked_for = survey.standings.iter().filter(|standing| was_asked(&standing.id));
        let open: Vec<_> = others.filter(|standing| !was_asked(&standing.id)).collect();
        if !open.is_empty() {
            self.contested = open.iter().map(|standing| Contested { id: standing.id, held: standing.held }).collect();
            self.greet_again(now);
            return Ok(false);
        }
        let mut lives: BTreeMap<_, Vec<StreamKind>> = BTreeMap::new();
        for standing in asked_for.filter(|standing| standing.life != survey.present) {
            lives.entry(standing.id.incarnation).or_default().push(standing.id.stream);
        }
        for (incarnation, streams) in lives {
            let contest = Contest { incarnation, streams, held: held_alike(welcome), reason: LifeReason::Forked };
            self.begin_repair(app, contest)?;
        }
        Ok(true)
    }

    /// The session begins: each journal goes on where the hub says.
    fn open(&mut self, app: &App, session: u64, survey: Survey, now: Duration) -> Result<(), AppError> {
        let standings = survey.standings.clone();
        app.writer.run_blocking("positions", move |tx| {
            for Standing { life, id, held, .. } in standings.iter().filter(|one| one.relation == Relation::Behind) {
                if journal::acked_fetch(tx, *life, id.stream)? != *held {
                    journal::acked_set(tx, *life, id.stream, *held)?;
                }
            }
            Ok::<_, AppError>(())
        })?;
        self.leave();
        self.contested.clear();
        self.eager = 0;
        for Standing { id, last, held, relation, .. } in survey.standings {
            match relation {
                Relation::Behind => {
                    self.outbound.start(id, held, last, now);
                    self.totals.owe(id.incarnation);
                }
                Relation::Ahead => {
                    self.missing.insert(id, held);
                    self.asks.push_back(id);
                }
                Relation::Other => {}
            }
        }
        self.greeting.welcomed(session);
        app.present.set_halted(None);
        app.present.set_link(LinkState::Up);
        Ok(())
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
            let batch = app.readers.read(|tx| {
                let Some(life) = lives::find(tx, incarnation)? else { return Ok(None) };
                match self.totals.last_entry(app, tx, life, &self.outbound)? {
                    Some((journal, seq_lo)) => self.read_batch(app, tx, SendFrom { journal, seq_lo }, session),
                    None => Ok(None),
                }
            })?;
            match batch {
                Some(batch) if batch.stock_totals.is_empty() => self.totals.settle(incarnation),
                Some(batch) => return Ok(Some(batch)),
                None => {}
            }
        }
        Ok(None)
    }

    fn read_batch(&self, app: &App, tx: &ReadTx<'_>, send: SendFrom, session: u64) -> Result<Option<Batch>, AppError> {
        let id = send.journal;
        let Some(life) = lives::find(tx, id.incarnation)? else { return Ok(None) };
        let (events_max, bytes_max) = (usize::from(BATCH_EVENTS_MAX), BODY_BYTES_MAX);
        let events = journal::entry_list(tx, life, id.stream, send.seq_lo, events_max, bytes_max)?;
        let before = journal::hash_at(tx, life, &id, send.seq_lo.saturating_sub(1))?;
        let (Some(before), false) = (before, events.is_empty()) else { return Ok(None) };
        let seq_hi = send.seq_lo.saturating_add(events.len() as u64).saturating_sub(1);
        Ok(Some(Batch {
            journal: id,
            seq_lo: send.seq_lo,
            hash_before: before.short(),
            stock_totals: self.totals.exact(app, tx, life, (id.stream, seq_hi), &self.outbound, &events)?,
            events,
            sent_at: app.clock.now(),
            session,
            last_seq: journal::head_fetch(tx, life, &id)?.seq,
        }))
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
        [self.greeting.next_due(), self.outbound.next_due()].into_iter().flatten().min()
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

/// The places of the node's journals of which the hub says that it holds them.
fn held_alike(welcome: &Welcome) -> Vec<Position> {
    let agreed = welcome.agreed.iter().flatten();
    agreed.chain(&welcome.positions).cloned().collect()
}

#[cfg(test)]
mod tests {
    use percolate_common::ids::NodeId;
    use percolate_common::journal::{AuthorId, Incarnation};
    use percolate_common::time::UtcMillis;

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
