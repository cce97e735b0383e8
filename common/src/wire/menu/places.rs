//! From the place of something on a menu to where it stands in the text that was read.

use std::collections::BTreeMap;

use super::{MenuV1, UseV1};
use crate::domain::catalog::{MenuList, MenuPart, MenuPlace};

/// Where each number stands first, and what each entry takes of the stock room and offers in a set.
pub(super) struct Places {
    entries: BTreeMap<(MenuList, u32), usize>,
    uses: BTreeMap<(MenuList, u32, u32), usize>,
    choices: BTreeMap<(u32, usize, u32), usize>,
}

impl Places {
    pub(super) fn of(menu: &MenuV1) -> Self {
        let mut places = Self { entries: BTreeMap::new(), uses: BTreeMap::new(), choices: BTreeMap::new() };
        places.list(MenuList::TaxClasses, menu.tax_classes.iter().map(|it| it.id));
        places.list(MenuList::Categories, menu.categories.iter().map(|it| it.id));
        places.list(MenuList::StockItems, menu.stock_items.iter().map(|it| it.id));
        places.list(MenuList::Items, menu.items.iter().map(|it| it.id));
        places.list(MenuList::Products, menu.products.iter().map(|it| it.id));
        places.list(MenuList::ModifierGroups, menu.modifier_groups.iter().map(|it| it.id));
        places.list(MenuList::Modifiers, menu.modifiers.iter().map(|it| it.id));
        places.list(MenuList::Combos, menu.combos.iter().map(|it| it.id));
        places.list(MenuList::PriceRules, menu.price_rules.iter().map(|it| it.id));
        places.list(MenuList::Jurisdictions, menu.jurisdictions.iter().map(|it| it.id));
        places.list(MenuList::TaxRules, menu.tax_rules.iter().map(|it| it.id));
        places.list(MenuList::HappyHours, menu.happy_hours.iter().map(|it| it.id));
        places.list(MenuList::Discounts, menu.discounts.iter().map(|it| it.id));
        places.list(MenuList::ServiceCharges, menu.service_charges.iter().map(|it| it.id));
        places.list(MenuList::HouseAccounts, menu.house_accounts.iter().map(|it| it.id));
        menu.items.iter().for_each(|it| places.uses(MenuList::Items, it.id, &it.uses));
        menu.modifiers.iter().for_each(|it| places.uses(MenuList::Modifiers, it.id, &it.uses));
        for combo in &menu.combos {
            for (slot_at, slot) in combo.slots.iter().enumerate() {
                for (at, choice) in slot.choices.iter().enumerate() {
                    places.choices.entry((combo.id, slot_at, choice.item)).or_insert(at);
                }
            }
        }
        places
    }

    fn list(&mut self, list: MenuList, numbers: impl Iterator<Item = u32>) {
        for (at, number) in numbers.enumerate() {
            self.entries.entry((list, number)).or_insert(at);
        }
    }

    fn uses(&mut self, list: MenuList, number: u32, uses: &[UseV1]) {
        for (at, part) in uses.iter().enumerate() {
            self.uses.entry((list, number, part.stock_item)).or_insert(at);
        }
    }

    /// The place as a JSON pointer (RFC 6901), as far as it stands there.
    pub(super) fn pointer(&self, place: MenuPlace) -> String {
        let mut pointer = format!("/{}", list(place.list));
        let Some(number) = place.number else { return pointer };
        let Some(at) = self.entries.get(&(place.list, number)) else { return pointer };
        pointer = format!("{pointer}/{at}");
        let part = match place.part {
            Some(MenuPart::Use(item)) => {
                self.uses.get(&(place.list, number, item.get())).map(|at| format!("/uses/{at}"))
            }
            Some(MenuPart::Slot(slot)) => Some(format!("/slots/{slot}")),
            Some(MenuPart::Choice(slot, item)) => {
                self.choices.get(&(number, slot, item.get())).map(|at| format!("/slots/{slot}/choices/{at}"))
            }
            None => None,
        };
        pointer.push_str(&part.unwrap_or_default());
        if let Some(field) = place.field {
            pointer = format!("{pointer}/{}", written(field));
        }
        if let Some(at) = place.at {
            pointer = format!("{pointer}/{at}");
        }
        pointer
    }
}

/// What a field is called in JSON.
fn written(field: &str) -> String {
    match field {
        "price" | "amount" | "surcharge" | "per_ticket" | "per_day" => format!("{field}_minor"),
        "rate" | "percent" => format!("{field}_micro"),
        other => other.to_owned(),
    }
}

const fn list(list: MenuList) -> &'static str {
    match list {
        MenuList::Categories => "categories",
        MenuList::TaxClasses => "tax_classes",
        MenuList::StockItems => "stock_items",
        MenuList::Items => "items",
        MenuList::Products => "products",
        MenuList::ModifierGroups => "modifier_groups",
        MenuList::Modifiers => "modifiers",
        MenuList::Combos => "combos",
        MenuList::PriceRules => "price_rules",
        MenuList::Jurisdictions => "jurisdictions",
        MenuList::TaxRules => "tax_rules",
        MenuList::HappyHours => "happy_hours",
        MenuList::Discounts => "discounts",
        MenuList::ServiceCharges => "service_charges",
        MenuList::CashStep => "cash_step_minor",
        MenuList::HouseAccounts => "house_accounts",
    }
}
