//! What the menu says about an item here and now: its price, its tax, its name from its barcode.

use super::Catalog;
use super::barcode::Gtin;
use super::hours::{Channel, WallTime};
use super::rules::{Consumption, Jurisdiction, PriceEffect, TaxBasis};
use crate::ids::{ItemId, StoreId, TaxClassId};
use crate::money::{MicroRate, Minor};
use crate::time::BusinessDay;

/// Where and when something is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// In which shop.
    pub store: StoreId,
    /// Over which channel.
    pub channel: Channel,
    /// On which business day.
    pub day: BusinessDay,
    /// By the shop's own clock.
    pub wall: WallTime,
}

impl Catalog {
    /// Price of one of an item before tax, without extras; none if it is not sold here. Of several rules the one for this
    /// shop wins, then the one for this channel, then the one that began last, then the one with the highest number.
    #[must_use]
    pub fn list_price(&self, id: ItemId, moment: &Moment) -> Option<Minor> {
        let item = self.content.items.get(&id)?;
        let holds = self.content.rules.prices_of(id).filter(|rule| {
            rule.store.is_none_or(|store| store == moment.store)
                && rule.channel.is_none_or(|channel| channel == moment.channel)
                && rule.from <= moment.day
                && rule.until.is_none_or(|until| until >= moment.day)
        });
        match holds.max_by_key(|rule| (rule.store.is_some(), rule.channel.is_some(), rule.from, rule.id)) {
            Some(rule) => match rule.effect {
                PriceEffect::Costs(price) => Some(price),
                PriceEffect::NotSold => None,
            },
            None => Some(item.price),
        }
    }

    /// In which place of taxes a shop lies.
    #[must_use]
    pub fn jurisdiction_of(&self, store: StoreId) -> Option<&Jurisdiction> {
        self.content.rules.jurisdictions().find(|place| place.stores.contains(&store))
    }

    /// How taxes are rounded in a shop.
    #[must_use]
    pub fn tax_basis(&self, store: StoreId) -> TaxBasis {
        self.jurisdiction_of(store).map_or(TaxBasis::Ticket, |place| place.basis)
    }

    /// The rate of a class. Of several rules the one for this place wins, then the one for this way of eating, then the one
    /// that began last, then the one with the highest number.
    #[must_use]
    pub fn tax_rate(&self, class: TaxClassId, consumption: Consumption, moment: &Moment) -> MicroRate {
        let place = self.jurisdiction_of(moment.store).map(|place| place.id);
        let holds = self.content.rules.taxes().filter(|rule| {
            rule.tax_class == class
                && rule.jurisdiction.is_none_or(|id| Some(id) == place)
                && rule.consumption.is_none_or(|way| way == consumption)
                && rule.from <= moment.day
        });
        let special =
            holds.max_by_key(|rule| (rule.jurisdiction.is_some(), rule.consumption.is_some(), rule.from, rule.id));
        let own = || self.content.tax_classes.get(&class).map_or(MicroRate::new(0), |class| class.rate);
        special.map_or_else(own, |rule| rule.rate)
    }

    /// The item with this code on its package.
    #[must_use]
    pub fn item_by_barcode(&self, code: Gtin) -> Option<ItemId> {
        self.content.items.values().find(|item| item.details.barcodes.contains(&code)).map(|item| item.id)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::catalog::CatalogEvent;
    use crate::domain::catalog::rules::{PriceRule, Rule, TaxRule};
    use crate::domain::catalog::tests::{revision, small_menu};
    use crate::ids::{JurisdictionId, RuleId};

    use super::*;

    const ESPRESSO: ItemId = ItemId::new(101);

    fn moment(store: u32, day: &str) -> Moment {
        Moment {
            store: StoreId::new(store),
            channel: Channel::Counter,
            day: day.parse().unwrap(),
            wall: WallTime { weekday: 1, minute: 480 },
        }
    }

    fn menu_with(rules: Vec<Rule>) -> Catalog {
        let mut draft = small_menu().content;
        for rule in rules {
            draft.apply(&CatalogEvent::RuleSet(Box::new(rule)));
        }
        let count = draft.rules.count().try_into().unwrap();
        draft.publish(super::super::Revision { rule_count: count, ..revision(2, 3) }).unwrap()
    }

    fn price(id: u32, store: Option<u32>, from: &str, until: Option<&str>, effect: PriceEffect) -> Rule {
        Rule::Price(PriceRule {
            id: RuleId::new(id),
            item: ESPRESSO,
            store: store.map(StoreId::new),
            channel: None,
            from: from.parse().unwrap(),
            until: until.map(|day| day.parse().unwrap()),
            effect,
        })
    }

    #[test]
    fn the_most_special_price_wins_and_then_the_latest() {
        let costs = |minor| PriceEffect::Costs(Minor::new(minor));
        let menu = menu_with(vec![
            price(1, None, "2026-12-01", None, costs(325)),
            price(2, None, "2027-01-01", None, costs(350)),
            price(3, Some(10), "2026-12-01", Some("2026-12-31"), costs(400)),
            price(4, Some(9), "2026-12-01", None, PriceEffect::NotSold),
        ]);
        let at = |store, day| menu.list_price(ESPRESSO, &moment(store, day)).map(Minor::get);
        assert_eq!(at(1, "2026-11-30"), Some(300), "the old price until the day before");
        assert_eq!([at(1, "2026-12-01"), at(1, "2026-12-31"), at(1, "2027-01-01")], [Some(325), Some(325), Some(350)]);
        assert_eq!([at(10, "2026-12-31"), at(10, "2027-01-01")], [Some(400), Some(350)], "a shop's own until it ends");
        assert_eq!(at(9, "2027-06-01"), None, "not in that shop");
        assert_eq!(menu.list_price(ItemId::new(999), &moment(1, "2026-12-01")), None);
    }

    #[test]
    fn taxes_follow_place_way_of_eating_and_day() {
        let tax = |id, place: Option<u32>, consumption, from: &str, rate| {
            Rule::Tax(TaxRule {
                id: RuleId::new(id),
                tax_class: TaxClassId::new(2),
                jurisdiction: place.map(JurisdictionId::new),
                consumption,
                from: from.parse().unwrap(),
                rate: MicroRate::new(rate),
            })
        };
        let place = Rule::Jurisdiction(Jurisdiction {
            id: JurisdictionId::new(7),
            name: "Elsewhere".to_owned(),
            basis: TaxBasis::Line,
            stores: vec![StoreId::new(10)],
        });
        let menu = menu_with(vec![
            place,
            tax(1, None, Some(Consumption::DineIn), "2026-01-01", 89_000),
            tax(2, Some(7), None, "2026-01-01", 30_000),
            tax(3, Some(7), None, "2027-01-01", 40_000),
        ]);
        let rate = |store, way, day| menu.tax_rate(TaxClassId::new(2), way, &moment(store, day)).get();
        assert_eq!(rate(1, Consumption::TakeAway, "2026-11-29"), 49_000, "beans to go bear local tax only");
        assert_eq!(rate(1, Consumption::DineIn, "2026-11-29"), 89_000);
        assert_eq!(rate(10, Consumption::DineIn, "2026-11-29"), 30_000, "the place goes before the way of eating");
        assert_eq!(rate(10, Consumption::TakeAway, "2027-01-01"), 40_000);
        assert_eq!(
            (menu.tax_basis(StoreId::new(10)), menu.tax_basis(StoreId::new(1))),
            (TaxBasis::Line, TaxBasis::Ticket)
        );
    }

    #[test]
    fn a_package_is_found_by_its_code() {
        let mut draft = small_menu().content;
        let code: Gtin = "9506000134352".parse().unwrap();
        draft.items.get_mut(&ESPRESSO).unwrap().details.barcodes.push(code);
        let menu = draft.publish(revision(2, 3)).unwrap();
        assert_eq!(menu.item_by_barcode("09506000134352".parse().unwrap()), Some(ESPRESSO));
        assert_eq!(menu.item_by_barcode("96385074".parse().unwrap()), None);
    }
}
