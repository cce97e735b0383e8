//! What shows that a shop can sell: stock, a practice ticket, and whether head office knows the box.

use std::time::Duration;

use percolate_common::domain::catalog::Catalog;
use percolate_common::identity::acceptance::FirstTicketV1;
use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::hex;
use percolate_common::time::Clock;
use percolate_runtime::system::monotonic_now;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::error::UpError;
use super::plain::{PlainLine, enough_cash, plain_lines};
use crate::client::{Answer, ClientError, Node};

/// Longest wait for head office. After that the box goes on by itself.
const ENROLLED_MAX: Duration = Duration::from_secs(10);
/// Longest wait for the line to head office's broker, once the box is enrolled.
const LINKED_MAX: Duration = Duration::from_secs(5);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Items of the menu that are tried, at most.
const TRIES_MAX: usize = 1_000;
/// Its name on the practice ticket.
const TILL: &str = "T1";

/// What the box says of its certificate.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Identity {
    pub(super) state: String,
    #[serde(default)]
    pub(super) code: Option<String>,
}

#[derive(Debug, Deserialize)]
struct State {
    identity: Identity,
    link: String,
}

/// What a kitchen's screen shows.
#[derive(Debug, Deserialize)]
struct Kitchen {
    queue: Vec<Prep>,
}

#[derive(Debug, Deserialize)]
struct Prep {
    prep_id: String,
    ticket_id: String,
    turn: u32,
}

/// Books what is there when the shop opens, once for ever; tells whether there was something to book.
pub(super) async fn stock(node: &Node, bundle: &BundleV1) -> Result<bool, UpError> {
    let lines: Vec<_> = bundle.site.stock.iter().filter(|line| line.quantity > 0).collect();
    if lines.is_empty() {
        return Ok(false);
    }
    for (part, lines) in lines.chunks(500).enumerate() {
        let lines: Vec<_> =
            lines.iter().map(|line| json!({ "stock_item": line.item, "quantity": line.quantity })).collect();
        let body = json!({ "reason": "received", "lines": lines }).to_string().into_bytes();
        match node.move_stock(&format!("up-stock-{}-{part}", bundle.site.store), body).await {
            Ok(()) => {}
            // It was booked from an earlier bundle that said something else: what was there at first is there once.
            Err(ClientError::Refused { code, .. }) if code == "idempotency_key_reused" => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Sells a practice ticket: in no total, without stock, and with nothing for a kitchen to make. The same one, however often it is
/// asked for.
pub(super) async fn ticket(node: &Node, bundle: &BundleV1, clock: &dyn Clock) -> Result<FirstTicketV1, UpError> {
    let catalog = node.catalog().await?;
    let (line, due) = sellable(node, &catalog).await?;
    let cash = enough_cash(due, catalog.content.rules.cash_step());
    let tenders: Vec<_> = cash.iter().map(|cash| json!({ "kind": "cash", "amount_minor": cash })).collect();
    let body = json!({
        "terminal": TILL, "currency": bundle.site.currency, "training": true, "receipt": "none",
        "lines": [line.body()], "tenders": tenders,
    });
    // Said otherwise, as at another price, it is another ticket.
    let said = blake3::hash(body.to_string().as_bytes()).to_hex();
    let key = format!("up-trial-{}-{}-{said}", bundle.site.store, bundle.number);
    let sold = node.sell(&key, body.to_string().into_bytes()).await?.body;
    not_to_be_made(node, &sold.ticket_id).await?;
    let id = hex::decode(&sold.ticket_id.replace('-', "")).and_then(|id| <[u8; 16]>::try_from(id).ok());
    let receipt = sold.receipt.unwrap_or_default();
    Ok(FirstTicketV1 { receipt, id: id.unwrap_or_default().into(), at_ms: clock.now().get() })
}

/// Takes what a ticket has sent off the kitchen's queue, as a screen does: nobody is there who would press it away.
async fn not_to_be_made(node: &Node, ticket: &str) -> Result<(), UpError> {
    let kitchen: Kitchen = node.client().get("/v1/kitchen").await?;
    for prep in kitchen.queue.into_iter().filter(|prep| prep.ticket_id == ticket) {
        let path = format!("/v1/kitchen/{}/bump", prep.prep_id);
        let body = json!({ "turn": prep.turn }).to_string().into_bytes();
        let _as_it_is_now: Answer<IgnoredAny> = node.client().post(&path, &prep.prep_id, body).await?;
    }
    Ok(())
}

/// The first item that the box sells at this moment, and its price. One may be for other shops, or for other hours.
async fn sellable(node: &Node, catalog: &Catalog) -> Result<(PlainLine, i64), UpError> {
    let mut refused = None;
    for line in plain_lines(catalog).take(TRIES_MAX) {
        match node.price(&line.body()).await {
            Ok(due) => return Ok((line, due)),
            Err(error @ ClientError::Refused { .. }) => refused = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match refused {
        Some(refused) => Err(refused.into()),
        // The menu has nothing: the box says so.
        None => Ok((PlainLine::none(), node.price(&PlainLine::none().body()).await?)),
    }
}

/// What becomes of the box at head office: waits until it is enrolled, or refused, for a while.
pub(super) async fn identity(node: &Node) -> Result<Identity, UpError> {
    let until = monotonic_now() + ENROLLED_MAX;
    loop {
        let State { identity, .. } = node.client().get("/v1/node").await?;
        if identity.state != "enrolling" || identity.code.is_some() || monotonic_now() > until {
            return Ok(identity);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How it stands with the line over which the shop's sales go: waits until there is one, for a while, where there can be one.
pub(super) async fn link(node: &Node, enrolled: bool) -> Result<String, UpError> {
    let until = monotonic_now() + LINKED_MAX;
    loop {
        let State { link, .. } = node.client().get("/v1/node").await?;
        if link == LINKED || !enrolled || monotonic_now() > until {
            return Ok(link);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What the server says when the line is there.
pub(super) const LINKED: &str = "up";
