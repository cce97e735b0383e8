//! What nodes send, and what they are answered.

use percolate_common::journal::SigningKey;
use percolate_common::wire::session::{FromHub, Presence, Verdict};
use percolate_common::wire::topic::Topic;
use serde_json::json;

use crate::support::events::from_the_future;
use crate::support::eventually;
use crate::support::hub::TestHub;
use crate::support::node::TestNode;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_held_and_acknowledged_with_the_chain_of_its_author() {
    let mut hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(7);
    node.send_sales(1, 5).await;

    let ack = node.sales_acked(7).await;
    assert_eq!(ack.session, node.session);
    assert_eq!(ack.position.hash(), node.sales.head().hash.short());
    assert_eq!(ack.parked, None);
    let row = hub.stream("n11", "sales").await.unwrap();
    assert_eq!(row["contig"], 7);
    assert_eq!(row["head"], node.sales.head().hash.to_string());
    assert_eq!((&row["parked"], &row["forked_at_seq"]), (&json!(0), &json!(null)));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_acknowledged_again_and_changes_nothing() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(4);
    node.send_sales(1, 4).await;
    node.sales_acked(4).await;
    let before = hub.stream("n11", "sales").await;

    node.send(&node.sales.batch(2, 3, node.session)).await;
    node.sales_acked(4).await;
    assert_eq!(hub.stream("n11", "sales").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_asked_for_and_what_fills_it_is_taken() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(6);
    node.send(&node.sales.batch(1, 2, node.session)).await;
    node.sales_acked(2).await;

    node.send(&node.sales.batch(5, 6, node.session)).await;
    match node.answer().await {
        FromHub::Resend(resend) => {
            assert_eq!((resend.position.seq(), resend.session), (2, node.session));
            assert_eq!(resend.position.hash(), node.sales.heads[2].hash.short());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["contig"], 2);
    node.send_sales(3, 2).await;
    node.sales_acked(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_refused_and_marked_and_its_life_must_greet_again() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(3);
    node.send_sales(1, 3).await;
    node.sales_acked(3).await;

    // The same entries with another past: the third one differs.
    let mut other_past = node.sales.clone();
    other_past.events.truncate(2);
    other_past.heads.truncate(3);
    other_past.push(from_the_future(other_past.id, 3));
    other_past.write(1);
    node.send(&other_past.batch(3, 4, node.session)).await;
    assert_eq!(node.answer().await, FromHub::Rehello { session: node.session });
    let row = hub.stream("n11", "sales").await.unwrap();
    assert_eq!((&row["contig"], &row["forked_at_seq"]), (&json!(3), &json!(3)));
    assert_eq!(row["head"], node.sales.head().hash.to_string());

    // Its other streams wait too: what is to be done is said in the answer to the greeting.
    node.ops.write(1);
    node.send(&node.ops.batch(1, 1, node.session)).await;
    assert_eq!(node.answer().await, FromHub::Rehello { session: node.session });
    node.greet().await;
    node.send(&node.ops.batch(1, 1, node.session)).await;
    hub.held("n11", "ops", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_present_session_may_write() {
    let hub = TestHub::start().await;
    let mut node = TestNode::connect(11, hub.door(11)).await;
    node.sales.write(1);
    // A greeting by another node shows that the hub listens; this one has not greeted yet.
    let _witness = TestNode::in_session(21, hub.door(21)).await;
    node.send(&node.sales.batch(1, 1, 99)).await;
    assert_eq!(node.answer().await, FromHub::Rehello { session: 99 });

    let first = node.greet().await.session;
    let second = node.greet().await.session;
    assert_ne!(first, second);
    node.send(&node.sales.batch(1, 1, first)).await;
    assert_eq!(node.answer().await, FromHub::Rehello { session: first });
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["contig"], 0);
    node.send(&node.sales.batch(1, 1, second)).await;
    node.sales_acked(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_parked_and_the_stream_goes_on() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(1);
    node.sales.push(from_the_future(node.sales.id, 2));
    node.sales.push(b"no event at all".to_vec());
    node.sales.write(1);
    node.send_sales(1, 10).await;

    assert_eq!(node.sales_acked(4).await.parked, Some(vec![2, 3]));
    let parked = hub.rows("/v1/sync/parked").await;
    let seqs: Vec<_> = parked.iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [2, 3]);
    assert!(parked[0]["reason"].as_str().unwrap().contains("event type 200"), "{parked:?}");
    assert!(parked[1]["reason"].as_str().unwrap().contains("malformed"), "{parked:?}");
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["parked"], 2);
    let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("hub_events_parked_total{stream=\"sales\"}"), "parked events are in the metrics");

    let (_, page) = hub.get("/v1/sync/parked?limit=1").await;
    let next = page["next"].as_str().unwrap();
    let rest = hub.rows(&format!("/v1/sync/parked?limit=1&after={next}")).await;
    assert_eq!(rest[0]["seq"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_cannot_be_read_is_a_dead_letter_once_and_stops_nobody() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    for _ in 0..3 {
        node.publish_to("percolate/v1/n11/up/sales", b"nonsense").await;
    }
    let mut impostor = TestNode::in_session(21, hub.door(21)).await;
    node.sales.write(2);
    // In the name of n11, on the topic of n21.
    let forged = node.sales.batch(1, 2, node.session).encode().unwrap();
    impostor.publish(Topic::Up(impostor.node, node.sales.id.stream), &forged).await;
    impostor.sales.write(1);
    impostor.send_sales(1, 1).await;
    impostor.sales_acked(1).await;

    let letters = hub.rows("/v1/sync/dead-letters").await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    let nonsense = letters.iter().find(|row| row["topic"] == "percolate/v1/n11/up/sales").unwrap();
    assert_eq!((&nonsense["times"], &nonsense["bytes"]), (&json!(3), &json!(8)));
    let forged = letters.iter().find(|row| row["topic"] == "percolate/v1/n21/up/sales/l3").unwrap();
    assert!(forged["reason"].as_str().unwrap().contains("in the name of n11"), "{forged}");
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["contig"], 0);

    node.send_sales(1, 2).await;
    node.sales_acked(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_is_believed_only_with_the_first_key_a_true_signature_and_a_known_wire() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    let session = node.session;

    let mut unsigned = node.hello();
    unsigned.incarnation += 1;
    assert_eq!(node.introduce(unsigned).await.verdict, Verdict::Untrusted, "the heads are of another life");

    let first_key = node.key.clone();
    node.key = SigningKey::from_random(&[77; 32]).unwrap();
    let with_other_key = node.hello();
    let answer = node.introduce(with_other_key).await;
    assert_eq!((answer.verdict, answer.session), (Verdict::Untrusted, 0));
    node.key = first_key;

    let mut newer = node.hello();
    (newer.wire_min, newer.wire_max) = (2, 3);
    assert_eq!(node.introduce(newer).await.verdict, Verdict::WireVersion { min: 1, max: 1 });

    // None of the refused greetings has ended the session.
    node.sales.write(1);
    node.send(&node.sales.batch(1, 1, session)).await;
    node.sales_acked(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_lost_entries_is_told_that_its_journal_forked() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(5);
    node.send_sales(1, 5).await;
    node.sales_acked(5).await;

    let whole = node.sales.clone();
    node.sales.events.truncate(3);
    node.sales.heads.truncate(4);
    let restored = node.hello();
    assert_eq!(node.introduce(restored).await.verdict, Verdict::Forked { stream: 1 });
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["forked_at_seq"], 3);

    node.sales = whole;
    let welcome = node.greet().await;
    let sales = welcome.positions.iter().find(|p| p.journal() == Some(node.sales.id)).unwrap();
    assert_eq!((sales.seq(), sales.hash()), (5, node.sales.head().hash.short()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_knows_who_is_connected_and_what_they_announced() {
    let hub = TestHub::start().await;
    let mut node = TestNode::connect(11, hub.door(11)).await;
    node.sales.write(9);
    node.greet().await;
    let online = |expected: bool| {
        let hub = &hub;
        async move {
            eventually(&format!("n11 online: {expected}"), || async {
                let rows = hub.rows("/v1/sync/nodes").await;
                rows.into_iter().find(|row| row["node"] == 11).filter(|row| row["online"] == expected)
            })
            .await
        }
    };
    let row = online(true).await;
    assert_eq!((&row["store"], &row["version"], &row["skew_ms"]), (&json!(1), &json!("0.1.0"), &json!(0)));
    let stream = hub.stream("n11", "sales").await.unwrap();
    assert_eq!((&stream["contig"], &stream["announced_seq"]), (&json!(0), &json!(9)));

    drop(node);
    online(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_late_will_of_an_earlier_process_takes_nobody_offline() {
    let hub = TestHub::start().await;
    let node = TestNode::in_session(11, hub.door(11)).await;
    let say = |boot, online| {
        let frame = Presence { boot, online }.encode().unwrap();
        let node = &node;
        async move { node.publish(Topic::Presence(node.node), &frame).await }
    };
    // What the hub has heard is in order: once it knows the witness's letter, it has heard the will before it.
    let online_after = |letter: &'static [u8]| {
        let (hub, node) = (&hub, &node);
        async move {
            node.publish_to("percolate/v1/n11/up/labor", letter).await;
            eventually("the letter", || async {
                let letters = hub.rows("/v1/sync/dead-letters").await;
                letters.into_iter().find(|row| row["bytes"] == letter.len())
            })
            .await;
            let nodes = hub.rows("/v1/sync/nodes").await;
            nodes.into_iter().find(|row| row["node"] == 11).unwrap()["online"].as_bool().unwrap()
        }
    };
    say(5_001, true).await;
    say(5_000, false).await;
    assert!(online_after(b"a").await, "the will of boot 5000 came after boot 5001 was there");
    say(5_001, false).await;
    assert!(!online_after(b"bb").await);
}
