//! Three books of one day, compared: what the tills rang up, what the stores say, what the head office says.

use crate::client::{Completeness, Journal, Measures, NodeState, StockRow};
use crate::figures::{capitalised, counted, in_words, money};
use percolate_common::money::{Currency, Minor};

/// A place in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Number of the last entry.
    pub seq: u64,
    /// The chain hash there, in hexadecimal digits.
    pub head: String,
}

impl Place {
    /// The start of the hash, for people: the seal on everything up to here.
    #[must_use]
    pub fn seal(&self) -> &str {
        self.head.get(..8).unwrap_or(&self.head)
    }

    /// Number and seal, for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("entry {} (seal {})", self.seq, self.seal())
    }
}

/// One journal of a store, on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPair {
    /// Which.
    pub stream: String,
    /// How far the shop has written it.
    pub at_store: Place,
    /// How far the head office holds it.
    pub at_hub: Option<Place>,
    /// How far it is counted in the reports, where reports count it.
    pub counted: Option<Place>,
    /// Entries that the head office cannot read.
    pub parked: u64,
}

/// A stock item whose figures differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockDifference {
    /// Stock item number.
    pub stock_item: u32,
    /// On hand at the shop.
    pub at_store: i64,
    /// On hand as the head office says.
    pub at_hub: Option<i64>,
}

/// One store's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreBooks {
    /// Store number.
    pub store: u32,
    /// Its name.
    pub name: String,
    /// What its tills rang up.
    pub tills: Measures,
    /// What the shop says.
    pub at_store: Measures,
    /// What the head office says; nothing if it has not heard of the shop.
    pub at_hub: Option<Measures>,
    /// Practice tickets as the tills know them, and as the shop does.
    pub training: (i64, i64),
    /// The store's journals that hold anything.
    pub journals: Vec<JournalPair>,
    /// How many stock items were compared.
    pub stock_items: usize,
    /// Those that differ.
    pub stock_differences: Vec<StockDifference>,
}

impl StoreBooks {
    /// Everything in which the books differ, each as a sentence's end: "the head office lacks 2 tickets".
    #[must_use]
    pub fn differences(&self, currency: Currency) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(text) = compare(("the shop", &self.at_store), ("its tills", &self.tills), currency) {
            found.push(text);
        }
        match &self.at_hub {
            None => found.push("the head office has never heard of it".to_owned()),
            Some(at_hub) => {
                found.extend(compare(("the head office", at_hub), ("the shop", &self.at_store), currency));
            }
        }
        let (rung, kept) = self.training;
        if rung != kept {
            let tickets = counted(kept, "practice ticket", "practice tickets");
            found.push(format!("the shop knows {tickets}, its tills {rung}"));
        }
        found.extend(self.journals.iter().filter_map(journal_difference));
        found.extend(self.stock_differences.iter().map(stock_difference));
        found
    }

    /// The sales journal, if it holds anything.
    #[must_use]
    pub fn sales_journal(&self) -> Option<&JournalPair> {
        self.journals.iter().find(|pair| pair.stream == "sales")
    }
}

/// How `one` differs from `other`, from the point of view of `one`.
fn compare(one: (&str, &Measures), other: (&str, &Measures), currency: Currency) -> Option<String> {
    let ((one_name, one), (other_name, other)) = (one, other);
    if one == other {
        return None;
    }
    let differences = [
        (one.tickets - other.tickets, "ticket", "tickets"),
        (one.lines - other.lines, "line", "lines"),
        (one.units - other.units, "unit", "units"),
    ];
    let money_differences = [
        (one.net_minor - other.net_minor, "before tax"),
        (one.tax_minor - other.tax_minor, "of tax"),
        (one.total_minor - other.total_minor, "in all"),
    ];
    let mut lacks = Vec::new();
    let mut exceeds = Vec::new();
    for (difference, word, words) in differences {
        let text = counted(difference.abs(), word, words);
        if difference < 0 {
            lacks.push(text)
        } else if difference > 0 {
            exceeds.push(text)
        }
    }
    for (difference, what) in money_differences {
        let text = format!("{} {what}", money(Minor::new(difference.abs()), currency));
        if difference < 0 {
            lacks.push(text)
        } else if difference > 0 {
            exceeds.push(text)
        }
    }
    let mut parts = Vec::new();
    if !lacks.is_empty() {
        parts.push(format!("lacks {}", lacks.join(", ")));
    }
    if !exceeds.is_empty() {
        parts.push(format!("has {} too much", exceeds.join(", ")));
    }
    Some(format!("{one_name} {}, compared with {other_name}", parts.join(" and ")))
}

fn journal_difference(pair: &JournalPair) -> Option<String> {
    let JournalPair { stream, at_store, at_hub, counted: in_reports, parked } = pair;
    let Some(at_hub) = at_hub else {
        return Some(format!("the head office has nothing of its {stream} journal"));
    };
    if at_hub != at_store {
        let (store, hub) = (at_store.in_words(), at_hub.in_words());
        return Some(format!("its {stream} journal is at {store} in the shop and at {hub} at the head office"));
    }
    if *parked > 0 {
        let entries = counted(crate::figures::signed(*parked), "entry", "entries");
        return Some(format!("the head office cannot read {entries} of its {stream} journal"));
    }
    let behind = in_reports.as_ref().filter(|counted| *counted != at_store)?;
    let (store, reports) = (at_store.in_words(), behind.in_words());
    Some(format!("its {stream} journal is at {store}, and counted in the reports up to {reports}"))
}

fn stock_difference(difference: &StockDifference) -> String {
    let StockDifference { stock_item, at_store, at_hub } = difference;
    let hub = at_hub.map_or_else(|| "nothing".to_owned(), |on_hand| on_hand.to_string());
    format!("stock item {stock_item}: {at_store} on hand in the shop, {hub} at the head office")
}

/// Pairs a store's journals with what the head office holds and counts of them.
#[must_use]
pub fn pair_journals(state: &NodeState, held: &[Journal], marks: &[Completeness]) -> Vec<JournalPair> {
    let of_store: Vec<_> =
        marks.iter().filter(|mark| mark.store == state.store.id).flat_map(|mark| &mark.complete_through).collect();
    let written = state.streams.iter().filter(|stream| stream.last_seq > 0);
    written
        .map(|stream| {
            let hub = held.iter().find(|journal| {
                let author = (journal.node, &journal.incarnation, &journal.stream);
                author == (Some(state.node), &state.incarnation, &stream.stream)
            });
            let counted = of_store.iter().find(|through| {
                (through.node, &through.incarnation, &through.stream)
                    == (state.node, &state.incarnation, &stream.stream)
            });
            JournalPair {
                stream: stream.stream.clone(),
                at_store: Place { seq: stream.last_seq, head: stream.head.clone() },
                at_hub: hub.map(|journal| Place { seq: journal.contig, head: journal.head.clone() }),
                counted: counted.map(|through| Place { seq: through.seq, head: through.head.clone() }),
                parked: hub.map_or(0, |journal| journal.parked),
            }
        })
        .collect()
}

/// Compares stock item by item.
#[must_use]
pub fn compare_stock(store: u32, at_store: &[StockRow], at_hub: &[StockRow]) -> Vec<StockDifference> {
    let hub_of = |item| at_hub.iter().find(|row| row.store == store && row.stock_item == item).map(|row| row.on_hand);
    let differs = |row: &&StockRow| hub_of(row.stock_item) != Some(row.on_hand);
    at_store
        .iter()
        .filter(differs)
        .map(|row| StockDifference {
            stock_item: row.stock_item,
            at_store: row.on_hand,
            at_hub: hub_of(row.stock_item),
        })
        .collect()
}

/// What is said at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether all books agree.
    pub agrees: bool,
    /// In words that a shop owner understands.
    pub sentences: Vec<String>,
}

/// Compares all books.
#[must_use]
pub fn verdict(books: &[StoreBooks], currency: Currency) -> Verdict {
    let differing: Vec<(&StoreBooks, Vec<String>)> = books
        .iter()
        .map(|store| (store, store.differences(currency)))
        .filter(|(_, differences)| !differences.is_empty())
        .collect();
    let (stores, agreeing) = (books.len(), books.len() - differing.len());
    if differing.is_empty() {
        let agree = if stores == 1 { "shop agrees" } else { "shops agree" };
        let all = format!("Every ticket is at the head office, once. {stores} of {stores} {agree} to the cent.");
        return Verdict { agrees: stores > 0, sentences: vec![all] };
    }
    let do_not = if differing.len() == 1 { "does" } else { "do" };
    let mut sentences = vec![format!(
        "The books do not agree: {} of {stores} shops {do_not} not, {agreeing} agree to the cent.",
        capitalised(&in_words(differing.len())).to_lowercase()
    )];
    for (store, differences) in differing {
        sentences.extend(differences.iter().map(|difference| format!("{}: {difference}.", store.name)));
    }
    Verdict { agrees: false, sentences }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn measures(tickets: i64, total_minor: i64) -> Measures {
        let net_minor = total_minor - tickets;
        Measures { tickets, lines: tickets, units: tickets * 2, net_minor, tax_minor: tickets, total_minor }
    }

    fn place(seq: u64) -> Place {
        Place { seq, head: format!("{seq:064x}") }
    }

    /// A store's books in which all agrees.
    pub(in crate::demo) fn agreeing(store: u32, name: &str) -> StoreBooks {
        let sales = measures(100 + i64::from(store), 123_456);
        let pair = |stream: &str, seq| JournalPair {
            stream: stream.to_owned(),
            at_store: place(seq),
            at_hub: Some(place(seq)),
            counted: Some(place(seq)),
            parked: 0,
        };
        StoreBooks {
            store,
            name: name.to_owned(),
            tills: sales,
            at_store: sales,
            at_hub: Some(sales),
            training: (2, 2),
            journals: vec![pair("sales", 105), pair("stock", 1), JournalPair { counted: None, ..pair("ops", 1) }],
            stock_items: 40,
            stock_differences: Vec::new(),
        }
    }

    fn difference(change: impl FnOnce(&mut StoreBooks)) -> Vec<String> {
        let mut books = agreeing(1, "Midtown");
        change(&mut books);
        let differences = books.differences(Currency::USD);
        let verdict = verdict(&[agreeing(2, "Inman Park"), books], Currency::USD);
        assert_eq!(verdict.agrees, differences.is_empty());
        differences
    }

    #[test]
    fn when_all_agrees_the_owner_is_told_so_in_one_line() {
        assert_eq!(difference(|_| {}), Vec::<String>::new());
        let verdict = verdict(&[agreeing(1, "A"), agreeing(2, "B")], Currency::USD);
        assert_eq!(verdict.sentences, ["Every ticket is at the head office, once. 2 of 2 shops agree to the cent."]);
        assert!(!super::verdict(&[], Currency::USD).agrees, "nothing compared is nothing proven");
    }

    #[test]
    fn a_difference_names_the_store_and_by_how_much() {
        let short = |books: &mut StoreBooks| books.at_hub = Some(measures(99, 123_156));
        let expected = "the head office lacks 2 tickets, 2 lines, 4 units, $2.98 before tax, $0.02 of tax, $3.00 in all, \
            compared with the shop";
        assert_eq!(difference(short), [expected]);
        let mut books = agreeing(1, "Midtown");
        short(&mut books);
        let verdict = verdict(&[agreeing(2, "Inman Park"), books], Currency::USD);
        assert_eq!(verdict.sentences[0], "The books do not agree: one of 2 shops does not, 1 agree to the cent.");
        assert_eq!(verdict.sentences[1], format!("Midtown: {expected}."));
    }

    #[test]
    fn a_cent_too_much_or_moved_between_tax_and_net_is_seen() {
        let more = difference(|books| {
            let hub = books.at_hub.as_mut().unwrap();
            (hub.net_minor, hub.tax_minor) = (hub.net_minor + 1, hub.tax_minor - 1);
        });
        let expected = "the head office lacks $0.01 of tax and has $0.01 before tax too much, compared with the shop";
        assert_eq!(more, [expected]);
        assert!(
            difference(|books| books.tills.units += 1)[0].starts_with("the shop lacks 1 unit, compared with its tills")
        );
    }

    #[test]
    fn every_book_is_compared() {
        assert_eq!(difference(|books| books.at_hub = None), ["the head office has never heard of it"]);
        assert_eq!(difference(|books| books.training.1 = 0), ["the shop knows 0 practice tickets, its tills 2"]);
        let journal = |change: fn(&mut JournalPair)| difference(|books| change(&mut books.journals[0])).remove(0);
        assert!(journal(|pair| pair.at_hub = None).contains("nothing of its sales journal"));
        assert!(
            journal(|pair| pair.at_hub = Some(place(104)))
                .contains("at entry 105 (seal 00000000) in the shop and at entry 104")
        );
        let forked = journal(|pair| pair.at_hub = Some(Place { seq: 105, head: "f".repeat(64) }));
        assert!(forked.contains("entry 105 (seal ffffffff)"), "{forked}");
        assert!(journal(|pair| pair.counted = Some(place(104))).contains("counted in the reports up to entry 104"));
        assert!(journal(|pair| pair.parked = 1).contains("cannot read 1 entry"));
        let stock = StockDifference { stock_item: 4, at_store: 10, at_hub: Some(12) };
        let found = difference(|books| books.stock_differences.push(stock));
        assert_eq!(found, ["stock item 4: 10 on hand in the shop, 12 at the head office"]);
    }

    #[test]
    fn stock_is_compared_item_by_item_within_the_store() {
        let row = |store, stock_item, on_hand| StockRow { store, stock_item, on_hand };
        let at_store = [row(0, 1, 5), row(0, 2, 7), row(0, 3, 0)];
        let at_hub = [row(1, 1, 5), row(1, 2, 8), row(2, 3, 0)];
        let found = compare_stock(1, &at_store, &at_hub);
        assert_eq!(found.iter().map(|d| (d.stock_item, d.at_hub)).collect::<Vec<_>>(), [(2, Some(8)), (3, None)]);
    }
}
