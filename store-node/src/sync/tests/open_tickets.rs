//! One open ticket's life, and a process that dies at each point of each commit of it.

use percolate_common::domain::pricing::cart::CartLine;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::open::VoidReason;
use percolate_common::domain::tickets::open::decide::CloseTicket;
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::ids::{ItemId, LineId, TicketId};
use percolate_common::money::Minor;
use percolate_runtime::sqlite::WriteTx;
use serde_json::Value;

use super::shop::{ON_THE_BOX, Shop, catalog, request};
use crate::app::error::AppError;
use crate::app::open_tickets::{
    self as tickets, ChangeOpen, CloseOpen, DivideOpen, MoveOpen, OpenNew, PayOpen, VoidOpen,
};
use crate::app::prints::Till;
use crate::app::tickets::{Answer, RequestKey};
use crate::app::{App, kitchen};
use crate::store::open_tickets::Label;
use crate::store::sales;

/// What two pieces come to with their tax, and what of it is paid before the end.
const TWO_MINOR: i64 = 653;
const PART_MINOR: i64 = 100;

fn cash(amount: i64) -> Tender {
    Tender { kind: TenderKind::Cash, amount: Minor::new(amount) }
}

fn espressos(quantity: u32) -> Vec<CartLine> {
    vec![CartLine::plain(ItemId::new(1), quantity)]
}

/// What is asked for, in this order; the first one opens the ticket.
const STEPS: [&str; 9] = ["open", "add", "send", "wrong", "void", "hold", "split", "part", "close"];

fn step(app: &App, tx: &WriteTx<'_>, id: Option<TicketId>, key: &RequestKey) -> Result<Answer, AppError> {
    let menu = &catalog();
    let terminal = || "T1".parse().unwrap();
    let line = |key: &str| vec![LineId::asked(app.author().number(), key, 0)];
    let Some(id) = id else {
        let class = TicketClass::Sale;
        let (label, notes) = (Label::default(), Vec::new());
        let new = OpenNew { terminal: terminal(), class, lines: espressos(1), terms: None, label, notes };
        return tickets::open(app, tx, menu, new, key, &ON_THE_BOX);
    };
    match key.text.as_str() {
        "add" | "wrong" => {
            let change = ChangeOpen { lines: espressos(2), terms: None, notes: Vec::new() };
            tickets::change(app, tx, menu, (id, change), key, &ON_THE_BOX)
        }
        "send" => tickets::send(app, tx, menu, (id, &[]), key, &ON_THE_BOX),
        "void" => {
            let void = VoidOpen { lines: line("wrong"), reason: VoidReason::Mistake };
            tickets::void(app, tx, menu, (id, void), key, &ON_THE_BOX)
        }
        "hold" => {
            let name = Some("Window".to_owned());
            let hold = MoveOpen { held: Some(true), terminal: None, staff: None, name, note: None };
            tickets::hand_over(app, tx, (id, hold), key, &ON_THE_BOX)
        }
        "split" => {
            let divide = DivideOpen { lines: line("open"), to: None };
            tickets::divide(app, tx, menu, (id, divide), key, &ON_THE_BOX)
        }
        "part" => {
            let amount = Minor::new(PART_MINOR);
            let part = PayOpen { terminal: terminal(), tender: cash(PART_MINOR), amount, tip: Minor::ZERO };
            tickets::pay(app, tx, menu, (id, part), key, &ON_THE_BOX)
        }
        _close => {
            let tenders = vec![cash(TWO_MINOR - PART_MINOR)];
            let command = CloseTicket { tenders, tip: Minor::ZERO, shown: Minor::new(TWO_MINOR) };
            let till = Till { name: terminal(), receipt: None };
            tickets::close(app, tx, menu, (id, CloseOpen { till, command }), key, &ON_THE_BOX)
        }
    }
}

fn asked(shop: &Shop, id: Option<TicketId>, key: &'static str) -> Result<Answer, AppError> {
    let app = shop.app.clone();
    shop.app.writer.run_blocking("step", move |tx| step(&app, tx, id, &request(key)))
}

fn ticket_id(answer: &Answer) -> TicketId {
    let shown: Value = serde_json::from_str(&answer.json).unwrap();
    shown["ticket_id"].as_str().unwrap().parse().unwrap()
}

/// A ticket's stage, the pieces of its lines, and how many payments it has.
type Ended = (String, Vec<u64>, usize);

/// What is there in the end, without what depends on when: stage, pieces and payments of each ticket, the pieces that are to be
/// prepared, and the cash of the day.
fn ended(shop: &Shop, id: TicketId) -> (Vec<Ended>, Vec<u64>, i64, i64) {
    let app = shop.app.clone();
    let whole = shop.app.writer.run_blocking("look", move |tx| {
        let (live, _) = tickets::list(&app, tx, &crate::store::open_tickets::Listed::default())?;
        let all = live.into_iter().chain([tickets::one(&app, tx, id, None)?]);
        let shown: Vec<Value> = all.map(|ticket| serde_json::to_value(ticket).unwrap()).collect();
        let day = app.calendar.business_day(app.stamp(tx)?.at);
        let cash = sales::tender_list(tx, day)?.into_iter().map(|(_, amount)| amount).sum();
        let kitchen = serde_json::to_value(kitchen::look(&app, tx, None)?).unwrap();
        Ok::<_, AppError>((shown, kitchen, cash, sales::day_sums(tx, day)?.tickets))
    });
    let (shown, kitchen, cash, sold) = whole.unwrap();
    let prep = kitchen["queue"].as_array().unwrap().iter().flat_map(|prep| prep["lines"].as_array().unwrap());
    let prep = prep.map(|line| line["quantity"].as_u64().unwrap()).collect();
    let parts = |ticket: &Value| {
        let lines = ticket["lines"].as_array().unwrap().iter();
        let pieces = lines.map(|line| line["quantity"].as_u64().unwrap()).collect();
        (ticket["state"].as_str().unwrap().to_owned(), pieces, ticket["payments"].as_array().unwrap().len())
    };
    (shown.iter().map(parts).collect(), prep, cash, sold)
}

/// Goes through the steps; says how far it came, and with which ticket, if it died.
fn go_through(shop: &Shop) -> Result<TicketId, (&'static str, Option<TicketId>)> {
    let mut id = None;
    for key in STEPS {
        match asked(shop, id, key) {
            Ok(answer) => id = id.or_else(|| Some(ticket_id(&answer))),
            Err(_died) => return Err((key, id)),
        }
    }
    Ok(id.unwrap())
}

#[test]
fn a_process_that_dies_at_any_commit_of_an_open_tickets_life_loses_nothing_and_does_nothing_twice() {
    let undisturbed = Shop::new(1);
    let id = go_through(&undisturbed).unwrap();
    let expected = ended(&undisturbed, id);
    let tickets = vec![("open".to_owned(), vec![1], 0), ("paid".to_owned(), vec![2], 1)];
    assert_eq!(
        expected,
        (tickets, vec![1, 2], TWO_MINOR, 1),
        "what was voided was not sent, and what went elsewhere was once"
    );
    let mut died_in = Vec::new();
    for point in 1.. {
        let shop = Shop::new(1);
        shop.die_at(point);
        let Err((key, _)) = go_through(&shop) else { break };
        died_in.push(key);
        // Whoever had no answer asks again, and so does a till that sends its whole queue.
        let shop = shop.again(2);
        let id = go_through(&shop).unwrap();
        assert_eq!(ended(&shop, id), expected, "died at point {point}, in {key}");
        let again = shop.again(3);
        assert_eq!(ended(&again, go_through(&again).unwrap()), expected, "and all of it once more");
    }
    let points = died_in.len();
    died_in.dedup();
    assert_eq!(died_in, STEPS, "each step has a commit");
    assert!(points >= 2 * STEPS.len(), "each commit has a moment before it and one after it: {points}");
}
