//! What was given back of a ticket before.

use std::collections::BTreeMap;

use super::{Sale, TicketRefunded};
use crate::domain::tickets::SoldLine;
use crate::domain::tickets::tender::TenderKind;
use crate::ids::{HouseAccountId, StockItemId, TaxClassId};
use crate::money::Minor;

/// A card, whose terminal is not ours.
const BY_CARD: TenderKind = TenderKind::CardExternal { reference: None, last_four: None };

/// What a sum of tenders is told by: its word and, of a house account, which.
pub(super) type Means = (&'static str, Option<HouseAccountId>);

pub(super) const fn means(kind: &TenderKind) -> Means {
    (kind.as_str(), kind.account())
}

/// What was given back of a ticket before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Before {
    pub(super) lines: BTreeMap<u32, (u32, i64)>,
    pub(super) taxes: BTreeMap<TaxClassId, (i64, i64)>,
    tenders: BTreeMap<Means, i64>,
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
                add(before.tenders.entry(means(&tender.kind)).or_default(), tender.amount.get());
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
        let mut paid: Vec<(TenderKind, i64)> = Vec::new();
        let tip_later = sale.tip.get().saturating_sub(sale.sold.details.tip.get());
        let mut put =
            |kind: TenderKind, amount: i64| match paid.iter_mut().find(|(known, _)| means(known) == means(&kind)) {
                Some((_, sum)) => add(sum, amount),
                None => paid.push((kind, amount)),
            };
        for tender in &sale.sold.tenders {
            let kind = match tender.kind {
                TenderKind::Cash => TenderKind::Cash,
                TenderKind::House { account } => TenderKind::House { account },
                // What the box asked a terminal for is given back at a terminal, too, and the box is told its reference.
                TenderKind::CardExternal { .. } | TenderKind::Card { .. } => BY_CARD,
            };
            put(kind, tender.amount.get());
        }
        if sale.sold.change > Minor::ZERO {
            put(TenderKind::Cash, -sale.sold.change.get());
        }
        if tip_later != 0 {
            put(BY_CARD, tip_later);
        }
        for (kind, sum) in &mut paid {
            add(sum, -self.tenders.get(&means(kind)).copied().unwrap_or(0));
        }
        paid
    }
}
