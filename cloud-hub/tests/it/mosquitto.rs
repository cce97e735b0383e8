//! A hub behind a broker that is not its own: mosquitto, as `deploy/mosquitto` sets it up.

use bytes::Bytes;
use percolate_common::identity::names::Principal;
use percolate_common::wire::session::Presence;
use percolate_runtime::mqtt::DownReason;
use percolate_runtime::pki::Usage;
use percolate_runtime::tls::TlsTrouble;
use serde_json::Value;

use crate::support::chain::{Papers, TestChain, hub, node};
use crate::support::eventually;
use crate::support::guest::Guest;
use crate::support::hub::TestHub;
use crate::support::mosquitto::MosquittoGround;
use crate::support::node::{Door, Heard, TestNode};

/// How often mosquitto is killed while a node sells.
const KILLS: u64 = 3;

/// Sales before each kill, and after the last.
const SALES: u64 = 200;

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
    let Some((mut hub, mosquitto)) = TestHub::start_behind_mosquitto().await else { return };
    let address = mosquitto.address();
    assert_eq!(broker_check_is(&hub, true).await, format!("{address} has our link"));
    let mut node = TestNode::in_session(11, hub.door_of(&mosquitto, 11)).await;

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
    let Some((test, mosquitto)) = TestHub::start_behind_mosquitto().await else { return };
    let mut nodes = [
        TestNode::in_session(11, test.door_of(&mosquitto, 11)).await,
        TestNode::in_session(21, test.door_of(&mosquitto, 21)).await,
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
    let papers = test.chain().papers(&hub());
    let way = Door { tls: Some(test.chain().link_tls(Some(&papers))), ..mosquitto.address().port().into() };
    for _ in 0..2 {
        let mut guest = Guest::come(way.clone(), "hub", &["percolate/v1/n11/up/presence"], None).await.unwrap();
        let (_, payload) = guest.hear().await;
        assert!(Presence::decode(&payload).unwrap().online);
    }
    let [_n11, n21] = nodes;
    drop(n21);
    eventually("n11 there and n21 gone", || async {
        let rows = test.rows("/v1/sync/nodes?limit=10").await;
        let online: Vec<_> = rows.iter().map(|row| (row["node"].as_u64(), row["online"].as_bool())).collect();
        (online == [(Some(11), Some(true)), (Some(21), Some(false))]).then_some(())
    })
    .await;
}

async fn come(ground: &MosquittoGround, papers: Option<&Papers>, who: &str) -> Result<Guest, DownReason> {
    Guest::come(ground.way(papers), who, &[], None).await
}

/// What a link says that was refused within the handshake.
fn refused(trouble: TlsTrouble) -> Option<DownReason> {
    Some(DownReason::Certificate { trouble })
}

/// Somebody's words arrive.
async fn is_heard(ground: &MosquittoGround, guest: &Guest, who: &str) {
    let papers = ground.chain.papers(&hub());
    let mut listener = Guest::come(ground.way(Some(&papers)), "hub", &["percolate/v1/#"], None).await.unwrap();
    let (topic, words) = (format!("percolate/v1/{who}/up/sales"), Bytes::from_static(b"heard"));
    guest.say(&topic, &words);
    assert_eq!(listener.hear().await, (topic, words));
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_certificate_is_wrong_is_not_let_in() {
    let Some(ground) = MosquittoGround::start() else { return };
    let (chain, life) = (&ground.chain, (ground.chain.day(-1), ground.chain.day(90)));
    let revoked = chain.papers(&node(11));
    ground.shut_out(&[&revoked], 1);
    for (what, papers, trouble) in [
        ("another CA", Some(TestChain::of_today(2).papers(&node(11))), TlsTrouble::WeAreUnknown),
        ("ended", Some(chain.issue(&node(11), Usage::Client, (life.0, chain.day(0)))), TlsTrouble::WeAreExpired),
        ("not yet", Some(chain.issue(&node(11), Usage::Client, (chain.day(1), life.1))), TlsTrouble::WeAreUnknown),
        ("for a server", Some(chain.issue(&node(11), Usage::Server, life)), TlsTrouble::WeAreUnknown),
        ("revoked", Some(revoked), TlsTrouble::WeAreRevoked),
        ("none", None, TlsTrouble::WeAreUnknown),
    ] {
        assert_eq!(come(&ground, papers.as_ref(), "n11").await.err(), refused(trouble), "{what}");
    }
    let own = come(&ground, Some(&chain.papers(&node(11))), "n11").await.unwrap();
    is_heard(&ground, &own, "n11").await;
    // The broker's own certificate is a server's.
    let broker = chain.issue(&Principal::Broker, Usage::Server, life);
    assert_eq!(come(&ground, Some(&broker), "hub").await.err(), refused(TlsTrouble::WeAreUnknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_by_a_newer_list_is_not_let_in_again() {
    let Some(ground) = MosquittoGround::start() else { return };
    let (papers, others) = (ground.chain.papers(&node(11)), ground.chain.papers(&node(12)));
    let guest = come(&ground, Some(&papers), "n11").await.unwrap();
    let other = come(&ground, Some(&others), "n12").await.unwrap();
    is_heard(&ground, &guest, "n11").await;
    ground.shut_out(&[&papers], 1);
    eventually("the list to be read", || async { come(&ground, Some(&papers), "n11").await.err() }).await;
    assert_eq!(come(&ground, Some(&papers), "n11").await.err(), refused(TlsTrouble::WeAreRevoked));
    // Mosquitto looks at the list when somebody comes, and not again: this is why the hub looks at keys.
    is_heard(&ground, &guest, "n11").await;
    // Who is restarted, so that all must come again, keeps the list.
    ground.mosquitto.kill().unwrap();
    ground.mosquitto.again().unwrap();
    assert_eq!(come(&ground, Some(&papers), "n11").await.err(), refused(TlsTrouble::WeAreRevoked));
    assert!(come(&ground, Some(&others), "n12").await.is_ok());
    drop((guest, other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_the_broker_refuses_serves_and_says_that_it_is_not_ready() {
    let Some((mut test, mosquitto)) = TestHub::start_behind_mosquitto().await else { return };
    broker_check_is(&test, true).await;
    test.stop().await;
    test.comes_with(&TestChain::of_today(2).papers(&hub()));
    test.open().await.unwrap();
    assert_eq!(broker_check_is(&test, false).await, format!("{} does not have our link", mosquitto.address()));
    test.rows("/v1/sync/streams").await;
    test.stop().await;
}
