//! A menu as the hub writes it, and is told it. What this program does not know in it, it does not take: it would be lost.

use percolate_common::domain::catalog::{Category, Draft, Item, StockItem, TaxClass, Use};
use percolate_common::ids::{CategoryId, ItemId, StockItemId, TaxClassId};
use percolate_common::money::{Currency, MicroRate, Minor};
use percolate_common::quantity::Quantity;
use serde::{Deserialize, Serialize};

/// A whole menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    currency: String,
    tax_classes: Vec<WrittenTaxClass>,
    categories: Vec<WrittenCategory>,
    stock_items: Vec<WrittenStockItem>,
    items: Vec<WrittenItem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTaxClass {
    id: u32,
    name: String,
    rate_micro: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCategory {
    id: u32,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStockItem {
    id: u32,
    name: String,
    unit: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenItem {
    id: u32,
    name: String,
    category: u32,
    tax_class: u32,
    price_minor: i64,
    uses: Vec<WrittenUse>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUse {
    stock_item: u32,
    quantity: i64,
}

impl Written {
    pub(super) fn of(currency: Currency, content: &Draft) -> Self {
        let class =
            |it: &TaxClass| WrittenTaxClass { id: it.id.get(), name: it.name.clone(), rate_micro: it.rate.get() };
        let category = |it: &Category| WrittenCategory { id: it.id.get(), name: it.name.clone() };
        let stock_item = |it: &StockItem| WrittenStockItem {
            id: it.id.get(),
            name: it.name.clone(),
            unit: it.unit.as_str().to_owned(),
        };
        let part = |it: &Use| WrittenUse { stock_item: it.stock_item.get(), quantity: it.quantity.get() };
        let item = |it: &Item| WrittenItem {
            id: it.id.get(),
            name: it.name.clone(),
            category: it.category.get(),
            tax_class: it.tax_class.get(),
            price_minor: it.price.get(),
            uses: it.uses.iter().map(part).collect(),
        };
        Self {
            currency: currency.to_string(),
            tax_classes: content.tax_classes.values().map(class).collect(),
            categories: content.categories.values().map(category).collect(),
            stock_items: content.stock_items.values().map(stock_item).collect(),
            items: content.items.values().map(item).collect(),
        }
    }

    pub(super) fn read(self) -> anyhow::Result<(Currency, Draft)> {
        let mut content = Draft::default();
        for WrittenTaxClass { id, name, rate_micro } in self.tax_classes {
            let id = TaxClassId::new(id);
            content.tax_classes.insert(id, TaxClass { id, name, rate: MicroRate::new(rate_micro) });
        }
        for WrittenCategory { id, name } in self.categories {
            let id = CategoryId::new(id);
            content.categories.insert(id, Category { id, name });
        }
        for WrittenStockItem { id, name, unit } in self.stock_items {
            let id = StockItemId::new(id);
            content.stock_items.insert(id, StockItem { id, name, unit: unit.parse()? });
        }
        for WrittenItem { id, name, category, tax_class, price_minor, uses } in self.items {
            let id = ItemId::new(id);
            let part = |it: WrittenUse| Use {
                stock_item: StockItemId::new(it.stock_item),
                quantity: Quantity::new(it.quantity),
            };
            let item = Item {
                id,
                name,
                category: CategoryId::new(category),
                tax_class: TaxClassId::new(tax_class),
                price: Minor::new(price_minor),
                uses: uses.into_iter().map(part).collect(),
            };
            content.items.insert(id, item);
        }
        Ok((self.currency.parse()?, content))
    }
}
