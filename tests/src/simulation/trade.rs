//! What people do in shops: they sell, book deliveries, bring past sales in, and ask again when nobody answers.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::model::{BoxVisit, Order, id_bytes};
use super::office::{ITEMS, STOCK_ITEMS};
use super::oracle::{Oracle, violation};
use super::reach::Met;
use super::world::{DAY, Event, HOUR, SECOND, World};

/// Sales of one shop in a day.
const SALES_A_DAY: u64 = 220;
/// Of which so many come in the morning, in a thousand.
const MORNING_PER_MILLE: u64 = 450;
/// The shop opens at 6 and closes at 21, local time; a world begins at 5.
const OPENS: u64 = HOUR;
const MORNING: u64 = 4 * HOUR;
const CLOSES: u64 = 16 * HOUR;
const DELIVERIES_A_DAY: u64 = 3;
const IMPORTS_A_DAY: u64 = 3;
/// An answer that does not reach its till, in a thousand.
const UNHEARD_PER_MILLE: u64 = 30;
/// A till that asks once more although it was answered, in a thousand.
const ASKED_TWICE_PER_MILLE: u64 = 30;
const TICKETS: &str = "/v1/tickets";
const MOVEMENTS: &str = "/v1/stock/movements";
const IMPORTS: &str = "/v1/imports/baskets";

impl World {
    /// Plans what people will ask for on all days.
    pub(super) fn plan_trade(&mut self) {
        for day in 0..u64::from(self.plan.days) {
            for shop in 0..self.plan.stores {
                for _sale in 0..SALES_A_DAY {
                    let rush = self.dice.per_mille(MORNING_PER_MILLE);
                    let (open, close) = if rush { (OPENS, MORNING) } else { (OPENS, CLOSES) };
                    let body = self.sale();
                    self.order(shop, TICKETS, &body, day * DAY, (open, close));
                }
                for _delivery in 0..DELIVERIES_A_DAY {
                    let body = self.movement();
                    self.order(shop, MOVEMENTS, &body, day * DAY, (OPENS, CLOSES));
                }
                for file in 0..IMPORTS_A_DAY {
                    self.plan_import(shop, day, file);
                }
            }
        }
    }

    fn order(&mut self, shop: usize, path: &'static str, body: &Value, day: u64, (open, close): (u64, u64)) {
        let at = day + self.dice.between(open, close);
        let key = format!("{shop}-{}", self.model.orders.len());
        let order = Order { shop, path, key, body: body.to_string(), at: None, answered: None };
        self.model.orders.push(order);
        let number = self.model.orders.len() - 1;
        self.after(at, Event::Till(number));
    }

    fn sale(&self) -> Value {
        let line = |_| json!({"item": 1 + self.dice.below(u64::from(ITEMS)), "quantity": 1 + self.dice.below(3)});
        let lines: Vec<_> = (0..=self.dice.below(2)).map(line).collect();
        json!({
            "terminal": format!("T{}", 1 + self.dice.below(2)), "currency": "USD", "lines": lines,
            "tenders": [{"kind": "cash", "amount_minor": 100_000}], "training": self.dice.per_mille(20),
        })
    }

    fn movement(&self) -> Value {
        let reason = if self.dice.per_mille(300) { "wasted" } else { "received" };
        let line = json!({
            "stock_item": 1 + self.dice.below(u64::from(STOCK_ITEMS)), "quantity": 1 + self.dice.below(5_000),
        });
        json!({"reason": reason, "lines": [line]})
    }

    /// A few baskets of the day before, brought in two or three times: whole or in part, anywhere.
    fn plan_import(&mut self, shop: usize, day: u64, file: u64) {
        let basket = |number: u64| {
            let line = |row: u64| {
                json!({
                    "row": format!("{shop}-{day}-{file}-{number}-{row}"), "product_id": row.to_string(),
                    "name": format!("Old {row}"), "category": "Old", "quantity": 1 + row, "unit_price_minor": 250 + row,
                })
            };
            let lines: Vec<_> = (0..=number % 2).map(line).collect();
            let time = format!("{:02}:{:02}:00", 8 + file, number * 7);
            json!({"local_date": format!("2026-11-{:02}", 10 + day % 10), "local_time": time, "lines": lines})
        };
        for _time in 0..=self.dice.below(2) {
            let baskets: Vec<_> = (0..=self.dice.below(5)).map(basket).collect();
            let body = json!({"source": "old", "baskets": baskets});
            self.order(shop, IMPORTS, &body, day * DAY, (OPENS, CLOSES));
        }
    }

    /// A till asks, or asks again.
    pub(super) fn till(&mut self, number: usize) -> Result<()> {
        let Some(order) = self.model.orders.get(number).cloned() else { return Ok(()) };
        let Some(visit) = self.visit(&order) else {
            if order.at.is_some_and(|at| self.boxes.get(at.bx).is_none_or(|found| found.history != at.history)) {
                // Nobody repeats a sale at a box that has forgotten it.
                return Ok(());
            }
            self.reach.met(Met::Refused);
            self.soon(SECOND, 60 * SECOND, Event::Till(number));
            return Ok(());
        };
        let Some(found) = self.boxes.get_mut(visit.bx) else { return Ok(()) };
        let connected = found.is_connected();
        let Some(running) = &mut found.process else { return Ok(()) };
        let (status, body) = running.node.post(order.path, &order.key, &order.body);
        if let Some(order) = self.model.orders.get_mut(number) {
            order.at = Some(visit);
        }
        match status {
            200 | 201 => {
                if !connected {
                    self.reach.met(Met::SoldOffline);
                }
                if status == 200 && order.path != IMPORTS {
                    self.reach.met(Met::Replayed);
                }
                self.answered(number, &body)?;
            }
            _no_menu_yet if body.contains("no_catalog") || status >= 500 => {
                self.reach.met(Met::Refused);
                self.soon(SECOND, 60 * SECOND, Event::Till(number));
            }
            _refused => bail!(violation(Oracle::Failed, format!("{} was refused: {status} {body}", order.body))),
        }
        self.box_grown(visit.bx)
    }

    /// The box to ask: the one that was asked before, or any of the shop that is up.
    fn visit(&self, order: &Order) -> Option<BoxVisit> {
        let is_up = |bx: usize, history: Option<u32>| {
            let found = self.boxes.get(bx).filter(|found| found.process.is_some())?;
            let visit = BoxVisit { bx, history: found.history };
            history.is_none_or(|before| before == found.history).then_some(visit)
        };
        if let Some(before) = order.at {
            return is_up(before.bx, Some(before.history));
        }
        let of_shop = |bx: &usize| self.boxes.get(*bx).is_some_and(|found| found.shop == order.shop);
        let up: Vec<_> = (0..self.boxes.len()).filter(of_shop).filter_map(|bx| is_up(bx, None)).collect();
        up.get(self.dice.index(up.len())).copied()
    }

    fn answered(&mut self, number: usize, body: &str) -> Result<()> {
        if self.dice.per_mille(UNHEARD_PER_MILLE) {
            self.soon(SECOND, 20 * SECOND, Event::Till(number));
            return Ok(());
        }
        let answer: Value = serde_json::from_str(body)?;
        let Some(order) = self.model.orders.get_mut(number) else { return Ok(()) };
        if order.path != TICKETS {
            let met = if order.path == MOVEMENTS { Met::StockMoved } else { Met::Imported };
            self.reach.met(met);
            return Ok(());
        }
        self.reach.met(Met::Sold);
        let text = answer.get("ticket_id").and_then(Value::as_str).unwrap_or_default();
        let (id, total) = (id_bytes(text), answer.get("total_minor").and_then(Value::as_i64).unwrap_or(-1));
        if order.answered.as_ref().is_some_and(|before| *before != id) {
            return Err(violation(Oracle::Answered, format!("{} was given two tickets", order.key)));
        }
        order.answered = Some(id.clone());
        if let Some(found) = order.at.and_then(|visit| self.boxes.get_mut(visit.bx)) {
            found.told.push(text.to_owned());
        }
        if answer.get("training") == Some(&Value::Bool(false)) {
            self.model.given.insert(id, total);
        }
        if self.dice.per_mille(ASKED_TWICE_PER_MILLE) {
            self.soon(SECOND, HOUR, Event::Till(number));
        }
        Ok(())
    }
}
