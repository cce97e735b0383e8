//! After any mix of commands, refusals, repetitions, steps of the clock and restarts, the books hold together.

use std::collections::BTreeMap;

use percolate_common::entropy::{Entropy, SeededEntropy};
use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::menu::{BAG, BEANS, CUPS, ESPRESSO, LATTE, MILK};
use crate::support::node::{TestNode, Till, basket, practice, ticket};

const COMMANDS: u64 = 120;

/// A shop's day by dice that repeat.
struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn one_of<T: Copy>(&self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// The body of a ticket; about one in eight is refused.
    fn ticket(&self) -> Value {
        let quantity = || u32::try_from(self.below(9)).unwrap();
        let items = [ESPRESSO, LATTE, BAG];
        let lines: Vec<_> = (0..=self.below(4)).map(|_| (self.one_of(&items), 1 + quantity())).collect();
        let mut body = ticket(self.one_of(&["T1", "T2", "BAR"]), &lines);
        match self.below(16) {
            0 => body["lines"][0]["item"] = json!(999),
            1 => body["tenders"][0]["amount_minor"] = json!(1),
            2..=6 => body = practice(body),
            7..=10 => {
                body["tenders"] = json!([{"kind": "card_external", "amount_minor": 100 + self.below(200)},
                                         {"kind": "cash", "amount_minor": 500_000}]);
            }
            _ => {}
        }
        body
    }

    fn movement(&self) -> Value {
        let reason = self.one_of(&["received", "wasted", "adjusted"]);
        let sign = if reason == "adjusted" { self.one_of(&[1, -1]) } else { 1 };
        let much = |base: i64| sign * (base + i64::try_from(self.below(1_000)).unwrap());
        let items = [(BEANS, 100_000), (CUPS, 1), (MILK, 0)];
        let lines: Vec<_> = items.map(|(item, base)| json!({"stock_item": item, "quantity": much(base)})).to_vec();
        json!({"reason": reason, "lines": lines})
    }

    /// Baskets whose rows come again and again, sometimes with other content, sometimes at a time that never was.
    fn import(&self) -> Value {
        let row = self.below(12).to_string();
        let time = self.one_of(&["07:00:00", "07:00:00", "12:30:05", "02:30:00"]);
        let date = self.one_of(&["2026-11-20", "2026-11-23", "2026-03-08"]);
        let rows = [(row.as_str(), 1 + u32::try_from(self.below(2)).unwrap(), 310)];
        json!({"source": "old till", "baskets": [basket(date, time, &rows)]})
    }

    /// Something about a drawer or a reading, at whatever terminal.
    async fn cash(&self, till: &Till, key: &str) -> Answer {
        let open = till.get("/v1/readings/current").await["open_drawers"].as_array().unwrap().clone();
        let much = i64::try_from(self.below(9_000)).unwrap();
        let Some(drawer) = open.first().filter(|_| self.below(4) > 0) else {
            let body = json!({"terminal": self.one_of(&["T1", "T2"]), "float_minor": much});
            return till.post("/v1/drawers", key, &body).await;
        };
        let path = format!("/v1/drawers/{}", drawer["drawer"].as_str().unwrap());
        match self.below(4) {
            0 => till.post(&format!("{path}/close"), key, &json!({"counted_minor": much})).await,
            1 => till.post("/v1/readings", key, &json!({})).await,
            _ => {
                let kind = self.one_of(&["pay_in", "pay_out", "drop", "no_sale"]);
                let body = json!({"kind": kind, "amount_minor": much, "reason": "bank"});
                till.post(&format!("{path}/movements"), key, &body).await
            }
        }
    }

    /// Something about an open ticket, if there is one: it is opened, grows, is divided, is paid.
    async fn open_ticket(&self, till: &Till, key: &str) -> Answer {
        let open = till.get("/v1/open-tickets").await["rows"].as_array().unwrap().clone();
        let line = json!({"item": self.one_of(&[ESPRESSO, LATTE]), "quantity": 1 + self.below(3)});
        let Some(ticket) = open.first().filter(|_| self.below(5) > 0) else {
            let body = json!({"terminal": self.one_of(&["T1", "T2"]), "lines": [line], "training": self.below(4) == 0});
            return till.post("/v1/open-tickets", key, &body).await;
        };
        let path = format!("/v1/open-tickets/{}", ticket["ticket_id"].as_str().unwrap());
        let total = &ticket["amounts"]["total_minor"];
        match self.below(5) {
            0 => till.post(&format!("{path}/lines"), key, &json!({"lines": [line]})).await,
            1 => till.post(&format!("{path}/divisions"), key, &json!({"lines": [ticket["lines"][0]["line_id"]]})).await,
            2 => till.post(&format!("{path}/moves"), key, &json!({"held": self.below(2) == 0})).await,
            _ => {
                let tender = json!({"kind": "cash", "amount_minor": 1_000_000});
                let terminal = self.one_of(&["T1", "T2"]);
                let body = json!({"terminal": terminal, "expected_total_minor": total, "tenders": [tender]});
                till.post(&format!("{path}/close"), key, &body).await
            }
        }
    }

    async fn command(&self, till: &Till, key: &str) -> Answer {
        match self.below(10) {
            7 => self.open_ticket(till, key).await,
            8 | 9 => self.cash(till, key).await,
            0 => till.post("/v1/stock/movements", key, &self.movement()).await,
            1 => till.post("/v1/imports/baskets", key, &self.import()).await,
            _ => till.sell(key, &self.ticket()).await,
        }
    }
}

/// Everything that was sold is in one reading, or in what has happened since: together they are the running sums of the days.
/// What was brought in from another system is in none.
async fn readings_are_the_days(till: &Till, seed: u64) {
    let mut readings = till.get("/v1/readings").await["rows"].as_array().unwrap().clone();
    assert!(!readings.is_empty(), "seed {seed}");
    // X has all cash once every drawer is counted.
    for open in till.get("/v1/readings/current").await["open_drawers"].as_array().unwrap() {
        let drawer = open["drawer"].as_str().unwrap();
        let path = format!("/v1/drawers/{drawer}/close");
        till.post(&path, &format!("last-{drawer}"), &json!({"counted_minor": 0})).await.ok();
    }
    readings.push(till.get("/v1/readings/current").await);
    let mut read: BTreeMap<String, i64> = BTreeMap::new();
    let add = |into: &mut BTreeMap<String, i64>, key: &str, value: &Value| {
        *into.entry(key.to_owned()).or_default() += value.as_i64().unwrap();
    };
    for sums in readings.iter().map(|reading| &reading["sums"]) {
        add(&mut read, "tickets", &sums["tickets"]);
        add(&mut read, "tax", &sums["tax_minor"]);
        for (list, field) in [("taxes", "tax_minor"), ("hours", "gross_minor"), ("tenders", "amount_minor")] {
            for row in sums[list].as_array().unwrap() {
                add(&mut read, list, &row[field]);
            }
        }
        for row in sums["tenders"].as_array().unwrap() {
            add(&mut read, row["kind"].as_str().unwrap(), &row["amount_minor"]);
        }
        add(&mut read, "gross", &sums["gross_minor"]);
    }
    let mut kept: BTreeMap<String, i64> = BTreeMap::new();
    let mut day: percolate_common::time::BusinessDay = "2026-11-15".parse().unwrap();
    for _day in 0..30 {
        let book = till.get(&format!("/v1/business-days/{day}")).await;
        add(
            &mut kept,
            "tickets",
            &json!(book["tickets"].as_i64().unwrap() - book["tax_unknown_tickets"].as_i64().unwrap()),
        );
        for list in ["tax", "taxes"] {
            add(&mut kept, list, &book["tax_minor"]);
        }
        for row in book["tenders"].as_array().unwrap() {
            for key in [row["kind"].as_str().unwrap(), "tenders", "gross", "hours"] {
                add(&mut kept, key, &row["amount_minor"]);
            }
        }
        day = percolate_common::time::BusinessDay::from_days(day.days() + 1);
    }
    assert_eq!(read, kept, "seed {seed}");
    for drawer in till.get("/v1/audit").await["drawers"].as_array().unwrap() {
        assert_eq!(drawer["kept_minor"], drawer["folded_minor"], "seed {seed}");
    }
}

async fn a_day_of(seed: u64) {
    let dice = Dice(SeededEntropy::new(seed));
    let (mut node, _hub) = TestNode::selling().await;
    let mut till = node.till();
    let (mut done, mut refused) = (0, 0);
    for number in 0..COMMANDS {
        // One key in ten was used before; with another body it is refused.
        let key = if dice.below(10) == 0 { number / 2 } else { number };
        let answer = dice.command(&till, &format!("command-{key}")).await;
        match answer.status {
            200 | 201 => done += 1,
            400..=499 => refused += 1,
            other => panic!("seed {seed}, command {number}: {other} {}", answer.text),
        }
        match dice.below(20) {
            0 => node.clock.step(-3_600_000),
            1 => node.clock.step(4 * 3_600_000),
            2 => {
                node.restart().await;
                till = node.till();
            }
            _ => node.clock.step(17_000),
        }
    }
    assert!(done > 60 && refused > 5, "seed {seed}: {done} were done, {refused} were refused");
    let books = node.books();
    books.check_served(&till).await;
    readings_are_the_days(&till, seed).await;
    assert!(books.sold().len() > 30, "seed {seed}");
    node.stop().await;
}

#[tokio::test]
async fn the_journal_is_whole_and_every_total_is_its_fold_after_any_mix_of_commands() {
    for seed in 1..=4 {
        a_day_of(seed).await;
    }
}

#[tokio::test]
async fn lines_of_an_import_that_come_later_are_in_the_book_of_their_day() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let import =
        |rows: &[(&str, u32, i64)]| json!({"source": "old till", "baskets": [basket("2026-11-20", "07:06:11", rows)]});
    let first = till.post("/v1/imports/baskets", "a", &import(&[("1", 2, 300)])).await.ok();
    let later = till.post("/v1/imports/baskets", "b", &import(&[("1", 2, 300), ("2", 1, 450)])).await.ok();
    assert_eq!((&first["tickets_created"], &first["lines_added"]), (&json!(1), &json!(1)));
    assert_eq!((&later["tickets_amended"], &later["lines_added"]), (&json!(1), &json!(1)));
    assert_eq!(later["lines_duplicate"], 1);
    let day = till.get("/v1/business-days/2026-11-20").await;
    assert_eq!((&day["tickets"], &day["lines"], &day["units"]), (&json!(1), &json!(2), &json!(3)));
    assert_eq!((&day["net_minor"], &day["tax_unknown_tickets"]), (&json!(1_050), &json!(1)));
    node.books().check_served(&till).await;
    node.stop().await;
}
