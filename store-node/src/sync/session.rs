//! What to say to the hub, and what its messages mean: no sockets and no clock in here.

use core::time::Duration;
use std::collections::BTreeMap;

use percolate_common::domain::event::Event;
use percolate_common::ids::StockItemId;
use percolate_common::journal::{JournalId, SigningKey, StreamKind};
use percolate_common::sync::greeting::Greeting;
use percolate_common::sync::outbound::{Outbound, SendFrom};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event::decode;
use percolate_common::wire::session::{Ack, FromHub, FromNode, Hello, Position, Resend, SignedHead, Verdict, Welcome};
use percolate_common::wire::{BATCH_EVENTS_MAX, BODY_BYTES_MAX, WIRE_VERSION, WIRE_VERSION_MIN};
use percolate_runtime::sqlite::{ReadTx, StorageError};

use crate::app::error::AppError;
use crate::app::{App, Halted, LinkState};
use crate::store::{down, journal, stock};

/// What a person is told when the hub and this database disagree about the past.
const FORKED: &str =
    "The hub holds another past of this box: its disk was restored or cloned. It sells on; call support.";

/// What tells this process and machine from others.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) key: SigningKey,
    pub(crate) fingerprint: [u8; 16],
    pub(crate) boot: u64,
}

/// The node's side of the exchange.
#[derive(Debug, Default)]
pub(crate) struct Session {
    greeting: Greeting,
    outbound: Outbound,
}

/// What the hub has committed, by journal: to be remembered.
pub(crate) type Committed = Vec<(StreamKind, u64)>;

impl Session {
    pub(crate) fn link_up(&mut self, now: Duration) {
        self.greeting.connected(now);
    }

    pub(crate) fn link_down(&mut self, app: &App) {
        self.greeting.disconnected();
        self.outbound.stop();
        app.present.set_link(LinkState::Down);
    }

    /// The greeting to send now, if one is due. Blocks.
    pub(crate) fn hello(&mut self, app: &App, machine: &Machine, now: Duration) -> Result<Option<Hello>, AppError> {
        if !self.greeting.take_due(now) {
            return Ok(None);
        }
        let (heads, positions) =
            app.readers.read(|tx| Ok::<_, StorageError>((journal::head_list(tx, app.life)?, down::head_list(tx)?)))?;
        let signed = |head: &journal::StreamHead| SignedHead::sign(&machine.key, &app.journal(head.stream), &head.head);
        Ok(Some(Hello {
            wire_min: WIRE_VERSION_MIN,
            wire_max: WIRE_VERSION,
            incarnation: app.life.incarnation.get(),
            store: app.identity.store.get(),
            machine: machine.fingerprint.into(),
            boot: machine.boot,
            now_ms: app.clock.now().get(),
            public_key: (*machine.key.public_key().as_bytes()).into(),
            heads: heads.iter().map(signed).collect(),
            positions: positions.iter().map(|(id, head)| Position::new(id, head.seq, head.hash.short())).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    /// Takes in what the hub says, and tells how far it has got with our journals, where that is news. Blocks.
    pub(crate) fn heard(
        &mut self,
        app: &App,
        machine: &Machine,
        message: FromHub,
        now: Duration,
    ) -> Result<Committed, AppError> {
        match message {
            FromHub::Welcome(welcome) if welcome.boot == machine.boot => return self.welcomed(app, &welcome, now),
            FromHub::Welcome(_) => {}
            FromHub::Ack(ack) => return Ok(self.acked(app, &ack, now).into_iter().collect()),
            FromHub::Resend(Resend { position, session }) => {
                if let Some(stream) =
                    self.own_stream(app, &position).filter(|_| self.greeting.session() == Some(session))
                {
                    self.outbound.resend_after(stream, position.seq(), now);
                }
            }
            FromHub::Rehello { session } => {
                self.greeting.refused(session, now);
                if self.greeting.session().is_none() {
                    self.outbound.stop();
                }
            }
        }
        Ok(Committed::new())
    }

    fn own_stream(&self, app: &App, position: &Position) -> Option<StreamKind> {
        let id = position.journal()?;
        (id == app.journal(id.stream)).then_some(id.stream)
    }

    fn acked(&mut self, app: &App, ack: &Ack, now: Duration) -> Option<(StreamKind, u64)> {
        let stream = self.own_stream(app, &ack.position).filter(|_| self.greeting.session() == Some(ack.session))?;
        app.present.set_skew_ms(ack.reader_ms.saturating_sub(app.clock.now().get()));
        self.outbound.acked(stream, ack.position.seq(), now);
        self.outbound.acked_seq(stream).map(|seq| (stream, seq))
    }

    fn halt(&mut self, app: &App, code: &'static str, detail: &str) {
        tracing::error!(code, "sending has stopped: {detail}");
        metrics::counter!("node_sync_halts_total").increment(1);
        self.outbound.stop();
        app.present.set_link(LinkState::Refused);
        app.present.set_halted(Some(Halted { code, detail: detail.to_owned() }));
    }

    fn welcomed(&mut self, app: &App, welcome: &Welcome, now: Duration) -> Result<Committed, AppError> {
        match &welcome.verdict {
            Verdict::Welcome => {}
            Verdict::Forked { .. } => {
                self.halt(app, "forked", FORKED);
                return Ok(Committed::new());
            }
            Verdict::WireVersion { min, max } => {
                let detail = format!(
                    "The hub reads wire versions {min} to {max}, this program writes {WIRE_VERSION}: update the box."
                );
                self.halt(app, "wire_version", &detail);
                return Ok(Committed::new());
            }
            Verdict::Untrusted => {
                self.halt(app, "untrusted", "The hub does not believe this box's key. It sells on; call support.");
                return Ok(Committed::new());
            }
        }
        app.present.set_skew_ms(welcome.hub_ms.saturating_sub(app.clock.now().get()));
        let lanes = app.readers.read(|tx| lanes(app, tx, &welcome.positions))?;
        let Some(lanes) = lanes else {
            self.halt(app, "forked", FORKED);
            return Ok(Committed::new());
        };
        self.greeting.welcomed(welcome.session);
        let mut committed = Committed::new();
        for lane in lanes {
            self.outbound.start(lane.stream, lane.position, lane.last, now);
            // An acknowledgement may have been lost, and there may be nothing left to be acknowledged.
            if lane.position > lane.acked {
                committed.push((lane.stream, lane.position));
            }
        }
        app.present.set_halted(None);
        app.present.set_link(LinkState::Up);
        Ok(committed)
    }

    /// Takes note of what was written since. Blocks.
    pub(crate) fn grown(&mut self, app: &App, now: Duration) -> Result<(), AppError> {
        for head in app.readers.read(|tx| journal::head_list(tx, app.life))? {
            self.outbound.appended(head.stream, head.head.seq, 0, now);
        }
        Ok(())
    }

    /// The next batch to send, if one is due. Blocks.
    pub(crate) fn batch(&mut self, app: &App, now: Duration) -> Result<Option<Batch>, AppError> {
        let Some(session) = self.greeting.session() else { return Ok(None) };
        let Some(send) = self.outbound.next_send(now) else { return Ok(None) };
        let batch = app.readers.read(|tx| read_batch(app, tx, send, session))?;
        Ok(batch)
    }

    /// A batch has been handed to the link.
    pub(crate) fn sent(&mut self, batch: &Batch, now: Duration) {
        // It may hold entries that were committed since the journal's end was last noted.
        self.outbound.appended(batch.journal.stream, batch.last_seq, 0, now);
        self.outbound.sent(batch.journal.stream, batch.seq_hi(), now);
    }

    /// When to look again, if nothing happens.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        [self.greeting.next_due(), self.outbound.next_due()].into_iter().flatten().min()
    }

    /// What to say about a journal of the hub: how far it is held, or nothing outside a session.
    pub(crate) fn about_down(
        &self,
        app: &App,
        id: &JournalId,
        head: percolate_common::journal::Head,
        gap: bool,
    ) -> Option<FromNode> {
        let session = self.greeting.session()?;
        let position = Position::new(id, head.seq, head.hash.short());
        Some(if gap {
            FromNode::Resend(Resend { position, session })
        } else {
            FromNode::Ack(Ack { position, session, reader_ms: app.clock.now().get(), parked: None })
        })
    }
}

/// Where a journal's sending begins.
#[derive(Debug, Clone, Copy)]
struct LaneStart {
    stream: StreamKind,
    /// How far the hub holds it.
    position: u64,
    /// How far the hub was known to hold it.
    acked: u64,
    /// How far it reaches.
    last: u64,
}

/// Where each journal's sending begins; nothing if the hub holds something that this database does not.
fn lanes(app: &App, tx: &ReadTx<'_>, positions: &[Position]) -> Result<Option<Vec<LaneStart>>, AppError> {
    let mut lanes = Vec::new();
    for stream in StreamKind::UP {
        let id = app.journal(stream);
        let head = journal::head_fetch(tx, app.life, &id)?;
        let position = positions.iter().find(|position| position.journal() == Some(id));
        let seq = position.map_or(0, Position::seq);
        if let Some(position) = position {
            let own = journal::hash_at(tx, app.life, &id, seq)?;
            if own.map(|hash| hash.short()) != Some(position.hash()) {
                return Ok(None);
            }
        }
        let acked = journal::acked_fetch(tx, app.life, stream)?;
        lanes.push(LaneStart { stream, position: seq, acked, last: head.seq });
    }
    Ok(Some(lanes))
}

fn read_batch(app: &App, tx: &ReadTx<'_>, send: SendFrom, session: u64) -> Result<Option<Batch>, AppError> {
    let id = app.journal(send.stream);
    let bytes_max = BODY_BYTES_MAX;
    let events_max = usize::from(BATCH_EVENTS_MAX);
    let events = journal::entry_list(tx, app.life, send.stream, send.seq_lo, events_max, bytes_max)?;
    let before = journal::hash_at(tx, app.life, &id, send.seq_lo.saturating_sub(1))?;
    let (Some(before), false) = (before, events.is_empty()) else { return Ok(None) };
    Ok(Some(Batch {
        journal: id,
        seq_lo: send.seq_lo,
        hash_before: before.short(),
        stock_totals: touched_totals(app, tx, &events)?,
        events,
        sent_at: app.clock.now(),
        session,
        last_seq: journal::head_fetch(tx, app.life, &id)?.seq,
    }))
}

/// This life's totals of the stock items that the events touch.
fn touched_totals(
    app: &App,
    tx: &ReadTx<'_>,
    events: &[Vec<u8>],
) -> Result<Vec<(StockItemId, percolate_common::crdt::stock::StockTotal)>, AppError> {
    let mut totals = BTreeMap::new();
    for bytes in events {
        let Ok(recorded) = decode(bytes) else { continue };
        let lines = match recorded.event {
            Event::TicketSold(sold) => sold.stock_effects,
            Event::StockMoved(moved) => moved.lines,
            Event::SeriesOpened(_)
            | Event::TicketImported(_)
            | Event::ImportAmended(_)
            | Event::StoreDescribed(_)
            | Event::Catalog(_) => continue,
        };
        for line in lines {
            if let std::collections::btree_map::Entry::Vacant(slot) = totals.entry(line.stock_item) {
                slot.insert(stock::total_fetch(tx, app.life, line.stock_item)?);
            }
        }
    }
    Ok(totals.into_iter().collect())
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
        session.outbound.start(StreamKind::Sales, 0, 4, Duration::ZERO);
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
        session.outbound.acked(StreamKind::Sales, 5, Duration::ZERO);
        assert_eq!(session.outbound.acked_seq(StreamKind::Sales), Some(5));
        assert_eq!(session.outbound.next_due(), None, "nothing is in flight, nothing is sent again");
    }
}
