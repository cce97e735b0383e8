//! Money that comes beside sales and refunds: parts of open tickets, tips that were written down later, cards that were taken on trust,
//! and cards that took the place of cash. Each counts once, on its own day, whichever life of a node states it.

use percolate_common::domain::event::Header;
use percolate_common::domain::tenders::card::CardSettled;
use percolate_common::domain::tickets::open::PaymentTaken;
use percolate_common::domain::tickets::tips::{TipAdjusted, TipOn, moves};
use percolate_common::ids::StoreId;
use percolate_common::time::BusinessDay;
use percolate_runtime::storage::WriteTx;

use super::measures::{Kind, Measures, Rollups, SumOverflow};
use super::money::{count_house, count_tip};
use super::projection::FoldError;
use super::store::tips as store;

fn count_tender(
    rollups: &mut Rollups,
    (place, day): (StoreId, BusinessDay),
    kind: &str,
    total: i64,
) -> Result<(), SumOverflow> {
    rollups.add(place, Kind::Tender, day, kind, &Measures { total, ..Measures::default() })
}

/// A part of an open ticket: its sale does not count it again.
pub(super) fn paid(
    tx: &WriteTx<'_>,
    rollups: &mut Rollups,
    header: &Header,
    payment: &PaymentTaken,
) -> Result<(), FoldError> {
    if !store::counted_insert(tx, payment.id.to_bytes())? {
        return Ok(());
    }
    let at = (header.store, header.business_day);
    let (kind, kept) = (&payment.tender.kind, payment.kept().get());
    count_tender(rollups, at, kind.as_str(), kept)?;
    count_house(rollups, at, kind, kept)?;
    Ok(count_tip(rollups, at, payment.by, payment.tip.get())?)
}

/// A tip that was written down: sums are what holds, in whatever order it is read.
pub(super) fn tipped(
    tx: &WriteTx<'_>,
    rollups: &mut Rollups,
    header: &Header,
    fact: &TipAdjusted,
) -> Result<(), FoldError> {
    let on = TipOn::new(fact, header.business_day);
    for part in moves(&store::list(tx, fact.ticket)?, &on) {
        let (at, total) = ((header.store, part.day), part.amount.get());
        count_tender(rollups, at, part.card.as_str(), total)?;
        count_tip(rollups, at, part.seller, total)?;
    }
    Ok(store::insert(tx, (header.store, fact.ticket), &on)?)
}

/// What became of a card that a ticket counts: it was taken on trust, or took the place of cash.
pub(super) fn settled(
    tx: &WriteTx<'_>,
    rollups: &mut Rollups,
    header: &Header,
    settled: &CardSettled,
) -> Result<(), FoldError> {
    let moves = settled.moves();
    if moves.is_empty() || !store::counted_insert(tx, settled.payment.to_bytes())? {
        return Ok(());
    }
    for (kind, amount) in moves {
        count_tender(rollups, (header.store, header.business_day), kind, amount.get())?;
    }
    Ok(())
}
