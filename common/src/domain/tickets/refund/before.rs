//! What was given back of a ticket before.

use std::collections::BTreeMap;

use super::{Sale, TicketRefunded};
use crate::domain::tickets::SoldLine;
use crate::domain::tickets::tender::TenderKind;
use crate::ids::{StockItemId, TaxClassId};
use crate::money::Minor;

/// A card, whose terminal is not ours.
const BY_CARD: TenderKind = TenderKind::CardExternal { reference: None, last_four: None };

/// So much by each means; a payment that the box asked for is a means of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ByMeans(Vec<(TenderKind, i64)>);

impl ByMeans {
    /// Whether money that came by one means goes back by another.
    fn is_same(one: &TenderKind, other: &TenderKind) -> bool {
        match (one, other) {
            (TenderKind::Cash, TenderKind::Cash)
            | (TenderKind::CardExternal { .. }, TenderKind::CardExternal { .. }) => true,
            (TenderKind::Card { payment, .. }, TenderKind::Card { payment: other, .. }) => payment == other,
            (TenderKind::House { account }, TenderKind::House { account: other }) => account == other,
            (
                TenderKind::Cash | TenderKind::CardExternal { .. } | TenderKind::Card { .. } | TenderKind::House { .. },
                _,
            ) => false,
        }
    }

    pub(super) fn add(&mut self, kind: &TenderKind, amount: i64) {
        match self.0.iter_mut().find(|(known, _)| Self::is_same(known, kind)) {
            Some((_, sum)) => add(sum, amount),
            None => self.0.push((kind.clone(), amount)),
        }
    }

    pub(super) fn of(&self, kind: &TenderKind) -> i64 {
        self.0.iter().find(|(known, _)| Self::is_same(known, kind)).map_or(0, |(_, sum)| *sum)
    }

    /// The means as it was paid by.
    pub(super) fn as_paid(&self, kind: &TenderKind) -> Option<&TenderKind> {
        self.0.iter().find(|(known, _)| Self::is_same(known, kind)).map(|(known, _)| known)
    }

    pub(super) fn into_rows(self) -> Vec<(TenderKind, i64)> {
        self.0
    }
}

/// What was given back of a ticket before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Before {
    pub(super) lines: BTreeMap<u32, (u32, i64)>,
    pub(super) taxes: BTreeMap<TaxClassId, (i64, i64)>,
    tenders: ByMeans,
    pub(super) stock: BTreeMap<StockItemId, i64>,
    pub(super) service_charge: i64,
    pub(super) tip: i64,
    /// What went back in all, without the tip.
    pub(super) paid_back: i64,
}

pub(super) fn add(sum: &mut i64, amount: i64) {
    *sum = sum.saturating_add(amount);
}

impl Before {
    /// What refunds of one ticket come to together.
    #[must_use]
    pub fn of<'a>(refunds: impl IntoIterator<Item = &'a TicketRefunded>) -> Self {
        let mut before = Self::default();
        for refund in refunds {
            for line in &refund.lines {
                let (quantity, net) = before.lines.entry(line.line).or_default();
                *quantity = quantity.saturating_add(line.quantity);
                add(net, line.net.get());
            }
            for line in &refund.taxes {
                let (base, tax) = before.taxes.entry(line.tax_class).or_default();
                add(base, line.base.get());
                add(tax, line.tax.get());
            }
            for tender in &refund.tenders {
                before.tenders.add(&tender.kind, tender.amount.get());
            }
            for effect in &refund.stock_effects {
                add(before.stock.entry(effect.stock_item).or_default(), effect.quantity.get());
            }
            add(&mut before.service_charge, refund.service_charge.get());
            add(&mut before.tip, refund.tip.get());
            add(&mut before.paid_back, refund.totals.total.get().saturating_add(refund.cash_rounding.get()));
        }
        before
    }

    pub(super) fn quantity(&self, line: u32) -> u32 {
        self.lines.get(&line).map_or(0, |(quantity, _)| *quantity)
    }

    /// How many pieces of a line can still be given back.
    #[must_use]
    pub fn left(&self, at: u32, line: &SoldLine) -> u32 {
        line.quantity.saturating_sub(self.quantity(at))
    }

    /// What can still be given back by each means of payment, in the order in which it was paid.
    #[must_use]
    pub fn tenders_left(&self, sale: &Sale<'_>) -> Vec<(TenderKind, i64)> {
        self.left_by_means(sale).into_rows()
    }

    pub(super) fn left_by_means(&self, sale: &Sale<'_>) -> ByMeans {
        let mut paid = ByMeans::default();
        let parts = sale.parts.iter().map(|part| (core::slice::from_ref(&part.tender), part.change));
        for (tenders, change) in parts.chain([(sale.sold.tenders.as_slice(), sale.sold.change)]) {
            for tender in tenders {
                match &tender.kind {
                    // What its terminal printed was said of the sale.
                    TenderKind::CardExternal { .. } => paid.add(&BY_CARD, tender.amount.get()),
                    kind @ (TenderKind::Cash | TenderKind::Card { .. } | TenderKind::House { .. }) => {
                        paid.add(kind, tender.amount.get());
                    }
                }
            }
            if change > Minor::ZERO {
                paid.add(&TenderKind::Cash, -change.get());
            }
        }
        // A tip that was written down later goes back by the card that it was put on.
        let [external, driver] = sale.tip_later;
        let charged = sale.sold.tenders.iter().map(|tender| &tender.kind).find(|kind| kind.payment().is_some());
        for (kind, tip) in [(&BY_CARD, external), (charged.unwrap_or(&BY_CARD), driver)] {
            if tip != Minor::ZERO {
                paid.add(kind, tip.get());
            }
        }
        // Cash that went back because other means had paid too much is nothing that they paid.
        let too_much = paid.of(&TenderKind::Cash).min(0).saturating_neg();
        let mut rest = too_much;
        for (kind, sum) in &mut paid.0 {
            let less = if *kind == TenderKind::Cash { -too_much } else { rest.min(*sum).max(0) };
            rest -= less.max(0);
            add(sum, -less);
            add(sum, -self.tenders.of(kind));
        }
        paid
    }
}
