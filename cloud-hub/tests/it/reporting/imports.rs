//! Past sales of another system: each row counts once, however often, in whatever portions and from whichever life of a
//! node it comes.

use percolate_common::domain::event::Event;
use percolate_common::ids::{StoreId, TicketId};
use percolate_common::journal::StreamKind;
use serde_json::{Value, json};

use super::sums::{DIMENSIONS, moment, query};
use crate::support::desk::Desk;
use crate::support::ledger::Ledger;
use crate::support::life::{LegacyRow, Life, amended, imported};

/// An espresso twice, so that the basket has one item on two rows; then a product whose number is a category's name.
const ROWS: [LegacyRow; 4] = [
    (1, ("32", "Espresso", "Coffee"), 2, 300),
    (2, ("45", "Croissant", "Bakery"), 1, 350),
    (3, ("32", "Espresso", "Coffee"), 1, 300),
    (4, ("Coffee", "Beans", "Bakery"), 1, 1_800),
];

fn basket() -> TicketId {
    TicketId::imported("past", StoreId::new(1), "1")
}

/// A life that tells of the basket in these portions: whole tickets or amendments.
fn life(node: u32, incarnation: u64, portions: &[(bool, &[LegacyRow])]) -> Life {
    let mut life = Life::new(node, incarnation);
    for (first, rows) in portions {
        let event: Event = if *first { imported(basket(), rows) } else { amended(basket(), rows) };
        life.write(&moment(1_795_435_200_000, 7), &event, &[]);
    }
    life
}

async fn take(desk: &Desk, life: &Life) {
    desk.take(life.batch(StreamKind::Sales, (1, life.journal(StreamKind::Sales).head().seq), 1, 0)).await;
    desk.fold().await;
}

async fn assert_counted_once(desk: &Desk) {
    let mut ledger = Ledger::default();
    ledger.imported(1, basket(), &moment(1_795_435_200_000, 7), &ROWS);
    for by in DIMENSIONS {
        let report = desk.body(&query((by, None, None))).await;
        let (rows, totals) = ledger.report((by, None, None));
        if by != "category" {
            assert_eq!(report["rows"], Value::Array(rows), "{by}");
        }
        assert_eq!(report["totals"], totals, "{by}");
    }
    let listed = desk.body("/v1/reporting/tickets?store=1").await;
    let tickets = listed["tickets"].as_array().unwrap();
    assert_eq!(tickets.len(), 1, "{listed}");
    assert_eq!((&tickets[0]["lines"], &tickets[0]["total_minor"]), (&json!(4), &json!(3_050)), "{listed}");
    assert_eq!((&tickets[0]["receipt"], &tickets[0]["tax_unknown_tickets"]), (&json!(null), &json!(1)), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_counts_once_in_whatever_portions_and_from_whichever_life_it_comes() {
    let lives = [
        // In portions, one of them twice, and two that overlap.
        life(11, 1, &[(true, &ROWS[..2]), (false, &ROWS[2..3]), (false, &ROWS[2..3]), (false, &ROWS[1..])]),
        // The same box with a new database, from the whole file.
        life(11, 2, &[(true, &ROWS)]),
        // The other box of the store, which hears of the basket by its later rows first.
        life(12, 3, &[(false, &ROWS[3..]), (true, &ROWS[..3])]),
    ];
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [2, 0, 1]] {
        let desk = Desk::new().await;
        for at in order {
            take(&desk, &lives[at]).await;
        }
        assert_counted_once(&desk).await;
        desk.leave().await;
    }
    // Any one of them is enough.
    for life in &lives {
        let desk = Desk::new().await;
        take(&desk, life).await;
        assert_counted_once(&desk).await;
        desk.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_no_database_keeps_as_they_are_count_the_same_however_they_are_cut() {
    let odd = ("3\0", "Es\0presso", "Cof\0fee");
    let rows: [LegacyRow; 2] = [(1, odd, 1, 300), (2, odd, 2, 300)];
    let mut reports = Vec::new();
    for portions in [&[(true, &rows[..])][..], &[(true, &rows[..1]), (false, &rows[1..])]] {
        let desk = Desk::new().await;
        take(&desk, &life(11, 1, portions)).await;
        reports.push(desk.body(&query(("item", None, None))).await["rows"].clone());
        desk.leave().await;
    }
    assert_eq!((&reports[0][0]["tickets"], &reports[0][0]["lines"]), (&json!(1), &json!(2)), "{reports:?}");
    assert_eq!(reports[0], reports[1]);
}
