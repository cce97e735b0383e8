//! What both sides state, compared: pure, and without mercy.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Hash, Head, Incarnation, JournalId, PublicKey, Signature};
use percolate_common::money::{Currency, Minor};

use super::finding::{Finding, Nature, by_cause};
use super::statement::{
    Day, Drawer, HubJournal, HubStatement, Journal, NodeJournal, NodeStatement, Readings, Sums, TotalApart,
};
use crate::figures::{grouped, money};

/// Everything that is known of one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEvidence {
    /// Its name.
    pub name: String,
    /// What it sells in.
    pub currency: Currency,
    /// The shop's statement.
    pub node: NodeStatement,
    /// The hub's; nothing if it has never heard of the node.
    pub hub: Option<HubStatement>,
    /// Its days in the reports.
    pub reported_days: BTreeMap<String, Sums>,
    /// Its stock in the reports.
    pub reported_stock: BTreeMap<u32, i64>,
    /// Entries that the hub knows to exist and has not counted in its reports.
    pub uncounted: u64,
}

fn wrong(code: &'static str, sentence: impl Into<String>) -> Finding {
    Finding::new(Nature::Wrong, code, sentence)
}

fn on_its_way(code: &'static str, sentence: impl Into<String>) -> Finding {
    Finding::new(Nature::OnItsWay, code, sentence)
}

fn follows(code: &'static str, sentence: impl Into<String>) -> Finding {
    Finding::new(Nature::Follows, code, sentence)
}

/// What does not hold in one store, causes first; nothing if all is proven.
#[must_use]
pub fn compare(store: &StoreEvidence) -> Vec<Finding> {
    by_cause(all_findings(store))
}

fn all_findings(store: &StoreEvidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for journal in &store.node.journals {
        found.extend(read_findings("the shop's file", &journal.read));
    }
    let Some(hub) = &store.hub else {
        found.push(on_its_way("hub_knows_nothing", "Head office has never heard of this box."));
        return found;
    };
    for journal in &hub.journals {
        found.extend(read_findings("head office's file", &journal.read));
    }
    found.extend(journal_findings(&store.node, hub));
    if store.uncounted > 0 && !found.iter().any(|found| found.nature == Nature::OnItsWay) {
        let text =
            format!("Head office holds all of it, and has still to count {} in its reports.", events(store.uncounted));
        found.push(on_its_way("not_counted", text));
    }
    found.extend(signature_findings(&store.node, hub));
    found.extend(hub_total_findings(hub));
    found.extend(stock_findings(store));
    found.extend(day_findings(store));
    found.extend(receipt_findings(&store.node));
    found.extend(drawer_findings(store));
    found.extend(reading_findings(&store.node));
    found
}

/// What one side finds in its own file.
fn read_findings(whose: &str, journal: &Journal) -> Vec<Finding> {
    let Journal { stream, .. } = journal;
    let mut found = Vec::new();
    if let Some(seq) = journal.broken_at {
        let text = format!(
            "Entry {seq} of the {stream} journal in {whose} was changed after it was written: it does not fit the seal on it."
        );
        found.push(wrong("entry_changed", text));
    }
    if let Some(seq) = journal.gap_at {
        let text = format!("Entry {seq} of the {stream} journal is missing in {whose}; numbers are never skipped.");
        found.push(wrong("entry_missing", text));
    }
    let whole = journal.broken_at.is_none() && journal.gap_at.is_none();
    if whole && journal.computed_head != journal.head {
        let text = format!(
            "The {stream} journal in {whose} does not end where it is said to: its end was cut off or changed."
        );
        found.push(wrong("head_changed", text));
    }
    found
}

type JournalKey<'a> = (&'a str, &'a str);

fn key(journal: &Journal) -> JournalKey<'_> {
    (&journal.incarnation, &journal.stream)
}

fn journal_findings(node: &NodeStatement, hub: &HubStatement) -> Vec<Finding> {
    let ours: BTreeMap<JournalKey<'_>, &NodeJournal> = node.journals.iter().map(|j| (key(&j.read), j)).collect();
    let theirs: BTreeMap<JournalKey<'_>, &HubJournal> = hub.journals.iter().map(|j| (key(&j.read), j)).collect();
    let keys: BTreeSet<JournalKey<'_>> = ours.keys().chain(theirs.keys()).copied().collect();
    let (mut found, mut waiting) = (Vec::new(), Vec::new());
    for key in keys {
        let (_life, stream) = key;
        let ours = ours.get(&key).map(|journal| &journal.read);
        let theirs = theirs.get(&key);
        let shop = ours.map_or(0, |journal| journal.last_seq);
        let office = theirs.map_or(0, |journal| journal.read.last_seq);
        if shop > office {
            waiting.push(format!("{} of the {stream} journal", events(shop - office)));
        } else if shop < office {
            let text = format!(
                "Head office holds {} of the {stream} journal that the shop's box no longer has: its disk is an older copy.",
                events(office - shop)
            );
            found.push(on_its_way("box_behind", text));
        } else if let (Some(ours), Some(theirs)) = (ours, theirs)
            && ours.head != theirs.read.head
        {
            let text = format!(
                "Shop and head office hold different {stream} journals up to entry {shop}: one was changed or copied."
            );
            found.push(wrong("heads_differ", text));
        }
        if let Some(parked) = theirs.map(|journal| journal.parked).filter(|parked| *parked > 0) {
            let text = format!("Head office cannot read {} of the {stream} journal.", events(parked));
            found.push(wrong("unreadable", text));
        }
    }
    if !waiting.is_empty() {
        let text = format!("Not arrived at head office yet: {}.", waiting.join(", "));
        found.push(on_its_way("not_delivered", text));
    }
    found
}

fn events(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if hex.len() != N * 2 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Whether the head that the shop states is signed by a key that the hub knows this box by. A life that never greeted has
/// none of its own, and a box that replaced another states the lives of that one under its own key.
fn signature_findings(node: &NodeStatement, hub: &HubStatement) -> Vec<Finding> {
    let held = |journal: &&NodeJournal| hub.journals.iter().any(|theirs| key(&theirs.read) == key(&journal.read));
    let mut found = Vec::new();
    for journal in node.journals.iter().filter(held) {
        let stream = &journal.read.stream;
        if !hub.keys.iter().any(|known| is_signed(node.node, journal, &known.public_key)) {
            let text = format!(
                "The end of the {stream} journal is not signed by the key that head office knows this box by: another \
                 program wrote it, or the whole chain was sealed anew."
            );
            found.push(wrong("signature_wrong", text));
        }
    }
    found
}

fn is_signed(node: u32, journal: &NodeJournal, known_key: &str) -> bool {
    let Journal { incarnation, stream, last_seq, head, .. } = &journal.read;
    let id = || {
        Some(JournalId {
            author: AuthorId::node(NodeId::new(node)),
            incarnation: incarnation.parse::<Incarnation>().ok()?,
            stream: stream.parse().ok()?,
        })
    };
    let checked = || {
        let key = PublicKey::from_slice(&bytes::<33>(known_key)?)?;
        let signature = Signature::from_slice(&bytes::<64>(&journal.signature)?)?;
        let head = Head { seq: *last_seq, hash: Hash::from_bytes(bytes(head)?) };
        Some(key.vouches_for(&id()?, &head, &signature))
    };
    checked().unwrap_or(false)
}

/// A total at the hub that is higher than what its entries come to was stated by no shop. One that is lower proves nothing:
/// totals come after the entries, the shop states them again before long, and no report goes by them.
fn hub_total_findings(hub: &HubStatement) -> Vec<Finding> {
    let finding = |total: &TotalApart| {
        let TotalApart { stock_item, received, used, folded_received, folded_used } = *total;
        let text = format!(
            "Stock item {stock_item}: head office goes by {received} in and {used} out, its entries come to \
             {folded_received} in and {folded_used} out."
        );
        wrong("stock_total_wrong", text)
    };
    let higher = |total: &&TotalApart| total.received > total.folded_received || total.used > total.folded_used;
    hub.stock_apart.iter().filter(higher).map(finding).collect()
}

fn stock_findings(store: &StoreEvidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for item in &store.node.stock {
        let number = item.stock_item;
        if item.on_hand != item.folded {
            let text = format!(
                "Stock item {number}: the shop goes by {}, its journals come to {}.",
                item.on_hand, item.folded
            );
            found.push(wrong("stock_differs_from_journal", text));
        }
        let reported = store.reported_stock.get(&number).copied().unwrap_or(0);
        if reported != item.on_hand {
            let text = format!("Stock item {number}: the shop goes by {}, head office by {reported}.", item.on_hand);
            found.push(follows("stock_differs_from_hub", text));
        }
    }
    found
}

fn day_findings(store: &StoreEvidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for Day { day, kept, folded } in &store.node.days {
        if kept != folded {
            let text = format!(
                "{day}: the shop's totals are not what its journals come to ({}).",
                difference(kept, folded, store.currency)
            );
            found.push(wrong("day_differs_from_journal", text));
        }
        let reported = store.reported_days.get(day).copied().unwrap_or_default();
        if reported != *folded {
            let text = format!(
                "{day}: head office's report is not what the shop's journals come to ({}).",
                difference(&reported, folded, store.currency)
            );
            found.push(follows("day_differs_from_report", text));
        }
    }
    let known: BTreeSet<&str> = store.node.days.iter().map(|day| day.day.as_str()).collect();
    for (day, sums) in store.reported_days.iter().filter(|(day, _)| !known.contains(day.as_str())) {
        if *sums != Sums::default() {
            let text = format!("{day}: head office reports {} tickets, the shop knows of none.", sums.tickets);
            found.push(follows("day_unknown_to_shop", text));
        }
    }
    found
}

/// What a figure counts.
#[derive(Clone, Copy)]
enum Kind {
    Count,
    Money,
}

/// The figures that differ, in words.
fn difference(one: &Sums, other: &Sums, currency: Currency) -> String {
    let pairs = [
        (Kind::Count, "tickets", one.tickets, other.tickets),
        (Kind::Count, "lines", one.lines, other.lines),
        (Kind::Count, "units", one.units, other.units),
        (Kind::Money, "before tax", one.net_minor, other.net_minor),
        (Kind::Money, "of tax", one.tax_minor, other.tax_minor),
        (Kind::Money, "in all", one.total_minor, other.total_minor),
    ];
    let figure = |kind, figure| match kind {
        Kind::Count => grouped(figure),
        Kind::Money => money(Minor::new(figure), currency),
    };
    let differing = pairs.into_iter().filter(|(_, _, one, other)| one != other);
    let told =
        differing.map(|(kind, what, one, other)| format!("{} {what}, not {}", figure(kind, one), figure(kind, other)));
    told.collect::<Vec<_>>().join("; ")
}

fn receipt_findings(node: &NodeStatement) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in &node.receipts {
        if let Some(number) = series.gap_at {
            let text = format!("Receipt {}-{number} is missing, and later ones are there.", series.series);
            found.push(wrong("receipt_missing", text));
        }
        for number in &series.doubled {
            let text = format!("Receipt {}-{number} was given to two sales; both are counted.", series.series);
            found.push(wrong("receipt_given_twice", text));
        }
    }
    found
}

fn drawer_findings(store: &StoreEvidence) -> Vec<Finding> {
    let differs = store.node.drawers.iter().filter(|drawer| drawer.kept_minor != drawer.folded_minor);
    let finding = |drawer: &Drawer| {
        let text = format!(
            "Drawer {}: the shop expects {} in it, its journals come to {}.",
            drawer.drawer,
            money(Minor::new(drawer.kept_minor), store.currency),
            money(Minor::new(drawer.folded_minor), store.currency)
        );
        wrong("drawer_differs_from_journal", text)
    };
    differs.map(finding).collect()
}

fn reading_findings(node: &NodeStatement) -> Vec<Finding> {
    let mut found = Vec::new();
    for Readings { series, gap_at, doubled, discontinued_at, .. } in &node.readings {
        if let Some(number) = gap_at {
            found.push(wrong(
                "reading_missing",
                format!("Closing reading {series}-{number} is missing, and later ones are there."),
            ));
        }
        for number in doubled {
            found.push(wrong(
                "reading_given_twice",
                format!("Closing reading {series}-{number} stands for two closes of a day."),
            ));
        }
        if let Some(number) = discontinued_at {
            found.push(wrong(
                "reading_discontinued",
                format!("Closing reading {series}-{number} does not begin where the one before it ended."),
            ));
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use percolate_common::journal::{SigningKey, StreamKind};

    use super::super::statement::{Key, Series, Stock};
    use super::*;

    const LIFE: &str = "0000000000000007";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn signed(key: &SigningKey, seq: u64, head: &Head) -> NodeJournal {
        let id = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let text = head.hash.to_string();
        NodeJournal {
            read: Journal {
                incarnation: LIFE.to_owned(),
                stream: "sales".to_owned(),
                entries: seq,
                last_seq: seq,
                head: text.clone(),
                computed_head: text,
                gap_at: None,
                broken_at: None,
            },
            signature: hex(key.sign_head(&id, head).as_bytes()),
        }
    }

    /// A store in which all is proven.
    pub(in crate::audit) fn sound() -> StoreEvidence {
        let key = SigningKey::from_random(&[7; 32]).unwrap();
        let journal = signed(&key, 5, &Head { seq: 5, hash: Hash::from_bytes([5; 32]) });
        let sums = Sums { tickets: 4, lines: 5, units: 6, net_minor: 100, tax_minor: 9, total_minor: 109 };
        let public_key = hex(key.public_key().as_bytes());
        StoreEvidence {
            name: "Midtown".to_owned(),
            currency: Currency::USD,
            hub: Some(HubStatement {
                journals: vec![HubJournal { read: journal.read.clone(), parked: 0 }],
                keys: vec![Key { incarnation: LIFE.to_owned(), public_key: public_key.clone() }],
                stock_apart: vec![],
            }),
            node: NodeStatement {
                node: 11,
                store: 1,
                public_key,
                journals: vec![journal],
                stock: vec![Stock { stock_item: 3, on_hand: -4, folded: -4 }],
                days: vec![Day { day: "2026-11-24".to_owned(), kept: sums, folded: sums }],
                receipts: vec![Series { series: "T1-A".to_owned(), last: 4, gap_at: None, doubled: vec![] }],
                drawers: vec![Drawer {
                    drawer: "d1".to_owned(),
                    kept_minor: 10_000,
                    folded_minor: 10_000,
                    difference_minor: Some(-135),
                }],
                readings: vec![Readings {
                    series: "A".to_owned(),
                    last: 2,
                    gap_at: None,
                    doubled: vec![],
                    discontinued_at: None,
                }],
            },
            reported_days: BTreeMap::from([("2026-11-24".to_owned(), sums)]),
            reported_stock: BTreeMap::from([(3, -4)]),
            uncounted: 0,
        }
    }

    fn codes(change: impl FnOnce(&mut StoreEvidence)) -> Vec<&'static str> {
        let mut store = sound();
        change(&mut store);
        compare(&store).into_iter().map(|found| found.code).collect()
    }

    #[test]
    fn a_store_in_which_all_holds_has_no_finding() {
        assert_eq!(compare(&sound()), []);
    }

    #[test]
    fn what_was_changed_removed_or_cut_off_on_either_side_is_found() {
        assert_eq!(codes(|s| s.node.journals[0].read.broken_at = Some(3)), ["entry_changed"]);
        assert_eq!(codes(|s| s.node.journals[0].read.gap_at = Some(3)), ["entry_missing"]);
        assert_eq!(codes(|s| s.node.journals[0].read.computed_head = "00".to_owned()), ["head_changed"]);
        let hub = |change: fn(&mut HubJournal)| codes(|s| change(&mut s.hub.as_mut().unwrap().journals[0]));
        assert_eq!(hub(|journal| journal.read.broken_at = Some(3)), ["entry_changed"]);
        assert_eq!(hub(|journal| journal.parked = 2), ["unreadable"]);
    }

    #[test]
    fn sides_that_hold_different_journals_are_found() {
        let hub = |change: fn(&mut Journal)| codes(|s| change(&mut s.hub.as_mut().unwrap().journals[0].read));
        assert_eq!(hub(|journal| journal.last_seq = 4), ["not_delivered"]);
        assert_eq!(hub(|journal| journal.last_seq = 6), ["box_behind"]);
        let other = |journal: &mut Journal| {
            journal.head = "aa".repeat(32);
            journal.computed_head.clone_from(&journal.head);
        };
        assert_eq!(hub(other), ["heads_differ"]);
        assert_eq!(codes(|s| s.hub = None), ["hub_knows_nothing"]);
        assert_eq!(codes(|s| s.hub.as_mut().unwrap().journals.clear()), ["not_delivered"]);
    }

    #[test]
    fn what_has_not_arrived_is_said_once_and_what_differs_because_of_it_is_counted() {
        let mut store = sound();
        let hub = &mut store.hub.as_mut().unwrap().journals;
        hub[0].read.last_seq = 4;
        (store.reported_stock, store.reported_days) = (BTreeMap::from([(3, 0)]), BTreeMap::new());
        let told: Vec<_> = compare(&store).into_iter().map(|found| found.sentence).collect();
        let sentence = "Not arrived at head office yet: 1 entry of the sales journal. Until then 2 figures differ.";
        assert_eq!(told, [sentence]);
        store.node.journals[0].read.broken_at = Some(3);
        let codes: Vec<_> = compare(&store).into_iter().map(|found| found.code).collect();
        assert_eq!(codes, ["not_delivered", "entry_changed"], "what is wrong is said all the same");
        let lag = |s: &mut StoreEvidence| (s.uncounted, s.reported_stock) = (2, BTreeMap::new());
        assert_eq!(self::codes(lag), ["not_counted"]);
    }

    #[test]
    fn a_chain_that_was_sealed_anew_is_not_signed_by_the_known_key() {
        let resealed = |s: &mut StoreEvidence| {
            let forger = SigningKey::from_random(&[8; 32]).unwrap();
            s.node.journals[0] = signed(&forger, 5, &Head { seq: 5, hash: Hash::from_bytes([5; 32]) });
        };
        assert_eq!(codes(resealed), ["signature_wrong"]);
        assert_eq!(codes(|s| s.node.journals[0].signature = "zz".repeat(64)), ["signature_wrong"]);
        let of_another_life = |s: &mut StoreEvidence| {
            "0".repeat(16).clone_into(&mut s.hub.as_mut().unwrap().keys[0].incarnation);
        };
        assert!(codes(of_another_life).is_empty(), "a life that never greeted is signed by the box's key all the same");
        assert_eq!(codes(|s| s.hub.as_mut().unwrap().keys.clear()), ["signature_wrong"]);
    }

    #[test]
    fn totals_that_are_not_what_the_journals_come_to_are_found() {
        let differs = ["stock_differs_from_journal", "stock_differs_from_hub"];
        assert_eq!(codes(|s| s.node.stock[0].on_hand = 5), differs);
        assert_eq!(codes(|s| s.reported_stock = BTreeMap::from([(3, 0)])), ["stock_differs_from_hub"]);
        assert_eq!(codes(|s| s.node.days[0].kept.total_minor = 108), ["day_differs_from_journal"]);
        assert_eq!(codes(|s| s.reported_days.clear()), ["day_differs_from_report"]);
        let unknown = |s: &mut StoreEvidence| {
            s.reported_days.extend([("2026-11-25".to_owned(), Sums { tickets: 1, ..Sums::default() })]);
        };
        assert_eq!(codes(unknown), ["day_unknown_to_shop"]);
    }

    #[test]
    fn amounts_that_differ_are_told_in_dollars() {
        let mut store = sound();
        store.node.days[0].kept.total_minor = 123_456;
        let told: Vec<_> = compare(&store).into_iter().map(|found| found.sentence).collect();
        let sentence = "2026-11-24: the shop's totals are not what its journals come to ($1,234.56 in all, not $1.09).";
        assert_eq!(told, [sentence]);
    }

    #[test]
    fn a_total_at_the_hub_is_never_higher_than_its_entries_come_to() {
        let apart = |received, used| {
            codes(move |s| {
                let total = TotalApart { stock_item: 3, received, used, folded_received: 100, folded_used: 40 };
                s.hub.as_mut().unwrap().stock_apart.push(total);
            })
        };
        assert!(apart(100, 39).is_empty() && apart(0, 0).is_empty(), "it is told after the entries");
        assert_eq!(apart(100, 41), ["stock_total_wrong"]);
        assert_eq!(apart(101, 0), ["stock_total_wrong"]);
    }

    #[test]
    fn a_drawer_and_readings_that_are_not_what_the_journals_come_to_are_found_and_named() {
        let mut store = sound();
        store.node.drawers[0].kept_minor = 9_865;
        store.node.readings[0] =
            Readings { series: "A".to_owned(), last: 9, gap_at: Some(3), doubled: vec![7], discontinued_at: Some(8) };
        let sentences: Vec<_> = compare(&store).into_iter().map(|found| found.sentence).collect();
        let expected = [
            "Drawer d1: the shop expects $98.65 in it, its journals come to $100.00.",
            "Closing reading A-3 is missing, and later ones are there.",
            "Closing reading A-7 stands for two closes of a day.",
            "Closing reading A-8 does not begin where the one before it ended.",
        ];
        assert_eq!(sentences, expected);
    }

    #[test]
    fn receipts_with_a_gap_or_given_twice_are_found_and_named() {
        let mut store = sound();
        store.node.receipts[0] = Series { series: "T1-A".to_owned(), last: 9, gap_at: Some(3), doubled: vec![7] };
        let sentences: Vec<_> = compare(&store).into_iter().map(|found| found.sentence).collect();
        let expected = [
            "Receipt T1-A-3 is missing, and later ones are there.",
            "Receipt T1-A-7 was given to two sales; both are counted.",
        ];
        assert_eq!(sentences, expected);
    }
}
