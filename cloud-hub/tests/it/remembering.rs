//! What the hub knows of shops and boxes, and does not forget: with a full disk, with databases that were put back, with more of
//! them than one question holds.

use std::path::PathBuf;
use std::time::Duration;

use cloud_hub::identity::SCHEMA;
use cloud_hub::kernel::db::Db;
use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::certificate::Certificate;
use percolate_runtime::enrolment::{Octets, RENEWALS_PATH, RenewalAsked};
use percolate_runtime::http::caller::CallError;
use percolate_runtime::params;
use percolate_runtime::pki::request;
use percolate_runtime::storage::StorageError;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::identity::{DAY, MENU, NODE, STORE, TestBox, asked, bundle, planned, refusal, site, way};
use crate::planning::{fetched, question};
use crate::support::ground::{back_up, lose, opened, put_back};
use crate::support::hub::TestHub;
use crate::support::node::TestNode;

const PATH: &str = "/v1/identity/stores/42";
const REVOCATION: &str = "/v1/identity/devices/421/revocation";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Where the hub keeps what it must not forget.
fn list(hub: &TestHub) -> PathBuf {
    hub.data_dir().parent().unwrap().join("ca/revoked.list")
}

fn listed(hub: &TestHub) -> String {
    std::fs::read_to_string(list(hub)).unwrap_or_default()
}

/// The number of a box's certificate, as the list has it.
fn serial(certificates: &[Octets]) -> String {
    Certificate::read(&certificates[0].0).unwrap().serial.to_string()
}

/// Does something with identity's database while the hub does not run.
async fn by_hand(hub: &mut TestHub, sql: &'static str) {
    hub.stop().await;
    let db = opened(hub.data_dir(), |data, engine| Db::open(&SCHEMA, data, engine)).unwrap();
    let done: Result<(), StorageError> = db.write("hand", move |tx| tx.execute(sql, &[]).map(drop)).await;
    done.unwrap();
    db.stop().await;
    hub.open().await.unwrap();
}

async fn revoke(hub: &TestHub, reason: &str) -> (StatusCode, Value) {
    asked(hub, Method::PUT, REVOCATION, &json!({ "reason": reason })).await
}

async fn restart(hub: &mut TestHub) {
    hub.stop().await;
    hub.open().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_done_leaves_no_line_behind() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let old = TestBox::new(&hub, &content, 1);
    let of_old = old.enrol(&hub, &code).await.unwrap().issued;
    let (content, code) = bundle(&hub, "second-bundle-002", "replace").await;
    // A box in the place of another, of which the database takes a part only: nothing is done.
    by_hand(&mut hub, "ALTER TABLE issued RENAME TO issued_elsewhere").await;
    let new = TestBox::new(&hub, &content, 2);
    assert_eq!(refusal(new.enrol(&hub, &code).await), "internal");
    assert!(!listed(&hub).contains(&serial(&of_old.certificates)), "{}", listed(&hub));
    by_hand(&mut hub, "ALTER TABLE issued_elsewhere RENAME TO issued").await;
    let renewed = old.renew(&hub, &of_old.certificates).await.unwrap();
    assert!(renewed["not_after_ms"].is_i64(), "the old box is the shop's still");
    new.enrol(&hub, &code).await.unwrap();
    assert!(listed(&hub).contains(&serial(&of_old.certificates)), "{}", listed(&hub));
    assert_eq!(refusal(old.renew(&hub, &of_old.certificates).await), "certificate_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_an_error_and_is_written_when_it_is_asked_again() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    let issued = own.enrol(&hub, &code).await.unwrap().issued;
    // Nobody can write a file where a folder is.
    let (path, away) = (list(&hub), list(&hub).with_extension("away"));
    std::fs::rename(&path, &away).unwrap();
    std::fs::create_dir(&path).unwrap();
    let (status, body) = revoke(&hub, "stolen").await;
    assert_eq!((status, &body["code"]), (StatusCode::INSUFFICIENT_STORAGE, &json!("not_written_down")), "{body}");
    assert_eq!(refusal(own.renew(&hub, &issued.certificates).await), "certificate_revoked", "it is out all the same");
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&away, &path).unwrap();
    let (status, body) = revoke(&hub, "stolen").await;
    assert_eq!((status, &body["certificates"]), (StatusCode::OK, &json!(0)), "{body}");
    assert!(listed(&hub).contains(&format!("{} n421", serial(&issued.certificates))), "{}", listed(&hub));
    // And what a process that died had no time for is written at the next start.
    std::fs::remove_file(&path).unwrap();
    restart(&mut hub).await;
    for part in [serial(&issued.certificates), "key:".to_owned(), "code:".to_owned(), "bundle:42 1 ".to_owned()] {
        assert!(listed(&hub).contains(&part), "{part}: {}", listed(&hub));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_had_ended_lets_nobody_in_at_a_hub_that_was_put_back() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (first, code) = bundle(&hub, "first-bundle-0001", "new").await;
    hub.stop().await;
    back_up(hub.data_dir());
    hub.open().await.unwrap();
    // A later stick ends the first, and so does shutting the box out before it was ever enrolled.
    let (_, later) = bundle(&hub, "second-bundle-002", "new").await;
    assert_eq!(revoke(&hub, "stolen on its way").await.0, StatusCode::OK);
    hub.stop().await;
    put_back(hub.data_dir());
    hub.open().await.unwrap();
    let own = TestBox::new(&hub, &first, 1);
    assert_eq!(refusal(own.enrol(&hub, &code).await), "code_expired");
    assert_eq!(refusal(fetched(&hub, &own, &question(&own, &code), &code).await), "code_expired");
    assert_eq!(refusal(own.enrol(&hub, &later).await), "code_unknown");
    let (_, third) = bundle(&hub, "third-bundle-0003", "new").await;
    own.enrol(&hub, &third).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_was_put_back_to_before_an_enrolment_knows_what_became_of_its_codes() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (first, code) = bundle(&hub, "first-bundle-0001", "new").await;
    hub.stop().await;
    back_up(hub.data_dir());
    hub.open().await.unwrap();
    let own = TestBox::new(&hub, &first, 1);
    own.enrol(&hub, &code).await.unwrap();
    let (second, _) = bundle(&hub, "second-bundle-002", "new").await;
    assert_eq!(second.number, 2);
    assert_eq!(revoke(&hub, "stolen").await.0, StatusCode::OK);

    hub.stop().await;
    put_back(hub.data_dir());
    hub.open().await.unwrap();
    assert_eq!(hub.new_devices().await, Vec::<Value>::new(), "the databases know nobody");
    let other = TestBox::new(&hub, &first, 2);
    assert_eq!(refusal(other.enrol(&hub, &code).await), "code_used");
    assert_eq!(refusal(fetched(&hub, &other, &question(&other, &code), &code).await), "code_used");
    assert_eq!(refusal(own.enrol(&hub, &code).await), "certificate_revoked", "it was stolen");
    // Bundles are counted on, so that a box which has the second takes the next; and by its code a box that came back is let in.
    let (third, code) = bundle(&hub, "third-bundle-0003", "new").await;
    assert_eq!(third.number, 3);
    own.enrol(&hub, &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_was_let_in_before_the_hub_was_put_back_is_let_in_by_the_same_code() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    hub.stop().await;
    back_up(hub.data_dir());
    hub.open().await.unwrap();
    let own = TestBox::new(&hub, &content, 1);
    own.enrol(&hub, &code).await.unwrap();
    hub.stop().await;
    put_back(hub.data_dir());
    hub.open().await.unwrap();
    let again = own.enrol(&hub, &code).await.unwrap().issued;
    own.renew(&hub, &again.certificates).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_asks_for_certificate_after_certificate_waits() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    let issued = own.enrol(&hub, &code).await.unwrap().issued;
    let mut given = 1;
    for _ in 0..4 {
        while own.renew(&hub, &issued.certificates).await.is_ok() {
            given += 1;
            hub.clock.move_on(Duration::from_secs(60));
        }
        hub.clock.move_on(HOUR);
    }
    assert_eq!(given, 24, "six an hour");
    assert_eq!(refusal(own.renew(&hub, &issued.certificates).await), "too_many_tries");
    let csr = Octets(request(&own.key, "n421").unwrap());
    let again = RenewalAsked { csr, certificates: issued.certificates.clone() };
    let refused = own.caller.post(&hub.https(), RENEWALS_PATH, &again).await;
    assert!(matches!(refused, Err(CallError::Problem { status, .. }) if status == 429), "{refused:?}");
    hub.clock.move_on(DAY);
    own.renew(&hub, &issued.certificates).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_ended_long_ago_are_forgotten_but_for_revoked_ones() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let stolen = TestBox::new(&hub, &content, 1);
    let of_stolen = stolen.enrol(&hub, &code).await.unwrap().issued;
    let (content, code) = bundle(&hub, "second-bundle-002", "replace").await;
    let own = TestBox::new(&hub, &content, 2);
    let first = own.enrol(&hub, &code).await.unwrap().issued.certificates;
    let mut current = first.clone();
    for _ in 0..3 {
        hub.clock.move_on(60 * DAY);
        // The hub's own certificate has an end, too; it makes another at its start.
        restart(&mut hub).await;
        let renewed = own.renew(&hub, &current).await.unwrap();
        current = serde_json::from_value(renewed["certificates"].clone()).unwrap();
    }
    let rows = hub.new_devices().await;
    let serials: Vec<_> = rows.iter().map(|row| row["serial"].as_str().unwrap()).collect();
    assert!(!serials.contains(&serial(&first).as_str()), "{serials:?}");
    assert!(
        serials.contains(&serial(&current).as_str()) && serials.contains(&serial(&of_stolen.certificates).as_str())
    );
    assert_eq!(serials.len(), 4);
    assert_eq!(refusal(stolen.renew(&hub, &of_stolen.certificates).await), "certificate_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_hold_all_there_is_and_nobody_is_passed_over() {
    const MANY: u32 = 10_001;
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    hub.stop().await;
    let db = opened(hub.data_dir(), |data, engine| Db::open(&SCHEMA, data, engine)).unwrap();
    let key = *TestNode::key_of(NODE).public_key().as_bytes();
    let done: Result<(), StorageError> = db
        .write("hand", move |tx| {
            for number in 1..=MANY {
                let serial = [&[0x40][..], &number.to_be_bytes()].concat();
                let sql = "INSERT INTO auth_device (serial, node, public_key, not_before_ms, not_after_ms, state, changed_at_ms)
                     VALUES (?1, ?2, ?3, 0, 9000000000000, 1, 0)";
                tx.execute(sql, params![&serial[..], 10_000 + number / 2, &key[..]])?;
            }
            let sql = "INSERT INTO site (store, node, name, content, bundles, made_at_ms)
                 SELECT ?1, ?2, name, content, bundles, made_at_ms FROM site WHERE store = 42";
            (1_000..2_100_u32).try_for_each(|store| tx.execute(sql, params![store, 100_000 + store]).map(drop))
        })
        .await;
    done.unwrap();
    db.stop().await;
    hub.open().await.unwrap();
    assert_eq!(hub.new_devices().await.len(), usize::try_from(MANY).unwrap());
    assert_eq!(hub.rows("/v1/identity/stores").await.len(), 1_101);
    let last = 10_000 + MANY / 2;
    let (status, body) =
        asked(&hub, Method::PUT, &format!("/v1/identity/devices/{last}/revocation"), &json!({"reason": "lost"})).await;
    assert_eq!((status, &body["certificates"]), (StatusCode::OK, &json!(2)), "{body}");
    let rows = hub.new_devices().await;
    assert_eq!((&rows[rows.len() - 1]["state"], &rows[rows.len() - 1]["reason"]), (&json!("revoked"), &json!("lost")));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_office_sees_how_its_shops_stand() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let row = hub.asker().body(PATH).await;
    let stands = |row: &Value| {
        ["bundles", "enrolled_until_ms", "code_ends_at_ms", "heard_at_ms"].map(|field| row[field].clone())
    };
    assert_eq!(stands(&row), [json!(0), Value::Null, Value::Null, Value::Null]);
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let row = hub.asker().body(PATH).await;
    assert_eq!(stands(&row), [json!(1), Value::Null, json!(content.expires_at_ms), Value::Null]);
    let own = TestBox::new(&hub, &content, 1);
    let issued = own.enrol(&hub, &code).await.unwrap().issued;
    let rows = hub.rows("/v1/identity/stores").await;
    assert_eq!(stands(&rows[0]), [json!(1), json!(issued.not_after_ms), Value::Null, Value::Null]);
    assert_eq!(rows[0], hub.asker().body(PATH).await);
    assert_eq!(revoke(&hub, "stolen by night").await.0, StatusCode::OK);
    let rows = hub.new_devices().await;
    let said = ["store", "name", "state", "reason"].map(|field| rows[0][field].clone());
    assert_eq!(said, [json!(STORE), json!("Harbour"), json!("revoked"), json!("stolen by night")]);
    assert_eq!(hub.asker().body(PATH).await["enrolled_until_ms"], Value::Null);
}

async fn deleted(hub: &TestHub) -> (StatusCode, Value) {
    let answer = hub.asker().request(Method::DELETE, PATH).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

/// A box that a plan has, and that was never made of a bundle.
async fn bundled(hub: &TestHub, key: &str) -> (BundleV1, String) {
    let (status, body) = asked(hub, Method::PUT, PATH, &site(NODE)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    bundle(hub, key, "new").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_never_was_is_forgotten_and_no_other() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    assert_eq!(deleted(&hub).await.0, StatusCode::NOT_FOUND);
    let (content, code) = bundled(&hub, "first-bundle-0001").await;
    assert_eq!(deleted(&hub).await.0, StatusCode::NO_CONTENT);
    assert_eq!(hub.rows("/v1/identity/stores").await, Vec::<Value>::new());
    let own = TestBox::new(&hub, &content, 1);
    assert_eq!(refusal(own.enrol(&hub, &code).await), "code_expired");
    // Its bundles are counted on: a stick of before is older than one of now.
    let (content, code) = bundled(&hub, "second-bundle-002").await;
    assert_eq!(content.number, 2);
    own.enrol(&hub, &code).await.unwrap();
    let (status, body) = deleted(&hub).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("store_in_use")), "{body}");
    assert_eq!(revoke(&hub, "closed").await.0, StatusCode::OK);
    assert_eq!(deleted(&hub).await.0, StatusCode::CONFLICT, "what it sold is the shop's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_whose_box_was_heard_is_not_forgotten_though_nobody_knows_of_its_certificate() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox { key: TestNode::key_of(NODE), ..TestBox::new(&hub, &content, 1) };
    let answer = own.enrol(&hub, &code).await.unwrap();
    let mut node = TestNode::in_session(NODE, way(&hub, &content, &own, &answer)).await;
    node.sales.write(1);
    node.send_sales(1, 1).await;
    node.sales_acked(1).await;
    drop(node);
    hub.stop().await;
    lose(hub.data_dir(), "identity");
    hub.open().await.unwrap();
    planned(&hub).await;
    assert_eq!(hub.rows("/v1/identity/devices").await, Vec::<Value>::new());
    assert_eq!(deleted(&hub).await.0, StatusCode::CONFLICT);
    assert!(hub.asker().body(PATH).await["heard_at_ms"].is_i64());
}
