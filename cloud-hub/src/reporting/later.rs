//! Money that comes beside sales and refunds: parts of open tickets, tips that were written down later, cards that were taken on trust,
//! and cards that took the place of cash. Each counts once, on its own day, whichever life of a node states it.

use percolate_common::domain::event::Header;
use percolate_common::domain::tenders::card::{CardSettled, Settled};
use percolate_common::domain::tickets::open::PaymentTaken;
use percolate_common::domain::tickets::tips::{TipAdjusted, TipOn, moves};
use percolate_common::ids::{CardPaymentId, StoreId};
use percolate_common::time::BusinessDay;
use percolate_runtime::storage::WriteTx;

use super::fold_error::FoldError;
use super::measures::{Kind, Measures, Rollups, SumOverflow};
use super::money::{count_house, count_tip};
use super::store::{Between, between_insert, tips as store};

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
    if !between_insert(tx, payment.id.to_bytes(), Between::Part)? {
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

/// What became of a card after its sale or refund: it was taken on trust, took the place of cash, or took no money back.
pub(super) fn settled(
    tx: &WriteTx<'_>,
    rollups: &mut Rollups,
    header: &Header,
    settled: &CardSettled,
) -> Result<(), FoldError> {
    let (id, what) = match (settled.settled, settled.refund) {
        (Settled::Forwarded, _) => (settled.payment, Between::Forwarded),
        (Settled::Lost, _) => (settled.payment, Between::Lost),
        (Settled::Exchanged, _) => (settled.payment, Between::Exchanged),
        (Settled::Owed, Some(refund)) => (CardPaymentId::credited(refund, settled.payment), Between::Owed),
        (Settled::Owed, None) => (settled.payment, Between::Owed),
        (Settled::Reversed | Settled::Credited, _) => return Ok(()),
    };
    let moves = settled.moves();
    if moves.is_empty() || !between_insert(tx, id.to_bytes(), what)? {
        return Ok(());
    }
    for (kind, amount) in moves {
        count_tender(rollups, (header.store, header.business_day), kind, amount.get())?;
    }
    Ok(())
}
