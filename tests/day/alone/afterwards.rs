//! Head office is there again: what it adds up is what the closing reading says.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use system_tests::audit::proven;
use system_tests::books::{complete, list, number, text};
use system_tests::harness::eventually;

use super::shop::{Alone, BARISTA};

/// What somebody types where it does not belong.
const PLANTED: &str = "ask 4111 1111 1111 1111";

type Rows = BTreeMap<String, Vec<i64>>;

/// The rows of a list, by what `key` makes of each, with these figures.
fn rows(said: &Value, at: &str, key: impl Fn(&Value) -> Result<String>, figures: &[&str]) -> Result<Rows> {
    let row = |row: &Value| {
        let figures = figures.iter().map(|figure| number(row, figure)).collect::<Result<Vec<_>>>()?;
        Ok((key(row)?, figures))
    };
    let all: Rows = list(said, at)?.iter().map(row).collect::<Result<_>>()?;
    // What came and went again is a row here and none there.
    Ok(all.into_iter().filter(|(_, figures)| figures.iter().any(|figure| *figure != 0)).collect())
}

/// Head office gets everything, and its own sums by means of payment, tax class, hour and person are those of the closing reading: no row
/// is missing on either side, and none differs by a cent. Computed again, no ticket differs.
pub(crate) async fn head_office_comes_to_the_same(shop: &mut Alone) -> Result<String> {
    shop.hub.restart().await?;
    complete(&shop.hub, &shop.node).await?;
    let (office, closing) = (&shop.hub.client, &shop.closing);
    let mut compared = 0;
    let by_number = |field: &'static str, prefix: &'static str| {
        move |row: &Value| Ok(format!("{prefix}{}", row.pointer(field).context("a key")?))
    };
    let by_text = |field: &'static str| move |row: &Value| text(row, field);
    let ours: [(&str, Rows, &[&str]); 4] = [
        ("tender", rows(closing, "/sums/tenders", by_text("/kind"), &["/amount_minor"])?, &["/total_minor"]),
        (
            "tax",
            rows(closing, "/sums/taxes", by_number("/tax_class", "t:"), &["/base_minor", "/tax_minor"])?,
            &["/net_minor", "/tax_minor"],
        ),
        (
            "hour",
            rows(closing, "/sums/hours", by_number("/hour", ""), &["/tickets", "/gross_minor"])?,
            &["/tickets", "/total_minor"],
        ),
        (
            "person",
            rows(closing, "/sums/people", by_number("/staff", "p:"), &["/tickets", "/gross_minor"])?,
            &["/tickets", "/total_minor"],
        ),
    ];
    for (by, ours, figures) in ours {
        let report = office.get(&format!("/v1/reporting/sales?by={by}&store=1")).await?;
        let theirs = rows(&report, "/rows", by_text("/key"), figures)?;
        ensure!(!ours.is_empty() && ours == theirs, "by {by} the shop says {ours:?}, and head office {theirs:?}");
        compared += ours.len();
    }
    let closings = list(&office.get("/v1/reporting/closings?store=1").await?, "/rows")?;
    let [row] = closings.as_slice() else { anyhow::bail!("{closings:?}") };
    ensure!(row.pointer("/agrees") == Some(&Value::Bool(true)), "{row}");
    let difference = number(closing, "/sums/difference_minor")?;
    ensure!(number(row, "/difference_minor")? == difference, "{row}");
    let books = office.get("/v1/reporting/differences?store=1").await?;
    ensure!(number(&books, "/differences")? == 0 && number(&books, "/waiting_tickets")? == 0, "{books}");
    Ok(format!(
        "{compared} rows by tender, tax class, hour and person, the same to the cent both ways; no ticket differs"
    ))
}

/// The card terminal has a line again: what was taken on trust becomes money, at the shop and at head office.
pub(crate) async fn what_was_on_trust_is_money(shop: &mut Alone) -> Result<String> {
    let stored = shop.books.tenders.get("card_stored").copied().context("a card on trust")?;
    let before = shop.books.tenders.get("card").copied().unwrap_or(0);
    shop.card_terminal("approve")?;
    let office = &shop.hub.client;
    eventually("a card on trust to become money", || async {
        let report = office.get("/v1/reporting/sales?by=tender&store=1").await?;
        let said = rows(&report, "/rows", |row| text(row, "/key"), &["/total_minor"])?;
        ensure!(said.get("card") == Some(&vec![before + stored]) && !said.contains_key("card_stored"), "{said:?}");
        Ok(())
    })
    .await?;
    proven(&shop.hub, std::slice::from_ref(&shop.node)).await?;
    Ok(format!("{stored} cents; audit proven"))
}

/// Whatever somebody typed a card's number into was refused, and no file of the shop or of head office has it.
pub(crate) async fn no_card_number_stands_anywhere(shop: &mut Alone) -> Result<String> {
    let sold = list(&shop.till.get("/v1/tickets?limit=1").await?, "/tickets")?;
    let ticket = text(sold.first().context("a ticket")?, "/ticket_id")?;
    let tender = json!({"kind": "card_external", "amount_minor": 5, "reference": PLANTED});
    let planted = [
        (format!("/v1/tickets/{ticket}/refunds"), json!({"terminal": "T1", "reason": "other", "tenders": [tender]})),
        ("/v1/open-tickets".to_owned(), json!({"terminal": "T1", "name": PLANTED})),
        ("/v1/sign-ins".to_owned(), json!({"badge": PLANTED})),
        ("/v1/drawers".to_owned(), json!({"terminal": PLANTED, "float_minor": 5})),
        ("/v1/approvals".to_owned(), json!({"staff": 7, "pin": "1", "act": PLANTED, "reason": PLANTED})),
        (format!("/v1/drawers/{}/movements", shop.drawer), json!({"kind": PLANTED, "reason": "bank"})),
    ];
    for (path, body) in &planted {
        let refused = shop.asked(BARISTA, path, body, &[]).await?;
        ensure!((refused.status, refused.code().as_str()) == (422, "card_number_refused"), "{path}: {refused:?}");
        ensure!(!refused.text.contains("4111"), "{}", refused.text);
    }
    let import = json!({"source": PLANTED, "baskets": []});
    let refused = shop.node.client.try_post("/v1/imports/baskets", "planted", &import).await?;
    ensure!(refused.code() == "card_number_refused", "{refused:?}");
    shop.node.stop().await?;
    shop.hub.stop().await?;
    let mut searched = 0;
    for folder in [shop.node.data(), shop.hub.data()] {
        searched += has_none(folder)?;
    }
    Ok(format!("{} places refused, {searched} files searched", planted.len() + 1))
}

/// That no file below a folder has the digits; tells how many there are.
fn has_none(folder: &Path) -> Result<usize> {
    let mut searched = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            searched += has_none(&path)?;
        } else if path.is_file() {
            let bytes = std::fs::read(&path)?;
            for digits in [b"4111 1111".as_slice(), b"4111111111111111"] {
                ensure!(!bytes.windows(digits.len()).any(|window| window == digits), "{} has it", path.display());
            }
            searched += 1;
        }
    }
    Ok(searched)
}
