//! What the demo showed, for people and for programs.

use percolate_common::money::{Currency, Minor};
use serde_json::{Value, json};

use super::books::{JournalPair, Place, StoreBooks, verdict};
use super::clock::wall_time;
use super::cost::{Act, Cost};
use super::till::{TillBooks, add};
use crate::audit::report::AuditReport;
use crate::client::Measures;
use crate::exit::Exit;
use crate::figures::{capitalised, counted, grouped, in_words, money, seconds, signed};
use crate::table::{Cell, Paint, Side, Table, Tone};

/// Width of what happened.
const ACT: usize = 30;

/// What a column of the table means.
const ENTRY_AND_SEAL: [&str; 2] = [
    "Last entry: every ticket, practice too, is a numbered entry in its shop's journal of sales.",
    "Seal: the first digits of a hash over all entries so far; shop and head office compare it.",
];
const CLONED: &str =
    "A shop whose disk was cloned goes on in a new journal from entry 1; its earlier entries are kept.";

/// What the demo showed.
#[derive(Debug, Clone)]
pub struct DemoReport {
    /// By store.
    pub stores: Vec<StoreBooks>,
    /// What all tills rang up.
    pub tills: TillBooks,
    /// What went wrong on purpose, in order.
    pub acts: Vec<Act>,
    /// What all journals come to, read anew.
    pub audit: AuditReport,
    /// The business day.
    pub day: String,
    /// The hour at which the doors opened.
    pub opens: u32,
    /// The seed of the plan.
    pub seed: u64,
    /// How long the rush took, in milliseconds.
    pub rush_ms: u128,
    /// How long it took after the last sale until the head office had counted it, in milliseconds.
    pub settle_ms: u128,
    /// How often a server had ended meanwhile and was started again.
    pub restarts: u64,
    /// The office page's address, its token included.
    pub office: String,
    /// What the amounts are in.
    pub currency: Currency,
}

impl DemoReport {
    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if verdict(&self.stores, self.currency).agrees { self.audit.exit() } else { Exit::Disagreement }
    }

    fn total(&self, part: impl Fn(&StoreBooks) -> Measures) -> Measures {
        let mut total = Measures::default();
        self.stores.iter().for_each(|store| add(&mut total, &part(store)));
        total
    }

    /// The report as a table and a verdict.
    #[must_use]
    pub fn to_text(&self, paint: Paint) -> String {
        let mut text = format!("\n{}\n", self.table().render(paint));
        for act in &self.acts {
            let at = paint.tone(&wall_time(self.opens, act.second), Tone::Soft);
            text.push_str(&format!("  {at}  {:<ACT$}  {}\n", act.what(), act.cost.in_words()));
        }
        if !self.acts.is_empty() {
            text.push('\n');
        }
        for sentence in self.sentences() {
            text.push_str(&format!("  {sentence}\n"));
        }
        text.push('\n');
        let verdict = verdict(&self.stores, self.currency);
        let tone = |good: bool| if good { Tone::Good } else { Tone::Bad };
        for sentence in verdict.sentences {
            text.push_str(&format!("  {}\n", paint.tone(&sentence, tone(verdict.agrees))));
        }
        let proven = self.audit.exit() == Exit::Done;
        for sentence in self.audit.findings() {
            text.push_str(&format!("  {}\n", paint.tone(&sentence, Tone::Bad)));
        }
        text.push_str(&format!("  {}\n", paint.tone(&self.audit.verdict(), tone(proven))));
        text
    }

    /// The three books side by side. Amounts are with tax.
    fn table(&self) -> Table {
        let mut table = Table::new(&[
            ("Amounts with tax", Side::Left),
            ("Tickets", Side::Right),
            ("Units", Side::Right),
            ("Tills", Side::Right),
            ("Shop", Side::Right),
            ("Head office", Side::Right),
            ("Last entry, seal", Side::Left),
            ("", Side::Left),
        ]);
        let cents = |sums: &Measures| money(Minor::new(sums.total_minor), self.currency);
        for store in &self.stores {
            let agrees = store.differences(self.currency).is_empty();
            let sign = if agrees { Cell::from("agree").tone(Tone::Good) } else { Cell::from("DIFFER").tone(Tone::Bad) };
            table.row(vec![
                store.name.as_str().into(),
                grouped(store.at_store.tickets).into(),
                grouped(store.at_store.units).into(),
                cents(&store.tills).into(),
                cents(&store.at_store).into(),
                store.at_hub.as_ref().map_or_else(|| "—".to_owned(), cents).into(),
                Cell::from(store.sales_journal().map(heads).unwrap_or_default()).tone(Tone::Soft),
                sign,
            ]);
        }
        let at_store = self.total(|store| store.at_store);
        let shops = if self.stores.len() == 1 { "shop" } else { "shops" };
        table.totals(vec![
            format!("{} {shops}", capitalised(&in_words(self.stores.len()))).into(),
            grouped(at_store.tickets).into(),
            grouped(at_store.units).into(),
            cents(&self.tills.sales).into(),
            cents(&at_store).into(),
            cents(&self.total(|store| store.at_hub.unwrap_or_default())).into(),
        ]);
        table
    }

    fn sentences(&self) -> Vec<String> {
        let TillBooks { sales, training, resent, .. } = &self.tills;
        let [middle, worst] = [50, 99].map(|part| milliseconds(self.answer_us(part)));
        let tickets = counted(sales.tickets, "ticket", "tickets");
        let items: usize = self.stores.iter().map(|store| store.stock_items).sum();
        let off: usize = self.stores.iter().map(|store| store.stock_differences.len()).sum();
        let stock = if off == 0 { "all agree".to_owned() } else { format!("{off} differ") };
        let net = money(Minor::new(self.total(|store| store.at_hub.unwrap_or_default()).net_minor), self.currency);
        let mut sentences = vec![
            format!(
                "{tickets} in {}; all was at the head office {} later: {net} before tax.",
                seconds(self.rush_ms),
                seconds(self.settle_ms)
            ),
            format!(
                "A till waited {middle} for a receipt, one in a hundred {worst} or more; each sale was on disk first."
            ),
            format!(
                "{} sent twice on purpose and counted once; {} in no total.",
                counted(*resent, "ticket was", "tickets were"),
                counted(*training, "practice ticket is", "practice tickets are"),
            ),
            format!("{} of stock compared: {stock}.", counted(signed(items), "figure", "figures")),
        ];
        sentences.extend(ENTRY_AND_SEAL.map(str::to_owned));
        if self.acts.iter().any(|act| matches!(act.cost, Cost::DiskCloned { .. })) {
            sentences.push(CLONED.to_owned());
        }
        if self.restarts > 0 {
            let times = counted(signed(self.restarts), "time", "times");
            sentences
                .push(format!("{times} a server, of a shop or of head office, was killed at work and started again."));
        }
        sentences
    }

    /// The time within which so many of a hundred answers came, in microseconds.
    fn answer_us(&self, part: usize) -> u64 {
        let mut answers = self.tills.answers_us.clone();
        answers.sort_unstable();
        let at = (answers.len() * part).div_ceil(100).saturating_sub(1);
        answers.get(at).copied().unwrap_or(0)
    }

    /// The report as one object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let verdict = verdict(&self.stores, self.currency);
        let sums = |sums: &Measures| {
            json!({"tickets": sums.tickets, "lines": sums.lines, "units": sums.units, "net_minor": sums.net_minor,
                "tax_minor": sums.tax_minor, "total_minor": sums.total_minor})
        };
        let place = |place: &Place| json!({"seq": place.seq, "head": place.head});
        let journal = |pair: &JournalPair| {
            json!({"stream": pair.stream, "store": place(&pair.at_store), "hub": pair.at_hub.as_ref().map(place),
                "counted": pair.counted.as_ref().map(place), "parked": pair.parked})
        };
        let store = |store: &StoreBooks| {
            json!({
                "store": store.store, "name": store.name, "tills": sums(&store.tills),
                "store_says": sums(&store.at_store), "hub_says": store.at_hub.as_ref().map(sums),
                "training_tickets": store.training.1, "journals": store.journals.iter().map(journal).collect::<Vec<_>>(),
                "stock_items_compared": store.stock_items,
                "differences": store.differences(self.currency),
            })
        };
        json!({
            "outcome": if verdict.agrees { "agree" } else { "differ" }, "exit_code": self.exit().code(),
            "verdict": verdict.sentences.join(" "), "currency": self.currency.to_string(), "seed": self.seed,
            "business_day": self.day, "office": self.office,
            "acts": self.acts.iter().map(|act| act.to_json(self.opens)).collect::<Vec<_>>(),
            "audit": self.audit.to_json(),
            "stores": self.stores.iter().map(store).collect::<Vec<_>>(),
            "totals": {
                "tills": sums(&self.tills.sales), "store_says": sums(&self.total(|store| store.at_store)),
                "hub_says": sums(&self.total(|store| store.at_hub.unwrap_or_default())),
            },
            "rush": {
                "rush_ms": signed(self.rush_ms), "settle_ms": signed(self.settle_ms), "resent_tickets": self.tills.resent,
                "server_restarts": self.restarts,
                "training_tickets": self.tills.training, "answer_us_p50": self.answer_us(50),
                "answer_us_p99": self.answer_us(99), "answer_us_max": self.answer_us(100),
            },
        })
    }
}

/// A journal's head, once if both sides have the same.
fn heads(pair: &JournalPair) -> String {
    let short = |place: &Place| format!("{} {}", place.seq, place.seal());
    let store = short(&pair.at_store);
    match &pair.at_hub {
        Some(at_hub) if *at_hub == pair.at_store => store,
        Some(at_hub) => format!("{store}, there {}", short(at_hub)),
        None => format!("{store}, there none"),
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::super::books::tests::agreeing;
    use super::*;
    use crate::audit::report::tests::proven;

    fn report() -> DemoReport {
        let stores = vec![agreeing(1, "Virginia-Highland"), agreeing(2, "Midtown")];
        let mut tills = TillBooks {
            training: 4,
            resent: 1,
            answers_us: (1..=200).rev().map(|n| n * 100).collect(),
            ..TillBooks::default()
        };
        stores.iter().for_each(|store| add(&mut tills.sales, &store.tills));
        let cut = Cost::LineCut { lasted_ms: 6_000, sold_offline: 97, waited: 99, there_ms: 410 };
        DemoReport {
            stores,
            tills,
            acts: vec![Act { store: Some((2, "Midtown".to_owned())), second: 2_700, cost: cut }],
            audit: proven(),
            day: "2026-11-23".to_owned(),
            opens: 6,
            seed: 1,
            rush_ms: 30_040,
            settle_ms: 310,
            restarts: 0,
            office: "http://127.0.0.1:1/#token=x".to_owned(),
            currency: Currency::USD,
        }
    }

    #[test]
    fn the_three_books_stand_side_by_side_with_what_went_wrong_and_the_verdicts_below() {
        let expected = "
  Amounts with tax   Tickets  Units      Tills       Shop  Head office  Last entry, seal
  ─────────────────  ───────  ─────  ─────────  ─────────  ───────────  ────────────────  ─────
  Virginia-Highland      101    202  $1,234.56  $1,234.56    $1,234.56  105 00000000      agree
  Midtown                102    204  $1,234.56  $1,234.56    $1,234.56  105 00000000      agree
  ─────────────────  ───────  ─────  ─────────  ─────────  ───────────  ────────────────  ─────
  Two shops              203    406  $2,469.12  $2,469.12    $2,469.12

  06:45  Midtown: line cut               97 sold offline; 99 waited, delivered 0.4 s after mending

  203 tickets in 30.0 s; all was at the head office 0.3 s later: $2,467.09 before tax.
  A till waited 10.0 ms for a receipt, one in a hundred 19.8 ms or more; each sale was on disk first.
  1 ticket was sent twice on purpose and counted once; 4 practice tickets are in no total.
  80 figures of stock compared: all agree.
  Last entry: every ticket, practice too, is a numbered entry in its shop's journal of sales.
  Seal: the first digits of a hash over all entries so far; shop and head office compare it.

  Every ticket is at the head office, once. 2 of 2 shops agree to the cent.
  Proven: 5 entries of 1 shop are the same on both sides: nothing missing, nothing changed.
";
        assert_eq!(report().to_text(Paint::new(false)), expected);
        assert_eq!(report().exit(), Exit::Done);
    }

    #[test]
    fn a_cloned_shops_new_journal_is_explained_and_no_line_is_wider_than_a_screen() {
        let mut report = report();
        let lives = ("00ab".to_owned(), "00cd".to_owned());
        let cost = Cost::DiskCloned { paused_ms: 19, sold_by_copy: 6, seen_ms: 1_400, lives };
        report.acts.push(Act { store: Some((3, "Virginia-Highland".to_owned())), second: 2_700, cost });
        report.restarts = 2;
        let text = report.to_text(Paint::new(false));
        assert!(text.contains("goes on in a new journal from entry 1"), "{text}");
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 104).collect();
        assert_eq!(wide, Vec::<&str>::new());
    }

    #[test]
    fn books_that_agree_are_not_enough_where_the_audit_proves_nothing() {
        let mut report = report();
        report.audit = AuditReport { not_asked: vec![7], ..report.audit };
        let text = report.to_text(Paint::new(false));
        assert!(text.contains("2 of 2 shops agree") && text.contains("Shop 7: head office knows it"), "{text}");
        assert!(text.ends_with("NOT proven: 1 finding.\n"), "{text}");
        assert_eq!((report.exit(), &report.to_json()["exit_code"]), (Exit::Disagreement, &json!(5)));
        assert_eq!(report.to_json()["audit"]["outcome"], "not_proven");
    }

    #[test]
    fn a_difference_is_seen_in_table_verdict_object_and_exit() {
        let mut report = report();
        report.stores[1].at_hub = None;
        let text = report.to_text(Paint::new(false));
        let line = text.lines().find(|line| line.contains("Midtown ")).unwrap();
        assert!(line.contains("—") && line.ends_with("DIFFER"), "{line}");
        assert!(text.contains("\n  Midtown: the head office has never heard of it.\n"), "{text}");
        assert_eq!(report.exit(), Exit::Disagreement);
        report.restarts = 2;
        assert!(
            report
                .to_text(Paint::new(false))
                .contains("\n  2 times a server, of a shop or of head office, was killed at work")
        );
        let json = report.to_json();
        assert_eq!((&json["outcome"], &json["exit_code"]), (&json!("differ"), &json!(5)));
        assert_eq!(json["stores"][1]["differences"], json!(["the head office has never heard of it"]));
        assert_eq!(json["stores"][1]["hub_says"], Value::Null);
    }

    #[test]
    fn the_object_has_whole_numbers_and_whole_hashes() {
        let json = report().to_json();
        assert_eq!((&json["acts"][0]["kind"], &json["acts"][0]["at"]), (&json!("line_cut"), &json!("06:45")));
        assert_eq!((&json["audit"]["outcome"], &json["audit"]["entries"]), (&json!("proven"), &json!(5)));
        assert_eq!(json["totals"]["hub_says"]["total_minor"], json!(246_912));
        assert_eq!(json["stores"][0]["journals"][0]["store"]["head"].as_str().unwrap().len(), 64);
        assert_eq!(json["rush"]["answer_us_max"], json!(20_000));
    }
}
