//! What is asked of a store-node. Only the fields that are used here; further ones are ignored.

use percolate_common::domain::catalog::Catalog;
use percolate_common::wire::menu::{MenuFault, MenuV1};
use serde::Deserialize;

use super::{Answer, Client, ClientError};
use crate::audit::statement::NodeStatement;

/// A store-node.
#[derive(Debug, Clone)]
pub struct Node(Client);

/// Who a node is, and how far the hub has got with it.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeState {
    /// Node number.
    pub node: u32,
    /// Its store.
    pub store: StoreState,
    /// Life of its database.
    pub incarnation: String,
    /// `up`, `down` or `refused`.
    #[serde(default)]
    pub link: String,
    /// Its journals.
    pub streams: Vec<StreamState>,
}

/// The store of a node.
#[derive(Debug, Clone, Deserialize)]
pub struct StoreState {
    /// Store number.
    pub id: u32,
    /// What people call it.
    pub name: String,
    /// IANA zone.
    pub zone: String,
    /// Hour at which its trading day ends.
    pub cutover_hour: u8,
    /// What it sells in.
    pub currency: String,
}

/// One of a node's journals.
#[derive(Debug, Clone, Deserialize)]
pub struct StreamState {
    /// Which.
    pub stream: String,
    /// Its last entry.
    pub last_seq: u64,
    /// The chain hash there.
    pub head: String,
    /// The last entry that the hub has committed.
    pub acked_seq: u64,
}

/// A business day as the store has it.
#[derive(Debug, Clone, Deserialize)]
pub struct DayBooks {
    /// YYYY-MM-DD.
    pub day: String,
    /// Tickets, practice apart.
    pub tickets: i64,
    /// Practice tickets.
    pub training_tickets: i64,
    /// Lines.
    pub lines: i64,
    /// Pieces.
    pub units: i64,
    /// Before tax.
    pub net_minor: i64,
    /// Tax.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
}

/// A ticket that was sold.
#[derive(Debug, Clone, Deserialize)]
pub struct Sold {
    /// Its id.
    pub ticket_id: String,
    /// Its receipt number.
    pub receipt: Option<String>,
    /// Before tax.
    pub net_minor: i64,
    /// Tax.
    pub tax_minor: Option<i64>,
    /// What the guest paid.
    pub total_minor: i64,
    /// Cash handed back.
    pub change_minor: i64,
}

/// What an import request did.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Imported {
    /// Tickets that are new.
    pub tickets_created: u64,
    /// Tickets that lines came later for.
    pub tickets_amended: u64,
    /// Lines that are new.
    pub lines_added: u64,
    /// Lines that were there already.
    pub lines_duplicate: u64,
    /// Baskets whose local time came twice that day.
    pub repeated_local_times: u64,
    /// Rows that the store did not take.
    pub rejected: Vec<RejectedRow>,
}

/// A row that a store did not take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RejectedRow {
    /// Its id.
    pub row: String,
    /// For programs.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// Stock as a server has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Stock {
    /// By item.
    pub rows: Vec<StockRow>,
}

/// One item of the stock room.
#[derive(Debug, Clone, Deserialize)]
pub struct StockRow {
    /// Store number, where several stores are told of.
    #[serde(default)]
    pub store: u32,
    /// Stock item number.
    pub stock_item: u32,
    /// What is there.
    pub on_hand: i64,
}

/// The menu of a store.
#[derive(Deserialize)]
struct CatalogBody {
    revision: u32,
    #[serde(flatten)]
    menu: MenuV1,
}

impl Node {
    /// The node behind a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// The client itself.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0
    }

    /// Who it is, and how far the hub has got with it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn state(&self) -> Result<NodeState, ClientError> {
        self.0.get("/v1/node").await
    }

    /// What it states of its books.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit(&self) -> Result<NodeStatement, ClientError> {
        self.0.get("/v1/audit").await
    }

    /// The menu that it sells, as the rules of the shop read it.
    ///
    /// # Errors
    /// [`ClientError`]; a menu that is not sound is of an unexpected shape.
    pub async fn catalog(&self) -> Result<Catalog, ClientError> {
        const PATH: &str = "/v1/catalog";
        let body: CatalogBody = self.0.get(PATH).await?;
        body.into_catalog().map_err(|reason| ClientError::Unexpected {
            address: self.0.address().to_owned(),
            path: PATH.to_owned(),
            source: serde::de::Error::custom(reason),
        })
    }

    /// The books of one business day.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn day(&self, day: &str) -> Result<DayBooks, ClientError> {
        self.0.get(&format!("/v1/business-days/{day}")).await
    }

    /// Its stock.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stock(&self) -> Result<Stock, ClientError> {
        self.0.get("/v1/stock").await
    }

    /// What a line would cost now, in minor units.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn price(&self, line: &serde_json::Value) -> Result<i64, ClientError> {
        #[derive(Deserialize)]
        struct Quoted {
            total_minor: i64,
        }
        let lines = serde_json::json!({ "lines": [line] }).to_string().into_bytes();
        let quoted: Answer<Quoted> = self.0.post("/v1/quotes", "quote-of-one", lines).await?;
        Ok(quoted.body.total_minor)
    }

    /// Sells a ticket.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sell(&self, key: &str, ticket: Vec<u8>) -> Result<Answer<Sold>, ClientError> {
        self.0.post("/v1/tickets", key, ticket).await
    }

    /// Books a movement of stock.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn move_stock(&self, key: &str, movement: Vec<u8>) -> Result<(), ClientError> {
        self.0.post("/v1/stock/movements", key, movement).await.map(|_booked: Answer<serde::de::IgnoredAny>| ())
    }

    /// Brings baskets in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn import(&self, key: &str, baskets: Vec<u8>) -> Result<Answer<Imported>, ClientError> {
        self.0.post("/v1/imports/baskets", key, baskets).await
    }
}

impl CatalogBody {
    fn into_catalog(self) -> Result<Catalog, String> {
        let said = |faults: Vec<MenuFault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let (currency, content) = self.menu.into_draft().map_err(said)?;
        let revision = content.revision(self.revision, currency, Vec::new());
        content.publish(revision).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use percolate_common::domain::pricing::cart::Cart;
    use percolate_common::domain::pricing::price;
    use percolate_common::ids::ItemId;

    use super::*;
    use crate::demo::rush::any_moment;

    /// The demo's menu as a store would serve it.
    pub(crate) fn demo_catalog() -> Catalog {
        let mut body: serde_json::Value = serde_json::from_str(crate::demo::chain::MENU).unwrap();
        body["revision"] = 1.into();
        parsed(body).into_catalog().unwrap()
    }

    fn parsed(body: serde_json::Value) -> CatalogBody {
        serde_json::from_value(body).unwrap()
    }

    fn catalog(change: fn(&mut serde_json::Value)) -> Result<Catalog, String> {
        let mut body = serde_json::json!({
            "revision": 3, "currency": "USD",
            "items": [{"id": 101, "name": "Espresso", "category": 1, "tax_class": 1, "price_minor": 300,
                "uses": [{"stock_item": 1, "quantity": 18_000}]}],
            "categories": [{"id": 1, "name": "Espresso"}],
            "tax_classes": [{"id": 1, "name": "Prepared", "rate_micro": 89_000}],
            "stock_items": [{"id": 1, "name": "Beans", "unit": "mg"}],
        });
        change(&mut body);
        parsed(body).into_catalog()
    }

    #[test]
    fn a_menu_that_was_read_prices_as_the_store_does() {
        let catalog = catalog(|_| {}).unwrap();
        let priced = price(&catalog, &Cart::plain([(ItemId::new(101), 2)]), &any_moment()).unwrap();
        assert_eq!((catalog.revision.number, priced.totals.total.get()), (3, 653));
        assert_eq!(priced.stock_effects[0].quantity.get(), -36_000);
    }

    #[test]
    fn a_menu_that_is_not_sound_is_refused() {
        assert!(catalog(|body| body["currency"] = "usd".into()).is_err());
        assert!(catalog(|body| body["items"][0]["category"] = 9.into()).is_err());
        assert!(catalog(|body| body["stock_items"][0]["unit"] = "cups".into()).is_err());
    }
}
