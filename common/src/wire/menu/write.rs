//! From what the menu is to how it is written.

use super::{
    CategoryV1, ChoiceV1, ComboV1, DiscountV1, HappyHourV1, HoursV1, HouseAccountV1, ItemV1, JurisdictionV1, MenuV1,
    ModifierGroupV1, ModifierV1, NamedV1, PriceRuleV1, ServiceChargeV1, SlotV1, StockItemV1, SwapV1, TaxClassV1,
    TaxRuleV1, UseV1,
};
use crate::domain::catalog::hours::{Channel, Span};
use crate::domain::catalog::rules::{
    Combo, Consumption, DiscountScope, HappyHour, PriceEffect, PriceRule, Reduction, Rule, TaxBasis,
};
use crate::domain::catalog::{Allergen, Draft, Item, Use};
use crate::ids::{CategoryId, ItemId, JurisdictionId, ModifierGroupId, ModifierId, StoreId, TaxClassId};
use crate::money::{Currency, Minor};

fn uses(parts: &[Use]) -> Vec<UseV1> {
    parts.iter().map(|part| UseV1 { stock_item: part.stock_item.get(), quantity: part.quantity.get() }).collect()
}

fn hours(span: &Span) -> HoursV1 {
    let weekdays = (1..=7).filter(|day| span.weekdays & (1 << (day - 1)) != 0).collect();
    HoursV1 { weekdays, from_minute: span.from_minute, until_minute: span.until_minute }
}

const fn reduction(reduction: Reduction) -> (Option<u32>, Option<i64>) {
    match reduction {
        Reduction::Percent(rate) => (Some(rate.get()), None),
        Reduction::Amount(amount) => (None, Some(amount.get())),
    }
}

fn consumption(way: Option<Consumption>) -> Option<String> {
    way.map(|way| way.as_str().to_owned())
}

fn stores(list: &[StoreId]) -> Vec<u32> {
    list.iter().map(|store| store.get()).collect()
}

fn item(item: &Item) -> ItemV1 {
    let details = &item.details;
    ItemV1 {
        id: item.id.get(),
        name: item.name.clone(),
        category: item.category.get(),
        tax_class: item.tax_class.get(),
        price_minor: item.price.get(),
        uses: uses(&item.uses),
        product: details.size.as_ref().map(|size| size.product.get()),
        size: details.size.as_ref().map(|size| size.name.clone()),
        modifier_groups: details.modifier_groups.iter().copied().map(ModifierGroupId::get).collect(),
        barcodes: details.barcodes.iter().map(ToString::to_string).collect(),
        allergens: details.allergens.iter().copied().map(Allergen::as_str).map(str::to_owned).collect(),
        kilocalories: details.kilocalories,
        channels: details.availability.channels.iter().copied().map(Channel::as_str).map(str::to_owned).collect(),
        hours: details.availability.spans.iter().map(hours).collect(),
        station: details.station.as_ref().map(|station| station.as_str().to_owned()),
    }
}

fn combo(rule: &Combo) -> ComboV1 {
    let choice = |(item, surcharge): (&ItemId, &Minor)| ChoiceV1 { item: item.get(), surcharge_minor: surcharge.get() };
    let slots = rule.slots.iter();
    let slots =
        slots.map(|slot| SlotV1 { name: slot.name.clone(), choices: slot.choices.iter().map(choice).collect() });
    ComboV1 { id: rule.id.get(), name: rule.name.clone(), price_minor: rule.price.get(), slots: slots.collect() }
}

fn price_rule(rule: &PriceRule) -> PriceRuleV1 {
    PriceRuleV1 {
        id: rule.id.get(),
        item: rule.item.get(),
        store: rule.store.map(StoreId::get),
        channel: rule.channel.map(|channel| channel.as_str().to_owned()),
        from: rule.from.to_string(),
        until: rule.until.map(|day| day.to_string()),
        price_minor: match rule.effect {
            PriceEffect::Costs(price) => Some(price.get()),
            PriceEffect::NotSold => None,
        },
    }
}

fn happy_hour(rule: &HappyHour) -> HappyHourV1 {
    let (percent_micro, amount_minor) = reduction(rule.reduction);
    HappyHourV1 {
        id: rule.id.get(),
        name: rule.name.clone(),
        hours: hours(&rule.span),
        from: rule.from.to_string(),
        until: rule.until.map(|day| day.to_string()),
        stores: stores(&rule.stores),
        items: rule.items.iter().copied().map(ItemId::get).collect(),
        categories: rule.categories.iter().copied().map(CategoryId::get).collect(),
        percent_micro,
        amount_minor,
    }
}

impl MenuV1 {
    /// How a menu is written.
    #[must_use]
    pub fn new(currency: Currency, content: &Draft) -> Self {
        let mut menu = Self {
            currency: currency.to_string(),
            tax_classes: Vec::new(),
            categories: Vec::new(),
            stock_items: Vec::new(),
            items: content.items.values().map(item).collect(),
            products: Vec::new(),
            modifier_groups: Vec::new(),
            modifiers: Vec::new(),
            combos: Vec::new(),
            price_rules: Vec::new(),
            jurisdictions: Vec::new(),
            tax_rules: Vec::new(),
            happy_hours: Vec::new(),
            discounts: Vec::new(),
            service_charges: Vec::new(),
            cash_step_minor: None,
            house_accounts: Vec::new(),
        };
        for class in content.tax_classes.values() {
            let (id, rate_micro) = (class.id.get(), class.rate.get());
            menu.tax_classes.push(TaxClassV1 { id, name: class.name.clone(), rate_micro });
        }
        for category in content.categories.values() {
            let station = category.station.as_ref().map(ToString::to_string);
            menu.categories.push(CategoryV1 { id: category.id.get(), name: category.name.clone(), station });
        }
        for stock in content.stock_items.values() {
            let unit = stock.unit.as_str().to_owned();
            menu.stock_items.push(StockItemV1 { id: stock.id.get(), name: stock.name.clone(), unit });
        }
        content.rules.iter().for_each(|rule| menu.add(rule));
        menu
    }

    fn add(&mut self, rule: &Rule) {
        match rule {
            Rule::Product(rule) => self.products.push(NamedV1 { id: rule.id.get(), name: rule.name.clone() }),
            Rule::ModifierGroup(rule) => self.modifier_groups.push(ModifierGroupV1 {
                id: rule.id.get(),
                name: rule.name.clone(),
                at_least: rule.at_least,
                at_most: rule.at_most,
                modifiers: rule.modifiers.iter().copied().map(ModifierId::get).collect(),
            }),
            Rule::Modifier(rule) => self.modifiers.push(ModifierV1 {
                id: rule.id.get(),
                name: rule.name.clone(),
                price_minor: rule.price.get(),
                uses: uses(&rule.uses),
                swap: rule.swap.map(|swap| SwapV1 { from: swap.from.get(), to: swap.to.get() }),
            }),
            Rule::Combo(rule) => self.combos.push(combo(rule)),
            Rule::Price(rule) => self.price_rules.push(price_rule(rule)),
            Rule::Jurisdiction(rule) => self.jurisdictions.push(JurisdictionV1 {
                id: rule.id.get(),
                name: rule.name.clone(),
                basis: if rule.basis == TaxBasis::Line { "line" } else { "ticket" }.to_owned(),
                stores: stores(&rule.stores),
            }),
            Rule::Tax(rule) => self.tax_rules.push(TaxRuleV1 {
                id: rule.id.get(),
                tax_class: rule.tax_class.get(),
                jurisdiction: rule.jurisdiction.map(JurisdictionId::get),
                consumption: consumption(rule.consumption),
                from: rule.from.to_string(),
                rate_micro: rule.rate.get(),
            }),
            Rule::HappyHour(rule) => self.happy_hours.push(happy_hour(rule)),
            Rule::Discount(rule) => {
                let (percent_micro, amount_minor) = reduction(rule.reduction);
                self.discounts.push(DiscountV1 {
                    id: rule.id.get(),
                    name: rule.name.clone(),
                    scope: if rule.scope == DiscountScope::Line { "line" } else { "ticket" }.to_owned(),
                    percent_micro,
                    amount_minor,
                    approval: rule.approval,
                });
            }
            Rule::ServiceCharge(rule) => self.service_charges.push(ServiceChargeV1 {
                id: rule.id.get(),
                name: rule.name.clone(),
                rate_micro: rule.rate.get(),
                tax_class: rule.tax_class.map(TaxClassId::get),
                consumption: consumption(rule.consumption),
                stores: stores(&rule.stores),
            }),
            Rule::CashStep(step) => self.cash_step_minor = Some(*step),
            Rule::HouseAccount(rule) => self.house_accounts.push(HouseAccountV1 {
                id: rule.id.get(),
                name: rule.name.clone(),
                per_ticket_minor: rule.per_ticket.get(),
                per_day_minor: rule.per_day.get(),
            }),
        }
    }
}
