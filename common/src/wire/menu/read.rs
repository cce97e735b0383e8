//! From what is written to what the menu is. Every fault is named with its place; nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::{
    ComboV1, DiscountV1, HappyHourV1, HoursV1, ItemV1, JurisdictionV1, MenuV1, ModifierGroupV1, ModifierV1, NamedV1,
    PriceRuleV1, ServiceChargeV1, StockItemV1, TaxClassV1, TaxRuleV1, UseV1,
};
use crate::domain::catalog::hours::{Availability, Channel, Span};
use crate::domain::catalog::rules::{
    Combo, Consumption, Discount, DiscountScope, HappyHour, Jurisdiction, Modifier, ModifierGroup, PriceEffect,
    PriceRule, Product, Reduction, Rule, RuleKey, Rules, ServiceCharge, Slot, Swap, TaxBasis, TaxRule,
};
use crate::domain::catalog::{Allergen, Category, Draft, Item, ItemDetails, Size, StockItem, TaxClass, Use};
use crate::ids::{
    CategoryId, ComboId, DiscountId, ItemId, JurisdictionId, ModifierGroupId, ModifierId, ProductId, RuleId,
    StockItemId, StoreId, TaxClassId,
};
use crate::money::{Currency, MicroRate, Minor};
use crate::quantity::Quantity;

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
}

impl MenuFault {
    /// Where it is, as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Self::Twice { pointer, .. } | Self::Value { pointer, .. } => pointer,
        }
    }
}

type Read<T> = Result<T, MenuFault>;

/// The place of an entry.
struct Place<'p>(&'p str);

impl Place<'_> {
    fn value(&self, field: &str, text: &dyn core::fmt::Display, expected: &'static str) -> MenuFault {
        MenuFault::Value { text: text.to_string(), pointer: format!("{}/{field}", self.0), expected }
    }

    fn parsed<T: FromStr>(&self, field: &str, text: &str, expected: &'static str) -> Read<T> {
        text.parse().map_err(|_refused| self.value(field, &text, expected))
    }

    /// One of so many words.
    fn word<T: Copy>(&self, field: &str, text: &str, words: &[(&str, T)], expected: &'static str) -> Read<T> {
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
        known.ok_or_else(|| self.value(field, &text, expected))
    }

    fn day(&self, field: &str, text: &str) -> Read<crate::time::BusinessDay> {
        self.parsed(field, text, "a day like 2026-11-30")
    }

    fn channel(&self, field: &str, text: &str) -> Read<Channel> {
        self.word(field, text, &Channel::ALL.map(|channel| (channel.as_str(), channel)), "counter or web")
    }

    fn consumption(&self, text: Option<&String>) -> Read<Option<Consumption>> {
        let words = [Consumption::DineIn, Consumption::TakeAway].map(|way| (way.as_str(), way));
        text.map(|text| self.word("consumption", text, &words, "dine_in or take_away")).transpose()
    }

    fn reduction(&self, percent: Option<u32>, amount: Option<i64>) -> Read<Reduction> {
        match (percent, amount) {
            (Some(rate), None) => Ok(Reduction::Percent(MicroRate::new(rate))),
            (None, Some(amount)) => Ok(Reduction::Amount(Minor::new(amount))),
            (Some(_), Some(_)) | (None, None) => {
                Err(self.value("percent_micro", &percent.unwrap_or_default(), "this or amount_minor, and not both"))
            }
        }
    }

    fn span(&self, field: &str, hours: &HoursV1) -> Read<Span> {
        let mut weekdays = 0;
        for day in &hours.weekdays {
            if !(1..=7).contains(day) {
                return Err(self.value(field, &day, "a day of the week from 1, Monday, to 7"));
            }
            weekdays |= 1 << (day - 1);
        }
        Ok(Span { weekdays, from_minute: hours.from_minute, until_minute: hours.until_minute })
    }

    fn uses(&self, parts: &[UseV1]) -> Read<Vec<Use>> {
        let mut seen = BTreeSet::new();
        let read = |(at, part): (usize, &UseV1)| {
            if !seen.insert(part.stock_item) {
                let pointer = format!("{}/uses/{at}/stock_item", self.0);
                return Err(MenuFault::Twice { kind: "stock item", number: part.stock_item, pointer });
            }
            Ok(Use { stock_item: StockItemId::new(part.stock_item), quantity: Quantity::new(part.quantity) })
        };
        parts.iter().enumerate().map(read).collect()
    }
}

/// Entries by their numbers; the same number twice is a fault and not the last one's luck.
fn by_id<E, K: Ord, V>(
    kind: &'static str,
    list: &str,
    entries: Vec<E>,
    read: impl Fn(E, &Place<'_>) -> Read<(u32, K, V)>,
) -> Read<BTreeMap<K, V>> {
    let mut map = BTreeMap::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let place = format!("/{list}/{at}");
        let (number, key, value) = read(entry, &Place(&place))?;
        if map.insert(key, value).is_some() {
            return Err(MenuFault::Twice { kind, number, pointer: format!("{place}/id") });
        }
    }
    Ok(map)
}

/// Puts the rules of one kind with the others.
fn add<E>(
    rules: &mut Rules,
    (kind, list): (&'static str, &str),
    entries: Vec<E>,
    read: impl Fn(E, &Place<'_>) -> Read<(u32, Rule)>,
) -> Read<()> {
    let keyed = |entry: E, place: &Place<'_>| {
        let (number, rule) = read(entry, place)?;
        Ok((number, rule.key(), rule))
    };
    let all: BTreeMap<RuleKey, Rule> = by_id(kind, list, entries, keyed)?;
    all.into_values().for_each(|rule| rules.set(rule));
    Ok(())
}

impl MenuV1 {
    /// What the menu is, and what its prices are in. Whether it can be sold is another question: [`Draft::check`].
    ///
    /// # Errors
    /// [`MenuFault`] names the first fault with its place.
    pub fn into_draft(self) -> Read<(Currency, Draft)> {
        let currency = Place("").parsed("currency", &self.currency, "a currency code like USD")?;
        let mut rules = Rules::default();
        let rules_of = &mut rules;
        add(rules_of, ("product", "products"), self.products, |NamedV1 { id, name }, _| {
            Ok((id, Rule::Product(Product { id: ProductId::new(id), name })))
        })?;
        add(rules_of, ("modifier group", "modifier_groups"), self.modifier_groups, modifier_group)?;
        add(rules_of, ("modifier", "modifiers"), self.modifiers, modifier)?;
        add(rules_of, ("combo", "combos"), self.combos, combo)?;
        add(rules_of, ("price rule", "price_rules"), self.price_rules, price_rule)?;
        add(rules_of, ("jurisdiction", "jurisdictions"), self.jurisdictions, jurisdiction)?;
        add(rules_of, ("tax rule", "tax_rules"), self.tax_rules, |entry, place| tax_rule(&entry, place))?;
        add(rules_of, ("happy hour", "happy_hours"), self.happy_hours, happy_hour)?;
        add(rules_of, ("discount", "discounts"), self.discounts, discount)?;
        add(rules_of, ("service charge", "service_charges"), self.service_charges, service_charge)?;
        self.cash_step_minor.into_iter().for_each(|step| rules_of.set(Rule::CashStep(step)));
        let category = |NamedV1 { id, name }: NamedV1, _: &Place<'_>| {
            Ok((id, CategoryId::new(id), Category { id: CategoryId::new(id), name }))
        };
        let tax_class = |TaxClassV1 { id, name, rate_micro }: TaxClassV1, _: &Place<'_>| {
            let key = TaxClassId::new(id);
            Ok((id, key, TaxClass { id: key, name, rate: MicroRate::new(rate_micro) }))
        };
        let stock_item = |StockItemV1 { id, name, unit }: StockItemV1, place: &Place<'_>| {
            let key = StockItemId::new(id);
            Ok((id, key, StockItem { id: key, name, unit: place.parsed("unit", &unit, "each, mg or ul")? }))
        };
        let content = Draft {
            categories: by_id("category", "categories", self.categories, category)?,
            tax_classes: by_id("tax class", "tax_classes", self.tax_classes, tax_class)?,
            stock_items: by_id("stock item", "stock_items", self.stock_items, stock_item)?,
            items: by_id("item", "items", self.items, item)?,
            rules,
        };
        Ok((currency, content))
    }
}

fn item(entry: ItemV1, place: &Place<'_>) -> Read<(u32, ItemId, Item)> {
    let id = ItemId::new(entry.id);
    let size = match (entry.product, entry.size) {
        (Some(product), Some(name)) => Some(Size { product: ProductId::new(product), name }),
        (None, None) => None,
        (Some(_), None) => return Err(place.value("size", &"", "the size, where there is a product")),
        (None, Some(name)) => return Err(place.value("product", &name, "what it is a size of")),
    };
    let allergens = Allergen::ALL.map(|allergen| (allergen.as_str(), allergen));
    let allergen = |text: &String| place.word("allergens", text, &allergens, "one of the nine allergens");
    let barcode = |text: &String| place.parsed("barcodes", text, "a barcode with its right check digit");
    let details = ItemDetails {
        size,
        modifier_groups: entry.modifier_groups.into_iter().map(ModifierGroupId::new).collect(),
        barcodes: entry.barcodes.iter().map(barcode).collect::<Read<_>>()?,
        allergens: entry.allergens.iter().map(allergen).collect::<Read<_>>()?,
        kilocalories: entry.kilocalories,
        availability: Availability {
            channels: entry.channels.iter().map(|text| place.channel("channels", text)).collect::<Read<_>>()?,
            spans: entry.hours.iter().map(|hours| place.span("hours", hours)).collect::<Read<_>>()?,
        },
    };
    let item = Item {
        id,
        name: entry.name,
        category: CategoryId::new(entry.category),
        tax_class: TaxClassId::new(entry.tax_class),
        price: Minor::new(entry.price_minor),
        uses: place.uses(&entry.uses)?,
        details,
    };
    Ok((entry.id, id, item))
}

fn modifier_group(entry: ModifierGroupV1, _place: &Place<'_>) -> Read<(u32, Rule)> {
    let ModifierGroupV1 { id, name, at_least, at_most, modifiers } = entry;
    let modifiers = modifiers.into_iter().map(ModifierId::new).collect();
    Ok((id, Rule::ModifierGroup(ModifierGroup { id: ModifierGroupId::new(id), name, at_least, at_most, modifiers })))
}

fn modifier(entry: ModifierV1, place: &Place<'_>) -> Read<(u32, Rule)> {
    let uses = place.uses(&entry.uses)?;
    let swap = entry.swap.map(|swap| Swap { from: StockItemId::new(swap.from), to: StockItemId::new(swap.to) });
    let (id, price) = (ModifierId::new(entry.id), Minor::new(entry.price_minor));
    Ok((entry.id, Rule::Modifier(Modifier { id, name: entry.name, price, uses, swap })))
}

fn combo(entry: ComboV1, place: &Place<'_>) -> Read<(u32, Rule)> {
    let mut slots = Vec::with_capacity(entry.slots.len());
    for (at, slot) in entry.slots.into_iter().enumerate() {
        let mut choices = BTreeMap::new();
        for (choice_at, choice) in slot.choices.iter().enumerate() {
            if choices.insert(ItemId::new(choice.item), Minor::new(choice.surcharge_minor)).is_some() {
                let pointer = format!("{}/slots/{at}/choices/{choice_at}/item", place.0);
                return Err(MenuFault::Twice { kind: "item", number: choice.item, pointer });
            }
        }
        slots.push(Slot { name: slot.name, choices });
    }
    let (id, price) = (ComboId::new(entry.id), Minor::new(entry.price_minor));
    Ok((entry.id, Rule::Combo(Combo { id, name: entry.name, price, slots })))
}

fn price_rule(entry: PriceRuleV1, place: &Place<'_>) -> Read<(u32, Rule)> {
    let rule = PriceRule {
        id: RuleId::new(entry.id),
        item: ItemId::new(entry.item),
        store: entry.store.map(StoreId::new),
        channel: entry.channel.map(|text| place.channel("channel", &text)).transpose()?,
        from: place.day("from", &entry.from)?,
        until: entry.until.map(|text| place.day("until", &text)).transpose()?,
        effect: entry.price_minor.map_or(PriceEffect::NotSold, |price| PriceEffect::Costs(Minor::new(price))),
    };
    Ok((entry.id, Rule::Price(rule)))
}

fn jurisdiction(entry: JurisdictionV1, place: &Place<'_>) -> Read<(u32, Rule)> {
    let words = [("ticket", TaxBasis::Ticket), ("line", TaxBasis::Line)];
    let basis = place.word("basis", &entry.basis, &words, "ticket or line")?;
    let stores = entry.stores.into_iter().map(StoreId::new).collect();
    let id = JurisdictionId::new(entry.id);
    Ok((entry.id, Rule::Jurisdiction(Jurisdiction { id, name: entry.name, basis, stores })))
}

fn tax_rule(entry: &TaxRuleV1, place: &Place<'_>) -> Read<(u32, Rule)> {
    let rule = TaxRule {
        id: RuleId::new(entry.id),
        tax_class: TaxClassId::new(entry.tax_class),
        jurisdiction: entry.jurisdiction.map(JurisdictionId::new),
        consumption: place.consumption(entry.consumption.as_ref())?,
        from: place.day("from", &entry.from)?,
        rate: MicroRate::new(entry.rate_micro),
    };
    Ok((entry.id, Rule::Tax(rule)))
}

fn happy_hour(entry: HappyHourV1, place: &Place<'_>) -> Read<(u32, Rule)> {
    let rule = HappyHour {
        id: RuleId::new(entry.id),
        name: entry.name,
        span: place.span("hours", &entry.hours)?,
        from: place.day("from", &entry.from)?,
        until: entry.until.map(|text| place.day("until", &text)).transpose()?,
        stores: entry.stores.into_iter().map(StoreId::new).collect(),
        items: entry.items.into_iter().map(ItemId::new).collect(),
        categories: entry.categories.into_iter().map(CategoryId::new).collect(),
        reduction: place.reduction(entry.percent_micro, entry.amount_minor)?,
    };
    Ok((entry.id, Rule::HappyHour(rule)))
}

fn discount(entry: DiscountV1, place: &Place<'_>) -> Read<(u32, Rule)> {
    let words = [("line", DiscountScope::Line), ("ticket", DiscountScope::Ticket)];
    let rule = Discount {
        id: DiscountId::new(entry.id),
        name: entry.name,
        scope: place.word("scope", &entry.scope, &words, "line or ticket")?,
        reduction: place.reduction(entry.percent_micro, entry.amount_minor)?,
        approval: entry.approval,
    };
    Ok((entry.id, Rule::Discount(rule)))
}

fn service_charge(entry: ServiceChargeV1, place: &Place<'_>) -> Read<(u32, Rule)> {
    let rule = ServiceCharge {
        id: RuleId::new(entry.id),
        name: entry.name,
        rate: MicroRate::new(entry.rate_micro),
        tax_class: entry.tax_class.map(TaxClassId::new),
        consumption: place.consumption(entry.consumption.as_ref())?,
        stores: entry.stores.into_iter().map(StoreId::new).collect(),
    };
    Ok((entry.id, Rule::ServiceCharge(rule)))
}
