//! Journals on their way up: what is acknowledged and what is not, sessions, verdicts.

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{NodeId, StockItemId};
use percolate_common::journal::{AuthorId, Incarnation, JournalId, PublicKey, StreamKind};
use percolate_common::wire::session::{FromHub, Verdict, Welcome};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::hub::{Heard, TestHub};
use crate::support::menu::{BEANS, CUPS, ESPRESSO, LATTE};
use crate::support::node::{NODE, NOON_MS, STORE, TestNode, Till, password_file, ticket};

async fn sell(till: &Till, keys: std::ops::RangeInclusive<u32>) {
    for key in keys {
        till.sold(&format!("sale-{key}"), &ticket("T1", &[(ESPRESSO, 1)])).await;
    }
}

/// Waits until the node believes a journal to be with the hub up to `seq`.
async fn acked(till: &Till, stream: &str, seq: u64) {
    let what = format!("{stream} acknowledged up to {seq}");
    eventually(&what, || async { (till.acked_seq(stream).await == seq).then_some(()) }).await;
}

/// Waits until the node says so of its link, and gives why it has stopped sending.
async fn link(till: &Till, link: &str) -> Value {
    let what = format!("the link to be {link}");
    let node = eventually(&what, || async { Some(till.get("/v1/node").await).filter(|node| node["link"] == link) });
    node.await["halted"].clone()
}

#[tokio::test]
async fn a_node_shows_its_name_and_the_password_of_its_file() {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    let file = TempDir::new().unwrap();
    node.config.hub_password_file = Some(password_file(file.path(), 0o600));
    node.open().await;
    hub.greet().await;
    let account = [b"\x00\x03n11\x00".as_slice(), b"\x06secret"].concat();
    assert!(hub.connect_packet().ends_with(&account), "{:?}", hub.connect_packet());
    node.stop().await;

    node.config.hub_password_file = None;
    node.open().await;
    hub.greet().await;
    assert_eq!(hub.connect_packet()[7] & 0b1100_0000, 0, "neither a user nor a password");
}

#[tokio::test]
async fn a_node_introduces_itself_with_signed_heads_of_all_that_it_wrote() {
    let (mut node, mut hub) = TestNode::selling().await;
    sell(&node.till(), 1..=3).await;
    hub.hang_up();
    let hello = hub.greet().await;
    assert_eq!((hello.store, hello.wire_min, hello.wire_max, hello.now_ms), (STORE, 1, 1, NOON_MS));
    let incarnation = Incarnation::new(hello.incarnation);
    assert_eq!(node.till().get("/v1/node").await["incarnation"], incarnation.to_string());
    let (key, author) = (PublicKey::from_slice(&hello.public_key[..]).unwrap(), AuthorId::node(NodeId::new(NODE)));
    assert!(hello.heads.iter().all(|head| head.holds(&key, author, incarnation)));
    assert!(!hello.heads.iter().any(|head| head.holds(&key, author, Incarnation::new(hello.incarnation + 1))));
    let books = node.books();
    let last = |stream| books.stream(stream).map(|entry| entry.seq).max().unwrap();
    let heads: Vec<_> = hello.heads.iter().map(|head| (head.stream().unwrap(), head.head().seq)).collect();
    assert_eq!(heads, [StreamKind::Sales, StreamKind::Ops].map(|stream| (stream, last(stream))));

    // The key outlives the process; a start has a number of its own.
    node.restart().await;
    let again = hub.greet().await;
    assert_eq!((again.public_key, again.incarnation), (hello.public_key, hello.incarnation));
    assert_ne!(again.boot, hello.boot);
    node.stop().await;
}

#[tokio::test]
async fn what_is_sold_goes_up_with_its_chain_and_totals_and_an_acknowledgement_moves_the_cursor() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    till.move_stock("delivery", "received", &[(BEANS, 1_000_000)]).await.ok();
    let stock = hub.batch(StreamKind::Stock).await;
    hub.take(&stock);
    assert_eq!(stock.stock_totals, [(StockItemId::new(BEANS), StockTotal { received: 1_000_000, used: 0 })]);
    hub.acknowledge(stock.journal, 1).await;
    acked(&till, "stock", 1).await;

    till.sold("sale", &ticket("T1", &[(ESPRESSO, 2), (LATTE, 1)])).await;
    let sales = hub.batch(StreamKind::Sales).await;
    hub.take(&sales);
    assert_eq!((sales.seq_lo, sales.seq_hi(), sales.last_seq), (1, 2, 2), "the series, and the ticket");
    let totals: Vec<_> =
        sales.stock_totals.iter().map(|(item, total)| (item.get(), total.received, total.used)).collect();
    assert_eq!(totals[..2], [(BEANS, 1_000_000, 54_000), (CUPS, 0, 2)]);
    let head = hub.held[&sales.journal].last().unwrap().hash.to_string();
    let shown = till.get("/v1/node").await["streams"][0].clone();
    assert_eq!((&shown["head"], &shown["acked_seq"]), (&json!(head), &json!(0)), "sent is not acknowledged");
    assert_eq!(shown["oldest_unacked_at_ms"], NOON_MS);

    hub.acknowledge(sales.journal, 1).await;
    acked(&till, "sales", 1).await;
    hub.acknowledge(sales.journal, 2).await;
    acked(&till, "sales", 2).await;
    // Acknowledgements may come late.
    hub.acknowledge(sales.journal, 1).await;
    hub.acknowledge(stock.journal, 1).await;
    assert_eq!(till.acked_seq("sales").await, 2);
    let shown = till.get("/v1/node").await["streams"][0].clone();
    assert_eq!(shown["oldest_unacked_at_ms"], Value::Null);
    node.restart().await;
    assert_eq!(node.till().acked_seq("sales").await, 2, "the cursor is on the disk");
    node.stop().await;
}

#[tokio::test]
async fn an_acknowledgement_of_another_session_or_another_life_moves_nothing() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    sell(&till, 1..=2).await;
    let batch = hub.batch(StreamKind::Sales).await;
    hub.take(&batch);
    let stranger = JournalId { incarnation: Incarnation::new(1), ..batch.journal };
    hub.held.insert(stranger, hub.held[&batch.journal].clone());
    hub.acknowledge(stranger, 2).await;
    hub.session += 1;
    hub.acknowledge(batch.journal, 2).await;
    hub.session -= 1;
    // The one that counts comes last, and for less.
    hub.acknowledge(batch.journal, 1).await;
    acked(&till, "sales", 1).await;
    node.stop().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_after_a_lost_connection() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    sell(&till, 1..=2).await;
    // It reaches the hub, which dies before it has kept anything.
    let lost = hub.batch(StreamKind::Sales).await;
    hub.hang_up();
    assert_eq!(link(&till, "down").await, Value::Null);
    sell(&till, 3..=4).await;
    hub.greet().await;
    let again = hub.batch(StreamKind::Sales).await;
    assert_eq!((again.seq_lo, again.seq_hi(), again.hash_before), (1, 5, lost.hash_before));
    assert_eq!(again.events[..lost.events.len()], lost.events, "an event is never written twice");
    hub.take(&again);

    // It is kept, and the acknowledgement is lost: the greeting says so, and the cursor moves by it.
    hub.hang_up();
    sell(&till, 5..=5).await;
    hub.greet().await;
    acked(&till, "sales", 5).await;
    let rest = hub.batch(StreamKind::Sales).await;
    assert_eq!((rest.seq_lo, rest.seq_hi()), (6, 6));
    hub.take(&rest);
    hub.acknowledge(rest.journal, 6).await;
    acked(&till, "sales", 6).await;
    node.stop().await;
}

#[tokio::test]
async fn a_hub_that_has_forgotten_is_sent_everything_from_where_it_says() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    sell(&till, 1..=4).await;
    let sales = hub.take_until(StreamKind::Sales, 5).await;
    acked(&till, "sales", 5).await;
    // A backup of the hub: it holds less than it acknowledged.
    hub.held.get_mut(&sales).unwrap().truncate(3);
    hub.hang_up();
    hub.greet().await;
    let again = hub.batch(StreamKind::Sales).await;
    assert_eq!((again.seq_lo, again.seq_hi()), (3, 5));
    hub.take(&again);
    // In the middle of a session it may ask again, too, for less than was not acknowledged.
    hub.ask_again(sales, 4).await;
    let once_more = hub.batch(StreamKind::Sales).await;
    assert_eq!((once_more.seq_lo, &once_more.events[..]), (5, &again.events[2..]));
    acked(&till, "sales", 2).await;
    hub.acknowledge(sales, 5).await;
    acked(&till, "sales", 5).await;
    node.stop().await;
}

#[tokio::test]
async fn a_session_that_the_hub_does_not_know_is_begun_anew() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    sell(&till, 1..=1).await;
    let sales = hub.take_until(StreamKind::Sales, 2).await;
    // Late word of an older session means nothing.
    hub.say(&FromHub::Rehello { session: hub.session - 1 }).await;
    sell(&till, 2..=2).await;
    let batch = hub.batch(StreamKind::Sales).await;
    assert_eq!(batch.session, hub.session);

    hub.say(&FromHub::Rehello { session: hub.session }).await;
    hub.hello().await;
    sell(&till, 3..=3).await;
    // A verdict on another start of this node, as of a cloned box, is not for it.
    let mut screen = till.listen().await;
    let (boot, now_ms) = (hub.boot, hub.now_ms);
    let stranger = Welcome {
        boot: boot + 1,
        verdict: Verdict::Untrusted,
        session: 9,
        positions: vec![],
        hub_ms: now_ms,
        agreed: None,
        incarnation: None,
        number: None,
        parked: None,
    };
    hub.say(&FromHub::Welcome(stranger)).await;
    hub.answer(Verdict::Welcome).await;
    let batch = hub.batch(StreamKind::Sales).await;
    assert_eq!((batch.session, batch.seq_lo, batch.seq_hi()), (hub.session, 3, 4));
    assert_eq!(till.get("/v1/node").await["halted"], Value::Null, "of {sales}");
    hub.hang_up();
    assert_eq!(screen.hear("link").await, json!({"link": "down"}), "and it never was anything but up");
    drop(screen);
    node.stop().await;
}

/// The node has stopped sending for this reason, sells on, and goes on sending once it is welcomed.
async fn halts(mut node: TestNode, mut hub: TestHub, code: &str, says: &str) {
    let till = node.till();
    let halted = link(&till, "refused").await;
    assert_eq!(halted["code"], code);
    assert!(halted["detail"].as_str().unwrap().contains(says), "{halted}");
    sell(&till, 1..=3).await;
    assert_eq!(till.ask_openly("/readyz").await.status, 200, "a halt is no reason not to sell");

    // All that came over this connection, up to its end: nothing of it was sent.
    node.restart().await;
    let sent = hub.heard_to_the_end().await;
    let sales =
        sent.iter().find(|heard| matches!(heard, Heard::Batch(batch) if batch.journal.stream == StreamKind::Sales));
    assert_eq!(sales, None);
    hub.connect().await;
    hub.held.clear();
    hub.answer(Verdict::Welcome).await;
    let batch = hub.batch(StreamKind::Sales).await;
    assert_eq!((batch.session, batch.seq_lo, batch.seq_hi()), (hub.session, 1, 4));
    assert_eq!(link(&node.till(), "up").await, Value::Null);
    node.stop().await;
}

/// A node that had a menu and meets its hub again; the hub has its greeting and has not answered.
async fn meeting_again() -> (TestNode, TestHub) {
    let (node, mut hub) = TestNode::selling().await;
    hub.hang_up();
    hub.connect().await;
    (node, hub)
}

#[tokio::test]
async fn a_verdict_of_mistrust_stops_the_sending_and_not_the_selling() {
    let (node, mut hub) = meeting_again().await;
    hub.answer(Verdict::Untrusted).await;
    halts(node, hub, "untrusted", "key").await;
}

#[tokio::test]
async fn an_unknown_wire_version_stops_the_sending_and_not_the_selling() {
    let (node, mut hub) = meeting_again().await;
    hub.answer(Verdict::WireVersion { min: 2, max: 3 }).await;
    halts(node, hub, "wire_version", "2 to 3").await;
}

#[tokio::test]
async fn a_halt_lasts_until_the_hub_welcomes_the_node_again() {
    let (mut node, mut hub) = meeting_again().await;
    let till = node.till();
    hub.answer(Verdict::Untrusted).await;
    let halted = link(&till, "refused").await;
    sell(&till, 1..=1).await;
    hub.hang_up();
    hub.connect().await;
    assert_eq!(link(&till, "down").await, halted, "a greeting is no answer yet");
    hub.answer(Verdict::Welcome).await;
    assert_eq!(link(&till, "up").await, Value::Null);
    hub.take_until(StreamKind::Sales, 2).await;
    acked(&till, "sales", 2).await;
    node.stop().await;
}
