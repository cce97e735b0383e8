//! What a box vouches for during a session, and what it is told that the hub cannot read.

use std::collections::BTreeMap;

use percolate_common::crdt::stock::{StockDigest, StockTotal};
use percolate_common::ids::StockItemId;
use percolate_common::journal::{Incarnation, StreamKind};
use percolate_common::wire::session::{Ack, FromHub, FromNode, Mark, Verdict};
use serde_json::json;

use crate::support::eventually;
use crate::support::hub::{Heard, TestHub, position};
use crate::support::menu::{BEANS, ESPRESSO};
use crate::support::node::{TestNode, ticket};

type Totals = BTreeMap<StockItemId, StockTotal>;

/// Takes and acknowledges whatever comes until the node vouches for it.
async fn vouched(hub: &mut TestHub, totals: &mut Totals) -> Mark {
    loop {
        let next = hub.hear("a batch or a mark", |heard| match heard {
            Heard::Batch(batch) => Some(Err((**batch).clone())),
            Heard::Session(FromNode::Mark(mark)) => Some(Ok(mark.clone())),
            _ => None,
        });
        match next.await {
            Ok(mark) => return mark,
            Err(batch) => {
                hub.take(&batch);
                totals.extend(batch.stock_totals.iter().copied());
                hub.acknowledge(batch.journal, batch.seq_hi()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_box_vouches_for_its_journals_and_its_stock_once_the_hub_has_everything() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    let mut totals = Totals::new();
    till.move_stock("delivery", "received", &[(BEANS, 1_000_000)]).await.ok();
    till.sold("sale-1", &ticket("T1", &[(ESPRESSO, 1)])).await;
    till.sold("sale-2", &ticket("T1", &[(ESPRESSO, 2)])).await;
    let mut mark = vouched(&mut hub, &mut totals).await;
    // Where the hub was quicker than the till, a mark of less came before; it comes again in a new session.
    while (mark.stock[0].sales_seq, mark.stock[0].stock_seq) != (3, 1) {
        hub.say(&FromHub::Rehello { session: hub.session }).await;
        hub.hello().await;
        hub.answer(Verdict::Welcome).await;
        mark = vouched(&mut hub, &mut totals).await;
    }
    assert_eq!(mark.session, hub.session);
    assert_eq!(mark.stock.len(), 1);
    assert_eq!(mark.stock[0].digest, StockDigest::of(totals.clone()).number(), "{totals:?}");
    let own = Incarnation::new(mark.stock[0].incarnation);
    for signed in &mark.heads {
        let (journal, heads) = hub.held.iter().find(|(id, _)| Some(id.stream) == signed.stream()).unwrap();
        assert_eq!((journal.incarnation, heads.last()), (own, Some(&signed.head())));
    }
    assert_eq!(mark.heads.len(), 3, "sales, stock, and the store's description");

    // The hub comes to something else: it is told everything once more, and then no more.
    let differ = FromHub::TotalsDiffer { incarnation: own.get(), session: hub.session };
    hub.say(&differ).await;
    let again = hub.batch(StreamKind::Stock).await;
    assert_eq!(again.stock_totals, totals.clone().into_iter().collect::<Vec<_>>());
    hub.take(&again);
    hub.acknowledge(again.journal, again.seq_hi()).await;
    let second = vouched(&mut hub, &mut totals).await;
    assert_eq!((&second.stock, second.heads.len()), (&mark.stock, 0), "what did not move is not signed again");
    hub.say(&differ).await;
    till.sold("sale-3", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let next = hub.hear("a batch", |heard| match heard {
        Heard::Batch(batch) => Some((**batch).clone()),
        _ => None,
    });
    let next = next.await;
    assert_eq!((next.journal.stream, next.seq_lo), (StreamKind::Sales, 4), "nothing was stated again");
    node.stop().await;
}

#[tokio::test]
async fn a_box_shows_what_the_hub_cannot_read_until_the_hub_can() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    till.sold("sale-1", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let batch = hub.batch(StreamKind::Sales).await;
    hub.take(&batch);
    let head = *hub.held[&batch.journal].last().unwrap();
    let position = position(&batch.journal, &head);
    let ack = Ack { position, session: hub.session, reader_ms: hub.now_ms, parked: Some(vec![2]) };
    hub.say(&FromHub::Ack(ack)).await;
    let parked = eventually("an entry that cannot be read", || async {
        let node = till.get("/v1/node").await;
        node["parked"].as_array().filter(|rows| !rows.is_empty()).cloned()
    });
    let incarnation = batch.journal.incarnation.to_string();
    let row = json!({"incarnation": incarnation, "stream": "sales", "count": 1, "latest": [2]});
    assert_eq!(parked.await, [row]);

    hub.say(&FromHub::Rehello { session: hub.session }).await;
    hub.hello().await;
    hub.answer(Verdict::Welcome).await;
    let none_left = || async { (till.get("/v1/node").await["parked"] == json!([])).then_some(()) };
    eventually("a hub that can read all", none_left).await;
    node.stop().await;
}
