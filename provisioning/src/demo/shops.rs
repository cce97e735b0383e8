//! The demo's chain as it runs: the hub and the shops, started, stocked, asked for their books.

use std::path::{Path, PathBuf};
use std::time::Duration;

use percolate_common::domain::catalog::Catalog;
use percolate_runtime::pki::{PkiError, found};
use percolate_runtime::system::{OsEntropy, SimulatedClockError, clock_from_option, monotonic_now};
use percolate_runtime::tasks::TaskGroup;
use serde_json::json;

use super::books::{StoreBooks, compare_stock, pair_journals};
use super::chain::{DemoStore, MENU};
use super::clock::DemoClock;
use super::large::{Ground, LargeError};
use super::options::DemoOptions;
use super::rush::PlannedTicket;
use super::servers::{Argument, Endpoints, Server, ServerError, ServerSpec, Who, words};
use super::till::{TillBooks, stock_needed};
use crate::client::{Client, ClientError, DayBooks, Hub, Measures, Node, retry};
use crate::up::UpError;

/// How long a server may be busy or out of reach before the demo gives up on it, in milliseconds.
pub const PATIENCE_MS: u64 = 60_000;
/// What the chain is called in its certificates.
const CHAIN: &str = "Bytes & Brews";
/// Pause between two looks at how far it has got, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;
/// A free port of the loopback.
pub(super) const ANY_PORT: &str = "127.0.0.1:0";
/// Practice tickets that are sold when a box is brought up, before a till is.
const PRACTICE_TICKETS: i64 = 1;
/// How much more than the day needs is delivered: a tenth.
const SPARE_DIVISOR: i64 = 10;

/// What can go wrong with the chain.
#[derive(Debug, thiserror::Error)]
pub enum ShopsError {
    /// A server cannot be had.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A server does not answer, or refuses.
    #[error("{name} cannot be used")]
    Client {
        /// Which server.
        name: String,
        /// Why.
        #[source]
        source: Box<ClientError>,
    },
    /// A file cannot be written or read.
    #[error("could not use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The chain cannot be founded.
    #[error("the chain cannot be founded")]
    Chain(#[from] PkiError),
    /// The demo's clock cannot be used.
    #[error("the demo's clock cannot be used")]
    Clock(#[from] SimulatedClockError),
    /// A shop cannot be brought up.
    #[error("{name} cannot be brought up")]
    Up {
        /// Which shop.
        name: String,
        /// Why.
        #[source]
        source: Box<UpError>,
    },
    /// The head office does not know a box.
    #[error("the head office does not know the box of {name}")]
    NotEnrolled {
        /// Which shop.
        name: String,
    },
    /// There is nothing for a large head office to stand on.
    #[error("the head office cannot be a large hub")]
    Large(#[from] LargeError),
    /// A line to the head office cannot be laid.
    #[error("could not lay a line to the head office")]
    Line(#[source] std::io::Error),
}

/// A shop that is open.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Who it is.
    pub store: DemoStore,
    /// Its server.
    pub node: Node,
    /// Where it listens.
    pub endpoints: Endpoints,
    /// Its data folder.
    pub data: PathBuf,
}

/// The head office, open.
#[derive(Debug, Clone)]
pub struct Office {
    /// Its server.
    pub hub: Hub,
    /// Where it listens.
    pub endpoints: Endpoints,
    /// Its data folder.
    pub data: PathBuf,
    /// Where boxes come to its broker.
    pub broker: String,
    token: String,
}

impl Office {
    /// The office page's address, its token included.
    #[must_use]
    pub fn page(&self) -> String {
        format!("http://{}/#token={}", self.endpoints.http, self.token)
    }
}

pub(super) fn client_error(name: &str) -> impl Fn(ClientError) -> ShopsError + use<'_> {
    move |source| ShopsError::Client { name: name.to_owned(), source: Box::new(source) }
}

fn token(data: &Path) -> Result<String, ShopsError> {
    let path = data.join("token");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(ShopsError::File { path, source }),
    }
}

/// Founds the chain, and starts its hub with the demo's menu; a large one with what it stands on, which ends with `tasks`.
///
/// # Errors
/// [`ShopsError`].
pub async fn open_office(
    folder: &Path,
    options: &DemoOptions,
    clock: &DemoClock,
    tasks: &TaskGroup,
) -> Result<(Server, Office), ShopsError> {
    let data = folder.join("hub");
    let menu = folder.join("menu.json");
    std::fs::write(&menu, MENU).map_err(|source| ShopsError::File { path: menu.clone(), source })?;
    let (menu_text, clock) = (menu.to_string_lossy(), clock.argument());
    let founded_at = clock_from_option(Some(&clock))?.now();
    found(CHAIN, (&data.join("ca"), &folder.join("safe")), founded_at, &OsEntropy)?;
    let serve = words(&["serve", "--menu", &menu_text, "--simulated-clock", &clock, "--data"]);
    let [http, mqtts, https] = ["--http", "--mqtts", "--https"].map(|name| words(&[name]));
    let ground = match &options.postgres {
        Some(database) => Some(Ground::lay((folder, &data), database, tasks).await?),
        None => None,
    };
    let broker = ground.as_ref().map_or_else(|| [mqtts, vec![Argument::Mqtts]].concat(), Ground::arguments);
    let boxes = [broker, https, vec![Argument::Https]].concat();
    let spec = ServerSpec {
        who: Who::Office,
        name: "the head office".to_owned(),
        program: "cloud-hub",
        arguments: [serve, vec![Argument::Data], http, vec![Argument::Http], boxes].concat(),
        data: data.clone(),
        http: format!("127.0.0.1:{}", options.office_port),
        mqtts: ANY_PORT.to_owned(),
        https: ANY_PORT.to_owned(),
    };
    let server = Server::start(spec).await?;
    let (endpoints, token) = (server.endpoints.clone(), token(&data)?);
    let client = Client::new(&endpoints.http, Some(&token)).map_err(client_error("the head office"))?;
    ready(&client, "the head office").await?;
    let hub = Hub::new(client);
    if ground.is_some() {
        let held = hub.journals().await.map_err(client_error("the head office"))?;
        if held.iter().any(|journal| journal.node.is_some()) {
            return Err(LargeError::NotEmpty.into());
        }
    }
    let broker = ground.map(|ground| ground.broker).or_else(|| endpoints.mqtts.clone()).unwrap_or_default();
    Ok((server, Office { hub, endpoints, data, broker, token }))
}

pub(super) async fn open_shop(spec: ServerSpec, store: DemoStore) -> Result<(Server, Shop), ShopsError> {
    let data = spec.data.clone();
    let server = Server::start(spec).await?;
    let endpoints = server.endpoints.clone();
    let client = Client::new(&endpoints.http, Some(&token(&data)?)).map_err(client_error(&store.name))?;
    ready(&client, &store.name).await?;
    Ok((server, Shop { node: Node::new(client), endpoints, data, store }))
}

/// Starts a second box on a copy of a shop's disk.
///
/// # Errors
/// [`ShopsError`].
pub async fn open_copy(
    original: ServerSpec,
    who: Who,
    shop: &Shop,
    data: PathBuf,
) -> Result<(Server, Shop), ShopsError> {
    let name = format!("{}, the copy", original.name);
    let spec = ServerSpec { who, name, data, http: ANY_PORT.to_owned(), ..original };
    open_shop(spec, shop.store.clone()).await
}

/// Waits until a server can do its work: a shop, once it has the menu.
///
/// # Errors
/// [`ShopsError`] if it cannot after [`PATIENCE_MS`].
pub async fn ready(client: &Client, name: &str) -> Result<(), ShopsError> {
    let deadline = monotonic_now() + Duration::from_millis(PATIENCE_MS);
    loop {
        match client.ready().await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) if monotonic_now() >= deadline => {
                let source = ClientError::not_ready(client.address(), &reason);
                return Err(client_error(name)(source));
            }
            Err(source) if monotonic_now() >= deadline => {
                return Err(client_error(name)(source));
            }
            Ok(Err(_)) | Err(_) => tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await,
        }
    }
}

impl Shop {
    /// The menu that it sells.
    ///
    /// # Errors
    /// [`ShopsError`].
    pub async fn menu(&self) -> Result<Catalog, ShopsError> {
        let menu = retry(Duration::from_millis(PATIENCE_MS), |_| self.node.catalog()).await;
        menu.map_err(client_error(&self.store.name))
    }

    /// Has delivered what the day needs, and a little more.
    ///
    /// # Errors
    /// [`ShopsError`].
    ///
    /// # Panics
    /// If the plan names something that is not on the menu that it was made from.
    pub async fn deliver(&self, tickets: &[PlannedTicket], catalog: &Catalog, seed: u64) -> Result<(), ShopsError> {
        let needed = stock_needed(tickets, catalog).expect("invariant: the plan is made from this menu");
        let with_spare = |quantity: i64| quantity + quantity / SPARE_DIVISOR + 1;
        let line =
            |(stock_item, quantity): (u32, i64)| json!({"stock_item": stock_item, "quantity": with_spare(quantity)});
        let lines: Vec<_> = needed.into_iter().map(line).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let body = json!({"reason": "received", "lines": lines}).to_string().into_bytes();
        let key = format!("demo-{seed}-{}-delivery", self.store.id);
        let patience = Duration::from_millis(PATIENCE_MS);
        retry(patience, |_| self.node.move_stock(&key, body.clone())).await.map_err(client_error(&self.store.name))
    }
}

/// Asks shops and head office for their books of the day.
///
/// # Errors
/// [`ShopsError`].
pub async fn compare(office: &Office, shops: &[(Shop, TillBooks)], day: &str) -> Result<Vec<StoreBooks>, ShopsError> {
    let patience = Duration::from_millis(PATIENCE_MS);
    let hub_error = client_error("the head office");
    let sales = retry(patience, |_| office.hub.sales_by_store()).await.map_err(&hub_error)?;
    let stock = retry(patience, |_| office.hub.stock()).await.map_err(&hub_error)?;
    let journals = retry(patience, |_| office.hub.journals()).await.map_err(&hub_error)?;
    let mut books = Vec::new();
    for (shop, tills) in shops {
        let store_error = client_error(&shop.store.name);
        let kept = retry(patience, |_| shop.node.day(day)).await.map_err(&store_error)?;
        let state = retry(patience, |_| shop.node.state()).await.map_err(&store_error)?;
        let at_store = retry(patience, |_| shop.node.stock()).await.map_err(&store_error)?;
        let key = shop.store.id.to_string();
        books.push(StoreBooks {
            store: shop.store.id,
            name: shop.store.name.clone(),
            tills: tills.sales,
            at_store: measures(&kept),
            at_hub: sales.rows.iter().find(|row| row.key == key).map(|row| row.sums),
            training: (tills.training + PRACTICE_TICKETS, kept.training_tickets),
            journals: pair_journals(&state, &journals, &sales.completeness),
            stock_items: at_store.rows.len(),
            stock_differences: compare_stock(shop.store.id, &at_store.rows, &stock.rows),
        });
    }
    Ok(books)
}

fn measures(day: &DayBooks) -> Measures {
    Measures {
        tickets: day.tickets,
        lines: day.lines,
        units: day.units,
        net_minor: day.net_minor,
        tax_minor: day.tax_minor,
        total_minor: day.total_minor,
    }
}
