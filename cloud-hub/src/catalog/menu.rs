//! The menu as a file that people write: read whole, every fault named with its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use percolate_common::domain::catalog::{Category, Draft, Item, StockItem, TaxClass, Use};
use percolate_common::ids::{CategoryId, ItemId, StockItemId, TaxClassId};
use percolate_common::money::{Currency, MicroRate, Minor};
use percolate_common::quantity::{Quantity, Unit};
use percolate_runtime::files::{FileError, read_text};
use serde::Deserialize;

/// A menu that is ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// What its prices are in.
    pub currency: Currency,
    /// What it says.
    pub content: Draft,
}

/// A menu file that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum MenuError {
    /// The file cannot be read.
    #[error("the menu file cannot be read")]
    Read(#[source] FileError),
    /// There is no such file.
    #[error("there is no menu file {path}")]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Not JSON, or not of the right shape.
    #[error("the menu cannot be read at {pointer}")]
    Shape {
        /// Where, as a JSON pointer.
        pointer: String,
        /// What is wrong there.
        #[source]
        source: serde_json::Error,
    },
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MenuFile {
    currency: String,
    tax_classes: Vec<TaxClassEntry>,
    categories: Vec<CategoryEntry>,
    stock_items: Vec<StockItemEntry>,
    items: Vec<ItemEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaxClassEntry {
    id: u32,
    name: String,
    rate_micro: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryEntry {
    id: u32,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StockItemEntry {
    id: u32,
    name: String,
    unit: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemEntry {
    id: u32,
    name: String,
    category: u32,
    tax_class: u32,
    price_minor: i64,
    uses: Vec<UseEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UseEntry {
    stock_item: u32,
    quantity: i64,
}

impl Menu {
    /// Reads a menu file. Blocks.
    ///
    /// # Errors
    /// [`MenuError`] names the file, and the place in it.
    pub fn read(path: &Path) -> Result<Self, MenuError> {
        let text = read_text(path).map_err(MenuError::Read)?;
        Self::parse(&text.ok_or_else(|| MenuError::Missing { path: path.to_owned() })?)
    }

    /// Reads a menu.
    ///
    /// # Errors
    /// [`MenuError`] names the place.
    pub fn parse(text: &str) -> Result<Self, MenuError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read: Result<MenuFile, _> = serde_path_to_error::deserialize(&mut json);
        let file =
            read.map_err(|error| MenuError::Shape { pointer: pointer(error.path()), source: error.into_inner() })?;
        json.end().map_err(|source| MenuError::Shape { pointer: "/".to_owned(), source })?;
        let currency = parsed(&file.currency, || "/currency".to_owned(), "a currency code like USD")?;
        Ok(Self { currency, content: content(file)? })
    }
}

fn content(file: MenuFile) -> Result<Draft, MenuError> {
    let category = |entry: CategoryEntry, _: &str| {
        let id = CategoryId::new(entry.id);
        Ok((id, Category { id, name: entry.name }))
    };
    let tax_class = |entry: TaxClassEntry, _: &str| {
        let id = TaxClassId::new(entry.id);
        Ok((id, TaxClass { id, name: entry.name, rate: MicroRate::new(entry.rate_micro) }))
    };
    let stock_item = |entry: StockItemEntry, place: &str| {
        let id = StockItemId::new(entry.id);
        let unit: Unit = parsed(&entry.unit, || format!("{place}/unit"), "each, mg or ul")?;
        Ok((id, StockItem { id, name: entry.name, unit }))
    };
    let item = |entry: ItemEntry, place: &str| item(entry, place).map(|item| (item.id, item));
    Ok(Draft {
        categories: by_id("category", "/categories", file.categories, |id: CategoryId| id.get(), category)?,
        tax_classes: by_id("tax class", "/tax_classes", file.tax_classes, |id: TaxClassId| id.get(), tax_class)?,
        stock_items: by_id("stock item", "/stock_items", file.stock_items, |id: StockItemId| id.get(), stock_item)?,
        items: by_id("item", "/items", file.items, |id: ItemId| id.get(), item)?,
    })
}

fn item(entry: ItemEntry, place: &str) -> Result<Item, MenuError> {
    let mut uses: Vec<Use> = Vec::with_capacity(entry.uses.len());
    for (index, part) in entry.uses.iter().enumerate() {
        let stock_item = StockItemId::new(part.stock_item);
        if uses.iter().any(|known| known.stock_item == stock_item) {
            let pointer = format!("{place}/uses/{index}/stock_item");
            return Err(MenuError::Twice { kind: "stock item", number: part.stock_item, pointer });
        }
        uses.push(Use { stock_item, quantity: Quantity::new(part.quantity) });
    }
    Ok(Item {
        id: ItemId::new(entry.id),
        name: entry.name,
        category: CategoryId::new(entry.category),
        tax_class: TaxClassId::new(entry.tax_class),
        price: Minor::new(entry.price_minor),
        uses,
    })
}

/// Entries by their numbers; the same number twice is a fault and not the last one's luck.
fn by_id<E, K: Ord + Copy, V>(
    kind: &'static str,
    place: &str,
    entries: Vec<E>,
    number: impl Fn(K) -> u32,
    read: impl Fn(E, &str) -> Result<(K, V), MenuError>,
) -> Result<BTreeMap<K, V>, MenuError> {
    let mut map = BTreeMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let place = format!("{place}/{index}");
        let (id, value) = read(entry, &place)?;
        if map.insert(id, value).is_some() {
            return Err(MenuError::Twice { kind, number: number(id), pointer: format!("{place}/id") });
        }
    }
    Ok(map)
}

fn parsed<T: std::str::FromStr>(
    text: &str,
    pointer: impl FnOnce() -> String,
    expected: &'static str,
) -> Result<T, MenuError> {
    text.parse().map_err(|_refused| MenuError::Value { text: text.to_owned(), pointer: pointer(), expected })
}

/// The place as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"currency":"USD","tax_classes":[{"id":1,"name":"Food","rate_micro":89000}],
        "categories":[{"id":1,"name":"Espresso"}],"stock_items":[{"id":1,"name":"Beans","unit":"mg"}],
        "items":[{"id":101,"name":"Espresso","category":1,"tax_class":1,"price_minor":300,
                  "uses":[{"stock_item":1,"quantity":18000}]}]}"#;

    fn fault(from: &str, to: &str) -> String {
        let text = SMALL.replacen(from, to, 1);
        assert_ne!(text, SMALL, "the fault was not made");
        Menu::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn a_menu_is_read_whole() {
        let menu = Menu::parse(SMALL).unwrap();
        assert_eq!(menu.currency, Currency::USD);
        assert!(menu.content.check().is_ok());
        let espresso = &menu.content.items[&ItemId::new(101)];
        assert_eq!((espresso.name.as_str(), espresso.price), ("Espresso", Minor::new(300)));
        assert_eq!(espresso.uses[0].quantity, Quantity::new(18_000));
    }

    #[test]
    fn every_fault_says_where_it_is() {
        assert!(fault("\"price_minor\":300", "\"price_minor\":\"3\"").contains("/items/0/price_minor"));
        assert!(fault("\"unit\":\"mg\"", "\"unit\":\"g\"").contains("/stock_items/0/unit"));
        assert!(fault("\"USD\"", "\"dollars\"").contains("/currency"));
        assert!(fault("\"uses\"", "\"recipe\"").contains("/items/0"));
        let twice = fault("[{\"id\":1,\"name\":\"Espresso\"}", "[{\"id\":1,\"name\":\"A\"},{\"id\":1,\"name\":\"B\"}");
        assert!(twice.contains("category 1 twice") && twice.contains("/categories/1/id"), "{twice}");
        assert!(Menu::parse(&SMALL[..40]).is_err());
        assert!(Menu::parse(&format!("{SMALL} x")).is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = Menu::read(Path::new("no/such/menu.json")).unwrap_err();
        assert!(missing.to_string().contains("no/such/menu.json"), "{missing}");
    }
}
