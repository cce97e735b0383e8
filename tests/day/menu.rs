//! The menu as the script reads it: prices, taxes and recipes, straight from the file that is published.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use system_tests::books::{list, number, text};

/// Something for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) category: i64,
    pub(crate) tax_class: i64,
    pub(crate) price: i64,
    /// Stock item and quantity that one takes.
    pub(crate) uses: Vec<(i64, i64)>,
}

/// A published menu.
#[derive(Debug, Clone)]
pub(crate) struct Menu {
    pub(crate) revision: i64,
    pub(crate) items: BTreeMap<i64, Item>,
    /// Millionths by class.
    rates: BTreeMap<i64, i64>,
    pub(crate) stock_items: Vec<i64>,
}

impl Menu {
    /// Reads a menu file that is published as `revision`.
    pub(crate) fn read(path: &Path, revision: i64) -> Result<Self> {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let numbers = |list: &[Value]| list.iter().map(|row| number(row, "/id")).collect::<Result<Vec<_>>>();
        let rate = |row: &Value| Ok((number(row, "/id")?, number(row, "/rate_micro")?));
        Ok(Self {
            revision,
            items: list(&file, "/items")?
                .iter()
                .map(|row| Ok((number(row, "/id")?, item(row)?)))
                .collect::<Result<_>>()?,
            rates: list(&file, "/tax_classes")?.iter().map(rate).collect::<Result<_>>()?,
            stock_items: numbers(&list(&file, "/stock_items")?)?,
        })
    }

    pub(crate) fn item(&self, id: i64) -> Result<&Item> {
        self.items.get(&id).with_context(|| format!("item {id} on the menu"))
    }

    /// Before tax, and the tax: of each class on the whole ticket, half a cent and more up.
    pub(crate) fn price(&self, lines: &[(i64, i64)]) -> Result<(i64, i64)> {
        let mut net = 0;
        for (id, count) in lines {
            net += self.item(*id)?.price * count;
        }
        Ok((net, self.taxes(lines)?.values().sum()))
    }

    /// The tax by class.
    pub(crate) fn taxes(&self, lines: &[(i64, i64)]) -> Result<BTreeMap<i64, i64>> {
        let mut by_class: BTreeMap<i64, i64> = BTreeMap::new();
        for (id, count) in lines {
            let item = self.item(*id)?;
            *by_class.entry(item.tax_class).or_default() += item.price * count;
        }
        for (class, amount) in &mut by_class {
            let rate = self.rates.get(class).context("a tax class")?;
            // Cents and millionths: the remainder tells whether half a cent is reached.
            let micro_cents = *amount * rate;
            *amount = micro_cents / 1_000_000 + i64::from(micro_cents % 1_000_000 >= 500_000);
        }
        Ok(by_class)
    }
}

fn item(row: &Value) -> Result<Item> {
    let uses = list(row, "/uses")?;
    let one = |used: &Value| Ok((number(used, "/stock_item")?, number(used, "/quantity")?));
    Ok(Item {
        id: number(row, "/id")?,
        name: text(row, "/name")?,
        category: number(row, "/category")?,
        tax_class: number(row, "/tax_class")?,
        price: number(row, "/price_minor")?,
        uses: uses.iter().map(one).collect::<Result<_>>()?,
    })
}

/// The item that is sold no more from ten o'clock on.
pub(crate) const RETIRED: i64 = 706;
/// The item that is new from then on.
pub(crate) const NEW: i64 = 711;

/// Writes the menu of ten o'clock: another price, another tax rate, a category, a stock item and an item more, and one
/// item less.
pub(crate) fn write_next(morning: &Path, next: &Path) -> Result<()> {
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(morning)?)?;
    let rows = |file: &mut Value, name: &str, change: &mut dyn FnMut(&mut Vec<Value>)| -> Result<()> {
        change(file.get_mut(name).and_then(Value::as_array_mut).with_context(|| name.to_owned())?);
        Ok(())
    };
    rows(&mut file, "categories", &mut |rows| rows.push(json!({"id": 12, "name": "Seasonal"})))?;
    rows(&mut file, "stock_items", &mut |rows| {
        rows.push(json!({"id": 41, "name": "Pumpkin Loaf", "unit": "each"}));
    })?;
    rows(&mut file, "tax_classes", &mut |rows| set(rows, 2, "rate_micro", 51_500))?;
    rows(&mut file, "items", &mut |rows| {
        set(rows, 101, "price_minor", 345);
        set(rows, 132, "price_minor", 549);
        rows.retain(|row| row.get("id") != Some(&RETIRED.into()));
        let uses = json!([{"stock_item": 41, "quantity": 1}]);
        rows.push(json!({"id": NEW, "name": "Pumpkin Loaf", "category": 12, "tax_class": 1, "price_minor": 415, "uses": uses}));
    })?;
    Ok(std::fs::write(next, file.to_string())?)
}

fn set(rows: &mut [Value], id: i64, field: &str, value: i64) {
    let row = rows.iter_mut().find(|row| row.get("id") == Some(&id.into()));
    if let Some(fields) = row.and_then(Value::as_object_mut) {
        fields.insert(field.to_owned(), value.into());
    }
}
