//! The broker holds nothing of record: it is killed and wiped, and everything is delivered all the same.

use cloud_hub::broker::embedded::BrokerError;
use percolate_common::wire::session::FromHub;

use crate::support::door::DoorGround;
use crate::support::eventually;
use crate::support::hub::TestHub;
use crate::support::node::{Heard, TestNode};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_wiped_in_the_middle_loses_nothing() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(400);
    node.send(&node.sales.batch(1, 100, node.session)).await;
    node.sales_acked(100).await;

    // These are on their way when the broker dies: some, all or none of them arrive.
    node.send_sales(101, 50).await;
    hub.own_broker().stop();
    node.hear("the end of the connection", |heard| (*heard == Heard::Down).then_some(())).await;
    node.wait_up().await;

    let welcome = node.greet().await;
    let held = welcome.positions.iter().find(|p| p.journal() == Some(node.sales.id)).unwrap().seq();
    assert!((100..=400).contains(&held), "{held}");
    node.send_sales(held + 1, 50).await;
    let row = hub.held("n11", "sales", 400).await;
    assert_eq!(row["head"], node.sales.head().hash.to_string());
    eventually("readiness", || async { hub.get_openly("/readyz").await.status().is_success().then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_sees_its_own_topics_only() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    let mut other = TestNode::in_session(21, hub.door(21)).await;
    node.sales.write(1);
    let welcome = other.hello();
    // The broker drops what n21 says as n11 or as the hub: neither the hub nor n11 hears of it.
    let forged = percolate_common::wire::session::FromNode::Hello(welcome).encode().unwrap();
    other.publish_to("percolate/v1/n11/up/session", &forged).await;
    other.publish_to("percolate/v1/n11/down/session", &FromHub::Rehello { session: 1 }.encode().unwrap()).await;
    other.sales.write(1);
    other.send_sales(1, 1).await;
    other.sales_acked(1).await;

    node.send_sales(1, 1).await;
    let heard = node.answer().await;
    assert!(matches!(heard, FromHub::Ack(_)), "n11 heard {heard:?}");
    assert_eq!(hub.rows("/v1/sync/dead-letters").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = DoorGround::open_at(address).err().unwrap();
    assert!(matches!(error, BrokerError::Door { .. }) && error.to_string().contains(&address.to_string()), "{error}");
}
