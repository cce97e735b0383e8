//! A process that was paused with the lock of an author holds up that author, and nobody else. Files have one writer.

use std::sync::mpsc;
use std::thread;

use crate::support::eventually;
use crate::support::ground::{connection_at, is_server};
use crate::support::hub::TestHub;
use crate::support::node::TestNode;
use percolate_runtime::postgres::Admin;

#[tokio::test(flavor = "multi_thread")]
async fn an_author_that_is_locked_for_long_holds_up_nobody_else() {
    if !is_server() {
        return;
    }
    let hub = TestHub::start().await;
    let mut locked = TestNode::in_session(11, hub.door(11)).await;
    let mut other = TestNode::in_session(21, hub.door(21)).await;
    let (release, released) = mpsc::channel::<()>();
    let (tell, told) = tokio::sync::oneshot::channel();
    let connection = connection_at(hub.data_dir());
    let holder = thread::spawn(move || {
        let mut session = Admin::connect(&connection).unwrap();
        session.batch("BEGIN").unwrap();
        tell.send(session.texts("SELECT author::text FROM journal.journal_author WHERE author = 11 FOR UPDATE"))
            .unwrap();
        released.recv().unwrap_err();
    });
    assert_eq!(told.await.unwrap().unwrap(), ["11"]);
    locked.sales.write(3);
    locked.send_sales(1, 10).await;
    other.sales.write(5);
    other.send_sales(1, 10).await;
    other.sales_acked(5).await;
    eventually("the message to be dropped", || async {
        let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
        metrics.contains("hub_messages_later_total{reason=\"locked_for_long\"} ").then_some(())
    })
    .await;
    other.sales.write(1);
    other.send_sales(6, 10).await;
    other.sales_acked(6).await;
    let held = hub.stream("n11", "sales").await.unwrap();
    assert_eq!(held["contig"], 0, "nothing of it was taken: {held}");
    drop(release);
    tokio::task::spawn_blocking(move || holder.join().unwrap()).await.unwrap();
    locked.send_sales(1, 10).await;
    locked.sales_acked(3).await;
}
