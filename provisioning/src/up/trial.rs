//! What shows that a shop can sell: stock, a practice ticket, and whether head office knows the box.

use std::time::Duration;

use percolate_common::identity::acceptance::FirstTicketV1;
use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::hex;
use percolate_common::time::Clock;
use percolate_runtime::system::monotonic_now;
use serde::Deserialize;
use serde_json::json;

use super::error::UpError;
use crate::client::{ClientError, Node};

/// Longest wait for head office. After that the box goes on by itself.
const ENROLLED_MAX: Duration = Duration::from_secs(10);
/// Longest wait for the line to head office's broker, once the box is enrolled.
const LINKED_MAX: Duration = Duration::from_secs(5);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
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

/// Sells a practice ticket: in no total, and without stock. The same one, however often it is asked for.
pub(super) async fn ticket(node: &Node, bundle: &BundleV1, clock: &dyn Clock) -> Result<FirstTicketV1, UpError> {
    let catalog = node.catalog().await?;
    let item = catalog.content.items.values().next().map_or(0, |item| item.id.get());
    let due = node.price(item).await?;
    let body = json!({
        "terminal": TILL, "currency": bundle.site.currency, "training": true, "receipt": "none",
        "lines": [{ "item": item, "quantity": 1 }], "tenders": [{ "kind": "cash", "amount_minor": due }],
    });
    // At another price it is another ticket.
    let key = format!("up-trial-{}-{}-{item}-{due}", bundle.site.store, bundle.number);
    let sold = node.sell(&key, body.to_string().into_bytes()).await?.body;
    let id = hex::decode(&sold.ticket_id.replace('-', "")).and_then(|id| <[u8; 16]>::try_from(id).ok());
    let receipt = sold.receipt.unwrap_or_default();
    Ok(FirstTicketV1 { receipt, id: id.unwrap_or_default().into(), at_ms: clock.now().get() })
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
