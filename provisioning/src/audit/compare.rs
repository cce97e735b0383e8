//! What both sides state, compared: pure, and without mercy.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Hash, Head, Incarnation, JournalId, PublicKey, Signature};

use super::statement::{Day, HubJournal, HubStatement, Journal, NodeJournal, NodeStatement, Sums};

/// Everything that is known of one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEvidence {
    /// Its name.
    pub name: String,
    /// The shop's statement.
    pub node: NodeStatement,
    /// The hub's; nothing if it has never heard of the node.
    pub hub: Option<HubStatement>,
    /// Its days in the reports.
    pub reported_days: BTreeMap<String, Sums>,
    /// Its stock in the reports.
    pub reported_stock: BTreeMap<u32, i64>,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// For programs.
    pub code: &'static str,
    /// For people, as a whole sentence.
    pub sentence: String,
}

fn finding(code: &'static str, sentence: impl Into<String>) -> Finding {
    Finding { code, sentence: sentence.into() }
}

/// What does not hold in one store; nothing if all is proven.
#[must_use]
pub fn compare(store: &StoreEvidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for journal in &store.node.journals {
        found.extend(read_findings("the shop's file", &journal.read));
    }
    let Some(hub) = &store.hub else {
        found.push(finding("hub_knows_nothing", "Head office has never heard of this box."));
        return found;
    };
    for journal in &hub.journals {
        found.extend(read_findings("head office's file", &journal.read));
    }
    found.extend(journal_findings(&store.node, hub));
    found.extend(signature_findings(&store.node, hub));
    found.extend(stock_findings(store));
    found.extend(day_findings(store));
    found.extend(receipt_findings(&store.node));
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
        found.push(finding("entry_changed", text));
    }
    if let Some(seq) = journal.gap_at {
        let text = format!("Entry {seq} of the {stream} journal is missing in {whose}; numbers are never skipped.");
        found.push(finding("entry_missing", text));
    }
    let whole = journal.broken_at.is_none() && journal.gap_at.is_none();
    if whole && journal.computed_head != journal.head {
        let text = format!(
            "The {stream} journal in {whose} does not end where it is said to: its end was cut off or changed."
        );
        found.push(finding("head_changed", text));
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
    let mut found = Vec::new();
    for key in keys {
        let (_life, stream) = key;
        let ours = ours.get(&key).map(|journal| &journal.read);
        let theirs = theirs.get(&key);
        let shop = ours.map_or(0, |journal| journal.last_seq);
        let office = theirs.map_or(0, |journal| journal.read.last_seq);
        if shop > office {
            let text =
                format!("{} of the {stream} journal have not arrived at head office yet.", events(shop - office));
            found.push(finding("not_delivered", text));
        } else if shop < office {
            let text = format!(
                "Head office holds {} of the {stream} journal that the shop's box no longer has: its disk is an older copy.",
                events(office - shop)
            );
            found.push(finding("box_behind", text));
        } else if let (Some(ours), Some(theirs)) = (ours, theirs)
            && ours.head != theirs.read.head
        {
            let text = format!(
                "Shop and head office hold different {stream} journals up to entry {shop}: one was changed or copied."
            );
            found.push(finding("heads_differ", text));
        }
        if let Some(parked) = theirs.map(|journal| journal.parked).filter(|parked| *parked > 0) {
            let text = format!("Head office cannot read {} of the {stream} journal.", events(parked));
            found.push(finding("unreadable", text));
        }
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

/// Whether the head that the shop states is signed by the key that the hub knows this life by.
fn signature_findings(node: &NodeStatement, hub: &HubStatement) -> Vec<Finding> {
    let keys: BTreeMap<&str, &str> = hub.keys.iter().map(|k| (k.incarnation.as_str(), k.public_key.as_str())).collect();
    let held = |journal: &&NodeJournal| hub.journals.iter().any(|theirs| key(&theirs.read) == key(&journal.read));
    let mut found = Vec::new();
    for journal in node.journals.iter().filter(held) {
        let Journal { incarnation, stream, .. } = &journal.read;
        if !keys.get(incarnation.as_str()).is_some_and(|known| is_signed(node.node, journal, known)) {
            let text = format!(
                "The end of the {stream} journal is not signed by the key that head office knows this box by: another \
                 program wrote it, or the whole chain was sealed anew."
            );
            found.push(finding("signature_wrong", text));
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

fn stock_findings(store: &StoreEvidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for item in &store.node.stock {
        let number = item.stock_item;
        if item.on_hand != item.folded {
            let text = format!(
                "Stock item {number}: the shop goes by {}, its journals come to {}.",
                item.on_hand, item.folded
            );
            found.push(finding("stock_differs_from_journal", text));
        }
        let reported = store.reported_stock.get(&number).copied().unwrap_or(0);
        if reported != item.on_hand {
            let text = format!("Stock item {number}: the shop goes by {}, head office by {reported}.", item.on_hand);
            found.push(finding("stock_differs_from_hub", text));
        }
    }
    found
}

fn day_findings(store: &StoreEvidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for Day { day, kept, folded } in &store.node.days {
        if kept != folded {
            let text =
                format!("{day}: the shop's totals are not what its journals come to ({}).", difference(kept, folded));
            found.push(finding("day_differs_from_journal", text));
        }
        let reported = store.reported_days.get(day).copied().unwrap_or_default();
        if reported != *folded {
            let text = format!(
                "{day}: head office's report is not what the shop's journals come to ({}).",
                difference(&reported, folded)
            );
            found.push(finding("day_differs_from_report", text));
        }
    }
    let known: BTreeSet<&str> = store.node.days.iter().map(|day| day.day.as_str()).collect();
    for (day, sums) in store.reported_days.iter().filter(|(day, _)| !known.contains(day.as_str())) {
        if *sums != Sums::default() {
            let text = format!("{day}: head office reports {} tickets, the shop knows of none.", sums.tickets);
            found.push(finding("day_unknown_to_shop", text));
        }
    }
    found
}

/// The first figure that differs, in words.
fn difference(one: &Sums, other: &Sums) -> String {
    let pairs = [
        ("tickets", one.tickets, other.tickets),
        ("lines", one.lines, other.lines),
        ("units", one.units, other.units),
        ("cents before tax", one.net_minor, other.net_minor),
        ("cents of tax", one.tax_minor, other.tax_minor),
        ("cents in all", one.total_minor, other.total_minor),
    ];
    let differing = pairs.into_iter().filter(|(_, one, other)| one != other);
    differing.map(|(what, one, other)| format!("{one} {what}, not {other}")).collect::<Vec<_>>().join("; ")
}

fn receipt_findings(node: &NodeStatement) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in &node.receipts {
        if let Some(number) = series.gap_at {
            let text = format!("Receipt {}-{number} is missing, and later ones are there.", series.series);
            found.push(finding("receipt_missing", text));
        }
        for number in &series.doubled {
            let text = format!("Receipt {}-{number} was given to two sales; both are counted.", series.series);
            found.push(finding("receipt_given_twice", text));
        }
    }
    found
}
