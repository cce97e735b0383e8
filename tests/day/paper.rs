//! Paper: some shops have a printer, and what lies in its tray is what was sold.

use anyhow::{Context as _, Result, ensure};
use own_printer::{Manner, Printer};
use serde_json::json;
use system_tests::books::{list, number, text};
use system_tests::harness::eventually;

use crate::chain::{CUT_OFF, Day, KILLED, Shop, WATCHED};

/// The till that wants copies.
const TILL: &str = "T1";

/// The printer of a shop, if it has one: whoever is cut off prints on, and so does whoever is killed.
pub(crate) fn printer_of(shop: u32) -> Result<Option<Printer>> {
    let manner = match shop {
        WATCHED | KILLED => Manner::Prints,
        CUT_OFF => Manner::Simple,
        _without => return Ok(None),
    };
    Ok(Some(Printer::start(manner)?))
}

/// That every ticket has its paper, and only one that says nothing else. Tells how many papers there are.
async fn each_has_its_paper(shop: &Shop, printer: &Printer) -> Result<usize> {
    let client = &shop.node.client;
    eventually("everything to be printed", || async {
        let waiting = list(&client.get("/v1/prints").await?, "/rows")?;
        ensure!(waiting.is_empty(), "{} wait, as {:?}", waiting.len(), waiting.first());
        Ok(())
    })
    .await?;
    let (books, papers) = (shop.books(), printer.papers());
    for slip in books.tickets.values().chain(books.practice.values()) {
        let line = format!(" {}\n", slip.receipt.as_deref().context("a receipt")?);
        let of_it = || papers.iter().filter(|paper| paper.contains(&line) && !paper.contains("REFUND\n"));
        let plain = of_it().filter(|paper| !paper.contains("POSSIBLE DUPLICATE\n")).count();
        ensure!(of_it().count() > 0 && plain <= 1, "shop {}, {line}: {papers:#?}", shop.number());
    }
    Ok(papers.len())
}

/// Every ticket of the shops with a printer was printed; what is wanted again says that it is a copy.
pub(crate) async fn every_ticket_has_its_paper(day: &mut Day) -> Result<String> {
    let (mut papers, body) = (0, json!({"terminal": TILL}));
    for shop in &day.shops {
        let (client, books) = (&shop.node.client, shop.books());
        let (ticket, _slip) = books.tickets.first_key_value().context("a ticket")?;
        let Some(printer) = &shop.printer else {
            let refused = client.try_post(&format!("/v1/tickets/{ticket}/prints"), "copy", &body).await?;
            ensure!((refused.status, refused.code().as_str()) == (409, "printer_missing"), "{refused:?}");
            continue;
        };
        papers += each_has_its_paper(shop, printer).await?;
        let copy = client.post(&format!("/v1/tickets/{ticket}/prints"), "copy", &body).await?;
        let again = client.post(&format!("/v1/tickets/{ticket}/prints"), "copy", &body).await?;
        let print = number(&copy, "/print")?;
        ensure!(copy == again && number(&copy, "/copy")? == 1, "{copy}, then {again}");
        eventually("a copy", || async {
            let printed = list(&client.get("/v1/prints?state=printed").await?, "/rows")?;
            let is_there = printed.iter().any(|job| number(job, "/print").is_ok_and(|it| it == print));
            ensure!(is_there, "{print} is not among {}", printed.len());
            Ok(())
        })
        .await?;
        let copies = printer.papers().iter().filter(|paper| paper.contains("COPY 1\n")).count();
        ensure!(copies == 1, "{copies} copies");
        let retried = client.try_post(&format!("/v1/prints/{print}/retry"), "retry", &json!({})).await?;
        let ended = client.try_post(&format!("/v1/prints/{print}/cancel"), "cancel", &json!({})).await?;
        ensure!([retried.code(), ended.code()] == ["print_over", "print_over"], "{retried:?} {ended:?}");
    }
    Ok(format!("{papers} papers, and a copy at each printer"))
}

/// What was given back and what was closed is printed once more, where there is a printer, and says that it is a copy.
pub(crate) async fn refunds_and_readings_are_printed_again(day: &mut Day) -> Result<String> {
    let (mut copies, body) = (0, json!({"terminal": TILL}));
    for shop in &day.shops {
        let client = &shop.node.client;
        let mut refunds = Vec::new();
        for ticket in shop.books().practice.keys() {
            let said = client.get(&format!("/v1/tickets/{ticket}")).await?;
            refunds.extend(list(&said, "/refundable/refunds")?.iter().map(|refund| text(refund, "/refund_id")));
        }
        let refund = refunds.into_iter().next().transpose()?;
        let number_of = text(shop.closing.as_ref().context("a close")?, "/number")?;
        let mut said = vec![client.try_post(&format!("/v1/readings/{number_of}/prints"), "reading-copy", &body).await?];
        if let Some(refund) = refund {
            said.push(client.try_post(&format!("/v1/refunds/{refund}/prints"), "refund-copy", &body).await?);
        }
        for answer in said {
            if shop.printer.is_none() {
                ensure!((answer.status, answer.code().as_str()) == (409, "printer_missing"), "{answer:?}");
                continue;
            }
            ensure!(answer.status == 201 && number(&answer.json()?, "/copy")? == 1, "{answer:?}");
            copies += 1;
        }
    }
    ensure!(copies > 0, "no shop has printed a copy");
    Ok(format!("{copies} copies of refunds and readings"))
}
