//! The hub's statement for an audit.

use crate::support::hand::change;
use crate::support::hub::TestHub;
use crate::support::node::TestNode;

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_changed_in_the_file_does_not_come_to_its_head_any_more() {
    let mut hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(5);
    node.send_sales(1, 10).await;
    node.sales_acked(5).await;
    let journal = |statement: &serde_json::Value| {
        let journals = statement["journals"].as_array().unwrap();
        journals.iter().find(|journal| journal["stream"] == "sales").unwrap().clone()
    };
    let (_, honest) = hub.get("/v1/sync/audit?node=11").await;
    let sales = journal(&honest);
    assert_eq!((&sales["entries"], &sales["last_seq"]), (&5.into(), &5.into()));
    assert_eq!(sales["computed_head"], sales["head"]);
    assert_eq!(sales["head"], node.sales.head().hash.to_string());
    assert_eq!(honest["keys"].as_array().unwrap().len(), 1);

    hub.stop().await;
    assert_eq!(change(hub.data_dir(), "UPDATE journal_entry SET event = hash WHERE seq = 3").await, 1);
    hub.open().await.unwrap();
    let (_, changed) = hub.get("/v1/sync/audit?node=11").await;
    assert_eq!(journal(&changed)["broken_at"], 3);

    hub.stop().await;
    assert_eq!(change(hub.data_dir(), "DELETE FROM journal_entry WHERE seq = 3").await, 1);
    hub.open().await.unwrap();
    let (_, shortened) = hub.get("/v1/sync/audit?node=11").await;
    assert_eq!((&journal(&shortened)["gap_at"], &journal(&shortened)["entries"]), (&3.into(), &4.into()));
    let (status, unknown) = hub.get("/v1/sync/audit?node=99").await;
    assert_eq!((status.as_u16(), unknown["code"].as_str()), (404, Some("unknown_node")));
}
