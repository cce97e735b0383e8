//! Terminals of the shop: paired by a code, let in over HTTPS under their own names, and revoked.

use percolate_common::identity::pairing::PairingCode;
use percolate_runtime::files::write_secret;
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::StorageError;
use serde_json::{Value, json};

use crate::support::chain::TestChain;
use crate::support::device::{Device, code, pairing};
use crate::support::eventually;
use crate::support::http::Request;
use crate::support::installed::{Shop, stands};
use crate::support::menu::ESPRESSO;
use crate::support::node::{NOON_MS, TestNode, chain, ticket};
use crate::support::office::Manner;

const MINUTE_MS: i64 = 60 * 1_000;
const TEN_MINUTES_MS: i64 = 10 * MINUTE_MS;

#[tokio::test]
async fn a_terminal_is_paired_by_a_code_and_sells_over_https_under_its_own_name() {
    let shop = Shop::serving().await;
    let till = shop.node.till();
    let given = pairing(&till, "T1", "till").await;
    let (link, code) = (given["link"].as_str().unwrap(), given["code"].as_str().unwrap());
    let device = shop.device("");
    assert_eq!(link, format!("https://shop.lan:{}/pair#{code}", device.address.port()));
    assert_eq!(given["expires_at_ms"], NOON_MS + TEN_MINUTES_MS);

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

/// A code of the same pairing that is not the right one.
fn wrong(code: &str, secret: u8) -> String {
    let code: PairingCode = code.parse().unwrap();
    let other = PairingCode::new(code.id(), [secret; 5]);
    assert_ne!(other, code);
    other.to_string()
}

#[tokio::test]
async fn a_code_that_is_wrong_used_ended_or_tried_too_often_pairs_nobody() {
    let mut shop = Shop::serving().await;
    let till = shop.node.till();
    let device = shop.device("");
    let refused = async |device: &Device, code: &str, key: &str| device.redeem(code, key).await.refusal();
    let (unknown, too_often) = ((404, "pairing_unknown".to_owned()), (410, "pairing_tried_too_often".to_owned()));

    let first = code(&till, "T1", "till", "a").await;
    // What was mistyped is no try.
    let mistyped = device.redeem(&first.replace('-', "")[1..], "a").await;
    assert_eq!(mistyped.refusal(), (422, "pairing_mistyped".to_owned()));
    for secret in 0..4 {
        assert_eq!(refused(&device, &wrong(&first, secret), "a").await, unknown);
    }
    assert_eq!(device.redeem(&first, "a").await.status, 201, "four wrong ones are borne");
    assert_eq!(refused(&device, &first, "b").await, (409, "pairing_used".to_owned()));

    // Tries are counted over a restart.
    let second = code(&till, "T2", "till", "b").await;
    for secret in 0..3 {
        assert_eq!(refused(&device, &wrong(&second, secret), "a").await, unknown);
    }
    shop.node.restart().await;
    shop.hub.greet().await;
    let (till, device) = (shop.node.till(), shop.device(""));
    for secret in 3..5 {
        assert_eq!(refused(&device, &wrong(&second, secret), "a").await, unknown);
    }
    assert_eq!(refused(&device, &second, "a").await, too_often);

    // So does a pairing that waits.
    let third = code(&till, "T3", "till", "c").await;
    shop.node.restart().await;
    shop.hub.greet().await;
    let device = shop.device("");
    shop.node.clock.step(TEN_MINUTES_MS - 1);
    assert_eq!(device.redeem(&third, "c").await.status, 201);
    let fourth = code(&shop.node.till(), "T4", "till", "d").await;
    shop.node.clock.step(TEN_MINUTES_MS);
    assert_eq!(refused(&device, &fourth, "d").await, (410, "pairing_expired".to_owned()));
    let short = device.post("/v1/pairings/redemptions", "short", &json!({"code": fourth, "device": ""})).await;
    assert_eq!(short.refusal(), (422, "pairing_key_short".to_owned()));
    shop.close().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_comes_again_for_a_minute_and_is_kept_nowhere() {
    let mut shop = Shop::serving().await;
    let till = shop.node.till();
    let device = shop.device("");
    let asked_again = json!({"name": "T1", "kind": "till"});
    let given = till.post("/v1/terminals/pairings", "a", &asked_again).await;
    let again = till.post("/v1/terminals/pairings", "a", &asked_again).await;
    assert_eq!((given.status, again.status, &given.text), (201, 200, &again.text));
    let other = till.post("/v1/terminals/pairings", "a", &json!({"name": "T2", "kind": "till"})).await;
    assert_eq!(other.refusal(), (422, "idempotency_key_reused".to_owned()));
    let code = given.json()["code"].as_str().unwrap().to_owned();

    let first = device.redeem(&code, "mine").await;
    shop.node.clock.step(MINUTE_MS - 1);
    let again = device.redeem(&code, "mine").await;
    assert_eq!((first.status, again.status, &first.text), (201, 200, &again.text));
    assert_eq!(again.headers["idempotent-replay"], "true");
    shop.node.clock.step(1);
    assert_eq!(device.redeem(&code, "mine").await.refusal(), (409, "pairing_used".to_owned()));

    let token = first.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 64);
    device.with(&token).ask("/v1/node").await.ok();
    shop.node.stop().await;
    let folder = shop.node.config.data.clone();
    for file in ["node.db", "node.db-wal"] {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
        for secret in [code.as_str(), &code.replace('-', ""), token.as_str(), "mine----"] {
            let found = bytes.windows(secret.len()).any(|part| part.eq_ignore_ascii_case(secret.as_bytes()));
            assert!(!found, "{secret} stands in {file}");
        }
    }
    shop.node.open().await;
    assert_eq!(shop.device(&token).ask("/v1/node").await.status, 200, "it is known after a restart");
    shop.close().await;
}

#[tokio::test]
async fn codes_are_tried_so_often_a_minute_from_one_address() {
    let shop = Shop::serving().await;
    let till = shop.node.till();
    let (device, right) = (shop.device(""), code(&till, "T1", "till", "a").await);
    for _ in 0..20 {
        assert_eq!(device.redeem("0000-0000", "a").await.refusal(), (404, "pairing_unknown".to_owned()));
    }
    let refused = device.redeem(&right, "a").await;
    assert_eq!(refused.refusal(), (429, "too_many_tries".to_owned()));
    assert_eq!(refused.headers["retry-after"], "61");
    assert_eq!(till.get("/v1/terminals").await["rows"], json!([]), "nobody else is held up");
    shop.node.clock.step(MINUTE_MS);
    assert_eq!(device.redeem(&right, "a").await.status, 201);
    shop.close().await;
}

#[tokio::test]
async fn who_is_revoked_hears_nothing_more_and_is_refused_at_once() {
    let shop = Shop::serving().await;
    let till = shop.node.till();
    let device = shop.device("");
    let first = device.paired(&code(&till, "T1", "till", "a").await).await;
    let other = device.paired(&code(&till, "K1", "kitchen", "b").await).await;
    let (mut feed, mut others) = (first.listen().await, other.listen().await);
    let revoked = till.send(Request::new("DELETE", "/v1/terminals/T1")).await.ok();
    assert_eq!((&revoked["state"], &revoked["name"]), (&json!("revoked"), &json!("T1")));
    assert_eq!(first.ask("/v1/node").await.refusal(), (401, "terminal_revoked".to_owned()));
    assert_eq!((feed.next().await, feed.ended_well), (None, true));
    till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(others.hear("ticket").await["receipt"], "T1-A-1", "the others hear on");
    let again = till.send(Request::new("DELETE", "/v1/terminals/T1")).await.ok();
    assert_eq!(again, revoked, "once more changes nothing");
    let nobody = till.send(Request::new("DELETE", "/v1/terminals/T9")).await;
    assert_eq!(nobody.refusal(), (404, "not_found".to_owned()));

    // Another device under the name ends the one before, and numbers its receipts on.
    let second = device.paired(&code(&till, "T1", "till", "c").await).await;
    let mut feed = second.listen().await;
    let third = device.paired(&code(&till, "T1", "till", "d").await).await;
    assert_eq!(second.ask("/v1/node").await.refusal(), (401, "terminal_revoked".to_owned()));
    assert_eq!(feed.next().await, None);
    let sold = third.post("/v1/tickets", "next", &ticket("T1", &[(ESPRESSO, 1)])).await.ok();
    assert_eq!(sold["receipt"], "T1-A-2");
    let rows = till.get("/v1/terminals").await["rows"].clone();
    let states: Vec<_> = rows.as_array().unwrap().iter().map(|row| (&row["name"], &row["state"])).collect();
    assert_eq!(states, [(&json!("K1"), &json!("paired")), (&json!("T1"), &json!("paired"))]);
    drop(others);
    shop.close().await;
}

/// When a terminal was seen, as the file has it.
fn seen_in_file(shop: &Shop, name: &str) -> Option<i64> {
    let pool = ReadPool::open(&shop.node.database().as_path().into(), 1).unwrap();
    let seen = pool.read(|tx| {
        let sql = "SELECT seen_at_ms FROM terminal WHERE name = :name AND revoked_at_ms IS NULL";
        tx.sqlite()?.query_one(sql, rusqlite::named_params! {":name": name}, |row| row.get(0))
    });
    seen.map_err(|error: StorageError| error.to_string()).unwrap()
}

#[tokio::test]
async fn when_a_terminal_was_seen_is_told_at_once_and_written_along_with_a_sale() {
    let mut shop = Shop::serving().await;
    let till = shop.node.till();
    let screen = shop.device("").paired(&code(&till, "K1", "kitchen", "a").await).await;
    let told = async || till.get("/v1/terminals").await["rows"][0]["seen_at_ms"].clone();
    assert_eq!(told().await, json!(null));
    shop.node.clock.step(1_000);
    screen.ask("/v1/node").await.ok();
    assert_eq!((told().await, seen_in_file(&shop, "K1")), (json!(NOON_MS + 1_000), None), "nothing is written for it");
    till.sold("a", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(seen_in_file(&shop, "K1"), Some(NOON_MS + 1_000));
    // At most once a minute.
    shop.node.clock.step(1_000);
    screen.ask("/v1/node").await.ok();
    till.sold("b", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(seen_in_file(&shop, "K1"), Some(NOON_MS + 1_000));
    shop.node.clock.step(MINUTE_MS);
    till.sold("c", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(seen_in_file(&shop, "K1"), Some(NOON_MS + 2_000));
    // And when the box stops.
    screen.ask("/v1/node").await.ok();
    shop.node.stop().await;
    assert_eq!(seen_in_file(&shop, "K1"), Some(NOON_MS + 2_000 + MINUTE_MS));
    shop.node.open().await;
    shop.close().await;
}

#[tokio::test]
async fn a_device_believes_the_box_by_the_chains_root_and_its_name_in_the_shop_only() {
    let shop = Shop::serving().await;
    let device = shop.device("");
    assert!(device.connect("shop.lan").await.is_ok());
    assert!(device.connect("other.lan").await.is_err());
    // No certificate of a box passes for the hub's.
    assert!(device.connect("hub.percolate.internal").await.is_err());
    let stranger = Device::of(&TestChain::new(2), &shop.node, "");
    assert!(stranger.connect("shop.lan").await.is_err());

    let root = device.ask("/root.pem").await;
    assert_eq!((root.status, root.media_type()), (200, "application/x-x509-ca-cert"));
    assert_eq!(root.text, shop.chain.pems()[0]);
    let page = device.ask("/pair").await;
    assert_eq!((page.status, page.media_type()), (200, "text/html"));
    let policy = &page.headers["content-security-policy"];
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && page.text.contains(&format!("<script nonce=\"{nonce}\">")),
        "{policy}"
    );
    let given = pairing(&shop.node.till(), "T1", "till").await;
    assert!(page.text.contains(given["root_sha256"].as_str().unwrap()) && page.text.contains("Virginia-Highland"));
    assert!(!page.text.contains("{{") && !page.text.contains("http://www.w3.org/1999"), "all places are filled in");
    shop.close().await;
}

#[tokio::test]
async fn a_box_lets_terminals_in_as_soon_as_it_has_its_certificate_and_shows_the_renewed_one_without_a_restart() {
    let mut shop = Shop::prepare_serving().await;
    shop.office.next([Manner::Busy]);
    shop.node.open().await;
    stands(&shop.node, "enrolling", Some("hub_not_ready")).await;
    let https = async || shop.node.till().get("/v1/node").await["https"].clone();
    let before = https().await;
    let device = shop.device("");
    assert_eq!((&before["state"], &before["not_after_ms"]), (&json!("waits_for_certificate"), &json!(null)));
    assert_eq!(before["address"], device.address.to_string());
    assert!(device.connect("shop.lan").await.is_err());
    shop.node.till().sold("meanwhile", &ticket("T1", &[(ESPRESSO, 1)])).await;

    shop.node.clock.step(MINUTE_MS);
    stands(&shop.node, "enrolled", None).await;
    let first = device.shown().await;
    assert_eq!(https().await["state"], "serves");
    assert_eq!(https().await["not_after_ms"], first.not_after.get());
    let paired = device.paired(&code(&shop.node.till(), "T1", "till", "a").await).await;

    shop.on_day(61);
    let second = eventually("another certificate", || async {
        Some(device.shown().await).filter(|shown| shown.serial != first.serial)
    })
    .await;
    assert!(second.not_after > first.not_after);
    assert_eq!(https().await["not_after_ms"], second.not_after.get());
    paired.ask("/v1/node").await.ok();
    shop.node.restart().await;
    assert_eq!(shop.device("").shown().await.serial, second.serial, "it lies in the folder");
    shop.close().await;
}

#[tokio::test]
async fn an_address_that_is_taken_stops_no_sale_where_the_sites_file_says_it() {
    let mut shop = Shop::prepare_serving().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    shop.node.config.https = Some(address);
    let error = shop.node.try_open().await.unwrap_err();
    assert!(chain(&error).starts_with("listening for HTTPS failed: could not listen on"), "{}", chain(&error));
    shop.node.config.https = None;
    let site = shop.node.config.site.clone().unwrap();
    let mut said: Value = serde_json::from_slice(&std::fs::read(&site).unwrap()).unwrap();
    assert_eq!(said["https"], "0.0.0.0:8443", "a box with a name in its shop serves there");
    said["https"] = json!(address.to_string());
    write_secret(&site, said.to_string().as_bytes()).unwrap();
    shop.node.open().await;
    let till = shop.node.till();
    assert_eq!(till.get("/v1/node").await["https"]["state"], "address_taken");
    till.sold("a", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(pairing(&till, "T1", "till").await["link"], json!(null));
    shop.close().await;

    let mut plain = TestNode::prepare();
    plain.config.https = Some("127.0.0.1:0".parse().unwrap());
    let error = plain.try_open().await.unwrap_err();
    assert!(chain(&error).starts_with("--https needs --site"), "{}", chain(&error));
}
