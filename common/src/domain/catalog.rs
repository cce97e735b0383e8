//! The menu: what may be sold, for how much, under which tax, and what it takes from the stock room.

use std::collections::BTreeMap;

use crate::ids::{CategoryId, ItemId, StockItemId, TaxClassId};
use crate::money::{Currency, MicroRate, Minor};
use crate::quantity::{Quantity, Unit};

/// A group of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its number.
    pub id: CategoryId,
    /// What people read.
    pub name: String,
}

/// A class of tax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxClass {
    /// Its number.
    pub id: TaxClassId,
    /// What people read.
    pub name: String,
    /// State and local rate together.
    pub rate: MicroRate,
}

/// Something that is counted in the stock room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockItem {
    /// Its number.
    pub id: StockItemId,
    /// What people read.
    pub name: String,
    /// What it is counted in.
    pub unit: Unit,
}

/// What one unit of an item takes from the stock room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Of what.
    pub stock_item: StockItemId,
    /// How much, above zero.
    pub quantity: Quantity,
}

/// Something that may be sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub id: ItemId,
    /// What people read.
    pub name: String,
    /// Where on the menu.
    pub category: CategoryId,
    /// Under which tax.
    pub tax_class: TaxClassId,
    /// Price of one, before tax.
    pub price: Minor,
    /// What one takes from the stock room.
    pub uses: Vec<Use>,
}

/// One fact about the menu; a draft until a [`CatalogEvent::RevisionPublished`] follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogEvent {
    /// A category is there, under this name.
    CategorySet(Category),
    /// A tax class is there, at this rate.
    TaxClassSet(TaxClass),
    /// A stock item is there.
    StockItemSet(StockItem),
    /// An item is there, at this price.
    ItemSet(Item),
    /// An item is sold no more.
    ItemRetired(ItemId),
    /// All that was said before is now for sale, at once.
    RevisionPublished(Revision),
}

/// A published state of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// 1 and up.
    pub number: u32,
    /// What its prices are in.
    pub currency: Currency,
    /// How many items are for sale; a reader that holds another number has missed something.
    pub item_count: u32,
}

/// A name that people read may be this long, in bytes.
pub const NAME_BYTES_MAX: usize = 80;
/// Items on one menu.
pub const ITEMS_MAX: usize = 5_000;
/// Stock items that one item may use.
pub const USES_PER_ITEM_MAX: usize = 32;
/// Highest price of one item, in minor units: 10,000.00 dollars.
pub const PRICE_MINOR_MAX: i64 = 1_000_000;
/// Most that one item may take of one stock item, in base units: 100 kg, 100 l or 100 million pieces.
pub const USE_QUANTITY_MAX: i64 = 100_000_000;

/// A menu that cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// A reference to something that is not there.
    #[error("item {item} names {kind} {number}, which the menu does not have")]
    Dangling {
        /// The item.
        item: ItemId,
        /// What it names.
        kind: &'static str,
        /// Under which number.
        number: u32,
    },
    /// A value outside its range.
    #[error("{what} is out of range: {limit}")]
    OutOfRange {
        /// Which value.
        what: String,
        /// What is allowed.
        limit: String,
    },
    /// The count in the revision differs from what was received.
    #[error("revision {revision} announces {announced} items, but {held} are here")]
    Incomplete {
        /// The revision.
        revision: u32,
        /// What it announces.
        announced: u32,
        /// What is here.
        held: usize,
    },
}

/// The menu as it is being written: everything said so far, published or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// Categories by number.
    pub categories: BTreeMap<CategoryId, Category>,
    /// Tax classes by number.
    pub tax_classes: BTreeMap<TaxClassId, TaxClass>,
    /// Stock items by number.
    pub stock_items: BTreeMap<StockItemId, StockItem>,
    /// Items for sale by number.
    pub items: BTreeMap<ItemId, Item>,
}

/// The menu as it is sold: one published revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Which revision.
    pub revision: Revision,
    /// What it says.
    pub content: Draft,
}

/// Which of a menu's lists something stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MenuList {
    /// Its categories.
    Categories,
    /// Its tax classes.
    TaxClasses,
    /// Its stock items.
    StockItems,
    /// Its items.
    Items,
}

/// Where on a menu something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MenuPlace {
    /// In which list.
    pub list: MenuList,
    /// Under which number; none if it is about the list.
    pub number: Option<u32>,
    /// In which field; none if it is about the whole entry.
    pub field: Option<&'static str>,
    /// Of an item's uses, the one of this stock item.
    pub used: Option<StockItemId>,
}

/// Something that a menu for sale may not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuFault {
    /// Where it stands.
    pub place: MenuPlace,
    /// What is wrong with it.
    pub error: CatalogError,
}

#[derive(Default)]
struct Found(Vec<MenuFault>);

impl Found {
    fn in_range(&mut self, place: MenuPlace, what: impl FnOnce() -> String, ok: bool, limit: impl Into<String>) {
        if !ok {
            self.0.push(MenuFault { place, error: CatalogError::OutOfRange { what: what(), limit: limit.into() } });
        }
    }

    fn name(&mut self, place: MenuPlace, kind: &str, name: &str) {
        let well_formed =
            !name.trim().is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        self.in_range(
            MenuPlace { field: Some("name"), ..place },
            || format!("the name of {kind} {}", place.number.unwrap_or_default()),
            well_formed,
            format!("1 to {NAME_BYTES_MAX} bytes without control characters"),
        );
    }
}

const fn entry(list: MenuList, number: u32) -> MenuPlace {
    MenuPlace { list, number: Some(number), field: None, used: None }
}

impl Draft {
    /// Takes over one fact; a published revision changes nothing of the draft.
    pub fn apply(&mut self, event: &CatalogEvent) {
        match event {
            CatalogEvent::CategorySet(category) => drop(self.categories.insert(category.id, category.clone())),
            CatalogEvent::TaxClassSet(class) => drop(self.tax_classes.insert(class.id, class.clone())),
            CatalogEvent::StockItemSet(item) => drop(self.stock_items.insert(item.id, item.clone())),
            CatalogEvent::ItemSet(item) => drop(self.items.insert(item.id, item.clone())),
            CatalogEvent::ItemRetired(id) => drop(self.items.remove(id)),
            CatalogEvent::RevisionPublished(_) => {}
        }
    }

    /// Checks that the draft can be sold.
    ///
    /// # Errors
    /// [`CatalogError`] names the first thing that is missing or out of range; [`Draft::faults`] names all.
    pub fn check(&self) -> Result<(), CatalogError> {
        self.faults().into_iter().next().map_or(Ok(()), |fault| Err(fault.error))
    }

    /// All that keeps the draft from being sold.
    #[must_use]
    pub fn faults(&self) -> Vec<MenuFault> {
        let mut found = Found::default();
        let all = MenuPlace { list: MenuList::Items, number: None, field: None, used: None };
        let count = || "the number of items".to_owned();
        found.in_range(all, count, self.items.len() <= ITEMS_MAX, format!("at most {ITEMS_MAX}"));
        for category in self.categories.values() {
            found.name(entry(MenuList::Categories, category.id.get()), "category", &category.name);
        }
        for class in self.tax_classes.values() {
            let place = entry(MenuList::TaxClasses, class.id.get());
            found.name(place, "tax class", &class.name);
            found.in_range(
                MenuPlace { field: Some("rate"), ..place },
                || format!("the rate of tax class {}", class.id),
                class.rate.get() <= MicroRate::WHOLE,
                "0 to 1000000 millionths",
            );
        }
        for item in self.stock_items.values() {
            found.name(entry(MenuList::StockItems, item.id.get()), "stock item", &item.name);
        }
        self.items.values().for_each(|item| self.look_at_item(item, &mut found));
        found.0
    }

    fn look_at_item(&self, item: &Item, found: &mut Found) {
        let place = entry(MenuList::Items, item.id.get());
        let at = |field| MenuPlace { field: Some(field), ..place };
        found.name(place, "item", &item.name);
        found.in_range(
            at("price"),
            || format!("the price of item {}", item.id),
            (0..=PRICE_MINOR_MAX).contains(&item.price.get()),
            format!("0 to {PRICE_MINOR_MAX} minor units"),
        );
        found.in_range(
            at("uses"),
            || format!("the uses of item {}", item.id),
            item.uses.len() <= USES_PER_ITEM_MAX,
            format!("at most {USES_PER_ITEM_MAX}"),
        );
        let dangling = |kind, number| CatalogError::Dangling { item: item.id, kind, number };
        if !self.categories.contains_key(&item.category) {
            found.0.push(MenuFault { place: at("category"), error: dangling("category", item.category.get()) });
        }
        if !self.tax_classes.contains_key(&item.tax_class) {
            found.0.push(MenuFault { place: at("tax_class"), error: dangling("tax class", item.tax_class.get()) });
        }
        for part in &item.uses {
            let at = |field| MenuPlace { field: Some(field), used: Some(part.stock_item), ..place };
            if !self.stock_items.contains_key(&part.stock_item) {
                let error = dangling("stock item", part.stock_item.get());
                found.0.push(MenuFault { place: at("stock_item"), error });
            }
            found.in_range(
                at("quantity"),
                || format!("a use of item {}", item.id),
                (1..=USE_QUANTITY_MAX).contains(&part.quantity.get()),
                format!("1 to {USE_QUANTITY_MAX} base units"),
            );
        }
    }

    /// The facts that turn `from` into this draft, in an order that never dangles.
    #[must_use]
    pub fn changes_from(&self, from: &Self) -> Vec<CatalogEvent> {
        let mut events = Vec::new();
        let changed = |known: bool| !known;
        events.extend(
            self.categories
                .values()
                .filter(|c| changed(from.categories.get(&c.id) == Some(*c)))
                .cloned()
                .map(CatalogEvent::CategorySet),
        );
        events.extend(
            self.tax_classes
                .values()
                .filter(|c| changed(from.tax_classes.get(&c.id) == Some(*c)))
                .cloned()
                .map(CatalogEvent::TaxClassSet),
        );
        events.extend(
            self.stock_items
                .values()
                .filter(|i| changed(from.stock_items.get(&i.id) == Some(*i)))
                .cloned()
                .map(CatalogEvent::StockItemSet),
        );
        events.extend(
            self.items
                .values()
                .filter(|i| changed(from.items.get(&i.id) == Some(*i)))
                .cloned()
                .map(CatalogEvent::ItemSet),
        );
        events.extend(
            from.items.keys().filter(|id| !self.items.contains_key(id)).copied().map(CatalogEvent::ItemRetired),
        );
        events
    }

    /// The menu for sale, if the draft holds what the revision announces and is sound.
    ///
    /// # Errors
    /// [`CatalogError::Incomplete`] if items are missing; otherwise what [`Draft::check`] finds.
    pub fn publish(&self, revision: Revision) -> Result<Catalog, CatalogError> {
        if u32::try_from(self.items.len()) != Ok(revision.item_count) {
            return Err(CatalogError::Incomplete {
                revision: revision.number,
                announced: revision.item_count,
                held: self.items.len(),
            });
        }
        self.check()?;
        Ok(Catalog { revision, content: self.clone() })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small sound menu: espresso at 3.00 and a bag of beans at 18.00, two tax classes.
    pub(crate) fn small_menu() -> Catalog {
        let mut draft = Draft::default();
        let category =
            |id, name: &str| CatalogEvent::CategorySet(Category { id: CategoryId::new(id), name: name.to_owned() });
        let class = |id, rate| {
            CatalogEvent::TaxClassSet(TaxClass {
                id: TaxClassId::new(id),
                name: format!("class {id}"),
                rate: MicroRate::new(rate),
            })
        };
        let stock = |id, unit| {
            CatalogEvent::StockItemSet(StockItem { id: StockItemId::new(id), name: format!("stock {id}"), unit })
        };
        let item = |id, price, category, class, uses: &[(u32, i64)]| {
            CatalogEvent::ItemSet(Item {
                id: ItemId::new(id),
                name: format!("item {id}"),
                category: CategoryId::new(category),
                tax_class: TaxClassId::new(class),
                price: Minor::new(price),
                uses: uses
                    .iter()
                    .map(|(id, q)| Use { stock_item: StockItemId::new(*id), quantity: Quantity::new(*q) })
                    .collect(),
            })
        };
        let events = [
            category(1, "Espresso"),
            category(2, "Beans"),
            class(1, 89_000),
            class(2, 49_000),
            stock(1, Unit::Milligram),
            stock(2, Unit::Each),
            item(101, 300, 1, 1, &[(1, 18_000), (2, 1)]),
            item(102, 375, 1, 1, &[(1, 18_000), (2, 1)]),
            item(201, 1_800, 2, 2, &[]),
        ];
        events.iter().for_each(|event| draft.apply(event));
        draft.publish(Revision { number: 1, currency: Currency::USD, item_count: 3 }).unwrap()
    }

    #[test]
    fn changes_rebuild_the_draft_and_are_empty_for_the_same() {
        let menu = small_menu().content;
        let mut rebuilt = Draft::default();
        menu.changes_from(&Draft::default()).iter().for_each(|event| rebuilt.apply(event));
        assert_eq!(rebuilt, menu);
        assert_eq!(menu.changes_from(&menu), []);
        let mut smaller = menu.clone();
        smaller.items.remove(&ItemId::new(201));
        assert_eq!(smaller.changes_from(&menu), [CatalogEvent::ItemRetired(ItemId::new(201))]);
    }

    #[test]
    fn a_menu_that_dangles_or_lacks_items_is_not_published() {
        let menu = small_menu();
        let mut dangling = menu.content.clone();
        dangling.categories.remove(&CategoryId::new(2));
        assert!(matches!(
            dangling.publish(menu.revision),
            Err(CatalogError::Dangling { kind: "category", number: 2, .. })
        ));
        let short = Revision { item_count: 4, ..menu.revision };
        assert!(matches!(menu.content.publish(short), Err(CatalogError::Incomplete { announced: 4, held: 3, .. })));
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let mut draft = small_menu().content;
        let espresso = draft.items.get_mut(&ItemId::new(101)).unwrap();
        (espresso.price, espresso.name) = (Minor::new(-1), String::new());
        espresso.uses[1].quantity = Quantity::new(0);
        draft.categories.remove(&CategoryId::new(2));
        let told = |fault: MenuFault| (fault.place.number, fault.place.field, fault.place.used.map(StockItemId::get));
        let expected = [
            (Some(101), Some("name"), None),
            (Some(101), Some("price"), None),
            (Some(101), Some("quantity"), Some(2)),
            (Some(201), Some("category"), None),
        ];
        assert_eq!(draft.faults().into_iter().map(told).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn prices_names_and_uses_have_limits() {
        let break_item = |change: fn(&mut Item)| {
            let mut draft = small_menu().content;
            change(draft.items.get_mut(&ItemId::new(101)).unwrap());
            draft.check()
        };
        assert!(break_item(|_| {}).is_ok());
        assert!(break_item(|item| item.price = Minor::new(-1)).is_err());
        assert!(break_item(|item| item.price = Minor::new(PRICE_MINOR_MAX + 1)).is_err());
        assert!(break_item(|item| item.name = " ".to_owned()).is_err());
        assert!(break_item(|item| item.uses[0].quantity = Quantity::new(0)).is_err());
    }
}
