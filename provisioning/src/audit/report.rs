//! The audit's outcome, for people and for programs.

use serde_json::{Value, json};

use super::compare::StoreEvidence;
use super::finding::{Finding, Nature};
use crate::exit::Exit;
use crate::figures::{counted, grouped, signed};
use crate::table::{Cell, Paint, Side, Table, Tone};

/// The outcome for one store.
#[derive(Debug, Clone)]
pub struct StoreAudit {
    /// What was compared.
    pub evidence: StoreEvidence,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

impl StoreAudit {
    fn awaits(&self) -> bool {
        self.findings.iter().any(|found| found.nature == Nature::OnItsWay)
    }

    fn wrong_count(&self) -> usize {
        self.findings.iter().filter(|found| found.nature != Nature::OnItsWay).count()
    }
}

/// The outcome.
#[derive(Debug, Clone, Default)]
pub struct AuditReport {
    /// By store.
    pub stores: Vec<StoreAudit>,
    /// Stores that the hub knows and that nobody has asked.
    pub not_asked: Vec<u32>,
}

impl AuditReport {
    /// How the program ends: 0 only if all is proven.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.is_proven() { Exit::Done } else { Exit::Disagreement }
    }

    fn is_proven(&self) -> bool {
        !self.stores.is_empty()
            && self.not_asked.is_empty()
            && self.stores.iter().all(|store| store.findings.is_empty())
    }

    /// Findings that no delivery mends.
    fn wrong_count(&self) -> usize {
        self.stores.iter().map(StoreAudit::wrong_count).sum::<usize>() + self.not_asked.len()
    }

    fn entries(&self) -> i64 {
        self.stores.iter().map(entries).sum()
    }

    /// The last line.
    #[must_use]
    pub fn verdict(&self) -> String {
        if self.stores.is_empty() {
            return "NOT proven: no shop was asked.".to_owned();
        }
        if !self.is_proven() {
            let awaiting = self.stores.iter().filter(|store| store.awaits()).count();
            let shops = counted(signed(awaiting), "shop", "shops");
            let way = format!("something of {shops} is still on its way");
            let wrong = match (self.wrong_count(), awaiting) {
                (0, _) => return format!("NOT proven yet: {way}, nothing else was found. Ask again in a moment."),
                (wrong, 0) => return format!("NOT proven: {}.", counted(signed(wrong), "finding", "findings")),
                (wrong, _) => counted(signed(wrong), "finding", "findings"),
            };
            return format!("NOT proven: {wrong}, and {way}.");
        }
        format!(
            "Proven: {} of {} are the same on both sides: nothing missing, nothing changed.",
            counted(self.entries(), "entry", "entries"),
            counted(signed(self.stores.len()), "shop", "shops")
        )
    }

    /// What does not hold, a sentence each.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let found = self.stores.iter().flat_map(|store| {
            store.findings.iter().map(|found| format!("{}: {}", store.evidence.name, found.sentence))
        });
        let not_asked = self.not_asked.iter().map(|store| {
            format!("Shop {store}: head office knows it, and nobody has asked its box. Name it with --node.")
        });
        found.chain(not_asked).collect()
    }

    /// A table, the findings, and the verdict.
    #[must_use]
    pub fn to_text(&self, paint: Paint) -> String {
        let mut table = Table::new(&[
            ("Shop", Side::Left),
            ("Entries", Side::Right),
            ("Days", Side::Right),
            ("Receipts", Side::Right),
            ("Stock items", Side::Right),
            ("", Side::Left),
        ]);
        for store in &self.stores {
            let node = &store.evidence.node;
            let receipts: u64 = node.receipts.iter().map(|series| series.last).sum();
            let sign = match store.wrong_count() {
                0 if store.awaits() => Cell::from("on its way").tone(Tone::Waiting),
                0 => Cell::from("proven").tone(Tone::Good),
                count => Cell::from(counted(signed(count), "finding", "findings")).tone(Tone::Bad),
            };
            table.row(vec![
                store.evidence.name.as_str().into(),
                grouped(entries(store)).into(),
                grouped(signed(node.days.len())).into(),
                grouped(signed(receipts)).into(),
                grouped(signed(node.stock.len())).into(),
                sign,
            ]);
        }
        let mut text = format!("\n{}\n", table.render(paint));
        for sentence in self.findings() {
            text.push_str(&format!("  {sentence}\n"));
        }
        let tone = if self.is_proven() { Tone::Good } else { Tone::Bad };
        text.push_str(&format!("  {}\n", paint.tone(&self.verdict(), tone)));
        text
    }

    /// The outcome as one object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let found = |found: &Finding| json!({"code": found.code, "sentence": found.sentence, "follows": found.follows});
        let store = |store: &StoreAudit| {
            json!({
                "store": store.evidence.node.store, "node": store.evidence.node.node, "name": store.evidence.name,
                "entries": entries(store), "drawer_difference_minor": drawer_difference(store),
                "findings": store.findings.iter().map(found).collect::<Vec<_>>(),
            })
        };
        json!({
            "outcome": if self.is_proven() { "proven" } else { "not_proven" }, "exit_code": self.exit().code(),
            "verdict": self.verdict(), "entries": self.entries(), "not_asked": self.not_asked,
            "stores": self.stores.iter().map(store).collect::<Vec<_>>(),
        })
    }
}

fn entries(store: &StoreAudit) -> i64 {
    signed(store.evidence.node.journals.iter().map(|journal| journal.read.entries).sum::<u64>())
}

/// What was missing in all drawers that were counted, below zero, or too much.
fn drawer_difference(store: &StoreAudit) -> i64 {
    let differences = store.evidence.node.drawers.iter().filter_map(|drawer| drawer.difference_minor);
    differences.fold(0, i64::saturating_add)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::compare::{compare, tests::sound};
    use super::*;

    fn audit(evidence: StoreEvidence) -> AuditReport {
        let findings = compare(&evidence);
        AuditReport { stores: vec![StoreAudit { evidence, findings }], not_asked: Vec::new() }
    }

    /// A chain of one store in which all is proven.
    pub(crate) fn proven() -> AuditReport {
        audit(sound())
    }

    #[test]
    fn a_proven_chain_is_told_so_in_the_last_line_and_by_exit_0() {
        let report = audit(sound());
        let expected = "
  Shop     Entries  Days  Receipts  Stock items
  ───────  ───────  ────  ────────  ───────────  ──────
  Midtown        5     1         4            1  proven

  Proven: 5 entries of 1 shop are the same on both sides: nothing missing, nothing changed.
";
        assert_eq!(report.to_text(Paint::new(false)), expected);
        assert_eq!((report.exit(), &report.to_json()["outcome"]), (Exit::Done, &json!("proven")));
        assert_eq!(report.to_json()["stores"][0]["drawer_difference_minor"], -135);
    }

    #[test]
    fn one_finding_is_enough_to_prove_nothing() {
        let mut evidence = sound();
        evidence.node.journals[0].read.broken_at = Some(3);
        let report = audit(evidence);
        let text = report.to_text(Paint::new(false));
        assert!(text.contains("Midtown: Entry 3 of the sales journal in the shop's file was changed"), "{text}");
        assert!(text.ends_with("\n  NOT proven: 1 finding.\n"), "{text}");
        assert_eq!(report.exit(), Exit::Disagreement);
        assert_eq!(report.to_json()["stores"][0]["findings"][0]["code"], "entry_changed");
    }

    #[test]
    fn what_is_still_on_its_way_is_told_apart_from_what_is_wrong() {
        let mut evidence = sound();
        evidence.hub.as_mut().unwrap().journals[0].read.last_seq = 4;
        evidence.reported_days.clear();
        let report = audit(evidence.clone());
        let text = report.to_text(Paint::new(false));
        assert!(text.contains("  on its way\n\n  Midtown: Not arrived at head office yet: 1 entry"), "{text}");
        let last =
            "NOT proven yet: something of 1 shop is still on its way, nothing else was found. Ask again in a moment.";
        assert_eq!((report.verdict().as_str(), report.exit()), (last, Exit::Disagreement));
        evidence.node.journals[0].read.broken_at = Some(3);
        let verdict = audit(evidence).verdict();
        assert_eq!(verdict, "NOT proven: 1 finding, and something of 1 shop is still on its way.");
    }

    #[test]
    fn a_store_that_nobody_asked_and_a_chain_without_stores_are_not_proven() {
        let mut report = audit(sound());
        report.not_asked = vec![7];
        assert_eq!(report.exit(), Exit::Disagreement);
        assert!(report.to_text(Paint::new(false)).contains("Shop 7: head office knows it"));
        assert_eq!(AuditReport::default().exit(), Exit::Disagreement);
    }
}
