//! The menu as a file that people write: read whole, every fault named with its place.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use percolate_common::domain::catalog::{
    CatalogError, Category, Draft, Item, MenuFault, MenuList, MenuPlace, StockItem, TaxClass, Use,
};
use percolate_common::ids::{CategoryId, ItemId, StockItemId, TaxClassId};
use percolate_common::money::{Currency, MicroRate, Minor};
use percolate_common::quantity::{Quantity, Unit};
use percolate_runtime::files::{FileError, read_text};

use super::file::{CategoryEntry, ItemEntry, MenuFile, StockItemEntry, TaxClassEntry};

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

/// A mistake in a menu that somebody wants to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where it stands, as in `/items/3/price_minor`.
    pub(super) pointer: String,
    /// What kind of mistake it is, for programs.
    pub(super) code: &'static str,
    /// What is wrong, for a person.
    pub(super) detail: String,
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
        let (menu, mut faults) = read_file(file);
        if faults.is_empty() { Ok(menu) } else { Err(faults.swap_remove(0)) }
    }

    /// A menu that can be sold, or every mistake in it.
    pub(super) fn of_file(file: MenuFile) -> Result<Self, Vec<Fault>> {
        let places = Places::of(&file);
        let (menu, misread) = read_file(file);
        let mut faults: Vec<Fault> = misread.iter().map(Fault::of_text).collect();
        let unsound = menu.content.faults();
        faults.extend(unsound.into_iter().map(|MenuFault { place, error }| {
            let code = match error {
                CatalogError::Dangling { .. } => "unknown",
                CatalogError::OutOfRange { .. } | CatalogError::Incomplete { .. } => "out_of_range",
            };
            Fault { pointer: places.pointer(place), code, detail: error.to_string() }
        }));
        if faults.is_empty() { Ok(menu) } else { Err(faults) }
    }
}

impl Fault {
    fn of_text(error: &MenuError) -> Self {
        let (pointer, code) = match error {
            MenuError::Twice { pointer, .. } => (pointer.as_str(), "twice"),
            MenuError::Value { pointer, .. } | MenuError::Shape { pointer, .. } => (pointer.as_str(), "malformed"),
            MenuError::Read(_) | MenuError::Missing { .. } => ("", "malformed"),
        };
        Self { pointer: pointer.to_owned(), code, detail: error.to_string() }
    }
}

/// Where in a file each number stands first, and each stock item that an item uses.
struct Places {
    entries: BTreeMap<(MenuList, u32), usize>,
    uses: BTreeMap<(u32, u32), usize>,
}

impl Places {
    fn of(file: &MenuFile) -> Self {
        let mut places = Self { entries: BTreeMap::new(), uses: BTreeMap::new() };
        places.list(MenuList::TaxClasses, file.tax_classes.iter().map(|it| it.id));
        places.list(MenuList::Categories, file.categories.iter().map(|it| it.id));
        places.list(MenuList::StockItems, file.stock_items.iter().map(|it| it.id));
        places.list(MenuList::Items, file.items.iter().map(|it| it.id));
        for item in &file.items {
            for (at, part) in item.uses.iter().enumerate() {
                places.uses.entry((item.id, part.stock_item)).or_insert(at);
            }
        }
        places
    }

    fn list(&mut self, list: MenuList, numbers: impl Iterator<Item = u32>) {
        for (at, number) in numbers.enumerate() {
            self.entries.entry((list, number)).or_insert(at);
        }
    }

    fn pointer(&self, place: MenuPlace) -> String {
        let list = match place.list {
            MenuList::Categories => "/categories",
            MenuList::TaxClasses => "/tax_classes",
            MenuList::StockItems => "/stock_items",
            MenuList::Items => "/items",
        };
        let Some(number) = place.number else { return list.to_owned() };
        let Some(at) = self.entries.get(&(place.list, number)) else { return list.to_owned() };
        let field = match place.field {
            Some("price") => "/price_minor".to_owned(),
            Some("rate") => "/rate_micro".to_owned(),
            Some(field) => format!("/{field}"),
            None => String::new(),
        };
        let used = place.used.and_then(|used| self.uses.get(&(number, used.get())));
        let part = used.map_or_else(String::new, |at| format!("/uses/{at}"));
        format!("{list}/{at}{part}{field}")
    }
}

/// The menu as far as it can be read, and what cannot.
fn read_file(file: MenuFile) -> (Menu, Vec<MenuError>) {
    let mut faults = Vec::new();
    let currency = parsed(&file.currency, || "/currency".to_owned(), "a currency code like USD");
    let currency = currency.map_err(|fault| faults.push(fault)).unwrap_or(Currency::USD);
    let content = content(file, &mut faults);
    (Menu { currency, content }, faults)
}

fn content(file: MenuFile, faults: &mut Vec<MenuError>) -> Draft {
    let tax_class = |entry: TaxClassEntry, _: &str, _: &mut Vec<MenuError>| {
        let id = TaxClassId::new(entry.id);
        (id, TaxClass { id, name: entry.name, rate: MicroRate::new(entry.rate_micro) })
    };
    let category = |entry: CategoryEntry, _: &str, _: &mut Vec<MenuError>| {
        let id = CategoryId::new(entry.id);
        (id, Category { id, name: entry.name })
    };
    let stock_item = |entry: StockItemEntry, place: &str, faults: &mut Vec<MenuError>| {
        let id = StockItemId::new(entry.id);
        let unit = parsed(&entry.unit, || format!("{place}/unit"), "each, mg or ul");
        let unit = unit.map_err(|fault| faults.push(fault)).unwrap_or(Unit::Each);
        (id, StockItem { id, name: entry.name, unit })
    };
    let item = |entry: ItemEntry, place: &str, faults: &mut Vec<MenuError>| {
        let item = item(entry, place, faults);
        (item.id, item)
    };
    Draft {
        categories: by_id("category", "/categories", (file.categories, &mut *faults), CategoryId::get, category),
        tax_classes: by_id("tax class", "/tax_classes", (file.tax_classes, &mut *faults), TaxClassId::get, tax_class),
        stock_items: by_id(
            "stock item",
            "/stock_items",
            (file.stock_items, &mut *faults),
            StockItemId::get,
            stock_item,
        ),
        items: by_id("item", "/items", (file.items, &mut *faults), ItemId::get, item),
    }
}

fn item(entry: ItemEntry, place: &str, faults: &mut Vec<MenuError>) -> Item {
    let mut uses: Vec<Use> = Vec::with_capacity(entry.uses.len());
    for (index, part) in entry.uses.iter().enumerate() {
        let stock_item = StockItemId::new(part.stock_item);
        if uses.iter().any(|known| known.stock_item == stock_item) {
            let pointer = format!("{place}/uses/{index}/stock_item");
            faults.push(MenuError::Twice { kind: "stock item", number: part.stock_item, pointer });
            continue;
        }
        uses.push(Use { stock_item, quantity: Quantity::new(part.quantity) });
    }
    Item {
        id: ItemId::new(entry.id),
        name: entry.name,
        category: CategoryId::new(entry.category),
        tax_class: TaxClassId::new(entry.tax_class),
        price: Minor::new(entry.price_minor),
        uses,
    }
}

/// Entries by their numbers; the same number twice is a fault, and the first one stays.
fn by_id<E, K: Ord + Copy, V>(
    kind: &'static str,
    place: &str,
    (entries, faults): (Vec<E>, &mut Vec<MenuError>),
    number: impl Fn(K) -> u32,
    read: impl Fn(E, &str, &mut Vec<MenuError>) -> (K, V),
) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let place = format!("{place}/{index}");
        let (id, value) = read(entry, &place, faults);
        match map.entry(id) {
            Entry::Vacant(vacant) => drop(vacant.insert(value)),
            Entry::Occupied(_) => {
                faults.push(MenuError::Twice { kind, number: number(id), pointer: format!("{place}/id") });
            }
        }
    }
    map
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
    use std::collections::BTreeSet;

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
    fn every_mistake_of_a_menu_for_sale_is_told_with_its_place() {
        let text = SMALL
            .replace("\"unit\":\"mg\"", "\"unit\":\"g\"")
            .replace("\"price_minor\":300", "\"price_minor\":-1")
            .replace("\"tax_class\":1", "\"tax_class\":9")
            .replace("\"quantity\":18000", "\"quantity\":0")
            .replace(
                "{\"id\":1,\"name\":\"Food\"",
                "{\"id\":7,\"name\":\"\",\"rate_micro\":1000001},{\"id\":7,\"name\":\"Food\"",
            );
        let faults = Menu::of_file(serde_json::from_str(&text).unwrap()).unwrap_err();
        let told: Vec<_> = faults.iter().map(|it| (it.pointer.as_str(), it.code)).collect();
        let expected = [
            ("/stock_items/0/unit", "malformed"),
            ("/tax_classes/1/id", "twice"),
            ("/tax_classes/0/name", "out_of_range"),
            ("/tax_classes/0/rate_micro", "out_of_range"),
            ("/items/0/price_minor", "out_of_range"),
            ("/items/0/tax_class", "unknown"),
            ("/items/0/uses/0/quantity", "out_of_range"),
        ];
        let (told, expected): (BTreeSet<_>, BTreeSet<_>) = (told.into_iter().collect(), expected.into_iter().collect());
        assert_eq!(told, expected);
        assert!(Menu::of_file(serde_json::from_str(SMALL).unwrap()).is_ok());
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = Menu::read(Path::new("no/such/menu.json")).unwrap_err();
        assert!(missing.to_string().contains("no/such/menu.json"), "{missing}");
    }
}
