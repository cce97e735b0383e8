//! What is done at the counter while head office is not there.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use system_tests::books::{list, number, text};
use system_tests::harness::eventually;

use super::shop::{Alone, BARISTA, LEAD, MANAGER, NOON_MS, Who};

/// An espresso, a latte by its size, and something that is taken home, by the menu's numbers.
const ESPRESSO: i64 = 101;
const CORTADO: i64 = 102;
/// The discount that somebody must approve.
const STAFF_MEAL: i64 = 2;
/// What is paid out for milk.
const MILK: i64 = 1_250;
const TIP: i64 = 150;
const TIP_OF_A_PART: i64 = 60;

fn sale(lines: &[(i64, i64)], tenders: &Value) -> Value {
    let line = |(item, quantity): &(i64, i64)| json!({"item": item, "quantity": quantity});
    json!({"terminal": "T1", "currency": "USD", "lines": lines.iter().map(line).collect::<Vec<_>>(), "tenders": tenders})
}

/// A body that says one thing more.
fn with(mut body: Value, field: &str, value: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
    body
}

fn price(shop: &Alone, lines: &[(i64, i64)]) -> Result<i64> {
    let (net, tax) = shop.menu.price(lines)?;
    Ok(net + tax)
}

/// Two people sell in turns at one till without signing out, one of them with a tip.
pub(crate) async fn people_take_turns(shop: &mut Alone) -> Result<String> {
    let lines = [(ESPRESSO, 2)];
    let due = price(shop, &lines)?;
    for (turn, who) in [BARISTA, LEAD, BARISTA, LEAD].into_iter().enumerate() {
        let tip = if turn == 0 { TIP } else { 0 };
        let tenders = if tip > 0 {
            json!([{"kind": "card_external", "amount_minor": due + tip, "reference": "AUTH 1"}])
        } else {
            json!([{"kind": "cash", "amount_minor": due + 500}])
        };
        let body = with(sale(&lines, &tenders), "tip_minor", tip.into());
        let sold = shop.done(who, "/v1/tickets", &body, &[]).await?;
        ensure!(shop.sold(who, &sold)? == due, "{sold}");
        shop.books.tips += tip;
        if tip > 0 {
            shop.books.pay("card_external", due + tip);
        } else {
            shop.cash(due);
        }
    }
    Ok("four tickets by two people in turns, one with a tip".to_owned())
}

/// Somebody takes something off, which the lead approves; somebody else sells to an embassy without tax.
pub(crate) async fn a_cart_is_reduced_and_another_is_exempt(shop: &mut Alone) -> Result<String> {
    let lines = [(ESPRESSO, 2), (CORTADO, 1)];
    let full = price(shop, &lines)?;
    let in_cash = |amount: i64| sale(&lines, &json!([{"kind": "cash", "amount_minor": amount}]));
    let reduced = with(in_cash(full), "discounts", json!([{"id": STAFF_MEAL, "reason": "end of shift"}]));
    let sold = shop.approved((BARISTA, LEAD), "discount", "/v1/tickets", &reduced).await?;
    let total = shop.sold(BARISTA, &sold)?;
    ensure!(total < full && number(&sold, "/change_minor")? == full - total, "{sold}");
    shop.cash(total);
    let (net, _tax) = shop.menu.price(&lines)?;
    let exempt = with(in_cash(net), "exempt_reason", json!("embassy"));
    let sold = shop.done(LEAD, "/v1/tickets", &exempt, &[]).await?;
    ensure!((shop.sold(LEAD, &sold)?, number(&sold, "/tax_minor")?) == (net, 0), "{sold}");
    shop.cash(net);
    Ok(format!("{} instead of {full} by the lead's approval, and one ticket without tax", total))
}

/// A card takes nothing back: its guest is owed the money, and gets it out of the drawer by the lead's approval, once.
pub(crate) async fn a_card_takes_nothing_back(shop: &mut Alone) -> Result<String> {
    let lines = [(ESPRESSO, 1)];
    let due = price(shop, &lines)?;
    let asked = json!({"terminal": "T1", "amount_minor": due});
    let payment = shop.done(BARISTA, "/v1/card-payments", &asked, &[]).await?;
    let tenders = json!([{"kind": "card", "amount_minor": due, "payment": text(&payment, "/payment")?}]);
    let sold = shop.done(BARISTA, "/v1/tickets", &sale(&lines, &tenders), &[]).await?;
    shop.sold(BARISTA, &sold)?;
    shop.books.pay("card", due);
    shop.card_terminal("decline")?;
    let path = format!("/v1/tickets/{}/refunds", text(&sold, "/ticket_id")?);
    let back = json!({"terminal": "T1", "reason": "quality"});
    let given = shop.approved((BARISTA, LEAD), "refund", &path, &back).await?;
    shop.given_back(BARISTA, &given)?;
    shop.books.pay("card", due);
    shop.books.pay("card_owed", -due);
    let refund = text(&given, "/refund_id")?;
    let (path, at) = (format!("/v1/refunds/{refund}/pay-out"), json!({"terminal": "T1"}));
    let paid = shop.approved((BARISTA, LEAD), "pay_out", &path, &at).await?;
    ensure!(number(&paid, "/amount_minor")? == due, "{paid}");
    shop.expected -= due;
    let again = shop.asked(LEAD, &path, &at, &[]).await?;
    ensure!((again.status, again.code().as_str()) == (409, "refund_paid_out"), "{again:?}");
    let listed = shop.till.get("/v1/card-payments?state=owed").await?;
    ensure!(listed.pointer("/rows/0/owed/0/pay_out/movement_id") == paid.pointer("/movement_id"), "{listed}");
    Ok(format!("{due} cents that no card took, paid out"))
}

/// A table orders, splits, and pays in parts: cash, a card that has a terminal of its own, and a card on trust, for there is no line.
pub(crate) async fn a_table_pays_in_parts(shop: &mut Alone) -> Result<String> {
    shop.card_terminal("offline")?;
    let line = |item: i64| json!({"item": item, "quantity": 1});
    let order = json!({"terminal": "T1", "lines": [line(ESPRESSO), line(CORTADO), line(CORTADO)], "name": "Window"});
    let opened = shop.done(BARISTA, "/v1/open-tickets", &order, &[]).await?;
    let id = text(&opened, "/ticket_id")?;
    let apart = json!({"lines": [text(&opened, "/lines/2/line_id")?]});
    let divided = shop.done(BARISTA, &format!("/v1/open-tickets/{id}/divisions"), &apart, &[]).await?;
    let other = text(&divided, "/ticket_id")?;
    let of_one = price(shop, &[(ESPRESSO, 1), (CORTADO, 1)])?;
    let payments = format!("/v1/open-tickets/{id}/payments");
    let in_cash = json!({"terminal": "T1", "tender": {"kind": "cash", "amount_minor": 500}, "part_minor": 300});
    shop.done(BARISTA, &payments, &in_cash, &[]).await?;
    shop.cash(300);
    let by_card = json!({"terminal": "T1", "part_minor": 200, "tip_minor": TIP_OF_A_PART,
        "tender": {"kind": "card_external", "amount_minor": 200 + TIP_OF_A_PART, "reference": "AUTH 2"}});
    shop.done(LEAD, &payments, &by_card, &[]).await?;
    shop.books.pay("card_external", 200 + TIP_OF_A_PART);
    shop.books.tips += TIP_OF_A_PART;
    let rest = json!({"terminal": "T1", "expected_total_minor": of_one,
        "tenders": [{"kind": "cash", "amount_minor": of_one - 500}]});
    let sold = shop.done(BARISTA, &format!("/v1/open-tickets/{id}/close"), &rest, &[]).await?;
    ensure!(shop.sold(BARISTA, &sold)? == of_one, "{sold}");
    shop.cash(of_one - 500);
    let of_other = price(shop, &[(CORTADO, 1)])?;
    let asked = json!({"terminal": "T1", "amount_minor": of_other});
    let payment = shop.done(BARISTA, "/v1/card-payments", &asked, &[]).await?;
    ensure!(text(&payment, "/state")? == "stored", "{payment}");
    let on_trust = json!({"terminal": "T1", "expected_total_minor": of_other,
        "tenders": [{"kind": "card", "amount_minor": of_other, "payment": text(&payment, "/payment")?}]});
    let sold = shop.done(BARISTA, &format!("/v1/open-tickets/{other}/close"), &on_trust, &[]).await?;
    ensure!(shop.sold(BARISTA, &sold)? == of_other, "{sold}");
    shop.books.pay("card_stored", of_other);
    shop.gives_back_a_part(&id).await?;
    Ok(format!("two tickets of one table, three means of payment, {of_other} cents on trust"))
}

impl Alone {
    /// What was paid in parts goes back by the means of all parts, the first one first.
    async fn gives_back_a_part(&mut self, ticket: &str) -> Result<()> {
        let one = self.till.get(&format!("/v1/tickets/{ticket}")).await?;
        let left = |row: &Value| Ok((text(row, "/kind")?, number(row, "/amount_minor")?));
        let left = list(&one, "/refundable/tenders")?.iter().map(left).collect::<Result<Vec<_>>>()?;
        let total = number(&one, "/total_minor")?;
        let expected = [("cash".to_owned(), total - 200), ("card_external".to_owned(), 200 + TIP_OF_A_PART)];
        ensure!(left == expected, "{left:?} and {expected:?}");
        let back = json!({"terminal": "T1", "reason": "wrong"});
        let path = format!("/v1/tickets/{ticket}/refunds");
        let given = self.approved((BARISTA, LEAD), "refund", &path, &back).await?;
        ensure!(number(&given, "/tip_minor")? == TIP_OF_A_PART, "{given}");
        self.given_back(BARISTA, &given)?;
        self.books.tips -= TIP_OF_A_PART;
        Ok(())
    }

    /// Books money that was given back, as it was answered.
    fn given_back(&mut self, who: Who, given: &Value) -> Result<()> {
        let total = number(given, "/total_minor")?;
        ensure!(given.pointer("/by") == Some(&who.0.into()), "{given}");
        self.books.gross -= total;
        self.books.people.entry(who.0).or_default().1 -= total;
        for row in list(given, "/tenders")? {
            let amount = number(&row, "/amount_minor")?;
            match text(&row, "/kind")?.as_str() {
                "cash" => self.cash(-amount),
                kind => self.books.pay(kind, -amount),
            }
        }
        Ok(())
    }
}

/// A guest brings one of two pieces back: the barista gives back by the lead's approval.
pub(crate) async fn a_guest_gets_money_back(shop: &mut Alone) -> Result<String> {
    let lines = [(CORTADO, 2)];
    let due = price(shop, &lines)?;
    let body = sale(&lines, &json!([{"kind": "cash", "amount_minor": due}]));
    let sold = shop.done(BARISTA, "/v1/tickets", &body, &[]).await?;
    shop.sold(BARISTA, &sold)?;
    shop.cash(due);
    let path = format!("/v1/tickets/{}/refunds", text(&sold, "/ticket_id")?);
    let one = json!({"terminal": "T1", "reason": "quality", "lines": [{"line": 0, "quantity": 1}]});
    let given = shop.approved((BARISTA, LEAD), "refund", &path, &one).await?;
    ensure!(given.pointer("/approved_by") == Some(&LEAD.0.into()), "{given}");
    shop.given_back(BARISTA, &given)?;
    Ok(format!("{} of {due} cents", number(&given, "/total_minor")?))
}

/// Milk is paid from the drawer by the lead's approval, and the lead opens it for coins.
pub(crate) async fn cash_moves(shop: &mut Alone) -> Result<String> {
    let path = format!("/v1/drawers/{}/movements", shop.drawer);
    let milk = json!({"kind": "pay_out", "amount_minor": MILK, "reason": "supplies"});
    let moved = shop.approved((BARISTA, LEAD), "pay_out", &path, &milk).await?;
    ensure!(number(&moved, "/amount_minor")? == MILK, "{moved}");
    shop.expected -= MILK;
    let coins = json!({"kind": "no_sale", "reason": "change"});
    shop.done(LEAD, &path, &coins, &[]).await?;
    shop.approved((BARISTA, MANAGER), "no_sale", &path, &coins).await?;
    Ok(format!("{MILK} cents paid out, opened twice without a sale"))
}

/// After noon the manager sells, too: another hour, another person.
pub(crate) async fn the_afternoon(shop: &mut Alone) -> Result<String> {
    eventually("noon", || async {
        ensure!(shop.clock.now().get() >= NOON_MS, "it is not noon yet");
        Ok(())
    })
    .await?;
    let lines = [(ESPRESSO, 1)];
    let due = price(shop, &lines)?;
    let sold =
        shop.done(MANAGER, "/v1/tickets", &sale(&lines, &json!([{"kind": "cash", "amount_minor": due}])), &[]).await?;
    shop.sold(MANAGER, &sold)?;
    shop.cash(due);
    let last = sold.pointer("/receipt").context("a receipt")?;
    Ok(format!("receipt {last} by the manager"))
}
