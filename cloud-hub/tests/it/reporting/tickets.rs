//! From a figure to the tickets behind it: every one of them, once, in order, whatever the size of the pages.

use serde_json::Value;

use super::sums::taken_and_folded;
use crate::support::desk::Desk;
use crate::support::trade::Trade;

/// All pages of a list, put together.
async fn listed(desk: &Desk, question: &str, limit: usize) -> Vec<Value> {
    let mut tickets = Vec::new();
    let mut after = String::new();
    loop {
        let page = desk.body(&format!("/v1/reporting/tickets?{question}&limit={limit}{after}")).await;
        let rows = page["tickets"].as_array().unwrap();
        assert!(rows.len() <= limit, "{} of {limit}", rows.len());
        tickets.extend(rows.iter().cloned());
        match page["next"].as_str() {
            Some(next) => {
                assert_eq!(rows.len(), limit, "only the last page is not full");
                after = format!("&after={next}");
            }
            None => return tickets,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tickets_behind_a_figure_add_up_to_it_however_they_are_paged() {
    let mut trade = Trade::new(10, 300);
    let desk = taken_and_folded(&mut trade).await;
    for store in [1, 2, 3] {
        let whole = listed(&desk, &format!("store={store}"), 1_000).await;
        for limit in [1, 7, whole.len()] {
            assert_eq!(listed(&desk, &format!("store={store}"), limit).await, whole, "pages of {limit}");
        }
        let at =
            |ticket: &Value| (ticket["business_day"].as_str().unwrap().to_owned(), ticket["at_ms"].as_i64().unwrap());
        assert!(whole.windows(2).all(|pair| at(&pair[0]) <= at(&pair[1])), "oldest first");
        let (_, totals) = trade.ledger.report(("store", Some(store), None));
        for (field, total) in totals.as_object().unwrap() {
            let sum: i64 = whole.iter().map(|ticket| ticket[field].as_i64().unwrap()).sum();
            assert_eq!(*total, sum, "store {store}: {field}");
        }

        let day = "2026-10-31";
        let of_day = listed(&desk, &format!("store={store}&day={day}"), 5).await;
        let expected: Vec<_> = whole.iter().filter(|ticket| ticket["business_day"] == day).cloned().collect();
        assert!(!expected.is_empty());
        assert_eq!(of_day, expected);
    }
    desk.leave().await;
}
