//! What items and rules say, field by field, in words.

use percolate_common::domain::catalog::hours::{Channel, Span};
use percolate_common::domain::catalog::rules::{
    Combo, Consumption, DiscountScope, HappyHour, Modifier, PriceEffect, PriceRule, Reduction, Rule, TaxBasis, TaxRule,
};
use percolate_common::domain::catalog::{Allergen, Draft, Item, Use};
use percolate_common::ids::{CategoryId, ItemId, ModifierGroupId, ModifierId, StockItemId, StoreId, TaxClassId};
use percolate_common::money::Currency;
use percolate_common::time::BusinessDay;

use super::Fields;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

pub(super) fn of_item(item: &Item, content: &Draft, currency: Currency) -> Fields {
    let details = &item.details;
    let product = details.size.as_ref().map(|size| {
        let name = content.rules.product(size.product).map(|it| it.name.as_str());
        format!("{} of {}", size.name, named(name, size.product.get()))
    });
    let channels = details.availability.channels.iter().copied().map(Channel::as_str);
    let offered: Vec<String> =
        channels.map(str::to_owned).chain(details.availability.spans.iter().map(hours)).collect();
    vec![
        ("name", item.name.clone()),
        ("price", item.price.to_decimal(currency)),
        ("category", category(item.category, content)),
        ("tax", tax_class(item.tax_class, content)),
        ("uses", uses(&item.uses, content)),
        ("size", product.unwrap_or_default()),
        ("extras", list(details.modifier_groups.iter().map(|id| group(*id, content)))),
        ("barcodes", list(details.barcodes.iter().map(ToString::to_string))),
        ("allergens", list(details.allergens.iter().copied().map(Allergen::as_str).map(str::to_owned))),
        ("kilocalories", details.kilocalories.map(|count| count.to_string()).unwrap_or_default()),
        ("offered", list(offered)),
        ("station", details.station.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default()),
    ]
}

/// A rule: what it is called, and its fields.
pub(super) fn of_rule(rule: &Rule, content: &Draft, currency: Currency) -> (String, Fields) {
    match rule {
        Rule::Product(rule) => (format!("product {}", rule.id), vec![("name", rule.name.clone())]),
        Rule::ModifierGroup(rule) => {
            let fields = vec![
                ("name", rule.name.clone()),
                ("choose", format!("{} to {}", rule.at_least, rule.at_most)),
                ("extras", list(rule.modifiers.iter().map(|id| modifier(*id, content)))),
            ];
            (format!("modifier group {}", rule.id), fields)
        }
        Rule::Modifier(rule) => (format!("modifier {}", rule.id), of_modifier(rule, content, currency)),
        Rule::Combo(rule) => (format!("combo {}", rule.id), of_combo(rule, content, currency)),
        Rule::Price(rule) => (format!("price rule {}", rule.id), of_price(rule, content, currency)),
        Rule::Jurisdiction(rule) => {
            let basis = match rule.basis {
                TaxBasis::Ticket => "ticket",
                TaxBasis::Line => "line",
            };
            let shops = list(rule.stores.iter().map(ToString::to_string));
            let fields = vec![("name", rule.name.clone()), ("rounded by", basis.to_owned()), ("shops", shops)];
            (format!("jurisdiction {}", rule.id), fields)
        }
        Rule::Tax(rule) => (format!("tax rule {}", rule.id), of_tax(rule, content)),
        Rule::HappyHour(rule) => (format!("happy hour {}", rule.id), of_happy_hour(rule, content, currency)),
        Rule::Discount(rule) => {
            let scope = match rule.scope {
                DiscountScope::Line => "line",
                DiscountScope::Ticket => "ticket",
            };
            let fields = vec![
                ("name", rule.name.clone()),
                ("of a", scope.to_owned()),
                ("less", less(rule.reduction, currency)),
                ("approval", if rule.approval { "needed" } else { "" }.to_owned()),
            ];
            (format!("discount {}", rule.id), fields)
        }
        Rule::ServiceCharge(rule) => {
            let fields = vec![
                ("name", rule.name.clone()),
                ("rate", format!("{} %", rule.rate.to_percent())),
                ("tax", rule.tax_class.map(|id| tax_class(id, content)).unwrap_or_default()),
                ("consumption", way(rule.consumption)),
                ("shops", shops(&rule.stores)),
            ];
            (format!("service charge {}", rule.id), fields)
        }
        Rule::CashStep(step) => {
            let amount = percolate_common::money::Minor::new(i64::from(*step));
            ("cash".to_owned(), vec![("rounded to", amount.to_decimal(currency))])
        }
        Rule::HouseAccount(rule) => {
            let fields = vec![
                ("name", rule.name.clone()),
                ("of a ticket", rule.per_ticket.to_decimal(currency)),
                ("of a day", rule.per_day.to_decimal(currency)),
            ];
            (format!("house account {}", rule.id), fields)
        }
    }
}

fn of_modifier(rule: &Modifier, content: &Draft, currency: Currency) -> Fields {
    let swap = rule.swap.map(|it| format!("{} for {}", stock_item(it.to, content), stock_item(it.from, content)));
    vec![
        ("name", rule.name.clone()),
        ("price", rule.price.to_decimal(currency)),
        ("uses", uses(&rule.uses, content)),
        ("swap", swap.unwrap_or_default()),
    ]
}

fn of_combo(rule: &Combo, content: &Draft, currency: Currency) -> Fields {
    let parts = rule.slots.iter().map(|slot| {
        let choices = slot.choices.iter().map(|(id, surcharge)| {
            let more =
                if surcharge.get() == 0 { String::new() } else { format!(" +{}", surcharge.to_decimal(currency)) };
            item(*id, content) + &more
        });
        format!("{}: {}", slot.name, list(choices))
    });
    let parts = parts.collect::<Vec<_>>().join("; ");
    vec![("name", rule.name.clone()), ("price", rule.price.to_decimal(currency)), ("parts", parts)]
}

fn of_price(rule: &PriceRule, content: &Draft, currency: Currency) -> Fields {
    let price = match rule.effect {
        PriceEffect::Costs(price) => price.to_decimal(currency),
        PriceEffect::NotSold => "not sold".to_owned(),
    };
    vec![
        ("item", item(rule.item, content)),
        ("price", price),
        ("shops", rule.store.map_or_else(|| ALL.to_owned(), |store| store.to_string())),
        ("channel", rule.channel.map(|channel| channel.as_str().to_owned()).unwrap_or_default()),
        ("days", days(rule.from, rule.until)),
    ]
}

fn of_tax(rule: &TaxRule, content: &Draft) -> Fields {
    let place = rule.jurisdiction.map(|id| named(content.rules.jurisdiction(id).map(|it| it.name.as_str()), id.get()));
    vec![
        ("class", tax_class(rule.tax_class, content)),
        ("rate", format!("{} %", rule.rate.to_percent())),
        ("jurisdiction", place.unwrap_or_default()),
        ("consumption", way(rule.consumption)),
        ("days", days(rule.from, None)),
    ]
}

fn of_happy_hour(rule: &HappyHour, content: &Draft, currency: Currency) -> Fields {
    let items = rule.items.iter().map(|id| item(*id, content));
    let things = items.chain(rule.categories.iter().map(|id| category(*id, content)));
    vec![
        ("name", rule.name.clone()),
        ("less", less(rule.reduction, currency)),
        ("of", list(things)),
        ("hours", hours(&rule.span)),
        ("shops", shops(&rule.stores)),
        ("days", days(rule.from, rule.until)),
    ]
}

/// What is said where nothing narrows a rule.
const ALL: &str = "all";

fn list(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

fn shops(stores: &[StoreId]) -> String {
    if stores.is_empty() { ALL.to_owned() } else { list(stores.iter().map(ToString::to_string)) }
}

fn way(consumption: Option<Consumption>) -> String {
    consumption.map(|way| way.as_str().to_owned()).unwrap_or_default()
}

fn days(from: BusinessDay, until: Option<BusinessDay>) -> String {
    until.map_or_else(|| format!("from {from}"), |until| format!("{from} to {until}"))
}

fn less(reduction: Reduction, currency: Currency) -> String {
    match reduction {
        Reduction::Percent(rate) => format!("{} %", rate.to_percent()),
        Reduction::Amount(amount) => amount.to_decimal(currency),
    }
}

fn hours(span: &Span) -> String {
    let on = WEEKDAYS.iter().enumerate().filter(|(at, _)| span.weekdays & (1 << at) != 0).map(|(_, day)| *day);
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let days = on.collect::<Vec<_>>().join(", ");
    format!("{days} {} to {}", clock(span.from_minute), clock(span.until_minute))
}

fn uses(parts: &[Use], content: &Draft) -> String {
    list(parts.iter().map(|part| {
        let unit = content.stock_items.get(&part.stock_item).map_or("", |it| it.unit.as_str());
        format!("{} {} {unit}", stock_item(part.stock_item, content), part.quantity.get())
    }))
}

fn item(id: ItemId, content: &Draft) -> String {
    named(content.items.get(&id).map(|it| it.name.as_str()), id.get())
}

fn category(id: CategoryId, content: &Draft) -> String {
    named(content.categories.get(&id).map(|it| it.name.as_str()), id.get())
}

fn tax_class(id: TaxClassId, content: &Draft) -> String {
    named(content.tax_classes.get(&id).map(|it| it.name.as_str()), id.get())
}

fn stock_item(id: StockItemId, content: &Draft) -> String {
    named(content.stock_items.get(&id).map(|it| it.name.as_str()), id.get())
}

fn group(id: ModifierGroupId, content: &Draft) -> String {
    named(content.rules.modifier_group(id).map(|it| it.name.as_str()), id.get())
}

fn modifier(id: ModifierId, content: &Draft) -> String {
    named(content.rules.modifier(id).map(|it| it.name.as_str()), id.get())
}

/// Something by its name and its number: two may have one name.
fn named(name: Option<&str>, number: u32) -> String {
    format!("{} ({number})", name.unwrap_or_default())
}
