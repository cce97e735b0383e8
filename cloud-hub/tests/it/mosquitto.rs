//! A hub behind a broker that is not its own: mosquitto, as `deploy/mosquitto` sets it up.

use cloud_hub::broker::{BrokerAccess, BrokerSetting, ExternalBroker};
use own_mosquitto::Mosquitto;
use percolate_common::wire::session::Presence;
use percolate_runtime::broker::Credentials;
use percolate_runtime::mqtt::DownReason;
use serde_json::Value;

use crate::support::eventually;
use crate::support::guest::Guest;
use crate::support::hub::TestHub;
use crate::support::mosquitto::{door, door_with, start};
use crate::support::node::{Heard, TestNode};

/// How often mosquitto is killed while a node sells.
const KILLS: u64 = 3;

/// Sales before each kill, and after the last.
const SALES: u64 = 200;

async fn hub_behind(mosquitto: &Mosquitto) -> TestHub {
    let door = door(mosquitto, "hub");
    let external = ExternalBroker { addresses: door.brokers, access: BrokerAccess::Account(door.credentials.unwrap()) };
    TestHub::start_behind(BrokerSetting::External(external), None).await
}

/// The check of the broker at `/readyz`.
async fn broker_check(hub: &TestHub) -> Value {
    let body: Value = hub.get_openly("/readyz").await.json().await.unwrap();
    let checks = body["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == "broker").unwrap().clone()
}

async fn broker_check_is(hub: &TestHub, ok: bool) -> String {
    let what = format!("the check of the broker to say {ok}");
    let check = eventually(&what, || async { Some(broker_check(hub).await).filter(|check| check["ok"] == ok) }).await;
    check["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let Some(mosquitto) = start() else { return };
    let mut hub = hub_behind(&mosquitto).await;
    let address = mosquitto.address();
    assert_eq!(broker_check_is(&hub, true).await, format!("{address} has our link"));
    let mut node = TestNode::in_session(11, door(&mosquitto, "n11")).await;

    for kill in 0..KILLS {
        let first = kill * SALES + 1;
        node.sales.write(SALES);
        let (acked, last) = (first + SALES / 4, first + SALES - 1);
        node.send(&node.sales.batch(first, acked, node.session)).await;
        node.sales_acked(acked).await;
        // Of these some, all or none arrive, and the last ones die with the broker: it has not read them.
        node.send(&node.sales.batch(acked + 1, acked + 50, node.session)).await;
        mosquitto.freeze().unwrap();
        node.send_sales(acked + 51, 20).await;
        mosquitto.kill().unwrap();
        node.hear("the end of the connection", |heard| (*heard == Heard::Down).then_some(())).await;
        assert_eq!(broker_check_is(&hub, false).await, format!("{address} does not have our link"));
        assert_eq!(hub.get_openly("/readyz").await.status().as_u16(), 503);

        mosquitto.again().unwrap();
        node.wait_up().await;
        let welcome = node.greet().await;
        let held = welcome.positions.iter().find(|p| p.journal() == Some(node.sales.id)).unwrap().seq();
        assert!((acked..last).contains(&held), "what was acknowledged is held, and what died is not: {held}");
        node.send_sales(held + 1, 50).await;
        node.sales_acked(last).await;
    }

    let total = KILLS * SALES;
    let row = hub.held("n11", "sales", total).await;
    assert_eq!(row["head"], node.sales.head().hash.to_string());
    assert_eq!(row["parked"], 0);
    eventually("every sale in the reports, once", || async {
        let report = hub.asker().body("/v1/reporting/sales?by=store").await;
        (report["totals"]["tickets"] == total).then_some(())
    })
    .await;
    broker_check_is(&hub, true).await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_kept_by_a_broker_that_was_killed() {
    let Some(mosquitto) = start() else { return };
    let hub = hub_behind(&mosquitto).await;
    let mut nodes = [
        TestNode::in_session(11, door(&mosquitto, "n11")).await,
        TestNode::in_session(21, door(&mosquitto, "n21")).await,
    ];
    mosquitto.kill().unwrap();
    for node in &mut nodes {
        node.hear("the end of the connection", |heard| (*heard == Heard::Down).then_some(())).await;
    }
    mosquitto.again().unwrap();
    for node in &mut nodes {
        node.wait_up().await;
    }

    // The first hears it when it is said or later; whoever comes after that hears what the broker has kept.
    for _ in 0..2 {
        let mut guest =
            Guest::come(door(&mosquitto, "hub"), "hub", &["percolate/v1/n11/up/presence"], None).await.unwrap();
        let (_, payload) = guest.hear().await;
        assert!(Presence::decode(&payload).unwrap().online);
    }
    let [_n11, n21] = nodes;
    drop(n21);
    eventually("n11 there and n21 gone", || async {
        let rows = hub.rows("/v1/sync/nodes?limit=10").await;
        let online: Vec<_> = rows.iter().map(|row| (row["node"].as_u64(), row["online"].as_bool())).collect();
        (online == [(Some(11), Some(true)), (Some(21), Some(false))]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_the_password_of_their_account() {
    let Some(mosquitto) = start() else { return };
    let others = mosquitto.password("n12").unwrap();
    let refused = [
        None,
        Some(Credentials::new("n11", "guess")),
        Some(Credentials::new("n11", &others)),
        Some(Credentials::new("hub", &others)),
        Some(Credentials::new("n11", "")),
    ];
    for credentials in refused {
        let said = format!("{credentials:?}");
        let outcome = Guest::come(door_with(&mosquitto, credentials), "n11", &[], None).await;
        assert!(matches!(outcome.err(), Some(DownReason::Refused { .. })), "{said}");
    }
    assert!(Guest::come(door(&mosquitto, "n11"), "n11", &[], None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_account_is_taken_away_is_cut_off_and_stays_out() {
    let Some(mosquitto) = start() else { return };
    let _hub = hub_behind(&mosquitto).await;
    let mut node = TestNode::in_session(11, door(&mosquitto, "n11")).await;
    let mut other = TestNode::in_session(21, door(&mosquitto, "n21")).await;
    mosquitto.take_away("n11").unwrap();
    for _ in 0..2 {
        node.hear("the end of the connection, and a refusal", |heard| (*heard == Heard::Down).then_some(())).await;
    }
    other.sales.write(1);
    other.send_sales(1, 1).await;
    other.sales_acked(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_the_broker_refuses_serves_and_says_that_it_is_not_ready() {
    let Some(mosquitto) = start() else { return };
    let external = ExternalBroker {
        addresses: mosquitto.address().into(),
        access: BrokerAccess::Account(Credentials::new("hub", "guess")),
    };
    let mut hub = TestHub::start_behind(BrokerSetting::External(external), None).await;
    assert_eq!(broker_check_is(&hub, false).await, format!("{} does not have our link", mosquitto.address()));
    hub.rows("/v1/sync/streams").await;
    hub.stop().await;
}
