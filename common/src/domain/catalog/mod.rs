//! The menu: what may be sold, for how much, under which tax, and what it takes from the stock room.

pub mod barcode;
mod check;
pub mod hours;
pub mod look_up;
mod place;
pub mod rules;
pub mod station;

use std::collections::BTreeMap;

use crate::ids::{CategoryId, ItemId, ModifierGroupId, ProductId, StockItemId, StoreId, TaxClassId};
use crate::money::{Currency, MicroRate, Minor};
use crate::quantity::{Quantity, Unit};

use barcode::Gtin;
use hours::Availability;
use rules::{Rule, RuleKey, Rules};
use station::{ItemStation, Station};

pub use place::{MenuFault, MenuList, MenuPart, MenuPlace};

/// A group of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its number.
    pub id: CategoryId,
    /// What people read.
    pub name: String,
    /// Where its items are prepared, but for those that say otherwise; none if nothing is to be done.
    pub station: Option<Station>,
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
    /// What most items have none of.
    pub details: ItemDetails,
}

/// Which size of what an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Of what.
    pub product: ProductId,
    /// What people read, as `12 oz`.
    pub name: String,
}

/// What goes into an item that some people must not eat (the nine of the US Food Allergen Labeling and Consumer Protection
/// and FASTER Acts, read 2026-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allergen {
    /// Milk.
    Milk,
    /// Eggs.
    Egg,
    /// Fish.
    Fish,
    /// Crustacean shellfish.
    Shellfish,
    /// Tree nuts.
    TreeNut,
    /// Peanuts.
    Peanut,
    /// Wheat.
    Wheat,
    /// Soybeans.
    Soy,
    /// Sesame.
    Sesame,
}

impl Allergen {
    /// All of them, in the order of their numbers on the wire.
    pub const ALL: [Self; 9] = [
        Self::Milk,
        Self::Egg,
        Self::Fish,
        Self::Shellfish,
        Self::TreeNut,
        Self::Peanut,
        Self::Wheat,
        Self::Soy,
        Self::Sesame,
    ];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Milk => "milk",
            Self::Egg => "egg",
            Self::Fish => "fish",
            Self::Shellfish => "shellfish",
            Self::TreeNut => "tree_nut",
            Self::Peanut => "peanut",
            Self::Wheat => "wheat",
            Self::Soy => "soy",
            Self::Sesame => "sesame",
        }
    }
}

/// What most items have none of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemDetails {
    /// Which size of what it is.
    pub size: Option<Size>,
    /// Extras to choose from.
    pub modifier_groups: Vec<ModifierGroupId>,
    /// What is printed on its package.
    pub barcodes: Vec<Gtin>,
    /// What some people must not eat.
    pub allergens: Vec<Allergen>,
    /// Kilocalories of one.
    pub kilocalories: Option<u32>,
    /// When and where it is offered.
    pub availability: Availability,
    /// Where it is prepared, if it is not where its category says.
    pub station: Option<ItemStation>,
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
    /// A rule holds.
    RuleSet(Box<Rule>),
    /// A rule holds no more.
    RuleRetired(RuleKey),
    /// All that was said before is now for sale, at once.
    RevisionPublished(Revision),
}

/// A published state of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// 1 and up.
    pub number: u32,
    /// What its prices are in.
    pub currency: Currency,
    /// How many items are for sale; a reader that holds another number has missed something.
    pub item_count: u32,
    /// How many rules hold, as above.
    pub rule_count: u32,
    /// For which shops; none said is all.
    pub stores: Vec<StoreId>,
}

impl Revision {
    /// Whether a shop sells by it.
    #[must_use]
    pub fn is_for(&self, store: StoreId) -> bool {
        self.stores.is_empty() || self.stores.contains(&store)
    }
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
    #[error("{by} names {kind} {number}, which the menu does not have")]
    Dangling {
        /// What names it, as `item 101`.
        by: String,
        /// What it names.
        kind: &'static str,
        /// Under which number.
        number: u32,
    },
    /// Two say that something is theirs.
    #[error("{by} belongs to {other} already")]
    Twice {
        /// What, and whose.
        by: String,
        /// Whose it was.
        other: String,
    },
    /// A value outside its range.
    #[error("{what} is out of range: {limit}")]
    OutOfRange {
        /// Which value.
        what: String,
        /// What is allowed.
        limit: String,
    },
    /// The count of rules in the revision differs from what was received.
    #[error("revision {revision} announces {announced} rules, but {held} are here")]
    RulesIncomplete {
        /// The revision.
        revision: u32,
        /// What it announces.
        announced: u32,
        /// What is here.
        held: usize,
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
    /// What it says besides.
    pub rules: Rules,
}

/// The menu as it is sold: one published revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Which revision.
    pub revision: Revision,
    /// What it says.
    pub content: Draft,
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
            CatalogEvent::RuleSet(rule) => self.rules.set((**rule).clone()),
            CatalogEvent::RuleRetired(key) => self.rules.retire(*key),
            CatalogEvent::RevisionPublished(_) => {}
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
        let other = self.rules.iter().filter(|rule| from.rules.get(rule.key()) != Some(*rule));
        events.extend(other.cloned().map(Box::new).map(CatalogEvent::RuleSet));
        let gone = from.rules.iter().map(Rule::key).filter(|key| self.rules.get(*key).is_none());
        events.extend(gone.map(CatalogEvent::RuleRetired));
        events
    }

    /// The revision that announces this draft as it is.
    #[must_use]
    pub fn revision(&self, number: u32, currency: Currency, stores: Vec<StoreId>) -> Revision {
        let count = |held: usize| u32::try_from(held).unwrap_or(u32::MAX);
        let (item_count, rule_count) = (count(self.items.len()), count(self.rules.count()));
        Revision { number, currency, item_count, rule_count, stores }
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
        if u32::try_from(self.rules.count()) != Ok(revision.rule_count) {
            return Err(CatalogError::RulesIncomplete {
                revision: revision.number,
                announced: revision.rule_count,
                held: self.rules.count(),
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
        let category = |id, name: &str| {
            CatalogEvent::CategorySet(Category { id: CategoryId::new(id), name: name.to_owned(), station: None })
        };
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
                details: ItemDetails::default(),
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
        draft.publish(revision(1, 3)).unwrap()
    }

    /// A revision for all shops, of a menu without rules.
    pub(crate) fn revision(number: u32, item_count: u32) -> Revision {
        Revision { number, currency: Currency::USD, item_count, rule_count: 0, stores: Vec::new() }
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
            dangling.publish(menu.revision.clone()),
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
        let told = |fault: MenuFault| (fault.place.number, fault.place.field, fault.place.part);
        let cups = Some(MenuPart::Use(StockItemId::new(2)));
        let expected = [
            (Some(101), Some("name"), None),
            (Some(101), Some("price"), None),
            (Some(101), Some("quantity"), cups),
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
