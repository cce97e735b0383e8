//! Twins of the menu's rules. Each is a map, so that a newer program may say more.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::catalog::UseV1;
use crate::domain::catalog::barcode::Gtin;
use crate::domain::catalog::hours::{Availability, Channel, Span};
use crate::domain::catalog::rules::{
    Combo, Consumption, Discount, DiscountScope, HappyHour, HouseAccount, Jurisdiction, Modifier, ModifierGroup,
    PriceEffect, PriceRule, Product, Reduction, Rule, RuleKey, ServiceCharge, Slot, Swap, TaxBasis, TaxRule,
};
use crate::domain::catalog::station::{ItemStation, StationError};
use crate::domain::catalog::{Allergen, ItemDetails, Size};
use crate::ids::{
    CategoryId, ComboId, DiscountId, HouseAccountId, ItemId, JurisdictionId, ModifierGroupId, ModifierId, ProductId,
    RuleId, StockItemId, StoreId, TaxClassId,
};
use crate::money::{MicroRate, Minor};
use crate::time::BusinessDay;
use crate::wire::WireError;

const RULE: &str = "rule of the menu";

#[derive(Encode, Decode, Default, PartialEq, Eq)]
#[cbor(map)]
pub(super) struct DetailsV1 {
    #[n(0)]
    product: Option<u32>,
    #[n(1)]
    size: Option<String>,
    #[n(2)]
    modifier_groups: Option<Vec<u32>>,
    #[n(3)]
    barcodes: Option<Vec<String>>,
    #[n(4)]
    allergens: Option<Vec<u8>>,
    #[n(5)]
    kilocalories: Option<u32>,
    #[n(6)]
    channels: Option<Vec<u8>>,
    #[n(7)]
    spans: Option<Vec<SpanV1>>,
    #[n(8)]
    station: Option<String>,
}

#[derive(Encode, Decode, PartialEq, Eq)]
pub(super) struct SpanV1 {
    #[n(0)]
    weekdays: u8,
    #[n(1)]
    from_minute: u16,
    #[n(2)]
    until_minute: u16,
}

#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct SlotV1 {
    #[n(0)]
    name: String,
    #[n(1)]
    choices: BTreeMap<u32, i64>,
}

#[derive(Clone, Copy, Encode, Decode)]
pub(super) enum ReductionV1 {
    #[n(0)]
    Percent(#[n(0)] u32),
    #[n(1)]
    Amount(#[n(0)] i64),
}

#[derive(Encode, Decode)]
pub(super) enum RuleV1 {
    #[n(0)]
    #[cbor(map)]
    Product {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
    },
    #[n(1)]
    #[cbor(map)]
    ModifierGroup {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        at_least: u32,
        #[n(3)]
        at_most: u32,
        #[n(4)]
        modifiers: Vec<u32>,
    },
    #[n(2)]
    #[cbor(map)]
    Modifier {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        price: i64,
        #[n(3)]
        uses: Vec<UseV1>,
        #[n(4)]
        swap_from: Option<u32>,
        #[n(5)]
        swap_to: Option<u32>,
    },
    #[n(3)]
    #[cbor(map)]
    Combo {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        price: i64,
        #[n(3)]
        slots: Vec<SlotV1>,
    },
    #[n(4)]
    #[cbor(map)]
    Price {
        #[n(0)]
        id: u32,
        #[n(1)]
        item: u32,
        #[n(2)]
        store: Option<u32>,
        #[n(3)]
        channel: Option<u8>,
        #[n(4)]
        from: i32,
        #[n(5)]
        until: Option<i32>,
        /// None is not sold.
        #[n(6)]
        price: Option<i64>,
    },
    #[n(5)]
    #[cbor(map)]
    Jurisdiction {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        by_line: bool,
        #[n(3)]
        stores: Vec<u32>,
    },
    #[n(6)]
    #[cbor(map)]
    Tax {
        #[n(0)]
        id: u32,
        #[n(1)]
        tax_class: u32,
        #[n(2)]
        jurisdiction: Option<u32>,
        #[n(3)]
        dine_in: Option<bool>,
        #[n(4)]
        from: i32,
        #[n(5)]
        rate_micro: u32,
    },
    #[n(7)]
    #[cbor(map)]
    HappyHour {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        span: SpanV1,
        #[n(3)]
        from: i32,
        #[n(4)]
        until: Option<i32>,
        #[n(5)]
        stores: Vec<u32>,
        #[n(6)]
        items: Vec<u32>,
        #[n(7)]
        categories: Vec<u32>,
        #[n(8)]
        reduction: ReductionV1,
    },
    #[n(8)]
    #[cbor(map)]
    Discount {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        whole_ticket: bool,
        #[n(3)]
        reduction: ReductionV1,
        #[n(4)]
        approval: bool,
    },
    #[n(9)]
    #[cbor(map)]
    ServiceCharge {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        rate_micro: u32,
        #[n(3)]
        tax_class: Option<u32>,
        #[n(4)]
        dine_in: Option<bool>,
        #[n(5)]
        stores: Vec<u32>,
    },
    #[n(10)]
    CashStep(#[n(0)] u32),
    #[n(11)]
    #[cbor(map)]
    HouseAccount {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        per_ticket: i64,
        #[n(3)]
        per_day: i64,
    },
}

#[derive(Encode, Decode)]
pub(super) struct KeyV1 {
    #[n(0)]
    kind: u8,
    #[n(1)]
    id: u32,
}

fn numbers<I: Copy>(ids: &[I], number: impl Fn(I) -> u32) -> Vec<u32> {
    ids.iter().map(|id| number(*id)).collect()
}

fn ids<I>(numbers: Vec<u32>, id: impl Fn(u32) -> I) -> Vec<I> {
    numbers.into_iter().map(id).collect()
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

const fn channel_number(channel: Channel) -> u8 {
    match channel {
        Channel::Counter => 0,
        Channel::Web => 1,
    }
}

fn channel(number: u8) -> Result<Channel, WireError> {
    let known = Channel::ALL.into_iter().find(|channel| channel_number(*channel) == number);
    known.ok_or_else(|| WireError::malformed(RULE, format!("channel {number} is not known")))
}

const fn span_to_twin(span: &Span) -> SpanV1 {
    SpanV1 { weekdays: span.weekdays, from_minute: span.from_minute, until_minute: span.until_minute }
}

const fn span_from_twin(twin: &SpanV1) -> Span {
    Span { weekdays: twin.weekdays, from_minute: twin.from_minute, until_minute: twin.until_minute }
}

fn allergen_number(allergen: Allergen) -> u8 {
    let at = Allergen::ALL.iter().position(|one| *one == allergen).unwrap_or(0);
    u8::try_from(at).unwrap_or(0)
}

fn allergen(number: u8) -> Result<Allergen, WireError> {
    let known = Allergen::ALL.get(usize::from(number)).copied();
    known.ok_or_else(|| WireError::malformed(RULE, format!("allergen {number} is not known")))
}

pub(super) fn details_to_twin(details: &ItemDetails) -> Option<DetailsV1> {
    let availability = &details.availability;
    let twin = DetailsV1 {
        product: details.size.as_ref().map(|size| size.product.get()),
        size: details.size.as_ref().map(|size| size.name.clone()),
        modifier_groups: some(numbers(&details.modifier_groups, ModifierGroupId::get)),
        barcodes: some(details.barcodes.iter().map(Gtin::to_string).collect()),
        allergens: some(details.allergens.iter().copied().map(allergen_number).collect()),
        kilocalories: details.kilocalories,
        channels: some(availability.channels.iter().copied().map(channel_number).collect()),
        spans: some(availability.spans.iter().map(span_to_twin).collect()),
        station: details.station.as_ref().map(|station| station.as_str().to_owned()),
    };
    (twin != DetailsV1::default()).then_some(twin)
}

pub(super) fn details_from_twin(twin: Option<DetailsV1>) -> Result<ItemDetails, WireError> {
    let twin = twin.unwrap_or_default();
    let barcode = |text: String| text.parse().map_err(|error| WireError::malformed(RULE, error));
    let station = twin.station.map(|text| text.parse::<ItemStation>()).transpose();
    let size = twin.product.zip(twin.size).map(|(product, name)| Size { product: ProductId::new(product), name });
    Ok(ItemDetails {
        size,
        modifier_groups: ids(twin.modifier_groups.unwrap_or_default(), ModifierGroupId::new),
        barcodes: twin.barcodes.unwrap_or_default().into_iter().map(barcode).collect::<Result<_, _>>()?,
        allergens: twin.allergens.unwrap_or_default().into_iter().map(allergen).collect::<Result<_, _>>()?,
        kilocalories: twin.kilocalories,
        availability: Availability {
            channels: twin.channels.unwrap_or_default().into_iter().map(channel).collect::<Result<_, _>>()?,
            spans: twin.spans.unwrap_or_default().iter().map(span_from_twin).collect(),
        },
        station: station.map_err(|error: StationError| WireError::malformed(RULE, error))?,
    })
}

fn reduction_to_twin(reduction: Reduction) -> ReductionV1 {
    match reduction {
        Reduction::Percent(rate) => ReductionV1::Percent(rate.get()),
        Reduction::Amount(amount) => ReductionV1::Amount(amount.get()),
    }
}

fn reduction(twin: ReductionV1) -> Reduction {
    match twin {
        ReductionV1::Percent(rate) => Reduction::Percent(MicroRate::new(rate)),
        ReductionV1::Amount(amount) => Reduction::Amount(Minor::new(amount)),
    }
}

fn is_dine_in(consumption: Consumption) -> bool {
    consumption == Consumption::DineIn
}

fn consumption(dine_in: bool) -> Consumption {
    if dine_in { Consumption::DineIn } else { Consumption::TakeAway }
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of rule")]
pub(super) fn rule_to_twin(rule: &Rule) -> RuleV1 {
    match rule {
        Rule::Product(rule) => RuleV1::Product { id: rule.id.get(), name: rule.name.clone() },
        Rule::ModifierGroup(rule) => RuleV1::ModifierGroup {
            id: rule.id.get(),
            name: rule.name.clone(),
            at_least: rule.at_least,
            at_most: rule.at_most,
            modifiers: numbers(&rule.modifiers, ModifierId::get),
        },
        Rule::Modifier(rule) => RuleV1::Modifier {
            id: rule.id.get(),
            name: rule.name.clone(),
            price: rule.price.get(),
            uses: rule.uses.iter().map(UseV1::from).collect(),
            swap_from: rule.swap.map(|swap| swap.from.get()),
            swap_to: rule.swap.map(|swap| swap.to.get()),
        },
        Rule::Combo(rule) => {
            let slot = |slot: &Slot| SlotV1 {
                name: slot.name.clone(),
                choices: slot.choices.iter().map(|(item, surcharge)| (item.get(), surcharge.get())).collect(),
            };
            let slots = rule.slots.iter().map(slot).collect();
            RuleV1::Combo { id: rule.id.get(), name: rule.name.clone(), price: rule.price.get(), slots }
        }
        Rule::Price(rule) => RuleV1::Price {
            id: rule.id.get(),
            item: rule.item.get(),
            store: rule.store.map(StoreId::get),
            channel: rule.channel.map(channel_number),
            from: rule.from.days(),
            until: rule.until.map(BusinessDay::days),
            price: match rule.effect {
                PriceEffect::Costs(price) => Some(price.get()),
                PriceEffect::NotSold => None,
            },
        },
        Rule::Jurisdiction(rule) => RuleV1::Jurisdiction {
            id: rule.id.get(),
            name: rule.name.clone(),
            by_line: rule.basis == TaxBasis::Line,
            stores: numbers(&rule.stores, StoreId::get),
        },
        Rule::Tax(rule) => RuleV1::Tax {
            id: rule.id.get(),
            tax_class: rule.tax_class.get(),
            jurisdiction: rule.jurisdiction.map(JurisdictionId::get),
            dine_in: rule.consumption.map(is_dine_in),
            from: rule.from.days(),
            rate_micro: rule.rate.get(),
        },
        Rule::HappyHour(rule) => RuleV1::HappyHour {
            id: rule.id.get(),
            name: rule.name.clone(),
            span: span_to_twin(&rule.span),
            from: rule.from.days(),
            until: rule.until.map(BusinessDay::days),
            stores: numbers(&rule.stores, StoreId::get),
            items: numbers(&rule.items, ItemId::get),
            categories: numbers(&rule.categories, CategoryId::get),
            reduction: reduction_to_twin(rule.reduction),
        },
        Rule::Discount(rule) => RuleV1::Discount {
            id: rule.id.get(),
            name: rule.name.clone(),
            whole_ticket: rule.scope == DiscountScope::Ticket,
            reduction: reduction_to_twin(rule.reduction),
            approval: rule.approval,
        },
        Rule::ServiceCharge(rule) => RuleV1::ServiceCharge {
            id: rule.id.get(),
            name: rule.name.clone(),
            rate_micro: rule.rate.get(),
            tax_class: rule.tax_class.map(TaxClassId::get),
            dine_in: rule.consumption.map(is_dine_in),
            stores: numbers(&rule.stores, StoreId::get),
        },
        Rule::CashStep(step) => RuleV1::CashStep(*step),
        Rule::HouseAccount(rule) => RuleV1::HouseAccount {
            id: rule.id.get(),
            name: rule.name.clone(),
            per_ticket: rule.per_ticket.get(),
            per_day: rule.per_day.get(),
        },
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of rule")]
pub(super) fn rule_from_twin(twin: RuleV1) -> Result<Rule, WireError> {
    Ok(match twin {
        RuleV1::Product { id, name } => Rule::Product(Product { id: ProductId::new(id), name }),
        RuleV1::ModifierGroup { id, name, at_least, at_most, modifiers } => {
            let (id, modifiers) = (ModifierGroupId::new(id), ids(modifiers, ModifierId::new));
            Rule::ModifierGroup(ModifierGroup { id, name, at_least, at_most, modifiers })
        }
        RuleV1::Modifier { id, name, price, uses, swap_from, swap_to } => {
            let swap = swap_from.zip(swap_to);
            let swap = swap.map(|(from, to)| Swap { from: StockItemId::new(from), to: StockItemId::new(to) });
            let uses = uses.into_iter().map(Into::into).collect();
            Rule::Modifier(Modifier { id: ModifierId::new(id), name, price: Minor::new(price), uses, swap })
        }
        RuleV1::Combo { id, name, price, slots } => {
            let choice = |(item, surcharge)| (ItemId::new(item), Minor::new(surcharge));
            let slot = |slot: SlotV1| Slot { name: slot.name, choices: slot.choices.into_iter().map(choice).collect() };
            let slots = slots.into_iter().map(slot).collect();
            Rule::Combo(Combo { id: ComboId::new(id), name, price: Minor::new(price), slots })
        }
        RuleV1::Price { id, item, store, channel: number, from, until, price } => Rule::Price(PriceRule {
            id: RuleId::new(id),
            item: ItemId::new(item),
            store: store.map(StoreId::new),
            channel: number.map(channel).transpose()?,
            from: BusinessDay::from_days(from),
            until: until.map(BusinessDay::from_days),
            effect: price.map_or(PriceEffect::NotSold, |price| PriceEffect::Costs(Minor::new(price))),
        }),
        RuleV1::Jurisdiction { id, name, by_line, stores } => {
            let basis = if by_line { TaxBasis::Line } else { TaxBasis::Ticket };
            Rule::Jurisdiction(Jurisdiction {
                id: JurisdictionId::new(id),
                name,
                basis,
                stores: ids(stores, StoreId::new),
            })
        }
        RuleV1::Tax { id, tax_class, jurisdiction, dine_in, from, rate_micro } => Rule::Tax(TaxRule {
            id: RuleId::new(id),
            tax_class: TaxClassId::new(tax_class),
            jurisdiction: jurisdiction.map(JurisdictionId::new),
            consumption: dine_in.map(consumption),
            from: BusinessDay::from_days(from),
            rate: MicroRate::new(rate_micro),
        }),
        RuleV1::HappyHour { id, name, span, from, until, stores, items, categories, reduction: twin } => {
            Rule::HappyHour(HappyHour {
                id: RuleId::new(id),
                name,
                span: span_from_twin(&span),
                from: BusinessDay::from_days(from),
                until: until.map(BusinessDay::from_days),
                stores: ids(stores, StoreId::new),
                items: ids(items, ItemId::new),
                categories: ids(categories, CategoryId::new),
                reduction: reduction(twin),
            })
        }
        RuleV1::Discount { id, name, whole_ticket, reduction: twin, approval } => {
            let scope = if whole_ticket { DiscountScope::Ticket } else { DiscountScope::Line };
            Rule::Discount(Discount { id: DiscountId::new(id), name, scope, reduction: reduction(twin), approval })
        }
        RuleV1::ServiceCharge { id, name, rate_micro, tax_class, dine_in, stores } => {
            Rule::ServiceCharge(ServiceCharge {
                id: RuleId::new(id),
                name,
                rate: MicroRate::new(rate_micro),
                tax_class: tax_class.map(TaxClassId::new),
                consumption: dine_in.map(consumption),
                stores: ids(stores, StoreId::new),
            })
        }
        RuleV1::CashStep(step) => Rule::CashStep(step),
        RuleV1::HouseAccount { id, name, per_ticket, per_day } => Rule::HouseAccount(HouseAccount {
            id: HouseAccountId::new(id),
            name,
            per_ticket: Minor::new(per_ticket),
            per_day: Minor::new(per_day),
        }),
    })
}

pub(super) const fn key_to_twin(key: RuleKey) -> KeyV1 {
    let (kind, id) = match key {
        RuleKey::Product(id) => (0, id.get()),
        RuleKey::ModifierGroup(id) => (1, id.get()),
        RuleKey::Modifier(id) => (2, id.get()),
        RuleKey::Combo(id) => (3, id.get()),
        RuleKey::Price(id) => (4, id.get()),
        RuleKey::Jurisdiction(id) => (5, id.get()),
        RuleKey::Tax(id) => (6, id.get()),
        RuleKey::HappyHour(id) => (7, id.get()),
        RuleKey::Discount(id) => (8, id.get()),
        RuleKey::ServiceCharge(id) => (9, id.get()),
        RuleKey::CashStep => (10, 0),
        RuleKey::HouseAccount(id) => (11, id.get()),
    };
    KeyV1 { kind, id }
}

pub(super) fn key_from_twin(twin: &KeyV1) -> Result<RuleKey, WireError> {
    let id = twin.id;
    Ok(match twin.kind {
        0 => RuleKey::Product(ProductId::new(id)),
        1 => RuleKey::ModifierGroup(ModifierGroupId::new(id)),
        2 => RuleKey::Modifier(ModifierId::new(id)),
        3 => RuleKey::Combo(ComboId::new(id)),
        4 => RuleKey::Price(RuleId::new(id)),
        5 => RuleKey::Jurisdiction(JurisdictionId::new(id)),
        6 => RuleKey::Tax(RuleId::new(id)),
        7 => RuleKey::HappyHour(RuleId::new(id)),
        8 => RuleKey::Discount(DiscountId::new(id)),
        9 => RuleKey::ServiceCharge(RuleId::new(id)),
        10 => RuleKey::CashStep,
        11 => RuleKey::HouseAccount(HouseAccountId::new(id)),
        kind => return Err(WireError::malformed(RULE, format!("kind {kind} is not known"))),
    })
}
