//! A box that is shut out while it is connected to a broker that does not cut it off, and the list by which such a broker keeps it
//! out afterwards.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use percolate_common::journal::SigningKey;
use percolate_common::wire::session::{FromHub, FromNode, Verdict};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::DownReason;
use percolate_runtime::tls::TlsTrouble;
use reqwest::Method;
use serde_json::json;

use crate::support::eventually;
use crate::support::guest::Guest;
use crate::support::hub::TestHub;
use crate::support::node::{Heard, TestNode};

/// More than a day: the list is made anew.
const DAY: Duration = Duration::from_secs(25 * 60 * 60);

async fn shut_out(hub: &TestHub, node: u32) {
    let asked = hub.asker().request(Method::PUT, &format!("/v1/identity/devices/{node}/revocation"));
    let answer = asked.json(&json!({"reason": "stolen"})).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

/// So many sales of a node, which are acknowledged.
async fn sell(node: &mut TestNode, count: u64) {
    let first = node.sales.head().seq + 1;
    node.sales.write(count);
    node.send_sales(first, count).await;
    node.sales_acked(first + count - 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_counts_of_a_box_that_is_shut_out_while_it_is_connected() {
    let Some((mut hub, mosquitto)) = TestHub::start_behind_mosquitto().await else { return };
    let mut out = TestNode::in_session(11, hub.door_of(&mosquitto, 11)).await;
    let mut other = TestNode::in_session(21, hub.door_of(&mosquitto, 21)).await;
    sell(&mut out, 3).await;
    sell(&mut other, 3).await;

    shut_out(&hub, 11).await;
    // It is told that its session is over, on a connection that stands.
    let over = FromHub::Rehello { session: out.session };
    let heard = out.hear("that its session is over", |heard| match heard {
        Heard::Down => Some(false),
        Heard::Session(said) if *said == over => Some(true),
        _ => None,
    });
    assert!(heard.await, "mosquitto has cut it off");
    out.sales.write(2);
    out.send_sales(4, 2).await;
    assert_eq!(out.answer().await, over);
    let (session, verdict) = (out.session, out.introduce(out.hello()).await.verdict);
    assert_eq!(verdict, Verdict::Untrusted);
    out.session = session;
    out.send_sales(4, 2).await;
    assert_eq!(out.answer().await, over);
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["contig"], 3);

    sell(&mut other, 2).await;
    assert_eq!(hub.held("n21", "sales", 5).await["parked"], 0);
    hub.stop().await;

    // A hub that starts again knows it still.
    hub.open().await.unwrap();
    assert_eq!(out.introduce(out.hello()).await.verdict, Verdict::Untrusted);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_greets_with_another_key_than_its_certificates_is_not_answered() {
    let Some((mut hub, mosquitto)) = TestHub::start_behind_mosquitto().await else { return };
    // What is said before the hub hears all lanes would be said again, and here it is said once.
    eventually("readiness", || async { hub.get_openly("/readyz").await.status().is_success().then_some(()) }).await;
    let mut node = TestNode::connect(11, hub.door_of(&mosquitto, 11)).await;
    let own = std::mem::replace(&mut node.key, SigningKey::from_random(&[99; 32]).unwrap());
    let (boot, frame) = (node.boot, FromNode::Hello(node.hello()).encode().unwrap());
    node.publish(Topic::UpSession(node.node), &frame).await;
    node.key = own;
    let welcome = node.introduce(node.hello()).await;
    assert_eq!(welcome.verdict, Verdict::Welcome);
    assert_ne!(welcome.boot, boot);
    eventually("the greeting to be put aside", || async {
        let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
        metrics.contains("hub_greetings_total{verdict=\"key_unknown\"}").then_some(())
    })
    .await;
    hub.stop().await;
}

/// What openssl says of the list.
fn openssl(ca: &Path, words: &[&str]) -> String {
    let crl = ca.join("chain.crl");
    let mut command = Command::new("openssl");
    command.args(["crl", "-in"]).arg(crl).args(["-noout", "-CAfile"]).arg(ca.join("intermediate.pem")).args(words);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_beside_the_ca_keeps_a_box_out_at_a_broker_that_is_given_it() {
    let Some((mut hub, mosquitto)) = TestHub::start_behind_mosquitto().await else { return };
    let list = hub.ca().join("chain.crl");
    let first = eventually("the list", || async { std::fs::read(&list).ok() }).await;
    assert!(openssl(hub.ca(), &["-text"]).contains("No Revoked Certificates"));
    shut_out(&hub, 11).await;
    let second = eventually("another list", || async { std::fs::read(&list).ok().filter(|read| *read != first) }).await;
    let said = openssl(hub.ca(), &["-text"]);
    assert!(said.contains("verify OK") && said.matches("Serial Number:").count() == 1, "{said}");

    let come = |number| Guest::come(hub.door_of(&mosquitto, number), "n", &[], None);
    assert!(come(11).await.is_ok(), "the broker was not given it yet");
    mosquitto.shut_out(&list).unwrap();
    let refused = eventually("the broker to read it", || async { come(11).await.err() }).await;
    assert_eq!(refused, DownReason::Certificate { trouble: TlsTrouble::WeAreRevoked });
    assert!(come(21).await.is_ok());

    hub.stop().await;
    hub.clock.move_on(DAY);
    hub.open().await.unwrap();
    let third = eventually("another list", || async { std::fs::read(&list).ok().filter(|read| *read != second) }).await;
    assert!(openssl(hub.ca(), &["-text"]).matches("Serial Number:").count() == 1 && third != first);
    hub.stop().await;
}
