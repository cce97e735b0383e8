//! From what is written to what the menu is. Every fault is named with its place; nothing is guessed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::places::Places;
use super::{
    CategoryV1, ComboV1, DiscountV1, HappyHourV1, HoursV1, HouseAccountV1, ItemV1, JurisdictionV1, MenuV1,
    ModifierGroupV1, ModifierV1, NamedV1, PriceRuleV1, ServiceChargeV1, StockItemV1, TaxClassV1, TaxRuleV1, UseV1,
};
use crate::domain::catalog::hours::{Availability, Channel, Span};
use crate::domain::catalog::rules::{
    Combo, Consumption, Discount, DiscountScope, HappyHour, HouseAccount, Jurisdiction, Modifier, ModifierGroup,
    PriceEffect, PriceRule, Product, Reduction, Rule, RuleKey, Rules, ServiceCharge, Slot, Swap, TaxBasis, TaxRule,
};
use crate::domain::catalog::{
    Allergen, CatalogError, Category, Draft, Item, ItemDetails, Size, StockItem, TaxClass, Use,
};
use crate::ids::{
    CategoryId, ComboId, DiscountId, HouseAccountId, ItemId, JurisdictionId, ModifierGroupId, ModifierId, ProductId,
    RuleId, StockItemId, StoreId, TaxClassId,
};
use crate::money::{Currency, MicroRate, Minor};
use crate::quantity::{Quantity, Unit};
use crate::time::BusinessDay;

/// How a station is written.
const STATION: &str = "up to 16 small letters, digits and hyphens, as bar";

/// What is wrong with a menu as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MenuFault {
    /// Two entries have the same number.
    #[error("the menu has the {kind} {number} twice: see {pointer}")]
    Twice {
        /// Of what.
        kind: &'static str,
        /// Which number.
        number: u32,
        /// The second one, as a JSON pointer.
        pointer: String,
    },
    /// A word or number that is not one of those that are expected.
    #[error("the menu says {text:?} at {pointer}: {expected} is expected")]
    Value {
        /// What it says.
        text: String,
        /// Where, as a JSON pointer.
        pointer: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It can be read, and cannot be sold.
    #[error("{error}")]
    Unsound {
        /// Why not.
        error: CatalogError,
        /// Where, as a JSON pointer.
        pointer: String,
    },
}

impl MenuFault {
    /// Where it is, as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Self::Twice { pointer, .. } | Self::Value { pointer, .. } | Self::Unsound { pointer, .. } => pointer,
        }
    }

    /// What kind of fault it is, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Twice { .. } | Self::Unsound { error: CatalogError::Twice { .. }, .. } => "twice",
            Self::Value { .. } => "malformed",
            Self::Unsound { error: CatalogError::Dangling { .. }, .. } => "unknown",
            Self::Unsound {
                error:
                    CatalogError::OutOfRange { .. } | CatalogError::Incomplete { .. } | CatalogError::RulesIncomplete { .. },
                ..
            } => "out_of_range",
        }
    }
}

/// The place of an entry, and what is wrong so far. Where a value is none, its fault was told: something harmless stands for it,
/// so that whatever names the entry is no fault besides.
struct Place<'p> {
    at: &'p str,
    faults: &'p mut Vec<MenuFault>,
}

impl Place<'_> {
    fn value(&mut self, field: &str, text: &dyn core::fmt::Display, expected: &'static str) {
        let pointer = format!("{}/{field}", self.at);
        self.faults.push(MenuFault::Value { text: text.to_string(), pointer, expected });
    }

    fn twice(&mut self, field: &str, kind: &'static str, number: u32) {
        self.faults.push(MenuFault::Twice { kind, number, pointer: format!("{}/{field}", self.at) });
    }

    fn parsed<T: FromStr>(&mut self, field: &str, text: &str, expected: &'static str) -> Option<T> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.value(field, &text, expected);
        }
        parsed
    }

    /// One of so many words.
    fn word<T: Copy>(&mut self, field: &str, text: &str, words: &[(&str, T)], expected: &'static str) -> Option<T> {
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
        if known.is_none() {
            self.value(field, &text, expected);
        }
        known
    }

    fn first_day(&mut self, text: &str) -> BusinessDay {
        self.parsed("from", text, "a day like 2026-11-30").unwrap_or(BusinessDay::from_days(0))
    }

    fn last_day(&mut self, text: Option<&String>) -> Option<BusinessDay> {
        self.parsed("until", text?, "a day like 2026-11-30")
    }

    fn channel(&mut self, field: &str, text: &str) -> Option<Channel> {
        self.word(field, text, &Channel::ALL.map(|channel| (channel.as_str(), channel)), "counter or web")
    }

    fn consumption(&mut self, text: Option<&String>) -> Option<Consumption> {
        let words = [Consumption::DineIn, Consumption::TakeAway].map(|way| (way.as_str(), way));
        self.word("consumption", text?, &words, "dine_in or take_away")
    }

    fn reduction(&mut self, percent: Option<u32>, amount: Option<i64>) -> Reduction {
        match (percent, amount) {
            (Some(rate), None) => Reduction::Percent(MicroRate::new(rate)),
            (None, Some(amount)) => Reduction::Amount(Minor::new(amount)),
            (Some(_), Some(_)) | (None, None) => {
                self.value("percent_micro", &percent.unwrap_or_default(), "this or amount_minor, and not both");
                Reduction::Amount(Minor::new(0))
            }
        }
    }

    fn span(&mut self, field: &str, hours: &HoursV1) -> Span {
        let mut weekdays = 0;
        for day in &hours.weekdays {
            if (1..=7).contains(day) {
                weekdays |= 1 << (day - 1);
            } else {
                self.value(field, &day, "a day of the week from 1, Monday, to 7");
                weekdays = Span::EVERY_DAY;
            }
        }
        Span { weekdays, from_minute: hours.from_minute, until_minute: hours.until_minute }
    }

    fn uses(&mut self, parts: &[UseV1]) -> Vec<Use> {
        let mut seen = BTreeSet::new();
        let mut uses = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            if seen.insert(part.stock_item) {
                let stock_item = StockItemId::new(part.stock_item);
                uses.push(Use { stock_item, quantity: Quantity::new(part.quantity) });
            } else {
                self.twice(&format!("uses/{at}/stock_item"), "stock item", part.stock_item);
            }
        }
        uses
    }
}

/// Entries by their numbers; the same number twice is a fault and not the last one's luck.
fn by_id<E, K: Ord, V>(
    (kind, list): (&'static str, &str),
    faults: &mut Vec<MenuFault>,
    entries: Vec<E>,
    read: impl Fn(E, &mut Place<'_>) -> (u32, K, V),
) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let mut place = Place { at: &format!("/{list}/{at}"), faults };
        let (number, key, value) = read(entry, &mut place);
        match map.entry(key) {
            Entry::Vacant(vacant) => drop(vacant.insert(value)),
            Entry::Occupied(_) => place.twice("id", kind, number),
        }
    }
    map
}

/// The rules of a menu, put together kind by kind.
struct Reading {
    rules: Rules,
    faults: Vec<MenuFault>,
}

impl Reading {
    fn add<E>(
        &mut self,
        named: (&'static str, &str),
        entries: Vec<E>,
        read: impl Fn(E, &mut Place<'_>) -> (u32, Rule),
    ) {
        let keyed = |entry: E, place: &mut Place<'_>| {
            let (number, rule) = read(entry, place);
            (number, rule.key(), rule)
        };
        let all: BTreeMap<RuleKey, Rule> = by_id(named, &mut self.faults, entries, keyed);
        all.into_values().for_each(|rule| self.rules.set(rule));
    }
}

impl MenuV1 {
    /// What the menu is, and what its prices are in. Whether it can be sold is another question: [`Draft::check`].
    ///
    /// # Errors
    /// [`MenuFault`] names every fault with its place.
    pub fn into_draft(self) -> Result<(Currency, Draft), Vec<MenuFault>> {
        let (currency, content, faults) = self.read();
        if faults.is_empty() { Ok((currency, content)) } else { Err(faults) }
    }

    /// As [`MenuV1::into_draft`], of a menu that can be sold.
    ///
    /// # Errors
    /// [`MenuFault`] names every fault with its place.
    pub fn into_sound(self) -> Result<(Currency, Draft), Vec<MenuFault>> {
        let (currency, content, faults) = self.into_looked_at();
        if faults.is_empty() { Ok((currency, content)) } else { Err(faults) }
    }

    /// What the menu is as far as it can be read, and all that keeps it from being sold.
    #[must_use]
    pub fn into_looked_at(self) -> (Currency, Draft, Vec<MenuFault>) {
        let places = Places::of(&self);
        let (currency, content, mut faults) = self.read();
        let unsound = content.faults().into_iter();
        faults.extend(
            unsound.map(|fault| MenuFault::Unsound { pointer: places.pointer(fault.place), error: fault.error }),
        );
        (currency, content, faults)
    }

    fn read(self) -> (Currency, Draft, Vec<MenuFault>) {
        let mut reading = Reading { rules: Rules::default(), faults: Vec::new() };
        let mut place = Place { at: "", faults: &mut reading.faults };
        let currency = place.parsed("currency", &self.currency, "a currency code like USD").unwrap_or(Currency::USD);
        reading.add(("product", "products"), self.products, |NamedV1 { id, name }, _| {
            (id, Rule::Product(Product { id: ProductId::new(id), name }))
        });
        reading.add(("modifier group", "modifier_groups"), self.modifier_groups, modifier_group);
        reading.add(("modifier", "modifiers"), self.modifiers, modifier);
        reading.add(("combo", "combos"), self.combos, combo);
        reading.add(("price rule", "price_rules"), self.price_rules, |entry, place| price_rule(&entry, place));
        reading.add(("jurisdiction", "jurisdictions"), self.jurisdictions, jurisdiction);
        reading.add(("tax rule", "tax_rules"), self.tax_rules, |entry, place| tax_rule(&entry, place));
        reading.add(("happy hour", "happy_hours"), self.happy_hours, happy_hour);
        reading.add(("discount", "discounts"), self.discounts, discount);
        reading.add(("service charge", "service_charges"), self.service_charges, service_charge);
        reading.add(("house account", "house_accounts"), self.house_accounts, house_account);
        let Reading { mut rules, mut faults } = reading;
        self.cash_step_minor.into_iter().for_each(|step| rules.set(Rule::CashStep(step)));
        let category = |CategoryV1 { id, name, station }: CategoryV1, place: &mut Place<'_>| {
            let station = station.and_then(|text| place.parsed("station", &text, STATION));
            (id, CategoryId::new(id), Category { id: CategoryId::new(id), name, station })
        };
        let tax_class = |TaxClassV1 { id, name, rate_micro }: TaxClassV1, _: &mut Place<'_>| {
            let key = TaxClassId::new(id);
            (id, key, TaxClass { id: key, name, rate: MicroRate::new(rate_micro) })
        };
        let stock_item = |StockItemV1 { id, name, unit }: StockItemV1, place: &mut Place<'_>| {
            let key = StockItemId::new(id);
            let unit = place.parsed("unit", &unit, "each, mg or ul").unwrap_or(Unit::Each);
            (id, key, StockItem { id: key, name, unit })
        };
        let content = Draft {
            categories: by_id(("category", "categories"), &mut faults, self.categories, category),
            tax_classes: by_id(("tax class", "tax_classes"), &mut faults, self.tax_classes, tax_class),
            stock_items: by_id(("stock item", "stock_items"), &mut faults, self.stock_items, stock_item),
            items: by_id(("item", "items"), &mut faults, self.items, item),
            rules,
        };
        (currency, content, faults)
    }
}

fn house_account(entry: HouseAccountV1, _: &mut Place<'_>) -> (u32, Rule) {
    let HouseAccountV1 { id, name, per_ticket_minor, per_day_minor } = entry;
    let (per_ticket, per_day) = (Minor::new(per_ticket_minor), Minor::new(per_day_minor));
    (id, Rule::HouseAccount(HouseAccount { id: HouseAccountId::new(id), name, per_ticket, per_day }))
}

fn item(entry: ItemV1, place: &mut Place<'_>) -> (u32, ItemId, Item) {
    let id = ItemId::new(entry.id);
    let size = match (entry.product, entry.size) {
        (Some(product), Some(name)) => Some(Size { product: ProductId::new(product), name }),
        (None, None) => None,
        (Some(_), None) => {
            place.value("size", &"", "the size, where there is a product");
            None
        }
        (None, Some(name)) => {
            place.value("product", &name, "what it is a size of");
            None
        }
    };
    let allergens = Allergen::ALL.map(|allergen| (allergen.as_str(), allergen));
    let allergen = |text: &String| place.word("allergens", text, &allergens, "one of the nine allergens");
    let allergens = entry.allergens.iter().filter_map(allergen).collect();
    let barcode = |text: &String| place.parsed("barcodes", text, "a barcode with its right check digit");
    let barcodes = entry.barcodes.iter().filter_map(barcode).collect();
    let details = ItemDetails {
        size,
        modifier_groups: entry.modifier_groups.into_iter().map(ModifierGroupId::new).collect(),
        barcodes,
        allergens,
        kilocalories: entry.kilocalories,
        availability: Availability {
            channels: entry.channels.iter().filter_map(|text| place.channel("channels", text)).collect(),
            spans: entry.hours.iter().map(|hours| place.span("hours", hours)).collect(),
        },
        station: entry.station.and_then(|text| place.parsed("station", &text, STATION)),
    };
    let item = Item {
        id,
        name: entry.name,
        category: CategoryId::new(entry.category),
        tax_class: TaxClassId::new(entry.tax_class),
        price: Minor::new(entry.price_minor),
        uses: place.uses(&entry.uses),
        details,
    };
    (entry.id, id, item)
}

fn modifier_group(entry: ModifierGroupV1, _place: &mut Place<'_>) -> (u32, Rule) {
    let ModifierGroupV1 { id, name, at_least, at_most, modifiers } = entry;
    let modifiers = modifiers.into_iter().map(ModifierId::new).collect();
    (id, Rule::ModifierGroup(ModifierGroup { id: ModifierGroupId::new(id), name, at_least, at_most, modifiers }))
}

fn modifier(entry: ModifierV1, place: &mut Place<'_>) -> (u32, Rule) {
    let uses = place.uses(&entry.uses);
    let swap = entry.swap.map(|swap| Swap { from: StockItemId::new(swap.from), to: StockItemId::new(swap.to) });
    let (id, price) = (ModifierId::new(entry.id), Minor::new(entry.price_minor));
    (entry.id, Rule::Modifier(Modifier { id, name: entry.name, price, uses, swap }))
}

fn combo(entry: ComboV1, place: &mut Place<'_>) -> (u32, Rule) {
    let mut slots = Vec::with_capacity(entry.slots.len());
    for (at, slot) in entry.slots.into_iter().enumerate() {
        let mut choices = BTreeMap::new();
        for (choice_at, choice) in slot.choices.iter().enumerate() {
            if choices.insert(ItemId::new(choice.item), Minor::new(choice.surcharge_minor)).is_some() {
                place.twice(&format!("slots/{at}/choices/{choice_at}/item"), "item", choice.item);
            }
        }
        slots.push(Slot { name: slot.name, choices });
    }
    let (id, price) = (ComboId::new(entry.id), Minor::new(entry.price_minor));
    (entry.id, Rule::Combo(Combo { id, name: entry.name, price, slots }))
}

fn price_rule(entry: &PriceRuleV1, place: &mut Place<'_>) -> (u32, Rule) {
    let rule = PriceRule {
        id: RuleId::new(entry.id),
        item: ItemId::new(entry.item),
        store: entry.store.map(StoreId::new),
        channel: entry.channel.as_ref().and_then(|text| place.channel("channel", text)),
        from: place.first_day(&entry.from),
        until: place.last_day(entry.until.as_ref()),
        effect: entry.price_minor.map_or(PriceEffect::NotSold, |price| PriceEffect::Costs(Minor::new(price))),
    };
    (entry.id, Rule::Price(rule))
}

fn jurisdiction(entry: JurisdictionV1, place: &mut Place<'_>) -> (u32, Rule) {
    let words = [("ticket", TaxBasis::Ticket), ("line", TaxBasis::Line)];
    let basis = place.word("basis", &entry.basis, &words, "ticket or line").unwrap_or_default();
    let stores = entry.stores.into_iter().map(StoreId::new).collect();
    let id = JurisdictionId::new(entry.id);
    (entry.id, Rule::Jurisdiction(Jurisdiction { id, name: entry.name, basis, stores }))
}

fn tax_rule(entry: &TaxRuleV1, place: &mut Place<'_>) -> (u32, Rule) {
    let rule = TaxRule {
        id: RuleId::new(entry.id),
        tax_class: TaxClassId::new(entry.tax_class),
        jurisdiction: entry.jurisdiction.map(JurisdictionId::new),
        consumption: place.consumption(entry.consumption.as_ref()),
        from: place.first_day(&entry.from),
        rate: MicroRate::new(entry.rate_micro),
    };
    (entry.id, Rule::Tax(rule))
}

fn happy_hour(entry: HappyHourV1, place: &mut Place<'_>) -> (u32, Rule) {
    let rule = HappyHour {
        id: RuleId::new(entry.id),
        name: entry.name,
        span: place.span("hours", &entry.hours),
        from: place.first_day(&entry.from),
        until: place.last_day(entry.until.as_ref()),
        stores: entry.stores.into_iter().map(StoreId::new).collect(),
        items: entry.items.into_iter().map(ItemId::new).collect(),
        categories: entry.categories.into_iter().map(CategoryId::new).collect(),
        reduction: place.reduction(entry.percent_micro, entry.amount_minor),
    };
    (entry.id, Rule::HappyHour(rule))
}

fn discount(entry: DiscountV1, place: &mut Place<'_>) -> (u32, Rule) {
    let words = [("line", DiscountScope::Line), ("ticket", DiscountScope::Ticket)];
    let rule = Discount {
        id: DiscountId::new(entry.id),
        name: entry.name,
        scope: place.word("scope", &entry.scope, &words, "line or ticket").unwrap_or(DiscountScope::Line),
        reduction: place.reduction(entry.percent_micro, entry.amount_minor),
        approval: entry.approval,
    };
    (entry.id, Rule::Discount(rule))
}

fn service_charge(entry: ServiceChargeV1, place: &mut Place<'_>) -> (u32, Rule) {
    let rule = ServiceCharge {
        id: RuleId::new(entry.id),
        name: entry.name,
        rate: MicroRate::new(entry.rate_micro),
        tax_class: entry.tax_class.map(TaxClassId::new),
        consumption: place.consumption(entry.consumption.as_ref()),
        stores: entry.stores.into_iter().map(StoreId::new).collect(),
    };
    (entry.id, Rule::ServiceCharge(rule))
}
