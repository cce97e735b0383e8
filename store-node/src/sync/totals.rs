//! When stock totals go along with a batch: only when they are exactly what the hub will hold after it. Totals of now
//! beside events of then would stay at the hub for ever, should what lies between never come to it.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::StockItemId;
use percolate_common::journal::{Incarnation, JournalId, StreamKind};
use percolate_common::sync::outbound::Outbound;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event::decode;
use percolate_runtime::sqlite::ReadTx;

use crate::app::App;
use crate::app::error::AppError;
use crate::store::lives::Life;
use crate::store::{journal, stock};

/// The streams whose events move stock.
pub(super) const STOCK_STREAMS: [StreamKind; 2] = [StreamKind::Sales, StreamKind::Stock];

/// What the hub has still to be told of a life's totals.
#[derive(Debug, Default)]
struct Owed {
    /// All have been told in this session; after that only what was touched.
    told: bool,
    touched: BTreeSet<StockItemId>,
    /// The end of the batch that totals went along with, and is not acknowledged.
    offered: Option<(StreamKind, u64)>,
    touched_since: BTreeSet<StockItemId>,
}

/// What the hub has still to be told in this session.
#[derive(Debug, Default)]
pub(super) struct Totals {
    lives: BTreeMap<Incarnation, Owed>,
}

/// With which entry a life's totals can go once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastEntry {
    /// The hub has not all entries yet.
    NotYet,
    /// The life has none that moves stock.
    Nothing,
    /// The last of a journal.
    At(JournalId, u64),
}

/// What a batch takes along.
pub(super) type Told = Vec<(StockItemId, StockTotal)>;

impl Totals {
    /// A session begins or ends: everything is to be told once.
    pub(super) fn clear(&mut self) {
        self.lives.clear();
    }

    /// A life's totals are to be told in this session.
    pub(super) fn owe(&mut self, incarnation: Incarnation) {
        self.lives.entry(incarnation).or_default();
    }

    /// The totals to send with a batch; none unless the hub will then hold all that they count.
    pub(super) fn exact(
        &self,
        app: &App,
        tx: &ReadTx<'_>,
        life: Life,
        batch: &Batch,
        outbound: &Outbound,
    ) -> Result<Told, AppError> {
        let Some(owed) = self.lives.get(&life.incarnation) else { return Ok(Told::new()) };
        for counting in STOCK_STREAMS {
            let id = app.journal(life, counting);
            let head = journal::head_fetch(tx, life, &id)?.seq;
            let held = if counting == batch.journal.stream { Some(batch.seq_hi()) } else { outbound.acked_seq(id) };
            if held != Some(head) {
                return Ok(Told::new());
            }
        }
        let mut totals = stock::total_list(tx, life)?;
        if owed.told {
            let touched = touched(&batch.events);
            totals.retain(|(item, _)| owed.touched.contains(item) || touched.contains(item));
        }
        Ok(totals)
    }

    /// A batch has been handed to the link.
    pub(super) fn sent(&mut self, batch: &Batch) {
        if !STOCK_STREAMS.contains(&batch.journal.stream) {
            return;
        }
        let Some(owed) = self.lives.get_mut(&batch.journal.incarnation) else { return };
        let touched = touched(&batch.events);
        if batch.stock_totals.is_empty() {
            owed.touched_since.extend(&touched);
        } else {
            owed.offered = Some((batch.journal.stream, batch.seq_hi()));
            owed.touched_since.clear();
        }
        owed.touched.extend(touched);
    }

    /// The hub has committed a journal up to `seq`.
    pub(super) fn acked(&mut self, journal: JournalId, seq: u64) {
        let Some(owed) = self.lives.get_mut(&journal.incarnation) else { return };
        if owed.offered.is_some_and(|(stream, seq_hi)| stream == journal.stream && seq_hi <= seq) {
            owed.told = true;
            owed.offered = None;
            owed.touched = std::mem::take(&mut owed.touched_since);
        }
    }

    /// There is nothing to tell of a life.
    pub(super) fn settle(&mut self, incarnation: Incarnation) {
        if let Some(owed) = self.lives.get_mut(&incarnation) {
            *owed = Owed { told: true, ..Owed::default() };
        }
    }

    /// Lives of which something is to be told and nothing is under way.
    pub(super) fn owing(&self) -> impl Iterator<Item = Incarnation> + '_ {
        let owes = |owed: &Owed| owed.offered.is_none() && (!owed.told || !owed.touched.is_empty());
        self.lives.iter().filter(move |(_, owed)| owes(owed)).map(|(incarnation, _)| *incarnation)
    }

    /// All totals of a life are to be told once more.
    pub(super) fn tell_again(&mut self, incarnation: Incarnation) {
        if let Some(owed) = self.lives.get_mut(&incarnation) {
            owed.told = false;
        }
    }

    /// Whether the hub has been told everything, and has taken it.
    pub(super) fn is_settled(&self) -> bool {
        self.lives.values().all(|owed| owed.told && owed.offered.is_none() && owed.touched.is_empty())
    }

    /// The lives of which totals are told in this session.
    pub(super) fn lives(&self) -> impl Iterator<Item = Incarnation> + '_ {
        self.lives.keys().copied()
    }

    /// The last entry of a journal, to be sent once more for the totals' sake: where both streams came to an end at the
    /// same time, neither batch could take them along.
    pub(super) fn last_entry(
        &self,
        app: &App,
        tx: &ReadTx<'_>,
        life: Life,
        outbound: &Outbound,
    ) -> Result<LastEntry, AppError> {
        let mut last = LastEntry::Nothing;
        for stream in STOCK_STREAMS {
            let id = app.journal(life, stream);
            let head = journal::head_fetch(tx, life, &id)?.seq;
            if outbound.acked_seq(id) != Some(head) {
                return Ok(LastEntry::NotYet);
            }
            if head > 0 {
                last = LastEntry::At(id, head);
            }
        }
        Ok(last)
    }
}

fn touched(events: &[Vec<u8>]) -> BTreeSet<StockItemId> {
    let mut items = BTreeSet::new();
    for recorded in events.iter().filter_map(|bytes| decode(bytes).ok()) {
        items.extend(recorded.event.stock_effects().iter().map(|line| line.stock_item));
    }
    items
}
