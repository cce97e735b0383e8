//! What a node vouches for during a session: its heads are kept, its stock is compared.

use percolate_common::crdt::stock::{StockDigest, StockTotal};
use percolate_common::ids::StockItemId;
use percolate_common::journal::SigningKey;
use percolate_common::wire::session::{FromHub, FromNode, LifeStock, Mark, SignedHead};
use serde_json::{Value, json};

use crate::support::copies::{sales_of_life, sell};
use crate::support::events::BEANS_PER_TICKET;
use crate::support::eventually;
use crate::support::hand::{change, numbers};
use crate::support::hub::TestHub;
use crate::support::process::{KEY, Process};

fn digest(used: u64) -> u64 {
    StockDigest::of([(StockItemId::new(1), StockTotal { received: 0, used })]).number()
}

/// What the process vouches for after so many sales.
fn mark(process: &Process, key: [u8; 32], sales_seq: u64, digest: u64) -> FromNode {
    let key = SigningKey::from_random(&key).unwrap();
    let head = process.sales.heads[usize::try_from(sales_seq).unwrap()];
    let incarnation = process.sales.id.incarnation.get();
    FromNode::Mark(Mark {
        session: process.session,
        heads: vec![SignedHead::sign(&key, &process.sales.id, &head)],
        stock: vec![LifeStock { incarnation, sales_seq, stock_seq: 0, digest }],
    })
}

/// When the stock of node 11 was compared, and whether it differs.
async fn compared(hub: &TestHub) -> (Value, Value) {
    let row = hub.rows("/v1/sync/nodes").await.remove(0);
    (row["stock_compared_at_ms"].clone(), row["stock_differs"].clone())
}

async fn metric(hub: &TestHub, line: &str) -> bool {
    hub.get_openly("/metrics").await.text().await.unwrap().lines().any(|found| found == line)
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_compared_where_both_sides_stand_at_the_same_entries() {
    let hub = TestHub::start().await;
    let mut sales = sales_of_life(1);
    sell(&mut sales, 1..=5);
    let mut node = Process::in_session(1, sales.clone(), hub.door(11)).await;
    node.send(&sales, 1, 5).await;
    node.acked(&sales, 5).await;
    assert_eq!(compared(&hub).await, (Value::Null, false.into()));

    // Of an earlier place nothing can be said.
    node.say(&mark(&node, KEY, 4, digest(4 * BEANS_PER_TICKET))).await;
    let apart = || async { metric(&hub, "hub_stock_digests_total{outcome=\"apart\"} 1").await.then_some(()) };
    eventually("a mark of another place", apart).await;
    assert_eq!(compared(&hub).await, (Value::Null, false.into()));

    // With the signature of another key it is nobody's word.
    node.say(&mark(&node, [99; 32], 5, digest(1))).await;
    let untrusted = || async { metric(&hub, "hub_marks_total{outcome=\"untrusted\"} 1").await.then_some(()) };
    eventually("a mark that cannot be believed", untrusted).await;
    assert_eq!(compared(&hub).await, (Value::Null, false.into()));

    node.say(&mark(&node, KEY, 5, digest(5 * BEANS_PER_TICKET))).await;
    let equal = || async { Some(compared(&hub).await).filter(|(at, _)| at.is_number()) };
    assert_eq!(eventually("a comparison", equal).await.1, false);

    node.say(&mark(&node, KEY, 5, digest(5 * BEANS_PER_TICKET + 1))).await;
    let (incarnation, session) = (sales.id.incarnation.get(), node.session);
    assert_eq!(node.answer().await, FromHub::TotalsDiffer { incarnation, session });
    assert_eq!(compared(&hub).await.1, true);

    node.say(&mark(&node, KEY, 5, digest(5 * BEANS_PER_TICKET))).await;
    let healed = || async { (compared(&hub).await.1 == false).then_some(()) };
    eventually("an end of the difference", healed).await;

    // A total that somebody changes is not what the entries come to, whether or not the node speaks again.
    let (_, audit) = hub.get("/v1/sync/audit?node=11").await;
    assert_eq!(audit["stock_apart"], json!([]));
    assert_eq!(change(hub.data_dir(), "UPDATE stock_total SET used = used + 1").await, 1);
    let (_, audit) = hub.get("/v1/sync/audit?node=11").await;
    let used = 5 * BEANS_PER_TICKET;
    let apart = json!({
        "incarnation": sales.id.incarnation.to_string(), "stock_item": 1, "received": 0, "used": used + 1,
        "folded_received": 0, "folded_used": used,
    });
    assert_eq!(audit["stock_apart"], json!([apart]));

    // What it vouched for is kept, with its signature.
    assert_eq!(numbers(hub.data_dir(), "SELECT seq FROM signed_head").await, [5]);
}
