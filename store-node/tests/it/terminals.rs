//! Terminals of the shop: paired by a code, let in over HTTPS under their own names, and revoked.

use crate::support::device::{code, pairing};
use crate::support::installed::Shop;
use crate::support::menu::ESPRESSO;
use crate::support::node::ticket;

#[tokio::test]
async fn a_terminal_is_paired_by_a_code_and_sells_over_https_under_its_own_name() {
    let shop = Shop::serving().await;
    let till = shop.node.till();
    let given = pairing(&till, "T1", "till").await;
    let (link, code) = (given["link"].as_str().unwrap(), given["code"].as_str().unwrap());
    let device = shop.device("");
    assert_eq!(link, format!("https://shop.lan:{}/pair#{code}", device.address.port()));
    assert_eq!(given["expires_at_ms"], crate::support::node::NOON_MS + 10 * 60 * 1_000);

    let sale = ticket("T1", &[(ESPRESSO, 1)]);
    assert_eq!(device.post("/v1/tickets", "early", &sale).await.refusal(), (401, "unauthorized".to_owned()));
    let device = device.paired(code).await;
    let sold = device.post("/v1/tickets", "sale", &sale).await;
    assert_eq!((sold.status, &sold.json()["receipt"]), (201, &"T1-A-1".into()), "{sold:?}");
    let other = device.post("/v1/tickets", "other", &ticket("T2", &[(ESPRESSO, 1)])).await;
    assert_eq!(other.refusal(), (403, "terminal_not_yours".to_owned()));
    // The box's own token is for the box.
    let stolen = device.with(&till.token).post("/v1/tickets", "stolen", &sale).await;
    assert_eq!(stolen.refusal(), (401, "unauthorized".to_owned()));
    shop.close().await;
}

#[tokio::test]
async fn a_kitchen_screen_hears_of_tickets_and_sells_nothing() {
    let shop = Shop::serving().await;
    let till = shop.node.till();
    let screen = shop.device("").paired(&code(&till, "K1", "kitchen", "a").await).await;
    let mut feed = screen.listen().await;
    till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(feed.hear("ticket").await["receipt"], "T1-A-1");
    assert_eq!(screen.ask("/v1/tickets").await.ok()["tickets"].as_array().unwrap().len(), 1);
    let sold = screen.post("/v1/tickets", "mine", &ticket("K1", &[(ESPRESSO, 1)])).await;
    assert_eq!(sold.refusal(), (403, "terminal_not_allowed".to_owned()));
    drop(feed);
    shop.close().await;
}
