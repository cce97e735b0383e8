//! The shop, its people and its two tills; its morning and its evening.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use percolate_common::time::Clock;
use percolate_runtime::system::{SystemClock, clock_from_option};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::books::{list, number, text};
use system_tests::harness::{Answer, Client, Hub, Node, NodeSpec, demo_menu};

use crate::menu::Menu;

/// Noon in Atlanta on that Tuesday, and ten seconds before it.
pub(super) const NOON_MS: i64 = 1_732_640_400_000;
const OPENS_AT_MS: i64 = NOON_MS - 10_000;
/// What the drawer is opened with.
const FLOAT: i64 = 15_000;
/// What is missing from it in the evening.
const SHORT: i64 = 215;

/// Somebody who works there: number and PIN.
pub(super) type Who = (u32, &'static str);
/// Leads a shift.
pub(super) const LEAD: Who = (7, "246813");
/// Sells.
pub(super) const BARISTA: Who = (8, "135791");
/// Runs the shop.
pub(super) const MANAGER: Who = (9, "864209");

/// What the script itself added up, in the words of a reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) tickets: i64,
    pub(crate) gross: i64,
    pub(crate) tips: i64,
    pub(crate) tenders: BTreeMap<String, i64>,
    /// By number: tickets, and what guests paid less what they were given back.
    pub(crate) people: BTreeMap<u32, (i64, i64)>,
}

impl Sums {
    pub(super) fn pay(&mut self, kind: &str, amount: i64) {
        *self.tenders.entry(kind.to_owned()).or_default() += amount;
    }
}

/// The shop.
pub(crate) struct Alone {
    pub(super) folder: PathBuf,
    pub(super) hub: Hub,
    pub(crate) node: Node,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) menu: Menu,
    pub(super) till: Client,
    /// The tokens of whoever has signed in at the till, by number.
    pub(super) signed_in: BTreeMap<u32, String>,
    pub(super) drawer: String,
    /// What should be in the drawer.
    pub(super) expected: i64,
    pub(super) books: Sums,
    pub(super) closing: Value,
    keys: u32,
}

impl Alone {
    /// Head office plans the shop and gives its bundle away, and is stopped; then the box is started for the first time.
    pub(crate) async fn begin(folder: &Path) -> Result<Self> {
        let simulated = format!("{OPENS_AT_MS},{},1", SystemClock.now().get());
        let clock = clock_from_option(Some(&simulated))?;
        let mut hub = Hub::start_with(folder, Some(demo_menu()), &["--simulated-clock", &simulated]).await?;
        let spec = NodeSpec::store(1);
        let one = |(id, pin): Who, name: &str, role: &str| json!({"id": id, "name": name, "role": role, "pin": pin});
        let plan = json!({
            "staff": [one(LEAD, "Ann", "lead"), one(BARISTA, "Ben", "barista"), one(MANAGER, "Cy", "manager")],
            "sign_in": "required", "card_forward": "5000 20 50000 86400",
        });
        hub.door().prepare(folder, &spec, &plan).await?;
        hub.stop().await?;
        let terminal = format!("simulated:{}", folder.join("card-terminal").display());
        let extra = ["--simulated-clock", simulated.as_str(), "--demo", "--card-terminal", terminal.as_str()];
        let node = Node::start(folder, spec, &hub.door(), &extra).await?;
        let (menu, till) = (Menu::read(&demo_menu(), 1)?, node.client.clone());
        let (folder, drawer, closing) = (folder.to_owned(), String::new(), Value::Null);
        let (books, signed_in, expected, keys) = (Sums::default(), BTreeMap::new(), FLOAT, 0);
        Ok(Self { folder, hub, node, clock, menu, till, signed_in, drawer, expected, books, closing, keys })
    }

    /// What the card terminal does from now on.
    pub(super) fn card_terminal(&self, says: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.join("card-terminal").join("says"), says)?)
    }

    /// A key that nobody used.
    fn key(&mut self) -> String {
        self.keys += 1;
        format!("alone-{}", self.keys)
    }

    /// Asks the till as somebody, with approvals that they show, whatever comes of it.
    pub(super) async fn asked(&mut self, who: Who, path: &str, body: &Value, approvals: &[String]) -> Result<Answer> {
        let (key, approvals) = (self.key(), approvals.join(","));
        let token = self.signed_in.get(&who.0).cloned().unwrap_or_default();
        let mut headers = vec![("content-type", "application/json"), ("idempotency-key", key.as_str())];
        headers.extend([("percolate-staff", token.as_str()), ("percolate-approval", approvals.as_str())]);
        headers.retain(|(_, value)| !value.is_empty());
        self.till.send(Method::POST, path, &headers, body.to_string().into_bytes()).await
    }

    /// As [`Alone::asked`], for what is taken.
    pub(super) async fn done(&mut self, who: Who, path: &str, body: &Value, approvals: &[String]) -> Result<Value> {
        let answer = self.asked(who, path, body, approvals).await?;
        ensure!((200..300).contains(&answer.status), "{path} {body}: {answer:?}");
        answer.json()
    }

    /// That somebody may not do something alone, and then may by somebody's approval.
    pub(super) async fn approved(
        &mut self,
        (who, by): (Who, Who),
        act: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value> {
        let alone = self.asked(who, path, body, &[]).await?;
        ensure!((alone.status, alone.code().as_str()) == (403, "approval_needed"), "{act}: {alone:?}");
        let asked = json!({"staff": by.0, "pin": by.1, "act": act, "reason": "asked for at the counter"});
        let approval = text(&self.done(who, "/v1/approvals", &asked, &[]).await?, "/approval")?;
        self.done(who, path, body, &[approval]).await
    }

    /// Books a sale as it was answered, whoever sold it: whole, or the last payment of it.
    pub(super) fn sold(&mut self, who: Who, sold: &Value) -> Result<i64> {
        let total = number(sold, "/total_minor")?;
        ensure!(sold.pointer("/sold_by") == Some(&who.0.into()), "{sold}");
        self.books.tickets += 1;
        self.books.gross += total;
        let (tickets, gross) = self.books.people.entry(who.0).or_default();
        *tickets += 1;
        *gross += total;
        Ok(total)
    }

    /// Books cash that came into the drawer.
    pub(super) fn cash(&mut self, amount: i64) {
        self.books.pay("cash", amount);
        self.expected += amount;
    }
}

/// The shop opens: its till is paired, and nobody could ask head office.
pub(crate) async fn the_shop_opens(shop: &mut Alone) -> Result<String> {
    shop.node.ready().await?;
    ensure!(shop.hub.client.try_get("/livez").await.is_err(), "head office is there");
    let code = text(&shop.node.client.post("/v1/terminals/pairings", "pair", &json!({"name": "T1"})).await?, "/code")?;
    let shown = json!({"code": code, "device": "the counter"});
    let nobody = shop.node.client.with_token("");
    let paired = nobody.post("/v1/pairings/redemptions", &"0123456789abcdef".repeat(3), &shown).await?;
    shop.till = shop.node.client.with_token(&text(&paired, "/token")?);
    let people = shop.till.get("/v1/staff").await?;
    ensure!(text(&people, "/sign_in")? == "required" && list(&people, "/rows")?.len() == 3, "{people}");
    Ok("with a bundle and without head office".to_owned())
}

/// Nobody sells or opens a drawer who has not signed in; then all three do, at one till, and one opens the drawer.
pub(crate) async fn nobody_sells_unsigned(shop: &mut Alone) -> Result<String> {
    let sale = json!({"terminal": "T1", "currency": "USD", "lines": [{"item": 101, "quantity": 1}],
        "tenders": [{"kind": "cash", "amount_minor": 1_000}]});
    let drawer = json!({"terminal": "T1", "float_minor": FLOAT});
    for (path, body) in [("/v1/tickets", &sale), ("/v1/drawers", &drawer), ("/v1/readings", &json!({}))] {
        let refused = shop.asked((0, ""), path, body, &[]).await?;
        ensure!((refused.status, refused.code().as_str()) == (401, "sign_in_needed"), "{path}: {refused:?}");
    }
    for who in [LEAD, BARISTA, MANAGER] {
        let claim = json!({"staff": who.0, "pin": who.1});
        let token = text(&shop.done((0, ""), "/v1/sign-ins", &claim, &[]).await?, "/token")?;
        shop.signed_in.insert(who.0, token);
    }
    let opened = shop.done(BARISTA, "/v1/drawers", &drawer, &[]).await?;
    ensure!(opened.pointer("/opened_by") == Some(&BARISTA.0.into()), "{opened}");
    shop.drawer = text(&opened, "/drawer")?;
    Ok("three people at one till, one drawer".to_owned())
}

/// The drawer is counted blind and is short; the day is closed with the manager's approval; head office still knows nothing.
pub(crate) async fn the_till_is_counted_and_the_day_closed(shop: &mut Alone) -> Result<String> {
    let path = format!("/v1/drawers/{}/close", shop.drawer);
    let counted = json!({"counted_minor": shop.expected - SHORT});
    let count = shop.done(BARISTA, &path, &counted, &[]).await?;
    let said = (number(&count, "/count/expected_minor")?, number(&count, "/count/difference_minor")?);
    ensure!(said == (shop.expected, -SHORT), "{count}, and {} should be there", shop.expected);
    let barista = shop.asked(BARISTA, "/v1/readings", &json!({}), &[]).await?;
    ensure!((barista.status, barista.code().as_str()) == (403, "approval_needed"), "{barista:?}");
    let closed = shop.approved((LEAD, MANAGER), "close_day", "/v1/readings", &json!({})).await?;
    let reading = closed.pointer("/reading").context("a reading")?.clone();
    ensure!(
        (reading.pointer("/by"), reading.pointer("/approved_by")) == (Some(&7.into()), Some(&9.into())),
        "{reading}"
    );
    // Head office was away all day: there never was a session, and nothing of it has been sent.
    let node = shop.node.client.get("/v1/node").await?;
    ensure!(text(&node, "/link")? != "up" && node.pointer("/clock_skew_ms") == Some(&Value::Null), "{node}");
    let mut unsent = 0;
    for stream in list(&node, "/streams")? {
        ensure!(number(&stream, "/acked_seq")? == 0, "something was acknowledged: {stream}");
        unsent += number(&stream, "/last_seq")?;
    }
    let told = list(&closed, "/unacknowledged")?;
    ensure!(
        unsent > 0 && told.iter().any(|row| text(row, "/stream").is_ok_and(|stream| stream == "sales")),
        "{told:?}"
    );
    is_what_was_done(shop, &reading)?;
    shop.closing = reading;
    Ok(format!(
        "{} cents short, {} tickets; {unsent} events that head office never heard of",
        SHORT, shop.books.tickets
    ))
}

/// That the reading says what the script has added up.
fn is_what_was_done(shop: &Alone, reading: &Value) -> Result<()> {
    let tender = |row: &Value| Ok((text(row, "/kind")?, number(row, "/amount_minor")?));
    let person = |row: &Value| {
        let staff = u32::try_from(number(row, "/staff")?)?;
        Ok((staff, (number(row, "/tickets")?, number(row, "/gross_minor")?)))
    };
    let said = Sums {
        tickets: number(reading, "/sums/tickets")?,
        gross: number(reading, "/sums/gross_minor")?,
        tips: number(reading, "/sums/tips_minor")?,
        tenders: list(reading, "/sums/tenders")?.iter().map(tender).collect::<Result<_>>()?,
        people: list(reading, "/sums/people")?.iter().map(person).collect::<Result<_>>()?,
    };
    ensure!(said == shop.books, "the reading says {said:?}, and the script has {:?}", shop.books);
    let rounding = number(reading, "/sums/cash_rounding_minor")?;
    ensure!(said.tenders.values().sum::<i64>() == said.gross + said.tips + rounding, "{reading}");
    Ok(())
}
