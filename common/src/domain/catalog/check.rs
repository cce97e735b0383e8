//! Whether a menu can be sold: everything that is named is there, and every value is in its range.

use super::rules::{Combo, HappyHour, ModifierGroup, PriceEffect, PriceRule, Reduction, Rule, ServiceCharge, TaxRule};
use super::{
    CatalogError, Draft, ITEMS_MAX, Item, NAME_BYTES_MAX, PRICE_MINOR_MAX, USE_QUANTITY_MAX, USES_PER_ITEM_MAX, Use,
};
use crate::ids::{CategoryId, ItemId, ModifierId, StockItemId, TaxClassId};
use crate::money::{MicroRate, Minor};

/// Rules of one menu.
const RULES_MAX: usize = 20_000;
/// Extras of one group, choices of one place of a set, and things that one rule may name.
const CHOICES_MAX: usize = 200;
/// Places of a set.
const SLOTS_MAX: usize = 10;
/// Pieces of extras that a group may ask for or allow.
const GROUP_PIECES_MAX: u32 = 20;
/// Groups of extras, and barcodes, of one item.
const GROUPS_PER_ITEM_MAX: usize = 20;
/// Spans in which an item is offered.
const SPANS_MAX: usize = 20;
/// Multiples that cash may be rounded to, in minor units.
const CASH_STEPS: [u32; 7] = [1, 5, 10, 20, 25, 50, 100];

fn in_range(what: impl FnOnce() -> String, ok: bool, limit: impl Into<String>) -> Result<(), CatalogError> {
    if ok { Ok(()) } else { Err(CatalogError::OutOfRange { what: what(), limit: limit.into() }) }
}

fn check_name(kind: &str, number: u32, name: &str) -> Result<(), CatalogError> {
    let well_formed = !name.trim().is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    in_range(
        || format!("the name of {kind} {number}"),
        well_formed,
        format!("1 to {NAME_BYTES_MAX} bytes without control characters"),
    )
}

fn check_rate(what: impl FnOnce() -> String, rate: MicroRate) -> Result<(), CatalogError> {
    in_range(what, rate.get() <= MicroRate::WHOLE, "0 to 1000000 millionths")
}

fn check_amount(what: impl FnOnce() -> String, amount: Minor, lowest: i64) -> Result<(), CatalogError> {
    let limit = format!("{lowest} to {PRICE_MINOR_MAX} minor units");
    in_range(what, (lowest..=PRICE_MINOR_MAX).contains(&amount.get()), limit)
}

fn check_reduction(by: &str, reduction: Reduction) -> Result<(), CatalogError> {
    match reduction {
        Reduction::Percent(rate) => check_rate(|| format!("the rate of {by}"), rate),
        Reduction::Amount(amount) => check_amount(|| format!("the amount of {by}"), amount, 0),
    }
}

fn check_count(
    what: &str,
    by: &str,
    count: usize,
    range: core::ops::RangeInclusive<usize>,
) -> Result<(), CatalogError> {
    let limit = format!("{} to {}", range.start(), range.end());
    in_range(|| format!("the number of {what} of {by}"), range.contains(&count), limit)
}

impl Draft {
    /// Checks that the draft can be sold.
    ///
    /// # Errors
    /// [`CatalogError`] names the first thing that is missing or out of range.
    pub fn check(&self) -> Result<(), CatalogError> {
        in_range(|| "the number of items".to_owned(), self.items.len() <= ITEMS_MAX, format!("at most {ITEMS_MAX}"))?;
        in_range(|| "the number of rules".to_owned(), self.rules.count() <= RULES_MAX, format!("at most {RULES_MAX}"))?;
        for category in self.categories.values() {
            check_name("category", category.id.get(), &category.name)?;
        }
        for class in self.tax_classes.values() {
            check_name("tax class", class.id.get(), &class.name)?;
            check_rate(|| format!("the rate of tax class {}", class.id), class.rate)?;
        }
        for item in self.stock_items.values() {
            check_name("stock item", item.id.get(), &item.name)?;
        }
        self.items.values().try_for_each(|item| self.check_item(item))?;
        self.check_barcodes()?;
        self.check_places()?;
        self.rules.iter().try_for_each(|rule| self.check_rule(rule))
    }

    fn check_item(&self, item: &Item) -> Result<(), CatalogError> {
        let by = format!("item {}", item.id);
        check_name("item", item.id.get(), &item.name)?;
        check_amount(|| format!("the price of {by}"), item.price, 0)?;
        self.has_category(&by, item.category)?;
        self.has_tax_class(&by, item.tax_class)?;
        self.check_uses(&by, &item.uses)?;
        let details = &item.details;
        if let Some(size) = &details.size {
            check_name("the size of item", item.id.get(), &size.name)?;
            found(&by, "product", size.product.get(), self.rules.product(size.product).is_some())?;
        }
        check_count("groups", &by, details.modifier_groups.len(), 0..=GROUPS_PER_ITEM_MAX)?;
        for group in &details.modifier_groups {
            found(&by, "modifier group", group.get(), self.rules.modifier_group(*group).is_some())?;
        }
        check_count("barcodes", &by, details.barcodes.len(), 0..=GROUPS_PER_ITEM_MAX)?;
        check_count("spans", &by, details.availability.spans.len(), 0..=SPANS_MAX)?;
        let sound = details.availability.spans.iter().all(super::hours::Span::is_sound);
        in_range(|| format!("a span of {by}"), sound, "days of the week and minutes of a day")
    }

    fn check_uses(&self, by: &str, uses: &[Use]) -> Result<(), CatalogError> {
        in_range(
            || format!("the uses of {by}"),
            uses.len() <= USES_PER_ITEM_MAX,
            format!("at most {USES_PER_ITEM_MAX}"),
        )?;
        for part in uses {
            self.has_stock_item(by, part.stock_item)?;
            in_range(
                || format!("a use of {by}"),
                (1..=USE_QUANTITY_MAX).contains(&part.quantity.get()),
                format!("1 to {USE_QUANTITY_MAX} base units"),
            )?;
        }
        Ok(())
    }

    /// No two items have the same code on their packages.
    fn check_barcodes(&self) -> Result<(), CatalogError> {
        let mut seen = std::collections::BTreeMap::new();
        let codes = self.items.values().flat_map(|item| item.details.barcodes.iter().map(move |code| (*code, item.id)));
        for (code, item) in codes {
            if let Some(other) = seen.insert(code, item) {
                let by = format!("barcode {code} of item {item}");
                return Err(CatalogError::Twice { by, other: format!("item {other}") });
            }
        }
        Ok(())
    }

    /// No shop lies in two places of taxes.
    fn check_places(&self) -> Result<(), CatalogError> {
        let mut seen = std::collections::BTreeMap::new();
        for place in self.rules.jurisdictions() {
            for store in &place.stores {
                if let Some(other) = seen.insert(*store, place.id) {
                    let by = format!("store {store} of jurisdiction {}", place.id);
                    return Err(CatalogError::Twice { by, other: format!("jurisdiction {other}") });
                }
            }
        }
        Ok(())
    }

    fn check_rule(&self, rule: &Rule) -> Result<(), CatalogError> {
        match rule {
            Rule::Product(product) => check_name("product", product.id.get(), &product.name),
            Rule::ModifierGroup(group) => self.check_group(group),
            Rule::Modifier(modifier) => {
                let by = format!("modifier {}", modifier.id);
                check_name("modifier", modifier.id.get(), &modifier.name)?;
                check_amount(|| format!("the price of {by}"), modifier.price, -PRICE_MINOR_MAX)?;
                self.check_uses(&by, &modifier.uses)?;
                let swapped = modifier.swap.iter().flat_map(|swap| [swap.from, swap.to]);
                swapped.into_iter().try_for_each(|item| self.has_stock_item(&by, item))
            }
            Rule::Combo(combo) => self.check_combo(combo),
            Rule::Price(price) => self.check_price(price),
            Rule::Jurisdiction(place) => check_name("jurisdiction", place.id.get(), &place.name),
            Rule::Tax(tax) => self.check_tax(tax),
            Rule::HappyHour(hour) => self.check_happy_hour(hour),
            Rule::Discount(discount) => {
                check_name("discount", discount.id.get(), &discount.name)?;
                check_reduction(&format!("discount {}", discount.id), discount.reduction)
            }
            Rule::ServiceCharge(charge) => self.check_charge(charge),
            Rule::CashStep(step) => in_range(
                || "the rounding of cash".to_owned(),
                CASH_STEPS.contains(step),
                format!("one of {CASH_STEPS:?}"),
            ),
        }
    }

    fn check_group(&self, group: &ModifierGroup) -> Result<(), CatalogError> {
        let by = format!("modifier group {}", group.id);
        check_name("modifier group", group.id.get(), &group.name)?;
        check_count("modifiers", &by, group.modifiers.len(), 1..=CHOICES_MAX)?;
        let sound = group.at_least <= group.at_most && (1..=GROUP_PIECES_MAX).contains(&group.at_most);
        in_range(
            || format!("the limits of {by}"),
            sound,
            format!("at least no more than at most, 1 to {GROUP_PIECES_MAX}"),
        )?;
        group.modifiers.iter().try_for_each(|id| self.has_modifier(&by, *id))
    }

    fn check_combo(&self, combo: &Combo) -> Result<(), CatalogError> {
        let by = format!("combo {}", combo.id);
        check_name("combo", combo.id.get(), &combo.name)?;
        check_amount(|| format!("the price of {by}"), combo.price, 0)?;
        check_count("slots", &by, combo.slots.len(), 2..=SLOTS_MAX)?;
        for slot in &combo.slots {
            check_name("a slot of combo", combo.id.get(), &slot.name)?;
            check_count("choices", &by, slot.choices.len(), 1..=CHOICES_MAX)?;
            for (item, surcharge) in &slot.choices {
                self.has_item(&by, *item)?;
                check_amount(|| format!("a surcharge of {by}"), *surcharge, 0)?;
            }
        }
        Ok(())
    }

    fn check_price(&self, rule: &PriceRule) -> Result<(), CatalogError> {
        let by = format!("price rule {}", rule.id);
        self.has_item(&by, rule.item)?;
        let ends = rule.until.is_none_or(|until| until >= rule.from);
        in_range(|| format!("the last day of {by}"), ends, "no day before its first")?;
        match rule.effect {
            PriceEffect::Costs(price) => check_amount(|| format!("the price of {by}"), price, 0),
            PriceEffect::NotSold => Ok(()),
        }
    }

    fn check_tax(&self, rule: &TaxRule) -> Result<(), CatalogError> {
        let by = format!("tax rule {}", rule.id);
        self.has_tax_class(&by, rule.tax_class)?;
        if let Some(place) = rule.jurisdiction {
            found(&by, "jurisdiction", place.get(), self.rules.jurisdiction(place).is_some())?;
        }
        check_rate(|| format!("the rate of {by}"), rule.rate)
    }

    fn check_happy_hour(&self, hour: &HappyHour) -> Result<(), CatalogError> {
        let by = format!("happy hour {}", hour.id);
        check_name("happy hour", hour.id.get(), &hour.name)?;
        check_count("things", &by, hour.items.len() + hour.categories.len(), 1..=CHOICES_MAX)?;
        in_range(|| format!("the span of {by}"), hour.span.is_sound(), "days of the week and minutes of a day")?;
        let ends = hour.until.is_none_or(|until| until >= hour.from);
        in_range(|| format!("the last day of {by}"), ends, "no day before its first")?;
        hour.items.iter().try_for_each(|item| self.has_item(&by, *item))?;
        hour.categories.iter().try_for_each(|category| self.has_category(&by, *category))?;
        check_reduction(&by, hour.reduction)
    }

    fn check_charge(&self, charge: &ServiceCharge) -> Result<(), CatalogError> {
        let by = format!("service charge {}", charge.id);
        check_name("service charge", charge.id.get(), &charge.name)?;
        charge.tax_class.map_or(Ok(()), |class| self.has_tax_class(&by, class))?;
        check_rate(|| format!("the rate of {by}"), charge.rate)
    }

    fn has_item(&self, by: &str, id: ItemId) -> Result<(), CatalogError> {
        found(by, "item", id.get(), self.items.contains_key(&id))
    }

    fn has_category(&self, by: &str, id: CategoryId) -> Result<(), CatalogError> {
        found(by, "category", id.get(), self.categories.contains_key(&id))
    }

    fn has_tax_class(&self, by: &str, id: TaxClassId) -> Result<(), CatalogError> {
        found(by, "tax class", id.get(), self.tax_classes.contains_key(&id))
    }

    fn has_stock_item(&self, by: &str, id: StockItemId) -> Result<(), CatalogError> {
        found(by, "stock item", id.get(), self.stock_items.contains_key(&id))
    }

    fn has_modifier(&self, by: &str, id: ModifierId) -> Result<(), CatalogError> {
        found(by, "modifier", id.get(), self.rules.modifier(id).is_some())
    }
}

fn found(by: &str, kind: &'static str, number: u32, is_there: bool) -> Result<(), CatalogError> {
    if is_there { Ok(()) } else { Err(CatalogError::Dangling { by: by.to_owned(), kind, number }) }
}
