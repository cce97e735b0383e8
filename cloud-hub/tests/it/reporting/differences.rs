//! Every ticket is computed again, and nothing is ever rewritten: what does not come out the same is listed.

use percolate_common::domain::catalog::hours::Channel;
use percolate_common::domain::catalog::look_up::Moment;
use percolate_common::domain::catalog::{Catalog, CatalogEvent, Category, Draft, Item, ItemDetails, TaxClass};
use percolate_common::domain::event::{ClockQuality, Event, Header};
use percolate_common::domain::pricing::cart::Cart;
use percolate_common::domain::tickets::decide::{SellTicket, sell};
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::domain::tickets::{TicketClass, TicketSold};
use percolate_common::hlc::Hlc;
use percolate_common::ids::{CategoryId, ItemId, NodeId, StoreId, TaxClassId, TicketId};
use percolate_common::journal::{AuthorId, Incarnation, JournalId, Service, StreamKind};
use percolate_common::money::{Currency, MicroRate, Minor};
use percolate_common::time::{StoreCalendar, UtcMillis};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use crate::support::desk::Desk;
use crate::support::events::{NOON_MS, Written, encoded_as};

const DIFFERENCES: &str = "/v1/reporting/differences";

const ALERTS: &str = include_str!("../../../../deploy/prometheus/percolate.rules.yml");
const METRICS: &str = include_str!("../../../../docs/metrics.md");

/// The metrics that an alert watches.
fn watched(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("hub_") || word.starts_with("node_"))
}

/// What a counter stands at, over all its labels.
async fn counted(desk: &Desk, metric: &str) -> u64 {
    let text = desk.metrics().await;
    let series = text.lines().filter_map(|line| line.strip_prefix(metric)?.rsplit_once(' '));
    let values: Vec<u64> = series.map(|(_, value)| value.parse().unwrap()).collect();
    assert!(!values.is_empty(), "{metric} is there from the start");
    values.iter().sum()
}

#[test]
fn alerts_watch_metrics_that_are_there_and_are_explained() {
    let names: Vec<_> = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let expressions: Vec<_> = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert_eq!((names.len(), expressions.len()), (5, 5));
    for (name, expression) in names.into_iter().zip(expressions) {
        assert!(METRICS.contains(&format!("| {name} | ")), "{name}");
        let metrics: Vec<_> = watched(expression).collect();
        assert!(!metrics.is_empty(), "{expression}");
        for metric in metrics {
            assert!(METRICS.contains(&format!("| `{metric}")), "{metric}");
        }
    }
    let words = percolate_common::domain::pricing::recompute::Part::WORDS;
    let books = include_str!("../../../../docs/books.md");
    assert_eq!(words.map(|word| books.contains(&format!("`{word}`"))), [true; 17]);
}

/// An espresso at this price, under one class of tax at this rate.
fn menu(price: i64, rate: u32) -> Draft {
    let mut draft = Draft::default();
    let (category, class) = (CategoryId::new(1), TaxClassId::new(1));
    draft.apply(&CatalogEvent::CategorySet(Category { id: category, name: "Espresso".to_owned(), station: None }));
    let prepared = TaxClass { id: class, name: "prepared".to_owned(), rate: MicroRate::new(rate) };
    draft.apply(&CatalogEvent::TaxClassSet(prepared));
    draft.apply(&CatalogEvent::ItemSet(Item {
        id: ItemId::new(101),
        name: "Espresso".to_owned(),
        category,
        tax_class: class,
        price: Minor::new(price),
        uses: Vec::new(),
        details: ItemDetails::default(),
    }));
    draft
}

fn header(store: StoreId, at_ms: i64, clock: ClockQuality) -> Header {
    let at = UtcMillis::new(at_ms);
    let zone = "America/New_York".to_owned();
    let business_day = StoreCalendar::new(&zone, 4).unwrap().business_day(at);
    Header { store, at, hlc: Hlc::default().tick(at), business_day, clock, zone }
}

/// One run of the catalog, which states the menu whole and then each that follows it.
fn catalog(incarnation: u64, menus: &[(u32, Draft)]) -> (Written, Vec<Catalog>) {
    let author = AuthorId::service(Service::Catalog);
    let id = JournalId { author, incarnation: Incarnation::new(incarnation), stream: StreamKind::Catalog };
    let (mut journal, mut before, mut published) = (Written::new(id), Draft::default(), Vec::new());
    for (number, draft) in menus {
        let revision = draft.revision(*number, Currency::USD, Vec::new());
        let said = draft.changes_from(&before).into_iter().chain([CatalogEvent::RevisionPublished(revision.clone())]);
        for event in said {
            let header = header(StoreId::CHAIN, NOON_MS, ClockQuality::Good);
            journal.push(encoded_as(&header, &Event::Catalog(event)));
        }
        published.push(draft.publish(revision).unwrap());
        before = draft.clone();
    }
    (journal, published)
}

fn shop() -> Written {
    let author = AuthorId::node(NodeId::new(11));
    Written::new(JournalId { author, incarnation: Incarnation::new(7), stream: StreamKind::Sales })
}

/// Two espressos for cash by a menu.
fn ticket(menu: &Catalog, number: u64) -> TicketSold {
    let header = header(StoreId::new(1), NOON_MS, ClockQuality::Good);
    let wall = StoreCalendar::new(&header.zone, 4).unwrap().wall_time(header.at);
    let moment = Moment { store: header.store, channel: Channel::Counter, day: header.business_day, wall };
    let command = SellTicket {
        class: TicketClass::Sale,
        currency: Currency::USD,
        cart: Cart::plain([(ItemId::new(101), 2)]),
        tenders: vec![Tender { kind: TenderKind::Cash, amount: Minor::new(10_000) }],
        tip: Minor::ZERO,
    };
    let receipt = format!("T1-A-{number}").parse().unwrap();
    let id = TicketId::sold(NOON_MS, 11, &format!("key-{number}"));
    sell(menu, command, &moment).unwrap().numbered(id, receipt)
}

fn rung_up(journal: &mut Written, sold: TicketSold, at_ms: i64, clock: ClockQuality) {
    journal.push(encoded_as(&header(StoreId::new(1), at_ms, clock), &Event::TicketSold(sold)));
}

async fn take(desk: &Desk, journal: &Written) {
    desk.take(journal.batch(1, journal.head().seq, 1)).await;
    desk.fold().await;
}

/// Receipt, part, number, said and computed of each.
fn found(body: &Value) -> Vec<Value> {
    let row = |row: &Value| json!([row["receipt"], row["part"], row["number"], row["said"], row["computed"]]);
    body["rows"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p17_a_ticket_that_is_a_cent_off_is_flagged_and_never_rewritten() {
    let (said, menus) = catalog(1, &[(1, menu(300, 89_000))]);
    let mut node = shop();
    rung_up(&mut node, ticket(&menus[0], 1), NOON_MS, ClockQuality::Good);
    // A box whose program was changed takes a cent more tax of each guest; everything else of the ticket adds up.
    let mut planted = ticket(&menus[0], 2);
    planted.taxes[0].tax = Minor::new(54);
    (planted.totals.tax, planted.totals.total) = (Minor::new(54), Minor::new(654));
    planted.change = Minor::new(10_000 - 654);
    rung_up(&mut node, planted.clone(), NOON_MS + 1_000, ClockQuality::Good);

    let desk = Desk::new().await;
    take(&desk, &said).await;
    let before = counted(&desk, "hub_ticket_differences_total").await;
    take(&desk, &node).await;
    assert!(counted(&desk, "hub_ticket_differences_total").await > before, "the alert fires");
    let body = desk.body(DIFFERENCES).await;
    assert_eq!(found(&body), [json!(["T1-A-2", "tax", 1, 54, 53])]);
    assert_eq!((&body["differences"], &body["waiting_tickets"]), (&1.into(), &0.into()));
    let row = &body["rows"][0];
    assert_eq!(row["ticket_id"], planted.id.to_string());
    assert_eq!((&row["store"], &row["business_day"]), (&1.into(), &"2026-11-23".into()));
    assert_eq!(row["at_ms"], NOON_MS + 1_000);

    // The figures are the tickets' own, and the journal has what the box said.
    let sales = desk.body("/v1/reporting/sales?by=store").await;
    assert_eq!((&sales["totals"]["tax_minor"], &sales["totals"]["total_minor"]), (&107.into(), &1_307.into()));
    let of = node.id;
    let held = desk.journal.db().read_async(move |tx| cloud_hub::kernel::journal::entry_list(tx, &of, 0, 10));
    let held: Vec<_> = held.await.unwrap().into_iter().map(|entry| entry.bytes).collect();
    assert_eq!(held, node.events);

    let elsewhere = format!("{DIFFERENCES}?store=1&from=2026-11-24");
    assert_eq!(desk.body(&elsewhere).await["differences"], 0, "of another day");
    let unknown = desk.get(&format!("{DIFFERENCES}?store=9")).await;
    assert_eq!((unknown.0.as_u16(), &unknown.1["code"]), (404, &"store_unknown".into()));
    desk.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_waits_for_the_menu_that_it_names_and_is_compared_when_it_comes() {
    let (said, menus) = catalog(1, &[(1, menu(300, 89_000)), (2, menu(325, 89_000))]);
    let mut node = shop();
    rung_up(&mut node, ticket(&menus[1], 1), NOON_MS, ClockQuality::Good);
    // It says that it was sold by the second menu, at the price of the first.
    let old_price = TicketSold { catalog_revision: 2, ..ticket(&menus[0], 2) };
    rung_up(&mut node, old_price, NOON_MS, ClockQuality::Good);
    let of_nobody = TicketSold { catalog_revision: 9, ..ticket(&menus[0], 3) };
    rung_up(&mut node, of_nobody, NOON_MS, ClockQuality::Good);

    let desk = Desk::new().await;
    take(&desk, &node).await;
    let waiting = desk.body(DIFFERENCES).await;
    assert_eq!((&waiting["differences"], &waiting["waiting_tickets"]), (&0.into(), &3.into()));
    take(&desk, &said).await;
    let body = desk.body(DIFFERENCES).await;
    assert_eq!(found(&body), [json!(["T1-A-2", "unit_price", 0, 300, 325])]);
    assert_eq!((&body["differences"], &body["waiting_tickets"]), (&1.into(), &1.into()));

    // The hub had been put back: another run had published a second menu, and nodes give it back.
    let (returned, _) = catalog(2, &[(2, menu(300, 89_000))]);
    take(&desk, &returned).await;
    assert_eq!(found(&desk.body(DIFFERENCES).await), Vec::<Value>::new(), "each agrees with one of the two");

    let digest = desk.digest().await;
    desk.runner.rebuild().await.unwrap();
    assert_eq!(desk.digest().await, digest);
    desk.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p17_a_difference_is_settled_once_with_a_reason_changes_no_figure_and_outlives_the_reports() {
    let (said, menus) = catalog(1, &[(1, menu(300, 89_000))]);
    let mut node = shop();
    let mut planted = ticket(&menus[0], 1);
    planted.change = Minor::new(planted.change.get() - 1);
    rung_up(&mut node, planted.clone(), NOON_MS, ClockQuality::Good);
    let desk = Desk::new().await;
    take(&desk, &node).await;
    let path = format!("{DIFFERENCES}/{}/settlements", planted.id);
    let sales = desk.body("/v1/reporting/sales?by=store").await;

    for (path, body, expected) in [
        (path.clone(), json!({"reason": " "}), (422, "reason_invalid")),
        (path.clone(), json!({"reason": "two\nlines"}), (422, "reason_invalid")),
        (path.clone(), json!({"reason": "x".repeat(501)}), (422, "reason_invalid")),
        (format!("{DIFFERENCES}/nothing/settlements"), json!({"reason": "x"}), (404, "difference_unknown")),
        (
            format!("{DIFFERENCES}/{}/settlements", ticket(&menus[0], 9).id),
            json!({"reason": "x"}),
            (404, "difference_unknown"),
        ),
    ] {
        let (status, answer) = desk.post(&path, &body).await;
        assert_eq!((status.as_u16(), answer["code"].as_str().unwrap()), expected, "{body}");
    }
    assert_eq!(desk.body(&format!("{DIFFERENCES}?open=true")).await["open"], 1);

    let (status, answer) = desk.post(&path, &json!({"reason": "a cent stuck in the drawer"})).await;
    assert_eq!((status.as_u16(), &answer), (201, &json!({"differences": 1})));
    let (status, answer) = desk.post(&path, &json!({"reason": "another story"})).await;
    assert_eq!((status.as_u16(), &answer["code"]), (409, &"difference_settled".into()));
    let expected = json!({"by": "local", "at_ms": NOON_MS, "reason": "a cent stuck in the drawer"});
    let settled = desk.body(DIFFERENCES).await;
    assert_eq!((&settled["differences"], &settled["open"]), (&1.into(), &0.into()));
    assert_eq!(settled["rows"][0]["settled"], expected);
    assert_eq!(found(&desk.body(&format!("{DIFFERENCES}?open=true")).await), Vec::<Value>::new());
    assert_eq!(desk.body("/v1/reporting/sales?by=store").await["rows"], sales["rows"], "no figure has changed");

    // What was decided is no fold: it is there when all else was folded anew. What is found later is open again.
    desk.runner.rebuild().await.unwrap();
    assert_eq!(desk.body(DIFFERENCES).await["rows"][0]["settled"], expected);
    let (dearer, _) = catalog(2, &[(1, menu(310, 89_000))]);
    take(&desk, &dearer).await;
    let open = desk.body(&format!("{DIFFERENCES}?open=true")).await;
    assert_eq!(found(&open), [json!(["T1-A-1", "unit_price", 0, 300, 310])]);
    take(&desk, &said).await;
    assert_eq!(desk.body(DIFFERENCES).await["open"], 0);
    desk.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p21_a_clock_that_was_wrong_is_counted_by_shop_day_and_box() {
    let (said, menus) = catalog(1, &[(1, menu(300, 89_000))]);
    let mut node = shop();
    let clocks = [ClockQuality::Good, ClockQuality::Suspect, ClockQuality::Suspect, ClockQuality::Unsynced];
    for (number, clock) in (1..).zip(clocks) {
        rung_up(&mut node, ticket(&menus[0], number), NOON_MS + i64::try_from(number).unwrap(), clock);
    }
    let desk = Desk::new().await;
    take(&desk, &said).await;
    let metric = "hub_suspect_clock_events_total";
    assert!(ALERTS.contains(&format!("expr: sum(increase({metric}[15m])) > 0")));
    let before = counted(&desk, metric).await;
    take(&desk, &node).await;
    assert!(counted(&desk, metric).await >= before + 2, "the alert fires");
    let body = desk.body(DIFFERENCES).await;
    let row = json!({"store": 1, "node": 11, "business_day": "2026-11-23", "events": 2, "last_at_ms": NOON_MS + 3});
    assert_eq!(body["clocks"], json!([row]));
    assert_eq!(body["differences"], 0);
    desk.leave().await;
}

/// Tickets of three menus, two of which have one number; some are right by one of them, some by none.
fn world() -> Vec<Written> {
    let (first, of_first) = catalog(1, &[(1, menu(300, 89_000)), (2, menu(325, 89_000))]);
    let (second, of_second) = catalog(2, &[(2, menu(300, 80_000)), (3, menu(350, 80_000))]);
    let mut node = shop();
    let mut number = 0;
    for menu in of_first.iter().chain(&of_second) {
        for revision in 1..=4 {
            number += 1;
            let mut sold = TicketSold { catalog_revision: revision, ..ticket(menu, number) };
            if number % 5 == 0 {
                sold.change = Minor::new(sold.change.get() - 1);
            }
            let clock = if number % 3 == 0 { ClockQuality::Suspect } else { ClockQuality::Good };
            rung_up(&mut node, sold, NOON_MS + i64::try_from(number).unwrap(), clock);
        }
    }
    vec![first, second, node]
}

/// The tables after the journals came in pieces, the next from whichever journal `schedule` says, folded where it says.
async fn folded(schedule: &[(usize, u64, bool)]) -> Vec<(&'static str, String)> {
    let desk = Desk::new().await;
    let journals = world();
    let mut held = vec![0_u64; journals.len()];
    let to_the_end = (0..journals.len()).map(|which| (which, 99, true));
    for (which, count, fold) in schedule.iter().copied().chain(to_the_end) {
        let (lo, last) = (held[which] + 1, journals[which].head().seq);
        let hi = (lo + count).min(last);
        if lo <= hi {
            desk.take(journals[which].batch(lo, hi, 1)).await;
            held[which] = hi;
        }
        if fold {
            desk.fold().await;
        }
    }
    let digest = desk.digest().await;
    desk.leave().await;
    digest
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(17),
        ..ProptestConfig::default()
    })]

    /// P17: in whatever order tickets and menus come, what is flagged is the same to the byte.
    #[test]
    fn p17_in_any_order_of_tickets_and_menus_the_same_is_flagged(
        schedule in prop::collection::vec((0_usize..3, 0_u64..6, any::<bool>()), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (expected, found) = runtime.block_on(async { (folded(&[]).await, folded(&schedule).await) });
        prop_assert_eq!(found, expected);
    }
}
