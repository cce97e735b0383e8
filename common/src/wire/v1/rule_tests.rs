//! Specimens of the menu's rules, and of an item with all that most have none of.

use crate::domain::catalog::hours::{Availability, Channel, Span};
use crate::domain::catalog::rules::{
    Combo, Consumption, Discount, DiscountScope, HappyHour, HouseAccount, Jurisdiction, Modifier, ModifierGroup,
    PriceEffect, PriceRule, Product, Reduction, Rule, ServiceCharge, Slot, Swap, TaxBasis, TaxRule,
};
use crate::domain::catalog::{Allergen, Item, ItemDetails, Size, Use};
use crate::ids::{
    CategoryId, ComboId, DiscountId, HouseAccountId, ItemId, JurisdictionId, ModifierGroupId, ModifierId, ProductId,
    RuleId, StockItemId, StoreId, TaxClassId,
};
use crate::money::{MicroRate, Minor};
use crate::quantity::Quantity;
use crate::time::BusinessDay;

pub(super) fn whole_item() -> Item {
    let span = Span { weekdays: Span::EVERY_DAY, from_minute: 420, until_minute: 660 };
    Item {
        id: ItemId::new(101),
        name: "Latte, 12 oz".to_owned(),
        category: CategoryId::new(1),
        tax_class: TaxClassId::new(1),
        price: Minor::new(450),
        uses: Vec::new(),
        details: ItemDetails {
            size: Some(Size { product: ProductId::new(9), name: "12 oz".to_owned() }),
            modifier_groups: vec![ModifierGroupId::new(2)],
            barcodes: vec!["9506000134352".parse().unwrap()],
            allergens: vec![Allergen::Milk, Allergen::Sesame],
            kilocalories: Some(190),
            availability: Availability { channels: vec![Channel::Web], spans: vec![span] },
            station: None,
        },
    }
}

/// As [`whole_item`], prepared at a place of its own.
pub(super) fn item_with_a_station() -> Item {
    let mut item = whole_item();
    item.details.station = Some("bar".parse().unwrap());
    item
}

/// One rule of each kind.
#[expect(clippy::too_many_lines, reason = "one row for each kind of rule")]
pub(super) fn rules() -> Vec<(&'static str, &'static str, Rule)> {
    let id = RuleId::new(4);
    let (item, tax_class, store) = (ItemId::new(101), TaxClassId::new(1), StoreId::new(10));
    let (from, until) = (BusinessDay::from_days(20_775), Some(BusinessDay::from_days(20_800)));
    let name = || "A name".to_owned();
    let rate = MicroRate::new(100_000);
    let swap = Some(Swap { from: StockItemId::new(4), to: StockItemId::new(5) });
    let uses = vec![Use { stock_item: StockItemId::new(6), quantity: Quantity::new(7_500) }];
    let slot = Slot { name: "Drink".to_owned(), choices: [(item, Minor::new(50))].into() };
    let modifiers = vec![ModifierId::new(7)];
    let effect = PriceEffect::Costs(Minor::new(325));
    let span = Span { weekdays: 0b001_1111, from_minute: 900, until_minute: 1_020 };
    let stores = vec![store];
    let consumption = Some(Consumption::DineIn);
    let place = Some(JurisdictionId::new(7));
    macro_rules! golden {
        ($name:literal, $rule:expr) => {
            ($name, include_str!(concat!("golden/", $name, ".hex")), $rule)
        };
    }
    vec![
        golden!("rule_product", Rule::Product(Product { id: ProductId::new(9), name: name() })),
        golden!(
            "rule_modifier_group",
            Rule::ModifierGroup(ModifierGroup {
                id: ModifierGroupId::new(2),
                name: name(),
                at_least: 1,
                at_most: 2,
                modifiers
            })
        ),
        golden!(
            "rule_modifier",
            Rule::Modifier(Modifier { id: ModifierId::new(7), name: name(), price: Minor::new(-50), uses, swap })
        ),
        golden!(
            "rule_combo",
            Rule::Combo(Combo { id: ComboId::new(3), name: name(), price: Minor::new(700), slots: vec![slot] })
        ),
        golden!(
            "rule_price",
            Rule::Price(PriceRule {
                id,
                item,
                store: Some(store),
                channel: Some(Channel::Counter),
                from,
                until,
                effect
            })
        ),
        golden!(
            "rule_jurisdiction",
            Rule::Jurisdiction(Jurisdiction {
                id: JurisdictionId::new(7),
                name: name(),
                basis: TaxBasis::Line,
                stores: stores.clone(),
            })
        ),
        golden!("rule_tax", Rule::Tax(TaxRule { id, tax_class, jurisdiction: place, consumption, from, rate })),
        golden!(
            "rule_happy_hour",
            Rule::HappyHour(HappyHour {
                id,
                name: name(),
                span,
                from,
                until,
                stores: stores.clone(),
                items: vec![item],
                categories: vec![CategoryId::new(1)],
                reduction: Reduction::Percent(rate),
            })
        ),
        golden!(
            "rule_discount",
            Rule::Discount(Discount {
                id: DiscountId::new(5),
                name: name(),
                scope: DiscountScope::Ticket,
                reduction: Reduction::Amount(Minor::new(100)),
                approval: true,
            })
        ),
        golden!(
            "rule_service_charge",
            Rule::ServiceCharge(ServiceCharge {
                id,
                name: name(),
                rate,
                tax_class: Some(tax_class),
                consumption,
                stores
            })
        ),
        golden!("rule_cash_step", Rule::CashStep(5)),
        golden!(
            "rule_house_account",
            Rule::HouseAccount(HouseAccount {
                id: HouseAccountId::new(3),
                name: name(),
                per_ticket: Minor::new(5_000),
                per_day: Minor::new(20_000),
            })
        ),
    ]
}
