//! The lives of a node: disks that were put back or copied, and how everybody goes on.

use percolate_common::wire::session::{FromHub, FromNode, Verdict};
use percolate_runtime::storage::StorageError;

use crate::support::copies::{image, sales_of_life, sell, write_again};
use crate::support::events::Written;
use crate::support::ground::journal_at;
use crate::support::hub::TestHub;
use crate::support::process::{Process, place, said_of};

/// So many sales in life 1.
fn sold(count: u64) -> Written {
    let mut sales = sales_of_life(1);
    sell(&mut sales, 1..=count);
    sales
}

/// How far the sales of a life are held.
fn contig(rows: &[serde_json::Value], life: u64) -> u64 {
    let incarnation = format!("{life:016x}");
    let row = rows.iter().find(|row| row["incarnation"] == *incarnation && row["stream"] == "sales");
    row.map_or(0, |row| row["contig"].as_u64().unwrap())
}

async fn held(hub: &TestHub, life: u64) -> u64 {
    contig(&hub.rows("/v1/sync/streams?limit=1000").await, life)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_put_back_agrees_at_its_head_and_goes_on_in_another_life() {
    let hub = TestHub::start().await;
    let whole = sold(5);
    let mut before = Process::in_session(1, whole.clone(), hub.door(11)).await;
    before.send(&whole, 1, 5).await;
    before.acked(&whole, 5).await;

    let mut restored = Process::start(2, image(&whole, 3), hub.door(11)).await;
    let answer = restored.introduce(None).await;
    assert_eq!((answer.verdict, answer.session), (Verdict::Forked { stream: 1 }, 0));
    let agreed = answer.agreed.unwrap();
    assert!(agreed.contains(&place(&whole, 3)) && agreed.len() == 4, "{agreed:?}");
    assert!(answer.positions.contains(&place(&whole, 5)));
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["forked_at_seq"], 3);

    restored.sales = sales_of_life(2);
    let welcome = restored.greet().await;
    assert!(welcome.positions.contains(&place(&whole, 5)), "what the earlier life has lost is there");
    assert_eq!(said_of(&welcome.positions, &restored.sales.id), Some(0));
    assert_eq!(welcome.agreed, None, "nothing was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_find_a_common_place_that_is_true_and_no_later_than_the_fork() {
    let hub = TestHub::start().await;
    let mut first = sold(6);
    let mut second = first.clone();
    sell(&mut first, 101..=104);
    sell(&mut second, 201..=203);
    let mut original = Process::in_session(1, first.clone(), hub.door(11)).await;
    original.send(&first, 1, 10).await;
    original.acked(&first, 10).await;

    let mut copy = Process::start(2, second.clone(), hub.door(11)).await;
    let answer = copy.introduce(None).await;
    assert_eq!(answer.verdict, Verdict::Forked { stream: 1 });
    assert_eq!(
        said_of(&answer.agreed.unwrap(), &second.id),
        Some(0),
        "the head is not held, and nothing else was said"
    );

    let marks = [4, 9, 8, 7, 5, 1].map(|seq| place(&second, seq)).to_vec();
    let answer = copy.introduce(Some(marks)).await;
    assert_eq!(answer.verdict, Verdict::Forked { stream: 1 });
    assert!(answer.agreed.unwrap().contains(&place(&first, 5)), "5 is the last mark before the fork after 6");

    original.sales = first;
    original.sales.events.pop();
    original.sales.heads.pop();
    sell(&mut original.sales, [105]);
    let honest = original.introduce(Some(vec![place(&second, 5)])).await;
    assert_eq!(honest.verdict, Verdict::Forked { stream: 1 }, "another head at the same place is another past");
}

/// Two pasts that part after entry 2: the first, of three entries, is held by the hub; the second has seven.
async fn two_pasts(hub: &TestHub) -> (Written, Written) {
    let mut first = sold(2);
    let mut second = first.clone();
    sell(&mut first, [101]);
    sell(&mut second, 201..=205);
    let mut original = Process::in_session(1, first.clone(), hub.door(11)).await;
    original.send(&first, 1, 3).await;
    original.acked(&first, 3).await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_ahead_of_another_past_shows_it_by_its_marks() {
    let hub = TestHub::start().await;
    let (first, second) = two_pasts(&hub).await;
    let mut copy = Process::start(2, second.clone(), hub.door(11)).await;
    let welcome = copy.introduce(None).await;
    assert_eq!(welcome.verdict, Verdict::Welcome, "the hub cannot know yet");
    assert!(welcome.positions.contains(&place(&first, 3)), "the node can: its own entry 3 is another one");
    let answer = copy.introduce(Some(vec![place(&second, 3), place(&second, 2)])).await;
    assert_eq!(answer.verdict, Verdict::Forked { stream: 1 });
    assert!(answer.agreed.unwrap().contains(&place(&first, 2)));
}

/// How far the sales of life 1 are held, and said to reach.
async fn held_and_announced(hub: &TestHub) -> (u64, u64) {
    let rows = hub.rows("/v1/sync/streams?limit=1000").await;
    let is_meant = |row: &&serde_json::Value| row["incarnation"] == format!("{:016x}", 1) && row["stream"] == "sales";
    let row = rows.iter().find(is_meant).unwrap();
    (row["contig"].as_u64().unwrap(), row["announced_seq"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_that_ends_where_both_agree_owes_nothing_more() {
    let hub = TestHub::start().await;
    let (_held, second) = two_pasts(&hub).await;
    let mut copy = Process::start(2, second.clone(), hub.door(11)).await;
    assert_eq!(copy.introduce(None).await.verdict, Verdict::Welcome);
    assert_eq!(held_and_announced(&hub).await, (3, 7), "the hub cannot know yet that 4 to 7 will never come");
    let answer = copy.introduce(Some(vec![place(&second, 3), place(&second, 2)])).await;
    assert_eq!(answer.verdict, Verdict::Forked { stream: 1 });
    assert_eq!(held_and_announced(&hub).await, (3, 3));

    // The same of an earlier life, which is contested while the present one is welcome.
    let mut ahead = Process::start(3, second.clone(), hub.door(11)).await;
    assert_eq!(ahead.introduce(None).await.verdict, Verdict::Welcome);
    assert_eq!(held_and_announced(&hub).await, (3, 7));
    ahead.sales = sales_of_life(2);
    let welcome = ahead.introduce(Some(vec![place(&second, 3), place(&second, 2)])).await;
    assert_eq!(welcome.verdict, Verdict::Welcome);
    assert_eq!(held_and_announced(&hub).await, (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_process_that_speaks_again_is_fenced_and_both_go_on() {
    let hub = TestHub::start().await;
    let common = sold(2);
    let mut older = Process::in_session(1, common.clone(), hub.door(11)).await;
    older.send(&common, 1, 2).await;
    older.acked(&common, 2).await;
    let mut newer = Process::in_session(2, common.clone(), hub.door(11)).await;

    // What the older one sells goes nowhere in its dead session.
    sell(&mut older.sales, [101]);
    older.send(&older.sales, 3, 3).await;
    assert_eq!(older.answer().await, FromHub::Rehello { session: older.session });
    let answer = older.introduce(None).await;
    assert_eq!((answer.verdict, answer.session), (Verdict::Fenced, 0));
    assert_eq!(held_and_announced(&hub).await, (2, 2), "what it has sold will come in another life");
    let answer = older.introduce(Some(vec![place(&older.sales, 2)])).await;
    assert_eq!(answer.verdict, Verdict::Fenced);
    assert!(answer.agreed.unwrap().contains(&place(&common, 2)));

    sell(&mut newer.sales, [201]);
    newer.send(&newer.sales, 3, 3).await;
    let sales = newer.sales.clone();
    newer.acked(&sales, 3).await;

    let mut later = sales_of_life(2);
    write_again(&mut later, &older.sales, 2);
    older.sales = later.clone();
    older.greet().await;
    for round in 1..=3 {
        sell(&mut newer.sales, [210 + round]);
        let sales = newer.sales.clone();
        newer.send(&sales, 3 + round, 3 + round).await;
        newer.acked(&sales, 3 + round).await;
        sell(&mut older.sales, [110 + round]);
        let sales = older.sales.clone();
        older.send(&sales, 1, sales.head().seq).await;
        older.acked(&sales, 1 + round).await;
        if round == 1 {
            assert_eq!(newer.answer().await, FromHub::Rehello { session: newer.session }, "it hears of the other life");
            newer.greet().await;
        }
    }
    assert_eq!((held(&hub, 1).await, held(&hub, 2).await), (6, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_told_when_a_copy_of_its_disk_begins_a_journal() {
    let hub = TestHub::start().await;
    let sales = sold(1);
    let mut original = Process::in_session(1, sales.clone(), hub.door(11)).await;
    original.send(&sales, 1, 1).await;
    original.acked(&sales, 1).await;
    let mut copied = sales_of_life(2);
    sell(&mut copied, [201]);
    let mut copy = Process::in_session(2, copied.clone(), hub.door(11)).await;
    copy.send(&copied, 1, 1).await;
    copy.acked(&copied, 1).await;
    assert_eq!(original.answer().await, FromHub::Rehello { session: original.session });
    let welcome = original.greet().await;
    assert!(welcome.positions.contains(&place(&copied, 1)), "{:?}", welcome.positions);

    // What follows comes by itself; nobody greets for every sale.
    sell(&mut copied, [202]);
    copy.send(&copied, 2, 2).await;
    copy.acked(&copied, 2).await;
    sell(&mut original.sales, [102]);
    let sales = original.sales.clone();
    original.send(&sales, 2, 2).await;
    original.acked(&sales, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_or_doubled_greeting_changes_nothing() {
    let hub = TestHub::start().await;
    let sales = sold(3);
    let mut process = Process::start(1, image(&sales, 1), hub.door(11)).await;
    let early = process.next_hello(None);
    process.sales = sales.clone();
    process.greet().await;
    process.send(&sales, 1, 2).await;
    process.acked(&sales, 2).await;
    // With its head of then it would be a fork now.
    process.say(&FromNode::Hello(early)).await;
    let number = process.number;
    process.number -= 1;
    let doubled = process.next_hello(None);
    assert_eq!(doubled.number, Some(number));
    process.say(&FromNode::Hello(doubled)).await;
    process.send(&sales, 3, 3).await;
    process.acked(&sales, 3).await;
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["forked_at_seq"], serde_json::json!(null));

    // A greeting of an earlier process, long under way, takes nothing from the one that has followed.
    let mut next = Process::in_session(2, sales.clone(), hub.door(11)).await;
    assert_eq!(process.introduce(None).await.verdict, Verdict::Fenced);
    next.send(&sales, 3, 3).await;
    next.acked(&sales, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_number_its_greetings_is_not_fenced() {
    let hub = TestHub::start().await;
    let sales = sold(1);
    let mut older = Process::in_session(1, sales.clone(), hub.door(11)).await;
    let _newer = Process::in_session(2, sales.clone(), hub.door(11)).await;
    let mut hello = older.next_hello(None);
    hello.number = None;
    older.say(&FromNode::Hello(hello)).await;
    let session = older.unnumbered_session().await;
    older.session = session;
    older.send(&sales, 1, 1).await;
    older.acked(&sales, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_life_had_not_sent_is_taken_in_the_present_session() {
    let hub = TestHub::start().await;
    let earlier = sold(4);
    let mut process = Process::in_session(1, earlier.clone(), hub.door(11)).await;
    process.send(&earlier, 1, 2).await;
    process.acked(&earlier, 2).await;

    let mut moved = Process::in_session(2, sales_of_life(2), hub.door(11)).await;
    moved.send(&earlier, 3, 4).await;
    moved.acked(&earlier, 4).await;
    assert_eq!(held(&hub, 1).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_contradicts_closes_the_session_and_writes_nothing() {
    let hub = TestHub::start().await;
    let sales = sold(3);
    let mut process = Process::in_session(1, sales.clone(), hub.door(11)).await;
    process.send(&sales, 1, 3).await;
    process.acked(&sales, 3).await;

    let mut other = image(&sales, 2);
    sell(&mut other, 101..=102);
    process.send(&other, 3, 4).await;
    assert_eq!(process.answer().await, FromHub::Rehello { session: process.session });
    process.send(&sales, 1, 3).await;
    assert_eq!(process.answer().await, FromHub::Rehello { session: process.session }, "it stays closed");
    assert_eq!(held(&hub, 1).await, 3);
    process.sales = other;
    assert_eq!(process.introduce(None).await.verdict, Verdict::Welcome, "it is ahead: it compares by itself");
    let marks = vec![place(&process.sales, 3), place(&process.sales, 2)];
    let answer = process.introduce(Some(marks)).await;
    assert_eq!(answer.verdict, Verdict::Forked { stream: 1 });
    assert!(answer.agreed.unwrap().contains(&place(&sales, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_an_earlier_life_that_contradicts_is_contested_and_the_session_goes_on() {
    let hub = TestHub::start().await;
    let earlier = sold(3);
    let mut process = Process::in_session(1, earlier.clone(), hub.door(11)).await;
    process.send(&earlier, 1, 3).await;
    process.acked(&earlier, 3).await;

    let mut later = sales_of_life(2);
    sell(&mut later, [301]);
    let mut moved = Process::in_session(2, later.clone(), hub.door(11)).await;
    let mut other = image(&earlier, 2);
    sell(&mut other, [101]);
    moved.send(&other, 3, 3).await;
    let contested = FromHub::Contested { position: place(&earlier, 3), session: moved.session };
    assert_eq!(moved.answer().await, contested);
    moved.send(&later, 1, 1).await;
    moved.acked(&later, 1).await;

    let welcome = moved.introduce(Some(vec![place(&other, 3), place(&other, 2), place(&other, 1)])).await;
    assert_eq!(welcome.verdict, Verdict::Welcome);
    assert_eq!(welcome.agreed, Some(vec![place(&earlier, 2)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_has_vouched_for_is_kept() {
    let mut hub = TestHub::start().await;
    let sales = sold(3);
    let process = Process::in_session(1, sales.clone(), hub.door(11)).await;
    drop(process);
    hub.stop().await;
    let data_dir = hub.data_dir().to_owned();
    let kept = percolate_runtime::tasks::blocking(move || {
        let journal = journal_at(&data_dir);
        let kept = journal.db().read(|tx| {
            let said = "SELECT seq, hash, signature FROM signed_head WHERE seq > 0";
            tx.query_list(said, &[], |row| Ok((row.take::<i64>()?, row.take::<Vec<u8>>()?, row.take::<Vec<u8>>()?)))
        });
        kept.unwrap_or_else(|error: StorageError| panic!("{error}"))
    })
    .await
    .unwrap();
    assert_eq!(kept.len(), 1);
    let (seq, hash, signature) = &kept[0];
    assert_eq!((*seq, hash.as_slice(), signature.len()), (3, &sales.head().hash.as_bytes()[..], 64));
}
