//! What a sale or a refund adds beside its lines: by hour, by means of payment, by person, by class of tax.

use std::collections::BTreeMap;

use percolate_common::domain::tenders::card::{CardSettled, Settled};
use percolate_common::domain::tickets::open::PaymentTaken;
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::domain::tickets::tender::TenderKind;
use percolate_common::domain::tickets::{TaxLine, TicketClass, TicketSold};
use percolate_common::ids::{CardPaymentId, StaffId, StoreId};
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;

use super::measures::{Kind, Measures, NOBODY, Rollups, SumOverflow};
use super::store::Between;

/// The key of somebody.
pub(super) fn person_key(staff: Option<StaffId>) -> String {
    staff.map_or_else(|| NOBODY.to_owned(), |staff| format!("p:{staff}"))
}

/// What of a ticket is by means of payment and by class of tax.
#[derive(Debug, Clone, Default)]
pub(super) struct Money {
    /// How many tickets each row counts: 1 for a sale, and none for a refund.
    tickets: i64,
    tenders: BTreeMap<&'static str, i64>,
    taxes: Vec<TaxLine>,
}

impl Money {
    /// What a sale brought: cash less the change.
    pub(super) fn of_sale(sold: &TicketSold) -> Self {
        let mut tenders: BTreeMap<&'static str, i64> = BTreeMap::new();
        for tender in &sold.tenders {
            let sum = tenders.entry(tender.kind.as_str()).or_default();
            *sum = sum.saturating_add(tender.amount.get());
        }
        if sold.change > Minor::ZERO {
            let sum = tenders.entry(TenderKind::Cash.as_str()).or_default();
            *sum = sum.saturating_sub(sold.change.get());
        }
        Self { tickets: 1, tenders, taxes: sold.taxes.clone() }
    }

    /// What a refund took.
    fn of_refund(refund: &TicketRefunded) -> Self {
        let mut tenders: BTreeMap<&'static str, i64> = BTreeMap::new();
        for tender in &refund.tenders {
            let sum = tenders.entry(tender.kind.as_str()).or_default();
            *sum = sum.saturating_sub(tender.amount.get());
        }
        let back = |line: &TaxLine| TaxLine { base: less(line.base), tax: less(line.tax), ..*line };
        Self { tickets: 0, tenders, taxes: refund.taxes.iter().map(back).collect() }
    }

    /// Adds it to the rollups.
    ///
    /// # Errors
    /// [`SumOverflow`] if a sum does not fit.
    pub(super) fn count(&self, rollups: &mut Rollups, store: StoreId, day: BusinessDay) -> Result<(), SumOverflow> {
        for (kind, total) in &self.tenders {
            let measures = Measures { tickets: self.tickets, total: *total, ..Measures::default() };
            rollups.add(store, Kind::Tender, day, kind, &measures)?;
        }
        for line in &self.taxes {
            let (net, tax) = (line.base.get(), line.tax.get());
            let total = net.checked_add(tax).ok_or(SumOverflow)?;
            let measures = Measures { tickets: self.tickets, net, tax, total, ..Measures::default() };
            rollups.add(store, Kind::Tax, day, &format!("t:{}", line.tax_class), &measures)?;
        }
        Ok(())
    }
}

/// Money that is no sale and no refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MoneyBetween {
    /// Counts once under this id, as this.
    pub(super) id: [u8; 16],
    pub(super) what: Between,
    pub(super) moves: Vec<(&'static str, Minor)>,
}

/// A part of an open ticket is money of the day on which it was paid.
pub(super) fn part_paid(payment: &PaymentTaken) -> Option<MoneyBetween> {
    let moves = vec![(payment.tender.kind.as_str(), payment.kept())];
    let is_real = payment.class == TicketClass::Sale;
    is_real.then(|| MoneyBetween { id: payment.id.to_bytes(), what: Between::Part, moves })
}

/// What became of a card after its sale or refund.
pub(super) fn card_settled(settled: &CardSettled) -> Option<MoneyBetween> {
    let moves = settled.moves();
    let (id, what) = match (settled.settled, settled.refund) {
        (Settled::Forwarded, _) => (settled.payment, Between::Forwarded),
        (Settled::Lost, _) => (settled.payment, Between::Lost),
        (Settled::Owed, Some(refund)) => (CardPaymentId::credited(refund, settled.payment), Between::Owed),
        (Settled::Owed, None) => (settled.payment, Between::Owed),
        (Settled::Reversed | Settled::Credited, _) => return None,
    };
    (!moves.is_empty()).then(|| MoneyBetween { id: id.to_bytes(), what, moves })
}

fn less(amount: Minor) -> Minor {
    Minor::new(amount.get().saturating_neg())
}

/// Takes a refund off the day on which it was given back: off its hour, its items, and whoever gave it back.
///
/// # Errors
/// [`SumOverflow`] if a sum does not fit.
pub(super) fn take_off(
    rollups: &mut Rollups,
    (store, day): (StoreId, BusinessDay),
    hour: &str,
    refund: &TicketRefunded,
) -> Result<(), SumOverflow> {
    let units: i64 = refund.lines.iter().map(|line| i64::from(line.quantity)).sum();
    let [net, tax, total] =
        [refund.totals.net, refund.totals.tax, refund.totals.total].map(|amount| less(amount).get());
    let whole = Measures { units: -units, net, tax, total, ..Measures::default() };
    rollups.add(store, Kind::Day, day, "", &whole)?;
    rollups.add(store, Kind::Hour, day, hour, &whole)?;
    rollups.add(store, Kind::Person, day, &person_key(refund.by), &whole)?;
    for line in &refund.lines {
        let (units, net) = (-i64::from(line.quantity), less(line.net).get());
        let of_line = Measures { units, net, ..Measures::default() };
        rollups.add(store, Kind::Item, day, &format!("i:{}", line.item), &of_line)?;
        rollups.add(store, Kind::Category, day, &format!("c:{}", line.category), &of_line)?;
    }
    Money::of_refund(refund).count(rollups, store, day)
}
