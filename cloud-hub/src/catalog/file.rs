//! A menu as it stands in a file, and as it is asked for and told over HTTP.

use percolate_common::domain::catalog::Catalog;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A whole menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MenuFile {
    /// What its prices are in.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// Its tax classes, in any order.
    pub(super) tax_classes: Vec<TaxClassEntry>,
    /// Its categories.
    pub(super) categories: Vec<CategoryEntry>,
    /// What is counted in the stock room.
    pub(super) stock_items: Vec<StockItemEntry>,
    /// What is for sale.
    pub(super) items: Vec<ItemEntry>,
}

/// A class of tax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TaxClassEntry {
    /// Its number.
    pub(super) id: u32,
    /// What people read.
    pub(super) name: String,
    /// Its rate in millionths, up to 1000000.
    #[schema(example = 89000)]
    pub(super) rate_micro: u32,
}

/// A group of the menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CategoryEntry {
    /// Its number.
    pub(super) id: u32,
    /// What people read.
    pub(super) name: String,
}

/// Something that is counted in the stock room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StockItemEntry {
    /// Its number.
    pub(super) id: u32,
    /// What people read.
    pub(super) name: String,
    /// What it is counted in: `each`, `mg` or `ul`.
    pub(super) unit: String,
}

/// Something that may be sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemEntry {
    /// Its number.
    pub(super) id: u32,
    /// What people read.
    pub(super) name: String,
    /// The number of its category.
    pub(super) category: u32,
    /// The number of its tax class.
    pub(super) tax_class: u32,
    /// Price of one before tax, in minor units.
    pub(super) price_minor: i64,
    /// What one takes from the stock room.
    pub(super) uses: Vec<UseEntry>,
}

/// What one item takes of one stock item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MenuUse)]
pub(super) struct UseEntry {
    /// The number of the stock item.
    pub(super) stock_item: u32,
    /// How much, in its unit.
    pub(super) quantity: i64,
}

impl From<&Catalog> for MenuFile {
    fn from(catalog: &Catalog) -> Self {
        let content = &catalog.content;
        let tax_classes = content.tax_classes.values();
        let categories = content.categories.values();
        let stock_items = content.stock_items.values();
        let items = content.items.values().map(|item| {
            let uses = item.uses.iter();
            let uses = uses
                .map(|part| UseEntry { stock_item: part.stock_item.get(), quantity: part.quantity.get() })
                .collect();
            ItemEntry {
                id: item.id.get(),
                name: item.name.clone(),
                category: item.category.get(),
                tax_class: item.tax_class.get(),
                price_minor: item.price.get(),
                uses,
            }
        });
        Self {
            currency: catalog.revision.currency.to_string(),
            tax_classes: tax_classes
                .map(|it| TaxClassEntry { id: it.id.get(), name: it.name.clone(), rate_micro: it.rate.get() })
                .collect(),
            categories: categories.map(|it| CategoryEntry { id: it.id.get(), name: it.name.clone() }).collect(),
            stock_items: stock_items
                .map(|it| StockItemEntry { id: it.id.get(), name: it.name.clone(), unit: it.unit.as_str().to_owned() })
                .collect(),
            items: items.collect(),
        }
    }
}
