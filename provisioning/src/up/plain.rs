//! The plainest that a menu lets a shop sell: an item with no more extras than it must have, and the cash that pays it.

use std::collections::BTreeMap;

use percolate_common::domain::catalog::Catalog;
use percolate_common::ids::{ItemId, ModifierId};
use serde_json::{Value, json};

/// A line of a ticket or a quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlainLine {
    pub(super) item: ItemId,
    extras: BTreeMap<ModifierId, u32>,
}

impl PlainLine {
    /// A line of no item.
    pub(super) const fn none() -> Self {
        Self { item: ItemId::new(0), extras: BTreeMap::new() }
    }

    pub(super) fn body(&self) -> Value {
        let extras = self.extras.iter().map(|(id, count)| json!({ "modifier": id.get(), "count": count }));
        json!({ "item": self.item.get(), "quantity": 1, "extras": extras.collect::<Vec<_>>() })
    }
}

/// A line of each item of the menu, in its order: whether this shop sells the item now, its box says.
pub(super) fn plain_lines(catalog: &Catalog) -> impl Iterator<Item = PlainLine> {
    catalog.content.items.values().map(|item| {
        let mut extras = BTreeMap::new();
        for group in item.details.modifier_groups.iter().filter_map(|id| catalog.content.rules.modifier_group(*id)) {
            let of_group = group.modifiers.iter().filter_map(|modifier| extras.get(modifier));
            let missing = group.at_least.saturating_sub(of_group.sum());
            if let Some(first) = group.modifiers.first().filter(|_| missing > 0) {
                *extras.entry(*first).or_default() += missing;
            }
        }
        PlainLine { item: item.id, extras }
    })
}

/// The cash that pays for something, whatever it is rounded to: a step more than is due, and the change comes back. None if nothing is
/// due, or what is due is rounded to nothing.
pub(super) fn enough_cash(due: i64, cash_step: u32) -> Option<i64> {
    let step = i64::from(cash_step.max(1));
    (due.saturating_mul(2) >= step).then(|| due.saturating_add(step))
}

#[cfg(test)]
mod tests {
    use percolate_common::domain::pricing::cart::{Cart, Extra};
    use percolate_common::domain::pricing::price;
    use percolate_common::domain::tickets::TicketClass;
    use percolate_common::domain::tickets::decide::{SellTicket, sell};
    use percolate_common::domain::tickets::tender::{Tender, TenderKind};
    use percolate_common::money::Minor;
    use percolate_common::wire::menu::MenuV1;

    use super::*;
    use crate::demo::rush::any_moment;

    fn catalog(price_minor: i64, cash_step: u32) -> Catalog {
        let menu: MenuV1 = serde_json::from_value(json!({
            "currency": "USD",
            "items": [{"id": 101, "name": "Latte", "category": 1, "tax_class": 1, "price_minor": price_minor, "uses": [],
                "modifier_groups": [1, 2]}],
            "categories": [{"id": 1, "name": "Espresso"}],
            "tax_classes": [{"id": 1, "name": "Prepared", "rate_micro": 89_000}],
            "stock_items": [],
            "modifiers": [{"id": 1, "name": "Oat", "price_minor": 0}, {"id": 2, "name": "Shot", "price_minor": 0},
                {"id": 3, "name": "Syrup", "price_minor": 0}],
            "modifier_groups": [{"id": 1, "name": "Milk", "at_least": 1, "at_most": 1, "modifiers": [1]},
                {"id": 2, "name": "More", "at_least": 3, "at_most": 3, "modifiers": [2, 3]}],
            "cash_step_minor": cash_step,
        }))
        .unwrap();
        let (currency, content) = menu.into_draft().unwrap();
        let revision = content.revision(1, currency, Vec::new());
        content.publish(revision).unwrap()
    }

    #[test]
    fn the_plainest_line_of_any_lawful_menu_can_be_sold_for_the_cash_that_is_enough() {
        for step in [1, 5, 10, 20, 25, 50, 100] {
            for list_price in (0..14).chain(44..52).chain([457, 995]) {
                let catalog = catalog(list_price, step);
                let line = plain_lines(&catalog).next().unwrap();
                let mut cart = Cart::plain([(line.item, 1)]);
                cart.lines[0].extras =
                    line.extras.iter().map(|(id, count)| Extra { modifier: *id, count: *count }).collect();
                let due = price(&catalog, &cart, &any_moment()).unwrap().totals.total.get();
                let tender = |cash| Tender { kind: TenderKind::Cash, amount: Minor::new(cash) };
                let ticket = SellTicket {
                    class: TicketClass::Training,
                    currency: catalog.revision.currency,
                    cart,
                    tenders: enough_cash(due, step).map(tender).into_iter().collect(),
                    tip: Minor::ZERO,
                };
                assert!(
                    sell(&catalog, ticket, &any_moment()).is_ok(),
                    "{list_price} comes to {due}, in steps of {step}"
                );
            }
        }
    }

    #[test]
    fn a_line_has_the_extras_that_its_groups_demand_and_no_others() {
        let line = plain_lines(&catalog(300, 1)).next().unwrap();
        let extras = json!([{"modifier": 1, "count": 1}, {"modifier": 2, "count": 3}]);
        assert_eq!(line.body(), json!({"item": 101, "quantity": 1, "extras": extras}));
    }
}
