//! What is asked of the hub. Only the fields that are used here; further ones are ignored.

use serde::Deserialize;

use super::{Client, ClientError, Stock};
use crate::audit::statement::{HubStatement, KnownNode};

/// The cloud hub.
#[derive(Debug, Clone)]
pub struct Hub(Client);

/// A sales report.
#[derive(Debug, Clone, Deserialize)]
pub struct SalesReport {
    /// The rows.
    pub rows: Vec<SalesRow>,
    /// How complete each store's part is.
    pub completeness: Vec<Completeness>,
}

/// One row of a sales report.
#[derive(Debug, Clone, Deserialize)]
pub struct SalesRow {
    /// What programs know it by.
    pub key: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Measures,
}

/// Sums of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Measures {
    /// Tickets.
    pub tickets: i64,
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

/// How complete one store's part of a report is.
#[derive(Debug, Clone, Deserialize)]
pub struct Completeness {
    /// Store number.
    pub store: u32,
    /// How far each of its journals is counted.
    pub complete_through: Vec<Through>,
    /// Events that are known to exist and are not counted yet.
    pub behind_events: u64,
}

/// How far one journal is counted.
#[derive(Debug, Clone, Deserialize)]
pub struct Through {
    /// Node number.
    pub node: u32,
    /// Life of the node's database.
    pub incarnation: String,
    /// Which journal.
    pub stream: String,
    /// Last counted event.
    pub seq: u64,
    /// Chain hash there.
    pub head: String,
}

/// How far the hub holds one journal.
#[derive(Debug, Clone, Deserialize)]
pub struct Journal {
    /// The author's number, if it is a node.
    pub node: Option<u32>,
    /// The author's life.
    pub incarnation: String,
    /// Which journal.
    pub stream: String,
    /// The last entry held without a gap.
    pub contig: u64,
    /// The chain hash there.
    pub head: String,
    /// Entries that could not be read.
    pub parked: u64,
}

#[derive(Debug, Deserialize)]
struct JournalPage {
    rows: Vec<Journal>,
}

#[derive(Debug, Deserialize)]
struct NodePage {
    rows: Vec<KnownNode>,
}

impl Hub {
    /// The hub behind a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// The client itself.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0
    }

    /// All sales, by store.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sales_by_store(&self) -> Result<SalesReport, ClientError> {
        self.0.get("/v1/reporting/sales?by=store").await
    }

    /// A store's sales, by business day.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sales_by_day(&self, store: u32) -> Result<SalesReport, ClientError> {
        self.0.get(&format!("/v1/reporting/sales?by=day&store={store}")).await
    }

    /// What it states of a node's journals.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit(&self, node: u32) -> Result<HubStatement, ClientError> {
        self.0.get(&format!("/v1/sync/audit?node={node}")).await
    }

    /// The nodes that it knows: a thousand of them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn nodes(&self) -> Result<Vec<KnownNode>, ClientError> {
        let page: NodePage = self.0.get("/v1/sync/nodes?limit=1000").await?;
        Ok(page.rows)
    }

    /// Stock of all stores.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stock(&self) -> Result<Stock, ClientError> {
        self.0.get("/v1/reporting/stock").await
    }

    /// How far it holds the journals: a thousand of them, more than a demo has.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn journals(&self) -> Result<Vec<Journal>, ClientError> {
        let page: JournalPage = self.0.get("/v1/sync/streams?limit=1000").await?;
        Ok(page.rows)
    }
}
