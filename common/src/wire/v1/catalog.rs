//! Twins of the menu's facts.

use minicbor::{Decode, Encode};

use super::rules::{DetailsV1, KeyV1, RuleV1, details_from_twin, details_to_twin, key_from_twin, key_to_twin};
use super::rules::{rule_from_twin, rule_to_twin};
use super::{currency, from_bytes, to_bytes};
use crate::domain::catalog::station::{Station, StationError};
use crate::domain::catalog::{CatalogEvent, Category, Item, Revision, StockItem, TaxClass, Use};
use crate::ids::{CategoryId, ItemId, StockItemId, StoreId, TaxClassId};
use crate::money::{MicroRate, Minor};
use crate::quantity::{Quantity, Unit};
use crate::wire::WireError;

const CATALOG: &str = "catalog event";

#[derive(Encode, Decode)]
enum CatalogV1 {
    #[n(0)]
    CategorySet {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        station: Option<String>,
    },
    #[n(1)]
    TaxClassSet {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        rate_micro: u32,
    },
    #[n(2)]
    StockItemSet {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        unit: UnitV1,
    },
    #[n(3)]
    ItemSet {
        #[n(0)]
        id: u32,
        #[n(1)]
        name: String,
        #[n(2)]
        category: u32,
        #[n(3)]
        tax_class: u32,
        #[n(4)]
        price: i64,
        #[n(5)]
        uses: Vec<UseV1>,
        #[n(6)]
        details: Option<DetailsV1>,
    },
    #[n(4)]
    ItemRetired {
        #[n(0)]
        id: u32,
    },
    #[n(5)]
    RevisionPublished {
        #[n(0)]
        number: u32,
        #[n(1)]
        currency: String,
        #[n(2)]
        item_count: u32,
        #[n(3)]
        rule_count: Option<u32>,
        #[n(4)]
        stores: Option<Vec<u32>>,
    },
    #[n(6)]
    RuleSet(#[n(0)] RuleV1),
    #[n(7)]
    RuleRetired(#[n(0)] KeyV1),
}

#[derive(Encode, Decode)]
#[cbor(index_only)]
enum UnitV1 {
    #[n(0)]
    Each,
    #[n(1)]
    Milligram,
    #[n(2)]
    Microlitre,
}

#[derive(Encode, Decode)]
pub(super) struct UseV1 {
    #[n(0)]
    stock_item: u32,
    #[n(1)]
    quantity: i64,
}

impl From<&Use> for UseV1 {
    fn from(part: &Use) -> Self {
        Self { stock_item: part.stock_item.get(), quantity: part.quantity.get() }
    }
}

impl From<UseV1> for Use {
    fn from(twin: UseV1) -> Self {
        Self { stock_item: StockItemId::new(twin.stock_item), quantity: Quantity::new(twin.quantity) }
    }
}

fn to_twin(event: &CatalogEvent) -> CatalogV1 {
    match event {
        CatalogEvent::CategorySet(category) => {
            let station = category.station.as_ref().map(ToString::to_string);
            CatalogV1::CategorySet { id: category.id.get(), name: category.name.clone(), station }
        }
        CatalogEvent::TaxClassSet(class) => {
            CatalogV1::TaxClassSet { id: class.id.get(), name: class.name.clone(), rate_micro: class.rate.get() }
        }
        CatalogEvent::StockItemSet(item) => {
            let unit = match item.unit {
                Unit::Each => UnitV1::Each,
                Unit::Milligram => UnitV1::Milligram,
                Unit::Microlitre => UnitV1::Microlitre,
            };
            CatalogV1::StockItemSet { id: item.id.get(), name: item.name.clone(), unit }
        }
        CatalogEvent::ItemSet(item) => CatalogV1::ItemSet {
            id: item.id.get(),
            name: item.name.clone(),
            category: item.category.get(),
            tax_class: item.tax_class.get(),
            price: item.price.get(),
            uses: item.uses.iter().map(UseV1::from).collect(),
            details: details_to_twin(&item.details),
        },
        CatalogEvent::ItemRetired(id) => CatalogV1::ItemRetired { id: id.get() },
        CatalogEvent::RevisionPublished(revision) => CatalogV1::RevisionPublished {
            number: revision.number,
            currency: revision.currency.to_string(),
            item_count: revision.item_count,
            rule_count: (revision.rule_count > 0).then_some(revision.rule_count),
            stores: (!revision.stores.is_empty()).then(|| revision.stores.iter().map(|store| store.get()).collect()),
        },
        CatalogEvent::RuleSet(rule) => CatalogV1::RuleSet(rule_to_twin(rule)),
        CatalogEvent::RuleRetired(key) => CatalogV1::RuleRetired(key_to_twin(*key)),
    }
}

fn from_twin(twin: CatalogV1) -> Result<CatalogEvent, WireError> {
    Ok(match twin {
        CatalogV1::CategorySet { id, name, station } => {
            let station = station.map(|text| text.parse::<Station>()).transpose();
            let station = station.map_err(|error: StationError| WireError::malformed(CATALOG, error))?;
            CatalogEvent::CategorySet(Category { id: CategoryId::new(id), name, station })
        }
        CatalogV1::TaxClassSet { id, name, rate_micro } => {
            CatalogEvent::TaxClassSet(TaxClass { id: TaxClassId::new(id), name, rate: MicroRate::new(rate_micro) })
        }
        CatalogV1::StockItemSet { id, name, unit } => {
            let unit = match unit {
                UnitV1::Each => Unit::Each,
                UnitV1::Milligram => Unit::Milligram,
                UnitV1::Microlitre => Unit::Microlitre,
            };
            CatalogEvent::StockItemSet(StockItem { id: StockItemId::new(id), name, unit })
        }
        CatalogV1::ItemSet { id, name, category, tax_class, price, uses, details } => CatalogEvent::ItemSet(Item {
            id: ItemId::new(id),
            name,
            category: CategoryId::new(category),
            tax_class: TaxClassId::new(tax_class),
            price: Minor::new(price),
            uses: uses.into_iter().map(Use::from).collect(),
            details: details_from_twin(details)?,
        }),
        CatalogV1::ItemRetired { id } => CatalogEvent::ItemRetired(ItemId::new(id)),
        CatalogV1::RevisionPublished { number, currency: text, item_count, rule_count, stores } => {
            CatalogEvent::RevisionPublished(Revision {
                number,
                currency: currency(&text, CATALOG)?,
                item_count,
                rule_count: rule_count.unwrap_or(0),
                stores: stores.unwrap_or_default().into_iter().map(StoreId::new).collect(),
            })
        }
        CatalogV1::RuleSet(rule) => CatalogEvent::RuleSet(Box::new(rule_from_twin(rule)?)),
        CatalogV1::RuleRetired(key) => CatalogEvent::RuleRetired(key_from_twin(&key)?),
    })
}

pub(in crate::wire) fn encode(event: &CatalogEvent) -> Result<Vec<u8>, WireError> {
    to_bytes(&to_twin(event), CATALOG)
}

pub(in crate::wire) fn decode(bytes: &[u8]) -> Result<CatalogEvent, WireError> {
    from_twin(from_bytes(bytes, CATALOG)?)
}
