//! Prices and tax: one place for the till, the web and the hub.

use std::collections::BTreeMap;

use super::{SoldLine, TaxLine, Totals};
use crate::domain::catalog::Catalog;
use crate::domain::stock::MovementLine;
use crate::ids::{ItemId, StockItemId, TaxClassId};
use crate::money::{Minor, MoneyOverflow};
use crate::quantity::Quantity;

/// What is asked for on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRequest {
    /// What.
    pub item: ItemId,
    /// How many.
    pub quantity: u32,
}

/// Lines of one ticket.
pub const TICKET_LINES_MAX: usize = 200;
/// Units on one line.
pub const LINE_QUANTITY_MAX: u32 = 999;

/// Lines that cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricingRejection {
    /// None, or too many.
    #[error("a ticket has 1 to {TICKET_LINES_MAX} lines, this one has {0}")]
    LineCount(usize),
    /// Zero or absurd.
    #[error("quantity {quantity} is out of range: 1 to {LINE_QUANTITY_MAX} is expected")]
    Quantity {
        /// Position of the line.
        line: usize,
        /// What it says.
        quantity: u32,
    },
    /// Not for sale.
    #[error("item {item} is not in catalog revision {revision}")]
    UnknownItem {
        /// Position of the line.
        line: usize,
        /// What it names.
        item: ItemId,
        /// The revision that was looked in.
        revision: u32,
    },
    /// Sums beyond 64 bits.
    #[error("the ticket's total is out of range")]
    Overflow(#[from] MoneyOverflow),
}

/// A priced set of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The lines, prices frozen.
    pub lines: Vec<SoldLine>,
    /// Tax by class, in the order of the classes.
    pub taxes: Vec<TaxLine>,
    /// The sums.
    pub totals: Totals,
    /// What leaves the stock room, by item, negative.
    pub stock_effects: Vec<MovementLine>,
}

/// Prices lines by a catalog. Tax is taken per class on the whole ticket (invoice basis) and rounded once per class.
///
/// # Errors
/// [`PricingRejection`] for the first line that cannot be priced.
pub fn price(catalog: &Catalog, requests: &[LineRequest]) -> Result<Priced, PricingRejection> {
    if requests.is_empty() || requests.len() > TICKET_LINES_MAX {
        return Err(PricingRejection::LineCount(requests.len()));
    }
    let mut lines = Vec::with_capacity(requests.len());
    let mut used: BTreeMap<StockItemId, i64> = BTreeMap::new();
    for (at, request) in requests.iter().enumerate() {
        if !(1..=LINE_QUANTITY_MAX).contains(&request.quantity) {
            return Err(PricingRejection::Quantity { line: at, quantity: request.quantity });
        }
        let Some(item) = catalog.content.items.get(&request.item) else {
            return Err(PricingRejection::UnknownItem {
                line: at,
                item: request.item,
                revision: catalog.revision.number,
            });
        };
        let count = i64::from(request.quantity);
        for part in &item.uses {
            let taken = part.quantity.get().checked_mul(count).ok_or(MoneyOverflow)?;
            let sum = used.entry(part.stock_item).or_insert(0);
            *sum = sum.checked_sub(taken).ok_or(MoneyOverflow)?;
        }
        lines.push(SoldLine {
            item: item.id,
            category: item.category,
            tax_class: item.tax_class,
            quantity: request.quantity,
            unit_price: item.price,
            total: item.price.times(count)?,
        });
    }
    let taxes = taxes(catalog, &lines)?;
    let net = Minor::sum(lines.iter().map(|line| line.total))?;
    let tax = Minor::sum(taxes.iter().map(|line| line.tax))?;
    let stock_effects = used
        .into_iter()
        .map(|(stock_item, quantity)| MovementLine { stock_item, quantity: Quantity::new(quantity) })
        .collect();
    Ok(Priced { lines, taxes, totals: Totals { net, tax, total: net.plus(tax)? }, stock_effects })
}

fn taxes(catalog: &Catalog, lines: &[SoldLine]) -> Result<Vec<TaxLine>, MoneyOverflow> {
    let mut base_by_class: BTreeMap<TaxClassId, Minor> = BTreeMap::new();
    for line in lines {
        let base = base_by_class.entry(line.tax_class).or_default();
        *base = base.plus(line.total)?;
    }
    let taxed = |(tax_class, base): (TaxClassId, Minor)| {
        let tax = catalog.content.tax_classes.get(&tax_class).map_or(Ok(Minor::ZERO), |class| class.rate.of(base))?;
        Ok(TaxLine { tax_class, base, tax })
    };
    base_by_class.into_iter().map(taxed).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::catalog::tests::small_menu;

    use super::*;

    fn line(item: u32, quantity: u32) -> LineRequest {
        LineRequest { item: ItemId::new(item), quantity }
    }

    #[test]
    fn tax_is_taken_per_class_on_the_whole_ticket() {
        let priced = price(&small_menu(), &[line(101, 2), line(201, 1), line(102, 1)]).unwrap();
        // 9.75 at 8.9 % is 0.86775, 18.00 at 4.9 % is 0.882.
        assert_eq!(priced.taxes.iter().map(|t| t.tax.get()).collect::<Vec<_>>(), [87, 88]);
        assert_eq!(priced.totals, Totals { net: Minor::new(2_775), tax: Minor::new(175), total: Minor::new(2_950) });
        let effects: Vec<_> = priced.stock_effects.iter().map(|e| (e.stock_item.get(), e.quantity.get())).collect();
        assert_eq!(effects, [(1, -54_000), (2, -3)]);
    }

    #[test]
    fn lines_that_cannot_be_priced_are_refused() {
        let refusal = |lines: &[LineRequest]| price(&small_menu(), lines).unwrap_err();
        assert_eq!(refusal(&[]), PricingRejection::LineCount(0));
        assert_eq!(
            refusal(&vec![line(101, 1); TICKET_LINES_MAX + 1]),
            PricingRejection::LineCount(TICKET_LINES_MAX + 1)
        );
        assert_eq!(refusal(&[line(101, 0)]), PricingRejection::Quantity { line: 0, quantity: 0 });
        assert_eq!(refusal(&[line(101, 1), line(101, 1_000)]), PricingRejection::Quantity { line: 1, quantity: 1_000 });
        assert!(matches!(refusal(&[line(999, 1)]), PricingRejection::UnknownItem { line: 0, revision: 1, .. }));
    }

    #[test]
    fn what_is_just_within_its_limit_is_priced() {
        let priced = price(&small_menu(), &vec![line(101, 1); TICKET_LINES_MAX]).unwrap();
        assert_eq!(priced.totals.net, Minor::new(300 * i64::try_from(TICKET_LINES_MAX).unwrap()));
        let priced = price(&small_menu(), &[line(101, LINE_QUANTITY_MAX)]).unwrap();
        assert_eq!(priced.lines[0].total, Minor::new(300 * i64::from(LINE_QUANTITY_MAX)));
    }

    proptest! {
        /// I14: lines and tax add up to the total, and tax by class adds up to the tax.
        #[test]
        fn sums_add_up(picks in prop::collection::vec((prop::sample::select(vec![101_u32, 102, 201]), 1..=LINE_QUANTITY_MAX), 1..20)) {
            let requests: Vec<_> = picks.iter().map(|(item, quantity)| line(*item, *quantity)).collect();
            let priced = price(&small_menu(), &requests).unwrap();
            let lines: i64 = priced.lines.iter().map(|l| l.total.get()).sum();
            let taxes: i64 = priced.taxes.iter().map(|t| t.tax.get()).sum();
            let bases: i64 = priced.taxes.iter().map(|t| t.base.get()).sum();
            prop_assert_eq!(lines, priced.totals.net.get());
            prop_assert_eq!(bases, lines);
            prop_assert_eq!(taxes, priced.totals.tax.get());
            prop_assert_eq!(lines + taxes, priced.totals.total.get());
            let total = priced.totals;
            let mut reversed = requests.clone();
            reversed.reverse();
            prop_assert_eq!(price(&small_menu(), &reversed).unwrap().totals, total, "order does not matter");
        }
    }
}
