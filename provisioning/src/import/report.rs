//! What an import did, for people and for programs.

use percolate_common::money::{Currency, Minor};
use serde::Serialize;
use serde_json::{Value, json};

use super::plan::Sums;
use super::quarantine::SetAside;
use crate::exit::Exit;
use crate::figures::{capitalised, counted, grouped, in_words, money, seconds, signed};
use crate::table::{Cell, Paint, Side, Table, Tone};

/// How it went for one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReport {
    /// Its number in the file.
    pub theirs: String,
    /// Its number here.
    pub store: u32,
    /// Its name.
    pub name: String,
    /// What its prices are in.
    pub currency: Currency,
    /// What is in the store now.
    pub sums: Sums,
    /// Lines that were in the store before.
    pub lines_there_before: u64,
    /// Tickets that are new.
    pub tickets_created: u64,
    /// Tickets that lines came later for.
    pub tickets_amended: u64,
    /// Baskets whose local time came twice that day.
    pub repeated_local_times: u64,
    /// Lines that were not sent.
    pub lines_unsent: i64,
    /// Why the import into it ended early.
    pub error: Option<String>,
    /// Whether its answers did not account for what was sent.
    pub unaccounted: bool,
    /// Whether the hub has acknowledged everything; unknown if nobody waited.
    pub acknowledged: Option<bool>,
}

/// How the import went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// By store, in the order of `--map`.
    pub stores: Vec<StoreReport>,
    /// Rows of the file.
    pub rows_read: u32,
    /// Rows that repeat another.
    pub rows_duplicate: u32,
    /// Rows that were set aside.
    pub set_aside: SetAside,
    /// How long it took until all was in, in milliseconds.
    pub import_ms: u128,
    /// How long it took until the hub had acknowledged it, if somebody waited, in milliseconds.
    pub wait_ms: Option<u128>,
}

impl Report {
    /// How the program ends. What the person can do least about comes first.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.stores.iter().any(|store| store.error.is_some() && !store.unaccounted) {
            return Exit::ServerFailed;
        }
        if self.stores.iter().any(|store| store.unaccounted || store.acknowledged == Some(false)) {
            return Exit::Disagreement;
        }
        if self.set_aside.rows() > 0 { Exit::RowsSetAside } else { Exit::Done }
    }

    fn totals(&self) -> Sums {
        let mut totals = Sums::default();
        for Sums { tickets, lines, units, net } in self.stores.iter().map(|store| store.sums) {
            totals.tickets += tickets;
            totals.lines += lines;
            totals.units += units;
            totals.net = Minor::new(totals.net.get().saturating_add(net.get()));
        }
        totals
    }

    /// The currency of all stores, if they have one.
    fn currency(&self) -> Option<Currency> {
        let first = self.stores.first()?.currency;
        self.stores.iter().all(|store| store.currency == first).then_some(first)
    }

    /// The report as one object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let sums = |sums: &Sums| json!({"tickets": sums.tickets, "lines": sums.lines, "units": sums.units, "net_minor": sums.net.get()});
        let store = |store: &StoreReport| {
            let mut object = sums(&store.sums);
            let more = json!({
                "file_store": store.theirs, "store": store.store, "name": store.name,
                "currency": store.currency.to_string(),
                "tickets_created": store.tickets_created, "tickets_amended": store.tickets_amended,
                "lines_there_before": store.lines_there_before, "lines_unsent": store.lines_unsent,
                "repeated_local_times": store.repeated_local_times,
                "acknowledged": store.acknowledged, "error": store.error,
            });
            merge(&mut object, more);
            object
        };
        json!({
            "outcome": outcome(self.exit()), "exit_code": self.exit().code(),
            "rows_read": self.rows_read, "rows_duplicate": self.rows_duplicate,
            "rows_set_aside": self.set_aside.rows(), "rows_set_aside_by_code": self.set_aside.rows_by_code,
            "quarantine_file": self.set_aside.path, "quarantine_file_earlier": self.set_aside.earlier,
            "import_ms": milliseconds(self.import_ms),
            "wait_ms": self.wait_ms.map(milliseconds),
            "stores": self.stores.iter().map(store).collect::<Vec<_>>(), "totals": sums(&self.totals()),
        })
    }

    /// The report as a table and a few sentences.
    #[must_use]
    pub fn to_text(&self, paint: Paint) -> String {
        let mut text = format!("\n{}\n", self.table().render(paint));
        for sentence in self.sentences() {
            text.push_str(&format!("  {sentence}\n"));
        }
        for store in &self.stores {
            if let Some(error) = &store.error {
                let line = format!("{}: {error}", store.name);
                text.push_str(&format!("  {}\n", paint.tone(&line, Tone::Bad)));
            }
        }
        let (verdict, tone) = self.verdict();
        text.push_str(&format!("\n  {}\n", paint.tone(&verdict, tone)));
        text
    }

    fn table(&self) -> Table {
        let right = |title| (title, Side::Right);
        let mut table = Table::new(&[
            right("File"),
            ("Store", Side::Left),
            right("Tickets"),
            right("Lines"),
            right("Units"),
            right("Sales"),
            right("New tickets"),
            right("Lines there before"),
        ]);
        for store in &self.stores {
            let money = money(store.sums.net, store.currency);
            table.row(vec![
                store.theirs.as_str().into(),
                format!("{} {}", store.store, store.name).into(),
                grouped(store.sums.tickets).into(),
                grouped(store.sums.lines).into(),
                grouped(store.sums.units).into(),
                money.into(),
                grouped(signed(store.tickets_created)).into(),
                Cell::from(grouped(signed(store.lines_there_before))).tone(Tone::Soft),
            ]);
        }
        let totals = self.totals();
        let created: u64 = self.stores.iter().map(|store| store.tickets_created).sum();
        let before: u64 = self.stores.iter().map(|store| store.lines_there_before).sum();
        let stores = if self.stores.len() == 1 { "store" } else { "stores" };
        table.totals(vec![
            "".into(),
            format!("{} {stores}", capitalised(&in_words(self.stores.len()))).into(),
            grouped(totals.tickets).into(),
            grouped(totals.lines).into(),
            grouped(totals.units).into(),
            self.currency().map(|currency| money(totals.net, currency)).unwrap_or_default().into(),
            grouped(signed(created)).into(),
            grouped(signed(before)).into(),
        ]);
        table
    }

    fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![format!(
            "{} read in {}; {}, {} set aside.",
            counted(self.rows_read.into(), "row", "rows"),
            seconds(self.import_ms),
            counted(self.rows_duplicate.into(), "repeats another", "repeat another"),
            grouped(signed(self.set_aside.rows())),
        )];
        let amended: u64 = self.stores.iter().map(|store| store.tickets_amended).sum();
        if amended > 0 {
            let tickets = counted(signed(amended), "ticket", "tickets");
            sentences.push(format!("Lines were added to {tickets} that had been imported before."));
        }
        let repeated: u64 = self.stores.iter().map(|store| store.repeated_local_times).sum();
        if repeated > 0 {
            let tickets = counted(signed(repeated), "ticket", "tickets");
            sentences.push(format!("{tickets} in the hour that the clocks repeat: taken as of its first pass."));
        }
        if let Some(path) = &self.set_aside.path {
            for (code, rows) in &self.set_aside.rows_by_code {
                sentences.push(format!("  {:>7}  {code}", grouped(signed(*rows))));
            }
            let path = path.display();
            sentences.push(format!("Set aside in {path}: correct it there, and import that file in the same way."));
        }
        if let Some(earlier) = &self.set_aside.earlier {
            let earlier = earlier.display();
            sentences.push(format!("The file that stood there before said something else, and is kept as {earlier}."));
        }
        sentences
    }

    fn verdict(&self) -> (String, Tone) {
        let waited = self.wait_ms.map(|wait_ms| seconds(self.import_ms + wait_ms));
        match (self.exit(), waited) {
            (Exit::Done, Some(time)) => {
                (format!("Everything is in its store and at the head office, once, after {time}."), Tone::Good)
            }
            (Exit::Done, None) => ("Everything is in its store, once.".to_owned(), Tone::Good),
            (Exit::RowsSetAside, _) => {
                let rows = counted(signed(self.set_aside.rows()), "row was", "rows were");
                (format!("{rows} set aside; everything else is in its store, once."), Tone::Bad)
            }
            (Exit::ServerFailed, _) => {
                ("Not everything is in. Run the same command again: what is in is recognised.".to_owned(), Tone::Bad)
            }
            (Exit::Disagreement, _) if self.stores.iter().any(|store| store.unaccounted) => {
                ("A store does not account for what it was sent. Nothing more was sent to it.".to_owned(), Tone::Bad)
            }
            (
                Exit::Disagreement
                | Exit::Failed
                | Exit::Usage
                | Exit::FolderUnusable
                | Exit::NotFit
                | Exit::BundleRefused
                | Exit::NotEnrolled
                | Exit::NotInstalled
                | Exit::Interrupted,
                _,
            ) => {
                let late: Vec<&str> =
                    self.stores.iter().filter(|s| s.acknowledged == Some(false)).map(|s| s.name.as_str()).collect();
                let stores = late.join(", ");
                (
                    format!(
                        "Everything is in its store, but the head office has not acknowledged all of {stores} in time."
                    ),
                    Tone::Bad,
                )
            }
        }
    }
}

fn outcome(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "done",
        Exit::RowsSetAside => "rows_set_aside",
        Exit::ServerFailed => "server_failed",
        Exit::Disagreement => "disagreement",
        Exit::Failed
        | Exit::Usage
        | Exit::FolderUnusable
        | Exit::NotFit
        | Exit::BundleRefused
        | Exit::NotEnrolled
        | Exit::NotInstalled
        | Exit::Interrupted => "failed",
    }
}

fn milliseconds(millis: u128) -> i64 {
    signed(millis)
}

fn merge(object: &mut Value, more: impl Serialize) {
    if let (Some(object), Ok(Value::Object(more))) = (object.as_object_mut(), serde_json::to_value(more)) {
        object.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn store(theirs: &str, store: u32, name: &str, sums: Sums) -> StoreReport {
        StoreReport {
            theirs: theirs.to_owned(),
            store,
            name: name.to_owned(),
            currency: Currency::USD,
            sums,
            lines_there_before: 0,
            tickets_created: u64::try_from(sums.tickets).unwrap(),
            tickets_amended: 0,
            repeated_local_times: 0,
            lines_unsent: 0,
            error: None,
            unaccounted: false,
            acknowledged: Some(true),
        }
    }

    fn report() -> Report {
        let sums = |tickets, lines, units, net| Sums { tickets, lines, units, net: Minor::new(net) };
        Report {
            stores: vec![
                store("3", 1, "Virginia-Highland", sums(14_000, 18_583, 27_000, 8_400_000)),
                store("5", 2, "Midtown", sums(1, 1, 2, 5)),
            ],
            rows_read: 18_585,
            rows_duplicate: 1,
            set_aside: SetAside::default(),
            import_ms: 4_210,
            wait_ms: Some(800),
        }
    }

    #[test]
    fn the_table_is_aligned_and_adds_up() {
        let expected = "
  File  Store                Tickets   Lines   Units       Sales  New tickets  Lines there before
  ────  ───────────────────  ───────  ──────  ──────  ──────────  ───────────  ──────────────────
     3  1 Virginia-Highland   14,000  18,583  27,000  $84,000.00       14,000                   0
     5  2 Midtown                  1       1       2       $0.05            1                   0
  ────  ───────────────────  ───────  ──────  ──────  ──────────  ───────────  ──────────────────
        Two stores            14,001  18,584  27,002  $84,000.05       14,001                   0

  18,585 rows read in 4.2 s; 1 repeats another, 0 set aside.

  Everything is in its store and at the head office, once, after 5.0 s.
";
        assert_eq!(report().to_text(Paint::new(false)), expected);
    }

    #[test]
    fn the_exit_tells_the_worst_first() {
        let mut report = report();
        assert_eq!(report.exit(), Exit::Done);
        report.set_aside.rows_by_code = BTreeMap::from([("date_malformed".to_owned(), 2)]);
        assert_eq!(report.exit(), Exit::RowsSetAside);
        report.stores[0].acknowledged = Some(false);
        assert_eq!(report.exit(), Exit::Disagreement);
        assert!(report.to_text(Paint::new(false)).contains("has not acknowledged all of Virginia-Highland in time"));
        report.stores[1].error = Some("no answer".to_owned());
        assert_eq!(report.exit(), Exit::ServerFailed);
        report.stores[1].unaccounted = true;
        assert_eq!(report.exit(), Exit::Disagreement);
    }

    #[test]
    fn the_object_has_every_sum_as_a_whole_number() {
        let json = report().to_json();
        assert_eq!(
            json["totals"],
            json!({"tickets": 14_001, "lines": 18_584, "units": 27_002, "net_minor": 8_400_005})
        );
        assert_eq!((&json["outcome"], &json["exit_code"]), (&json!("done"), &json!(0)));
        assert_eq!(json["stores"][1]["net_minor"], json!(5));
        assert_eq!(json["stores"][1]["name"], json!("Midtown"));
    }

    #[test]
    fn rows_that_were_set_aside_are_listed_by_code() {
        let mut report = report();
        report.set_aside.rows_by_code =
            BTreeMap::from([("date_malformed".to_owned(), 2), ("price_too_fine".to_owned(), 1)]);
        report.set_aside.path = Some("sales.csv.quarantine.csv".into());
        let text = report.to_text(Paint::new(false));
        assert!(
            text.contains("      2  date_malformed\n")
                && text.contains("Set aside in sales.csv.quarantine.csv: correct")
        );
        assert!(text.contains("3 rows were set aside; everything else"), "{text}");
        assert!(!text.contains("is kept as"), "{text}");
        report.set_aside.earlier = Some("sales.csv.quarantine.csv.bak".into());
        let text = report.to_text(Paint::new(false));
        assert!(text.contains("said something else, and is kept as sales.csv.quarantine.csv.bak."), "{text}");
    }
}
