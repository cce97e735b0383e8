//! The menu as JSON: what people write in a file, what the hub takes and shows, and what tills read. One shape for all.

mod places;
mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use read::MenuFault;

macro_rules! entry {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
    };
}

entry!(
    /// Something with a number and a name.
    NamedV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
    }
);
entry!(
    /// A group of the menu.
    CategoryV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// Where its items are prepared, as `bar`; nothing is nowhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        station: Option<String>,
    }
);
entry!(
    /// A class of tax.
    TaxClassV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// State and local rate together, in millionths.
        rate_micro: u32,
    }
);
entry!(
    /// Something that is counted in the stock room.
    StockItemV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// `each`, `mg` or `ul`.
        unit: String,
    }
);
entry!(
    /// So much of a stock item.
    UseV1 {
        /// Its number.
        stock_item: u32,
        /// How much, in its unit.
        quantity: i64,
    }
);
entry!(
    /// A span of the shop's clock.
    HoursV1 {
        /// Days on which it begins: 1 is Monday, 7 is Sunday.
        weekdays: Vec<u8>,
        /// First minute, counted from midnight.
        from_minute: u16,
        /// First minute outside; no later than the first is on the next day.
        until_minute: u16,
    }
);
entry!(
    /// An item for sale.
    ItemV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// The number of its category.
        category: u32,
        /// The number of its tax class.
        tax_class: u32,
        /// Price of one before tax, in minor units.
        price_minor: i64,
        /// What one takes from the stock room.
        uses: Vec<UseV1>,
        /// The number of what it is a size of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product: Option<u32>,
        /// Which size, as `12 oz`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<String>,
        /// Numbers of groups of extras.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        modifier_groups: Vec<u32>,
        /// Codes on its package: 8, 12, 13 or 14 digits.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        barcodes: Vec<String>,
        /// `milk`, `egg`, `fish`, `shellfish`, `tree_nut`, `peanut`, `wheat`, `soy`, `sesame`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allergens: Vec<String>,
        /// Kilocalories of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kilocalories: Option<u32>,
        /// Where it is offered, `counter` or `web`; nothing is everywhere.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        channels: Vec<String>,
        /// When it is offered; nothing is always.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hours: Vec<HoursV1>,
        /// Where it is prepared: `none` is nowhere, nothing is where its category says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        station: Option<String>,
    }
);
entry!(
    /// Extras of which a guest chooses so many.
    ModifierGroupV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// Fewest.
        at_least: u32,
        /// Most.
        at_most: u32,
        /// Numbers of the extras.
        modifiers: Vec<u32>,
    }
);
entry!(
    /// One stock item in another's place.
    SwapV1 {
        /// What is not taken.
        from: u32,
        /// What is taken.
        to: u32,
    }
);
entry!(
    /// An extra.
    ModifierV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// What one adds to the price of a piece, before tax; below zero if it makes it cheaper.
        price_minor: i64,
        /// What one takes from the stock room besides.
        #[serde(default)]
        uses: Vec<UseV1>,
        /// What it takes in another's place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        swap: Option<SwapV1>,
    }
);
entry!(
    /// A choice for a place of a set.
    ChoiceV1 {
        /// The item's number.
        item: u32,
        /// What it costs on top.
        #[serde(default)]
        surcharge_minor: i64,
    }
);
entry!(
    /// A place of a set.
    SlotV1 {
        /// What people read.
        name: String,
        /// What may be chosen.
        choices: Vec<ChoiceV1>,
    }
);
entry!(
    /// A set of items at one price.
    ComboV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// Its price before tax.
        price_minor: i64,
        /// Its places.
        slots: Vec<SlotV1>,
    }
);
entry!(
    /// Another price of an item.
    PriceRuleV1 {
        /// Its number.
        id: u32,
        /// Of which item.
        item: u32,
        /// In which shop; nothing is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store: Option<u32>,
        /// Over which channel; nothing is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
        /// First business day, YYYY-MM-DD.
        from: String,
        /// Last business day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// The price; nothing is not sold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price_minor: Option<i64>,
    }
);
entry!(
    /// Where one set of rates holds.
    JurisdictionV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// What is rounded: `ticket` or `line`.
        basis: String,
        /// Shops that lie in it.
        stores: Vec<u32>,
    }
);
entry!(
    /// Another rate of a class.
    TaxRuleV1 {
        /// Its number.
        id: u32,
        /// Of which class.
        tax_class: u32,
        /// Where; nothing is everywhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jurisdiction: Option<u32>,
        /// `dine_in` or `take_away`; nothing is both.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consumption: Option<String>,
        /// First business day, YYYY-MM-DD.
        from: String,
        /// The rate, in millionths.
        rate_micro: u32,
    }
);
entry!(
    /// A reduction at certain hours, by itself.
    HappyHourV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// When.
        hours: HoursV1,
        /// First business day, YYYY-MM-DD.
        from: String,
        /// Last business day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// In these shops; nothing is all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stores: Vec<u32>,
        /// For these items.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        items: Vec<u32>,
        /// For items of these categories.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        categories: Vec<u32>,
        /// A part of the price, in millionths.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent_micro: Option<u32>,
        /// Or an amount off each piece.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount_minor: Option<i64>,
    }
);
entry!(
    /// A discount that people at the till may choose.
    DiscountV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// Of what: `line` or `ticket`.
        scope: String,
        /// A part, in millionths.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent_micro: Option<u32>,
        /// Or an amount.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount_minor: Option<i64>,
        /// Whether somebody must approve it.
        #[serde(default)]
        approval: bool,
    }
);
entry!(
    /// A charge for service.
    ServiceChargeV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// Of what the lines came to, in millionths.
        rate_micro: u32,
        /// Under which tax; nothing is untaxed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tax_class: Option<u32>,
        /// `dine_in` or `take_away`; nothing is both.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consumption: Option<String>,
        /// In these shops; nothing is all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stores: Vec<u32>,
    }
);
entry!(
    /// An account that the house lets somebody run up.
    HouseAccountV1 {
        /// Its number.
        id: u32,
        /// What people read.
        name: String,
        /// What one ticket may put on it, in minor units.
        per_ticket_minor: i64,
        /// What one shop may put on it on a business day, in minor units.
        per_day_minor: i64,
    }
);
entry!(
    /// A menu.
    MenuV1 {
        /// What its prices are in, as `USD`.
        currency: String,
        /// Classes of tax.
        tax_classes: Vec<TaxClassV1>,
        /// Groups of the menu.
        categories: Vec<CategoryV1>,
        /// What is counted.
        stock_items: Vec<StockItemV1>,
        /// What is for sale.
        items: Vec<ItemV1>,
        /// Things that come in sizes.
        #[serde(default)]
        products: Vec<NamedV1>,
        /// Groups of extras.
        #[serde(default)]
        modifier_groups: Vec<ModifierGroupV1>,
        /// Extras.
        #[serde(default)]
        modifiers: Vec<ModifierV1>,
        /// Sets.
        #[serde(default)]
        combos: Vec<ComboV1>,
        /// Other prices.
        #[serde(default)]
        price_rules: Vec<PriceRuleV1>,
        /// Places of taxes.
        #[serde(default)]
        jurisdictions: Vec<JurisdictionV1>,
        /// Other rates.
        #[serde(default)]
        tax_rules: Vec<TaxRuleV1>,
        /// Reductions by themselves.
        #[serde(default)]
        happy_hours: Vec<HappyHourV1>,
        /// Reductions by choice.
        #[serde(default)]
        discounts: Vec<DiscountV1>,
        /// Charges for service.
        #[serde(default)]
        service_charges: Vec<ServiceChargeV1>,
        /// To which multiple of minor units cash is rounded; nothing is not at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cash_step_minor: Option<u32>,
        /// Accounts that the house lets somebody run up.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        house_accounts: Vec<HouseAccountV1>,
    }
);

#[cfg(test)]
mod tests;
