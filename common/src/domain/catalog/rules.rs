//! What the menu says besides its items: sizes, extras, sets, special prices, taxes of places, discounts.

use std::collections::BTreeMap;

use super::Use;
use super::hours::{Channel, Span};
use crate::ids::{
    CategoryId, ComboId, DiscountId, HouseAccountId, ItemId, JurisdictionId, ModifierGroupId, ModifierId, ProductId,
    RuleId, StockItemId, StoreId, TaxClassId,
};
use crate::money::{MicroRate, Minor};
use crate::time::BusinessDay;

/// Something that comes in sizes; each size is an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its number.
    pub id: ProductId,
    /// What people read.
    pub name: String,
}

/// Extras of which a guest chooses so many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifierGroup {
    /// Its number.
    pub id: ModifierGroupId,
    /// What people read, as `Milk`.
    pub name: String,
    /// Fewest.
    pub at_least: u32,
    /// Most, counted by pieces.
    pub at_most: u32,
    /// Which extras.
    pub modifiers: Vec<ModifierId>,
}

/// One stock item in another's place: oat milk for whole milk, whatever the size takes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// What is not taken.
    pub from: StockItemId,
    /// What is taken.
    pub to: StockItemId,
}

/// An extra.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modifier {
    /// Its number.
    pub id: ModifierId,
    /// What people read, as `Oat milk`.
    pub name: String,
    /// What one adds to the price of a piece, before tax; below zero if it makes it cheaper.
    pub price: Minor,
    /// What one takes from the stock room besides.
    pub uses: Vec<Use>,
    /// What it takes in another's place.
    pub swap: Option<Swap>,
}

/// A place in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What people read, as `Drink`.
    pub name: String,
    /// What may be chosen, and what it costs on top of the set's price.
    pub choices: BTreeMap<ItemId, Minor>,
}

/// A set of items at one price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combo {
    /// Its number.
    pub id: ComboId,
    /// What people read.
    pub name: String,
    /// Its price before tax, without extras and surcharges.
    pub price: Minor,
    /// Its places, each filled by one item.
    pub slots: Vec<Slot>,
}

/// What a rule makes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceEffect {
    /// It costs this.
    Costs(Minor),
    /// It is not sold.
    NotSold,
}

/// Another price of an item, in one shop or in all, from a day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRule {
    /// Its number.
    pub id: RuleId,
    /// Of which item.
    pub item: ItemId,
    /// In which shop; none is all.
    pub store: Option<StoreId>,
    /// Over which channel; none is all.
    pub channel: Option<Channel>,
    /// First business day.
    pub from: BusinessDay,
    /// Last business day, if there is one.
    pub until: Option<BusinessDay>,
    /// What it does.
    pub effect: PriceEffect,
}

/// Where a guest eats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Consumption {
    /// In the shop.
    DineIn,
    /// Elsewhere.
    #[default]
    TakeAway,
}

impl Consumption {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DineIn => "dine_in",
            Self::TakeAway => "take_away",
        }
    }
}

/// What a rate is taken of, and rounded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaxBasis {
    /// The sum of a class on the whole ticket.
    #[default]
    Ticket,
    /// Each line.
    Line,
}

/// Where one set of rates holds. Shops that lie in none pay the classes' own rates by ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jurisdiction {
    /// Its number.
    pub id: JurisdictionId,
    /// What people read, as `Atlanta, Fulton County`.
    pub name: String,
    /// How it rounds.
    pub basis: TaxBasis,
    /// Shops that lie in it.
    pub stores: Vec<StoreId>,
}

/// Another rate of a class, somewhere, for some way of eating, from a day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxRule {
    /// Its number.
    pub id: RuleId,
    /// Of which class.
    pub tax_class: TaxClassId,
    /// Where; none is everywhere.
    pub jurisdiction: Option<JurisdictionId>,
    /// For which way of eating; none is both.
    pub consumption: Option<Consumption>,
    /// First business day.
    pub from: BusinessDay,
    /// State and local rate together.
    pub rate: MicroRate,
}

/// How much less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// A part of what it is taken from.
    Percent(MicroRate),
    /// An amount.
    Amount(Minor),
}

/// A reduction at certain hours, by itself; the largest that fits a line is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HappyHour {
    /// Its number.
    pub id: RuleId,
    /// What people read.
    pub name: String,
    /// When, by the shop's clock.
    pub span: Span,
    /// First business day.
    pub from: BusinessDay,
    /// Last business day, if there is one.
    pub until: Option<BusinessDay>,
    /// In these shops; none is all.
    pub stores: Vec<StoreId>,
    /// For these items.
    pub items: Vec<ItemId>,
    /// For items of these categories.
    pub categories: Vec<CategoryId>,
    /// How much less, of a piece.
    pub reduction: Reduction,
}

/// What a discount is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscountScope {
    /// One line.
    Line,
    /// The whole ticket.
    Ticket,
}

/// A discount that people at the till may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discount {
    /// Its number.
    pub id: DiscountId,
    /// What people read.
    pub name: String,
    /// Of what.
    pub scope: DiscountScope,
    /// How much less.
    pub reduction: Reduction,
    /// Whether somebody must approve it.
    pub approval: bool,
}

/// A charge for service: revenue, unlike a tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCharge {
    /// Its number.
    pub id: RuleId,
    /// What people read.
    pub name: String,
    /// Of what the lines came to.
    pub rate: MicroRate,
    /// Under which tax; none is untaxed.
    pub tax_class: Option<TaxClassId>,
    /// For which way of eating; none is both.
    pub consumption: Option<Consumption>,
    /// In these shops; none is all.
    pub stores: Vec<StoreId>,
}

/// An account that the house lets somebody run up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseAccount {
    /// Its number.
    pub id: HouseAccountId,
    /// What people read.
    pub name: String,
    /// What one ticket may put on it.
    pub per_ticket: Minor,
    /// What one shop may put on it on a business day.
    pub per_day: Minor,
}

/// A rule of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Something that comes in sizes.
    Product(Product),
    /// Extras to choose from.
    ModifierGroup(ModifierGroup),
    /// An extra.
    Modifier(Modifier),
    /// A set.
    Combo(Combo),
    /// Another price.
    Price(PriceRule),
    /// Where one set of rates holds.
    Jurisdiction(Jurisdiction),
    /// Another rate.
    Tax(TaxRule),
    /// A reduction by itself.
    HappyHour(HappyHour),
    /// A reduction by choice.
    Discount(Discount),
    /// A charge for service.
    ServiceCharge(ServiceCharge),
    /// To which multiple of minor units cash is rounded; one is not at all.
    CashStep(u32),
    /// An account of the house.
    HouseAccount(HouseAccount),
}

/// Which rule is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleKey {
    /// Of things that come in sizes.
    Product(ProductId),
    /// Of groups of extras.
    ModifierGroup(ModifierGroupId),
    /// Of extras.
    Modifier(ModifierId),
    /// Of sets.
    Combo(ComboId),
    /// Of prices.
    Price(RuleId),
    /// Of places of taxes.
    Jurisdiction(JurisdictionId),
    /// Of taxes.
    Tax(RuleId),
    /// Of reductions by themselves.
    HappyHour(RuleId),
    /// Of reductions by choice.
    Discount(DiscountId),
    /// Of charges.
    ServiceCharge(RuleId),
    /// Of cash.
    CashStep,
    /// Of accounts of the house.
    HouseAccount(HouseAccountId),
}

impl Rule {
    /// Which one it is.
    #[must_use]
    pub const fn key(&self) -> RuleKey {
        match self {
            Self::Product(rule) => RuleKey::Product(rule.id),
            Self::ModifierGroup(rule) => RuleKey::ModifierGroup(rule.id),
            Self::Modifier(rule) => RuleKey::Modifier(rule.id),
            Self::Combo(rule) => RuleKey::Combo(rule.id),
            Self::Price(rule) => RuleKey::Price(rule.id),
            Self::Jurisdiction(rule) => RuleKey::Jurisdiction(rule.id),
            Self::Tax(rule) => RuleKey::Tax(rule.id),
            Self::HappyHour(rule) => RuleKey::HappyHour(rule.id),
            Self::Discount(rule) => RuleKey::Discount(rule.id),
            Self::ServiceCharge(rule) => RuleKey::ServiceCharge(rule.id),
            Self::CashStep(_) => RuleKey::CashStep,
            Self::HouseAccount(rule) => RuleKey::HouseAccount(rule.id),
        }
    }
}

/// All rules, each kind by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    all: BTreeMap<RuleKey, Rule>,
    /// Prices by their items, so that pricing a line reads its own only.
    prices: BTreeMap<(ItemId, RuleId), PriceRule>,
}

macro_rules! look_up {
    ($(#[$doc:meta] $one:ident, $all:ident, $kind:ident, $id:ty;)*) => {$(
        #[$doc]
        #[must_use]
        pub fn $one(&self, id: $id) -> Option<&$kind> {
            match self.all.get(&RuleKey::$kind(id)) {
                Some(Rule::$kind(rule)) => Some(rule),
                Some(_) | None => None,
            }
        }

        #[$doc]
        pub fn $all(&self) -> impl Iterator<Item = &$kind> {
            let kind = RuleKey::$kind(<$id>::new(0))..=RuleKey::$kind(<$id>::new(u32::MAX));
            self.all.range(kind).filter_map(|(_key, rule)| if let Rule::$kind(rule) = rule { Some(rule) } else { None })
        }
    )*};
}

impl Rules {
    /// Puts a rule in the place of the one with its number.
    pub fn set(&mut self, rule: Rule) {
        self.retire(rule.key());
        if let Rule::Price(price) = &rule {
            self.prices.insert((price.item, price.id), *price);
        }
        self.all.insert(rule.key(), rule);
    }

    /// Takes a rule away, if it is there.
    pub fn retire(&mut self, key: RuleKey) {
        if let Some(Rule::Price(price)) = self.all.remove(&key) {
            self.prices.remove(&(price.item, price.id));
        }
    }

    /// All rules, in the order of kind and number.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.all.values()
    }

    /// One rule.
    #[must_use]
    pub fn get(&self, key: RuleKey) -> Option<&Rule> {
        self.all.get(&key)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The rules of prices of an item.
    pub fn prices_of(&self, item: ItemId) -> impl Iterator<Item = &PriceRule> {
        let (first, last) = ((item, RuleId::new(0)), (item, RuleId::new(u32::MAX)));
        self.prices.range(first..=last).map(|(_key, rule)| rule)
    }

    /// The multiple of minor units that cash is rounded to.
    #[must_use]
    pub fn cash_step(&self) -> u32 {
        match self.all.get(&RuleKey::CashStep) {
            Some(Rule::CashStep(step)) => *step,
            Some(_) | None => 1,
        }
    }

    look_up! {
        /// Things that come in sizes.
        product, products, Product, ProductId;
        /// Groups of extras.
        modifier_group, modifier_groups, ModifierGroup, ModifierGroupId;
        /// Extras.
        modifier, modifiers, Modifier, ModifierId;
        /// Sets.
        combo, combos, Combo, ComboId;
        /// Places of taxes.
        jurisdiction, jurisdictions, Jurisdiction, JurisdictionId;
        /// Reductions by themselves.
        happy_hour, happy_hours, HappyHour, RuleId;
        /// Reductions by choice.
        discount, discounts, Discount, DiscountId;
        /// Charges for service.
        service_charge, service_charges, ServiceCharge, RuleId;
        /// Accounts of the house.
        house_account, house_accounts, HouseAccount, HouseAccountId;
    }

    /// The rules of taxes.
    pub fn taxes(&self) -> impl Iterator<Item = &TaxRule> {
        let kind = RuleKey::Tax(RuleId::new(0))..=RuleKey::Tax(RuleId::new(u32::MAX));
        self.all.range(kind).filter_map(|(_key, rule)| if let Rule::Tax(rule) = rule { Some(rule) } else { None })
    }
}
