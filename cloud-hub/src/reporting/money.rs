//! What a sale or a refund adds beside its lines: by hour, by means of payment, by person, by class of tax.

use std::collections::BTreeMap;

use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::domain::tickets::{TaxLine, TicketSold};
use percolate_common::ids::{HouseAccountId, StaffId, StoreId};
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;

use super::measures::{Kind, Measures, NOBODY, Rollups, SumOverflow};

/// The key of somebody.
pub(super) fn person_key(staff: Option<StaffId>) -> String {
    staff.map_or_else(|| NOBODY.to_owned(), |staff| format!("p:{staff}"))
}

/// The key of a house account.
pub(super) fn house_key(account: HouseAccountId) -> String {
    format!("h:{account}")
}

/// Adds what was put on a house account, or given back for it.
///
/// # Errors
/// [`SumOverflow`] if a sum does not fit.
pub(super) fn count_house(
    rollups: &mut Rollups,
    (store, day): (StoreId, BusinessDay),
    kind: &TenderKind,
    total: i64,
) -> Result<(), SumOverflow> {
    let Some(account) = kind.account() else { return Ok(()) };
    rollups.add(store, Kind::House, day, &house_key(account), &Measures { total, ..Measures::default() })
}

/// Adds a tip to those of whoever sold.
///
/// # Errors
/// [`SumOverflow`] if a sum does not fit.
pub(super) fn count_tip(
    rollups: &mut Rollups,
    (store, day): (StoreId, BusinessDay),
    seller: Option<StaffId>,
    total: i64,
) -> Result<(), SumOverflow> {
    if total == 0 {
        return Ok(());
    }
    rollups.add(store, Kind::Tip, day, &person_key(seller), &Measures { total, ..Measures::default() })
}

/// What of a ticket is by means of payment and by class of tax.
#[derive(Debug, Clone, Default)]
pub(super) struct Money {
    /// How many tickets each row counts: 1 for a sale, and none for a refund.
    tickets: i64,
    tenders: BTreeMap<&'static str, i64>,
    /// What was put on house accounts.
    house: Vec<(TenderKind, i64)>,
    tip: (Option<StaffId>, i64),
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
        let house = of_house(&sold.tenders, 1);
        Self { tickets: 1, tenders, house, tip: (sold.sold_by, sold.details.tip.get()), taxes: sold.taxes.clone() }
    }

    /// What a refund took.
    fn of_refund(refund: &TicketRefunded) -> Self {
        let mut tenders: BTreeMap<&'static str, i64> = BTreeMap::new();
        for tender in &refund.tenders {
            let sum = tenders.entry(tender.kind.as_str()).or_default();
            *sum = sum.saturating_sub(tender.amount.get());
        }
        let back = |line: &TaxLine| TaxLine { base: less(line.base), tax: less(line.tax), ..*line };
        let house = of_house(&refund.tenders, -1);
        let tip = (refund.seller, less(refund.tip).get());
        Self { tickets: 0, tenders, house, tip, taxes: refund.taxes.iter().map(back).collect() }
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
        for (kind, total) in &self.house {
            count_house(rollups, (store, day), kind, *total)?;
        }
        count_tip(rollups, (store, day), self.tip.0, self.tip.1)?;
        for line in &self.taxes {
            let (net, tax) = (line.base.get(), line.tax.get());
            let total = net.checked_add(tax).ok_or(SumOverflow)?;
            let measures = Measures { tickets: self.tickets, net, tax, total, ..Measures::default() };
            rollups.add(store, Kind::Tax, day, &format!("t:{}", line.tax_class), &measures)?;
        }
        Ok(())
    }
}

fn of_house(tenders: &[Tender], sign: i64) -> Vec<(TenderKind, i64)> {
    let on_account = tenders.iter().filter(|tender| tender.kind.account().is_some());
    on_account.map(|tender| (tender.kind.clone(), tender.amount.get().saturating_mul(sign))).collect()
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
