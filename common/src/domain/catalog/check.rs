//! Whether a menu can be sold: everything that is named is there, and every value is in its range.

use std::collections::BTreeMap;

use super::hours::Span;
use super::place::{MenuFault, MenuList, MenuPart, MenuPlace};
use super::rules::{Combo, HappyHour, ModifierGroup, PriceEffect, PriceRule, Reduction, Rule, ServiceCharge, TaxRule};
use super::{
    CatalogError, Draft, ITEMS_MAX, Item, NAME_BYTES_MAX, PRICE_MINOR_MAX, USE_QUANTITY_MAX, USES_PER_ITEM_MAX, Use,
};
use crate::ids::{CategoryId, ItemId, ModifierId, StockItemId, TaxClassId};
use crate::money::{MicroRate, Minor};
use crate::time::BusinessDay;

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

impl Draft {
    /// Checks that the draft can be sold.
    ///
    /// # Errors
    /// [`CatalogError`] names the first thing that is missing or out of range; [`Draft::faults`] names all.
    pub fn check(&self) -> Result<(), CatalogError> {
        self.faults().into_iter().next().map_or(Ok(()), |fault| Err(fault.error))
    }

    /// All that keeps the draft from being sold.
    #[must_use]
    pub fn faults(&self) -> Vec<MenuFault> {
        let mut check = Check { draft: self, found: Vec::new() };
        check.whole();
        check.found
    }
}

/// An entry: its place, and what it is called in words, as `item 101`.
#[derive(Clone, Copy)]
struct Entry<'e> {
    place: MenuPlace,
    by: &'e str,
}

struct Check<'d> {
    draft: &'d Draft,
    found: Vec<MenuFault>,
}

impl Check<'_> {
    fn whole(&mut self) {
        let draft = self.draft;
        let items = MenuPlace::list(MenuList::Items);
        self.in_range(items, || "the number of items".to_owned(), draft.items.len() <= ITEMS_MAX, most(ITEMS_MAX));
        let rules = MenuPlace::list(MenuList::PriceRules);
        self.in_range(rules, || "the number of rules".to_owned(), draft.rules.count() <= RULES_MAX, most(RULES_MAX));
        for category in draft.categories.values() {
            self.entry(MenuList::Categories, "category", category.id.get(), |check, at| check.name(at, &category.name));
        }
        for class in draft.tax_classes.values() {
            self.entry(MenuList::TaxClasses, "tax class", class.id.get(), |check, at| {
                check.name(at, &class.name);
                check.rate(at, class.rate);
            });
        }
        for item in draft.stock_items.values() {
            self.entry(MenuList::StockItems, "stock item", item.id.get(), |check, at| check.name(at, &item.name));
        }
        for item in draft.items.values() {
            self.entry(MenuList::Items, "item", item.id.get(), |check, at| check.item(at, item));
        }
        self.barcodes();
        self.places_of_taxes();
        draft.rules.iter().for_each(|rule| self.rule(rule));
    }

    fn entry(&mut self, list: MenuList, kind: &str, number: u32, look: impl FnOnce(&mut Self, Entry<'_>)) {
        let by = format!("{kind} {number}");
        look(self, Entry { place: MenuPlace::entry(list, number), by: &by });
    }

    fn in_range(&mut self, place: MenuPlace, what: impl FnOnce() -> String, ok: bool, limit: impl Into<String>) {
        if !ok {
            self.found.push(MenuFault { place, error: CatalogError::OutOfRange { what: what(), limit: limit.into() } });
        }
    }

    fn there(&mut self, place: MenuPlace, by: &str, (kind, number): (&'static str, u32), is_there: bool) {
        if !is_there {
            self.found.push(MenuFault { place, error: CatalogError::Dangling { by: by.to_owned(), kind, number } });
        }
    }

    fn name(&mut self, Entry { place, by }: Entry<'_>, name: &str) {
        let sound = !name.trim().is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        let limit = format!("1 to {NAME_BYTES_MAX} bytes without control characters");
        self.in_range(place.field("name"), || format!("the name of {by}"), sound, limit);
    }

    fn rate(&mut self, Entry { place, by }: Entry<'_>, rate: MicroRate) {
        let sound = rate.get() <= MicroRate::WHOLE;
        self.in_range(place.field("rate"), || format!("the rate of {by}"), sound, "0 to 1000000 millionths");
    }

    fn amount(&mut self, Entry { place, by }: Entry<'_>, field: &'static str, amount: Minor, lowest: i64) {
        let limit = format!("{lowest} to {PRICE_MINOR_MAX} minor units");
        let sound = (lowest..=PRICE_MINOR_MAX).contains(&amount.get());
        self.in_range(place.field(field), || format!("the {field} of {by}"), sound, limit);
    }

    fn reduction(&mut self, at: Entry<'_>, reduction: Reduction) {
        match reduction {
            Reduction::Percent(rate) => {
                let (place, sound) = (at.place.field("percent"), rate.get() <= MicroRate::WHOLE);
                self.in_range(place, || format!("the percentage of {}", at.by), sound, "0 to 1000000 millionths");
            }
            Reduction::Amount(amount) => self.amount(at, "amount", amount, 0),
        }
    }

    fn count(
        &mut self,
        Entry { place, by }: Entry<'_>,
        field: &'static str,
        count: usize,
        range: core::ops::RangeInclusive<usize>,
    ) {
        let limit = format!("{} to {}", range.start(), range.end());
        self.in_range(place.field(field), || format!("the number of {field} of {by}"), range.contains(&count), limit);
    }

    fn span(&mut self, Entry { place, by }: Entry<'_>, span: &Span) {
        let limit = "days of the week and minutes of a day";
        self.in_range(place, || format!("a span of {by}"), span.is_sound(), limit);
    }

    fn ends(&mut self, Entry { place, by }: Entry<'_>, from: BusinessDay, until: Option<BusinessDay>) {
        let sound = until.is_none_or(|until| until >= from);
        self.in_range(place.field("until"), || format!("the last day of {by}"), sound, "no day before its first");
    }

    fn item(&mut self, at: Entry<'_>, item: &Item) {
        let Entry { place, by } = at;
        self.name(at, &item.name);
        self.amount(at, "price", item.price, 0);
        self.category(place.field("category"), by, item.category);
        self.tax_class(place.field("tax_class"), by, item.tax_class);
        self.uses(at, &item.uses);
        let details = &item.details;
        if let Some(size) = &details.size {
            let sound = !size.name.trim().is_empty()
                && size.name.len() <= NAME_BYTES_MAX
                && !size.name.chars().any(char::is_control);
            let limit = format!("1 to {NAME_BYTES_MAX} bytes without control characters");
            self.in_range(place.field("size"), || format!("the size of {by}"), sound, limit);
            let is_there = self.draft.rules.product(size.product).is_some();
            self.there(place.field("product"), by, ("product", size.product.get()), is_there);
        }
        self.count(at, "modifier_groups", details.modifier_groups.len(), 0..=GROUPS_PER_ITEM_MAX);
        for (index, group) in details.modifier_groups.iter().enumerate() {
            let is_there = self.draft.rules.modifier_group(*group).is_some();
            let place = place.field("modifier_groups").at(index);
            self.there(place, by, ("modifier group", group.get()), is_there);
        }
        self.count(at, "barcodes", details.barcodes.len(), 0..=GROUPS_PER_ITEM_MAX);
        self.count(at, "hours", details.availability.spans.len(), 0..=SPANS_MAX);
        for (index, span) in details.availability.spans.iter().enumerate() {
            self.span(Entry { place: place.field("hours").at(index), by }, span);
        }
    }

    fn uses(&mut self, at: Entry<'_>, uses: &[Use]) {
        let Entry { place, by } = at;
        self.in_range(
            place.field("uses"),
            || format!("the uses of {by}"),
            uses.len() <= USES_PER_ITEM_MAX,
            most(USES_PER_ITEM_MAX),
        );
        for part in uses {
            let place = place.part(MenuPart::Use(part.stock_item));
            self.stock_item(place.field("stock_item"), by, part.stock_item);
            self.in_range(
                place.field("quantity"),
                || format!("a use of {by}"),
                (1..=USE_QUANTITY_MAX).contains(&part.quantity.get()),
                format!("1 to {USE_QUANTITY_MAX} base units"),
            );
        }
    }

    /// No two items have the same code on their packages.
    fn barcodes(&mut self) {
        let mut seen = BTreeMap::new();
        let items = self.draft.items.values();
        let codes = items.flat_map(|item| item.details.barcodes.iter().enumerate().map(move |code| (item.id, code)));
        for (item, (index, code)) in codes {
            if let Some(other) = seen.insert(*code, item) {
                let (by, other) = (format!("barcode {code} of item {item}"), format!("item {other}"));
                let place = MenuPlace::entry(MenuList::Items, item.get()).field("barcodes").at(index);
                self.found.push(MenuFault { place, error: CatalogError::Twice { by, other } });
            }
        }
    }

    /// No shop lies in two places of taxes.
    fn places_of_taxes(&mut self) {
        let mut seen = BTreeMap::new();
        for (lies_in, (index, store)) in self
            .draft
            .rules
            .jurisdictions()
            .flat_map(|it| it.stores.iter().enumerate().map(move |store| (it.id, store)))
        {
            if let Some(other) = seen.insert(*store, lies_in) {
                let (by, other) = (format!("store {store} of jurisdiction {lies_in}"), format!("jurisdiction {other}"));
                let place = MenuPlace::entry(MenuList::Jurisdictions, lies_in.get()).field("stores").at(index);
                self.found.push(MenuFault { place, error: CatalogError::Twice { by, other } });
            }
        }
    }

    fn rule(&mut self, rule: &Rule) {
        match rule {
            Rule::Product(product) => {
                self.entry(MenuList::Products, "product", product.id.get(), |check, at| check.name(at, &product.name));
            }
            Rule::ModifierGroup(group) => {
                let number = group.id.get();
                self.entry(MenuList::ModifierGroups, "modifier group", number, |check, at| check.group(at, group));
            }
            Rule::Modifier(modifier) => {
                self.entry(MenuList::Modifiers, "modifier", modifier.id.get(), |check, at| {
                    check.name(at, &modifier.name);
                    check.amount(at, "price", modifier.price, -PRICE_MINOR_MAX);
                    check.uses(at, &modifier.uses);
                    for item in modifier.swap.iter().flat_map(|swap| [swap.from, swap.to]) {
                        check.stock_item(at.place.field("swap"), at.by, item);
                    }
                });
            }
            Rule::Combo(combo) => {
                self.entry(MenuList::Combos, "combo", combo.id.get(), |check, at| check.combo(at, combo));
            }
            Rule::Price(price) => {
                self.entry(MenuList::PriceRules, "price rule", price.id.get(), |check, at| check.price(at, price));
            }
            Rule::Jurisdiction(lies_in) => {
                let (number, name) = (lies_in.id.get(), &lies_in.name);
                self.entry(MenuList::Jurisdictions, "jurisdiction", number, |check, at| check.name(at, name));
            }
            Rule::Tax(tax) => self.entry(MenuList::TaxRules, "tax rule", tax.id.get(), |check, at| check.tax(at, tax)),
            Rule::HappyHour(hour) => {
                self.entry(MenuList::HappyHours, "happy hour", hour.id.get(), |check, at| check.happy_hour(at, hour));
            }
            Rule::Discount(discount) => {
                self.entry(MenuList::Discounts, "discount", discount.id.get(), |check, at| {
                    check.name(at, &discount.name);
                    check.reduction(at, discount.reduction);
                });
            }
            Rule::ServiceCharge(charge) => {
                let number = charge.id.get();
                self.entry(MenuList::ServiceCharges, "service charge", number, |check, at| check.charge(at, charge));
            }
            Rule::CashStep(step) => self.in_range(
                MenuPlace::list(MenuList::CashStep),
                || "the rounding of cash".to_owned(),
                CASH_STEPS.contains(step),
                format!("one of {CASH_STEPS:?}"),
            ),
            Rule::HouseAccount(account) => {
                let number = account.id.get();
                self.entry(MenuList::HouseAccounts, "house account", number, |check, at| {
                    check.name(at, &account.name);
                    check.amount(at, "per_ticket", account.per_ticket, 1);
                    check.amount(at, "per_day", account.per_day, 1);
                });
            }
        }
    }

    fn group(&mut self, at: Entry<'_>, group: &ModifierGroup) {
        let Entry { place, by } = at;
        self.name(at, &group.name);
        self.count(at, "modifiers", group.modifiers.len(), 1..=CHOICES_MAX);
        let sound = group.at_least <= group.at_most && (1..=GROUP_PIECES_MAX).contains(&group.at_most);
        let limit = format!("at least no more than at most, 1 to {GROUP_PIECES_MAX}");
        self.in_range(place.field("at_most"), || format!("the limits of {by}"), sound, limit);
        for (index, id) in group.modifiers.iter().enumerate() {
            self.modifier(place.field("modifiers").at(index), by, *id);
        }
    }

    fn combo(&mut self, at: Entry<'_>, combo: &Combo) {
        let Entry { place, by } = at;
        self.name(at, &combo.name);
        self.amount(at, "price", combo.price, 0);
        self.count(at, "slots", combo.slots.len(), 2..=SLOTS_MAX);
        for (index, slot) in combo.slots.iter().enumerate() {
            let part = Entry { place: place.part(MenuPart::Slot(index)), by: &format!("a slot of {by}") };
            self.name(part, &slot.name);
            self.count(part, "choices", slot.choices.len(), 1..=CHOICES_MAX);
            for (item, surcharge) in &slot.choices {
                let choice = Entry { place: place.part(MenuPart::Choice(index, *item)), by };
                self.item_there(choice.place.field("item"), by, *item);
                self.amount(choice, "surcharge", *surcharge, 0);
            }
        }
    }

    fn price(&mut self, at: Entry<'_>, rule: &PriceRule) {
        self.item_there(at.place.field("item"), at.by, rule.item);
        self.ends(at, rule.from, rule.until);
        match rule.effect {
            PriceEffect::Costs(price) => self.amount(at, "price", price, 0),
            PriceEffect::NotSold => {}
        }
    }

    fn tax(&mut self, at: Entry<'_>, rule: &TaxRule) {
        let Entry { place, by } = at;
        self.tax_class(place.field("tax_class"), by, rule.tax_class);
        if let Some(lies_in) = rule.jurisdiction {
            let is_there = self.draft.rules.jurisdiction(lies_in).is_some();
            self.there(place.field("jurisdiction"), by, ("jurisdiction", lies_in.get()), is_there);
        }
        self.rate(at, rule.rate);
    }

    fn happy_hour(&mut self, at: Entry<'_>, hour: &HappyHour) {
        let Entry { place, by } = at;
        self.name(at, &hour.name);
        let count = hour.items.len() + hour.categories.len();
        let limit = format!("1 to {CHOICES_MAX}");
        let sound = (1..=CHOICES_MAX).contains(&count);
        self.in_range(place.field("items"), || format!("the number of items and categories of {by}"), sound, limit);
        self.span(Entry { place: place.field("hours"), by }, &hour.span);
        self.ends(at, hour.from, hour.until);
        for (index, item) in hour.items.iter().enumerate() {
            self.item_there(place.field("items").at(index), by, *item);
        }
        for (index, category) in hour.categories.iter().enumerate() {
            self.category(place.field("categories").at(index), by, *category);
        }
        self.reduction(at, hour.reduction);
    }

    fn charge(&mut self, at: Entry<'_>, charge: &ServiceCharge) {
        self.name(at, &charge.name);
        if let Some(class) = charge.tax_class {
            self.tax_class(at.place.field("tax_class"), at.by, class);
        }
        self.rate(at, charge.rate);
    }

    fn item_there(&mut self, place: MenuPlace, by: &str, id: ItemId) {
        self.there(place, by, ("item", id.get()), self.draft.items.contains_key(&id));
    }

    fn category(&mut self, place: MenuPlace, by: &str, id: CategoryId) {
        self.there(place, by, ("category", id.get()), self.draft.categories.contains_key(&id));
    }

    fn tax_class(&mut self, place: MenuPlace, by: &str, id: TaxClassId) {
        self.there(place, by, ("tax class", id.get()), self.draft.tax_classes.contains_key(&id));
    }

    fn stock_item(&mut self, place: MenuPlace, by: &str, id: StockItemId) {
        self.there(place, by, ("stock item", id.get()), self.draft.stock_items.contains_key(&id));
    }

    fn modifier(&mut self, place: MenuPlace, by: &str, id: ModifierId) {
        self.there(place, by, ("modifier", id.get()), self.draft.rules.modifier(id).is_some());
    }
}

fn most(count: usize) -> String {
    format!("at most {count}")
}
