//! Every ticket again, at head office.

use anyhow::{Result, ensure};
use serde_json::json;
use system_tests::books::{list, number, text};

use crate::chain::Day;

/// Head office has computed every ticket of the day again, by its lines and beside the menu that it names: nothing differs.
pub(crate) async fn every_ticket_comes_to_what_it_says(day: &mut Day) -> Result<String> {
    let office = &day.hub.client;
    let books = office.get("/v1/reporting/differences").await?;
    ensure!(number(&books, "/differences")? == 0 && list(&books, "/rows")?.is_empty(), "{books}");
    ensure!(number(&books, "/waiting_tickets")? == 0, "tickets wait for their menu: {books}");
    // The day's clock runs so fast that an answer which is a moment late looks like a clock that is wrong: such are listed.
    let clocks = list(&books, "/clocks")?.len();
    let shop = day.shops.first().map_or(1, |shop| shop.number());
    let first = office.get(&format!("/v1/reporting/tickets?store={shop}&limit=1")).await?;
    let id = text(&first, "/tickets/0/ticket_id")?;
    let reason = json!({"reason": "nothing to settle"});
    let settled = office.try_post(&format!("/v1/reporting/differences/{id}/settlements"), "settle", &reason).await?;
    ensure!((settled.status, settled.code().as_str()) == (404, "difference_unknown"), "{settled:?}");
    let sold: i64 =
        day.shops.iter().map(|shop| shop.books().by_day.values().map(|sums| sums.tickets).sum::<i64>()).sum();
    Ok(format!("{sold} tickets, no difference; {clocks} clocks of shops were in doubt"))
}
