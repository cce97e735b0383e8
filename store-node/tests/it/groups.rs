//! Sales at the same time share commits, and a refusal among them harms no neighbour.

use tokio::task::JoinSet;

use crate::support::eventually;
use crate::support::menu::ESPRESSO;
use crate::support::node::{TestNode, practice, ticket};
use crate::support::program::{Program, metric, open_database};

/// More than twice what one commit takes, so that some must wait whatever the first one has taken.
const REQUESTS: u64 = 600;
/// New connections at one time; a system keeps 128 for a server that is busy, and drops the rest.
const BURST: u64 = 50;
/// Commands that one commit takes at most.
const GROUP_COMMANDS_MAX: u64 = percolate_runtime::writer::GROUP_COMMANDS_MAX as u64;

const COMMITS: &str = "storage_commits_total{database=\"node\"}";
const WAITING: &str = "storage_queue_commands{database=\"node\"}";

/// A process of its own: its metrics are nobody else's.
#[tokio::test]
async fn sales_at_the_same_time_share_commits_and_a_refusal_harms_no_neighbour() {
    let (node, mut hub) = TestNode::prepare_with_hub().await;
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    let before = metric(&till, COMMITS).await;

    // Somebody holds the database, so that what is asked for meanwhile has to wait.
    let mut database = open_database(&node.database());
    let held = database.group().unwrap();
    let mut requests = JoinSet::new();
    for number in 0..REQUESTS {
        let item = if number % 10 == 3 { 999 } else { ESPRESSO };
        let body = ticket(&format!("T{}", number % 4), &[(item, 1)]);
        let body = if number % 10 == 7 { practice(body) } else { body };
        let asked = till.begin_sale(&format!("sale-{number}"), &body).await;
        requests.spawn(async move { (number, asked.answer().await) });
        if number % BURST == 0 {
            // Connections are taken in their order: this one's answer says that all before it were taken.
            assert_eq!(till.ask_openly("/livez").await.status, 200);
        }
    }
    let waiting = eventually("requests to wait", || async {
        Some(metric(&till, WAITING).await).filter(|waiting| *waiting >= REQUESTS - GROUP_COMMANDS_MAX)
    })
    .await;
    drop(held);

    for (number, answer) in requests.join_all().await {
        if number % 10 == 3 {
            assert_eq!(answer.refusal(), (422, "unknown_item".to_owned()), "{number}");
        } else {
            assert_eq!(answer.status, 201, "{number}: {answer:?}");
        }
    }
    // What waited was done in as few commits as it fits into; even if all others had come one by one, that shows.
    let commits = metric(&till, COMMITS).await - before;
    let most = waiting.div_ceil(GROUP_COMMANDS_MAX) + REQUESTS - waiting;
    assert!((1..=most).contains(&commits), "{commits} commits, with {waiting} requests waiting");
    assert!(commits < REQUESTS * 9 / 10, "{commits} commits for as many tickets");
    let books = node.books();
    books.check();
    assert_eq!(books.receipts().len() as u64, REQUESTS * 9 / 10);
    books.check_served(&till).await;
}
