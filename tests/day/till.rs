//! A till: it sells what its seed says, checks every answer whole, and keeps books of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use percolate_common::entropy::{Entropy as _, SeededEntropy};
use percolate_common::time::Clock;
use serde_json::{Value, json};
use system_tests::books::{number, text};
use system_tests::harness::{Answer, Client, eventually};

use crate::ledger::{Entry, Ledger, Slip, Sums};
use crate::menu::Menu;

/// The Tuesday.
pub(crate) const TODAY: &str = "2024-11-26";
/// Atlanta is so many hours behind UTC on that day.
const ZONE_HOURS: i64 = 5;
/// One ticket of so many is sent again although it was answered.
const RESENT_EVERY: i64 = 7;

/// What a ticket will be.
#[derive(Debug)]
struct Plan {
    lines: Vec<(i64, i64)>,
    /// Kind and amount.
    tenders: Vec<(&'static str, i64)>,
    net: i64,
    tax: i64,
}

/// A terminal.
pub(crate) struct Till {
    client: Client,
    clock: Arc<dyn Clock>,
    shop: u32,
    terminal: String,
    dice: SeededEntropy,
    /// Tickets of all tills, for those who wait for the rush to go on.
    sold: Arc<AtomicU32>,
    count: i64,
    pub(crate) books: Ledger,
    /// Requests that had to be sent again because no answer came.
    pub(crate) retries: u32,
}

impl Till {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>, shop: u32, terminal: &str, sold: Arc<AtomicU32>) -> Self {
        let seed = u64::from(shop) << 8 | terminal.bytes().last().map_or(0, u64::from);
        let (terminal, dice, books) = (terminal.to_owned(), SeededEntropy::new(seed), Ledger::default());
        Self { client, clock, shop, terminal, dice, sold, count: 0, books, retries: 0 }
    }

    /// Is paired with its box, and asks by a token of its own from then on. The day's clock may run faster than a code is carried
    /// to a till: then another one is given out.
    pub(crate) async fn pair(&mut self, shop: &Client) -> Result<()> {
        let (mut tries, name) = (0_u32, json!({"name": self.terminal}));
        let nobody = shop.with_token("");
        let (name, nobody) = (&name, &nobody);
        let paired = eventually("a till to be paired", || {
            tries += 1;
            let (key, by) =
                (format!("pair-{}-{tries}", self.dice.next_u64()), format!("{:032x}", self.dice.next_u64()));
            async move {
                let given = shop.post("/v1/terminals/pairings", &key, name).await?;
                let shown = json!({"code": text(&given, "/code")?, "device": "a tablet"});
                nobody.post("/v1/pairings/redemptions", &by, &shown).await
            }
        })
        .await?;
        ensure!(text(&paired, "/terminal")? == self.terminal, "{paired}");
        self.client = shop.with_token(&text(&paired, "/token")?);
        Ok(())
    }

    /// Its token lets it in no more: it is asked for everything, and refused.
    pub(crate) async fn is_shut_out(&self) -> Result<()> {
        let answers =
            [self.client.try_get("/v1/catalog").await?, self.client.try_post("/v1/tickets", "lost", &json!({})).await?];
        for answer in answers {
            let said = (answer.status, text(&answer.json()?, "/code")?);
            ensure!(said == (401, "terminal_revoked".to_owned()), "{said:?}");
        }
        Ok(())
    }

    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.terminal == name
    }

    fn below(&self, end: i64) -> i64 {
        i64::try_from(self.dice.next_u64() >> 1).unwrap_or(0) % end.max(1)
    }

    fn plan(&self, menu: &Menu) -> Result<Plan> {
        let ids: Vec<i64> = menu.items.keys().copied().collect();
        let mut lines = Vec::new();
        for _line in 0..1 + self.below(4) {
            let at = usize::try_from(self.below(i64::try_from(ids.len())?))?;
            lines.push((*ids.get(at).context("an item")?, 1 + self.below(3)));
        }
        let (net, tax) = menu.price(&lines)?;
        let due = net + tax;
        let notes = |rest: i64| rest + (500 - rest % 500) % 500;
        let tenders = match self.below(3) {
            0 => vec![("cash", notes(due))],
            1 => vec![("card_external", due)],
            _ => vec![("card_external", due / 2), ("cash", notes(due - due / 2))],
        };
        Ok(Plan { lines, tenders, net, tax })
    }

    /// Sells the next ticket by this menu.
    pub(crate) async fn sell(&mut self, menu: &Menu) -> Result<()> {
        let plan = self.plan(menu)?;
        self.sell_plan(plan, menu, None).await.map(drop)
    }

    /// Sells the next ticket by this menu for cash, and tells its id and what it came to.
    pub(crate) async fn sell_for_cash(&mut self, menu: &Menu) -> Result<(String, i64)> {
        let mut plan = self.plan(menu)?;
        let due = plan.net + plan.tax;
        plan.tenders = vec![("cash", due)];
        Ok((self.sell_plan(plan, menu, None).await?, due))
    }

    /// Sells the next ticket by this menu to somebody who pays at the shop's card terminal, and tells its id.
    pub(crate) async fn sell_by_card(&mut self, menu: &Menu) -> Result<String> {
        let mut plan = self.plan(menu)?;
        let due = plan.net + plan.tax;
        plan.tenders = vec![("card", due)];
        let key = format!("{}-{}-card-{}", self.shop, self.terminal, self.count);
        let asked = json!({"terminal": self.terminal, "amount_minor": due});
        let payment = self.client.post("/v1/card-payments", &key, &asked).await?;
        ensure!(text(&payment, "/state")? == "approved", "{payment}");
        self.sell_plan(plan, menu, Some(text(&payment, "/payment")?)).await
    }

    async fn sell_plan(&mut self, plan: Plan, menu: &Menu, payment: Option<String>) -> Result<String> {
        self.count += 1;
        let key = format!("{}-{}-{}", self.shop, self.terminal, self.count);
        let line = |(item, quantity): &(i64, i64)| json!({"item": item, "quantity": quantity});
        let tender = |(kind, amount): &(&str, i64)| match *kind {
            "cash" => json!({"kind": kind, "amount_minor": amount}),
            "card" => json!({"kind": kind, "amount_minor": amount, "payment": payment}),
            _ => json!({"kind": kind, "amount_minor": amount, "reference": format!("T-{}", self.count)}),
        };
        let body = json!({
            "terminal": self.terminal,
            "currency": "USD",
            "lines": plan.lines.iter().map(line).collect::<Vec<_>>(),
            "tenders": plan.tenders.iter().map(tender).collect::<Vec<_>>(),
        });
        let from = self.clock.now().get();
        let answer = self.ask(&key, &body).await?.json()?;
        let at = number(&answer, "/at_ms")?;
        ensure!((from..=self.clock.now().get()).contains(&at), "sold at {at}, asked for from {from} on: {answer}");
        if self.count % RESENT_EVERY == 0 {
            let again = self.ask(&key, &body).await?;
            ensure!(
                (again.status, again.json()?) == (200, answer.clone()),
                "another answer to the same key: {again:?}"
            );
        }
        let expected = self.expected(&plan, menu, &answer)?;
        ensure!(is_within(&expected, &answer), "{answer} for {body}: expected {expected}");
        self.book(&plan, menu, &answer, at)?;
        self.sold.fetch_add(1, Ordering::Relaxed);
        text(&answer, "/ticket_id")
    }

    /// Sends a ticket until it is answered, as a till does: a box that is killed may take any request with it, a repeat too.
    async fn ask(&mut self, key: &str, body: &Value) -> Result<Answer> {
        let (client, mut attempts) = (self.client.clone(), 0_u32);
        let answer = eventually("a sale to be answered", || {
            attempts += 1;
            async {
                let answer = client.try_post("/v1/tickets", key, body).await?;
                ensure!(answer.status < 500, "{answer:?}");
                Ok(answer)
            }
        })
        .await?;
        self.retries += attempts - 1;
        ensure!((200..300).contains(&answer.status), "{body} was refused: {answer:?}");
        Ok(answer)
    }

    /// The answer that must come, but for what only the shop can know: the ticket's id, its moment and its entry.
    fn expected(&self, plan: &Plan, menu: &Menu, answer: &Value) -> Result<Value> {
        let line = |(id, count): &(i64, i64)| -> Result<Value> {
            let item = menu.item(*id)?;
            let (price, total) = (item.price, item.price * count);
            Ok(
                json!({"item": id, "name": item.name, "quantity": count, "unit_price_minor": price, "total_minor": total}),
            )
        };
        let tendered: i64 = plan.tenders.iter().map(|(_, amount)| amount).sum();
        let total = plan.net + plan.tax;
        Ok(json!({
            "ticket_id": text(answer, "/ticket_id")?,
            "receipt": format!("{}-A-{}", self.terminal, self.count),
            "business_day": TODAY,
            "at_ms": number(answer, "/at_ms")?,
            "training": false,
            "currency": "USD",
            "lines": plan.lines.iter().map(line).collect::<Result<Vec<_>>>()?,
            "net_minor": plan.net,
            "tax_minor": plan.tax,
            "total_minor": total,
            "tendered_minor": tendered,
            "change_minor": tendered - total,
            "seq": number(answer, "/seq")?,
            "catalog_revision": menu.revision,
            "sold_by": null,
        }))
    }

    fn book(&mut self, plan: &Plan, menu: &Menu, answer: &Value, at: i64) -> Result<()> {
        let total = plan.net + plan.tax;
        let mut lines = Vec::new();
        for (id, count) in &plan.lines {
            let item = menu.item(*id)?;
            lines.push((format!("i:{id}"), format!("c:{}", item.category), *count, item.price * count));
            for (stock_item, quantity) in &item.uses {
                self.books.move_stock(*stock_item, -quantity * count);
            }
        }
        let whole = Sums { tickets: 1, tax: plan.tax, total, ..Sums::default() };
        let hour = (at / 3_600_000 - ZONE_HOURS).rem_euclid(24);
        self.books.book(&Entry { day: TODAY, hour, whole, lines });
        self.books.tax(&menu.taxes(&plan.lines)?, hour, total);
        for (kind, amount) in &plan.tenders {
            self.books.pay(kind, *amount);
        }
        let tendered: i64 = plan.tenders.iter().map(|(_, amount)| amount).sum();
        if tendered > total {
            self.books.pay("cash", total - tendered);
        }
        let slip = Slip { receipt: Some(text(answer, "/receipt")?), total };
        let known = self.books.tickets.insert(text(answer, "/ticket_id")?, slip);
        ensure!(known.is_none(), "two tickets under one id: {answer}");
        Ok(())
    }

    /// Guests order, change their minds, move over, pay a part, and pay the rest when they leave.
    pub(crate) async fn sell_when_they_leave(&mut self, menu: &Menu) -> Result<()> {
        let mut plan = self.plan(menu)?;
        plan.lines.truncate(1);
        (plan.net, plan.tax) = menu.price(&plan.lines)?;
        let due = plan.net + plan.tax;
        plan.tenders = vec![("cash", due)];
        let (item, quantity) = *plan.lines.first().context("a line")?;
        let line = json!({"item": item, "quantity": quantity});
        let (client, name) = (self.client.clone(), format!("{}-{}-table-{}", self.shop, self.terminal, self.count));
        let key = |what: &str| format!("{name}-{what}");
        let opening = json!({"terminal": self.terminal, "lines": [line, line], "name": "Window"});
        let opened = client.post("/v1/open-tickets", &key("open"), &opening).await?;
        let id = text(&opened, "/ticket_id")?;
        let mistake = json!({"lines": [text(&opened, "/lines/1/line_id")?], "reason": "mistake"});
        client.post(&format!("/v1/open-tickets/{id}/voids"), &key("void"), &mistake).await?;
        let more = json!({"lines": [line]});
        let longer = client.post(&format!("/v1/open-tickets/{id}/lines"), &key("more"), &more).await?;
        let third = text(&longer, "/lines/2/line_id").or_else(|_shorter| text(&longer, "/lines/1/line_id"))?;
        client.post(&format!("/v1/open-tickets/{id}/moves"), &key("hold"), &json!({"held": true})).await?;
        let apart = json!({"lines": [third]});
        let other = client.post(&format!("/v1/open-tickets/{id}/divisions"), &key("apart"), &apart).await?;
        let other = text(&other, "/ticket_id")?;
        client.post(&format!("/v1/open-tickets/{other}/abandon"), &key("leave"), &json!({})).await?;
        client.post(&format!("/v1/open-tickets/{id}/send"), &key("send"), &json!({})).await?;
        let part = json!({"terminal": self.terminal, "tender": {"kind": "cash", "amount_minor": 5}, "part_minor": 5});
        client.post(&format!("/v1/open-tickets/{id}/payments"), &key("part"), &part).await?;
        let open = client.get("/v1/open-tickets").await?;
        ensure!(number(&open, "/count")? == 1, "{open}");
        let seen = client.get(&format!("/v1/open-tickets/{id}")).await?;
        ensure!(text(&seen, "/ticket_id")? == id, "{seen}");
        let rest = json!({"terminal": self.terminal, "expected_total_minor": due,
            "tenders": [{"kind": "cash", "amount_minor": due - 5}]});
        let sold = client.post(&format!("/v1/open-tickets/{id}/close"), &key("close"), &rest).await?;
        self.count += 1;
        ensure!(text(&sold, "/receipt")? == format!("{}-A-{}", self.terminal, self.count), "{sold}");
        self.book(&plan, menu, &sold, number(&sold, "/at_ms")?)
    }

    /// Gives the first practice ticket back.
    pub(crate) async fn give_back_practice(&mut self) -> Result<()> {
        let (ticket, slip) = self.books.practice.iter().next().context("a practice ticket")?;
        let body = json!({"terminal": self.terminal, "reason": "void"});
        let back = self.client.post(&format!("/v1/tickets/{ticket}/refunds"), "practice-back", &body).await?;
        ensure!(number(&back, "/total_minor")? == slip.total, "{back} for {slip:?}");
        let (refund, at) = (text(&back, "/refund_id")?, json!({"terminal": self.terminal}));
        let paid = self.client.try_post(&format!("/v1/refunds/{refund}/pay-out"), "practice-owed", &at).await?;
        ensure!((paid.status, paid.code().as_str()) == (409, "refund_not_owed"), "{paid:?}");
        Ok(())
    }

    /// Sells one ticket as practice: it is answered like any other, and must count nowhere.
    pub(crate) async fn practise(&mut self, menu: &Menu) -> Result<()> {
        let plan = self.plan(menu)?;
        let line = |(item, quantity): &(i64, i64)| json!({"item": item, "quantity": quantity});
        let body = json!({
            "terminal": self.terminal,
            "currency": "USD",
            "training": true,
            "lines": plan.lines.iter().map(line).collect::<Vec<_>>(),
            "tenders": [{"kind": "cash", "amount_minor": plan.net + plan.tax}],
        });
        let key = format!("{}-{}-practice-{}", self.shop, self.terminal, self.books.practice.len());
        let answer = self.client.post("/v1/tickets", &key, &body).await?;
        let receipt = text(&answer, "/receipt")?;
        ensure!(receipt == format!("{}-TRN-{}", self.terminal, self.books.practice.len() + 1), "{answer}");
        ensure!(answer.get("training") == Some(&true.into()), "{answer}");
        let slip = Slip { receipt: Some(receipt), total: plan.net + plan.tax };
        self.books.practice.insert(text(&answer, "/ticket_id")?, slip);
        Ok(())
    }
}

/// Whether an answer says all that is expected, whatever else it says.
fn is_within(expected: &Value, answer: &Value) -> bool {
    match (expected, answer) {
        (Value::Object(expected), Value::Object(answer)) => {
            expected.iter().all(|(name, value)| answer.get(name).is_some_and(|said| is_within(value, said)))
        }
        (Value::Array(expected), Value::Array(answer)) => {
            expected.len() == answer.len() && expected.iter().zip(answer).all(|(one, said)| is_within(one, said))
        }
        (expected, answer) => expected == answer,
    }
}
