//! The node's statement for an audit: its journals read anew from the first entry, and everything that is kept beside them
//! compared with what they come to.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::domain::books::{Books, DayBooks, SeriesBooks};
use percolate_common::domain::cash::books::{DrawerBooks, ReadingBooks};
use percolate_common::ids::{DrawerSessionId, StockItemId};
use percolate_common::journal::{ChainAudit, EventId, Hash, Head, JournalId};
use percolate_common::time::BusinessDay;
use percolate_common::wire::event::{Recorded, decode};
use percolate_runtime::sqlite::ReadTx;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::AppError;
use crate::store::{audit, cash, column, lives, sales, stock};

/// What the node states of its own books.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditAnswer {
    /// Node number.
    node: u32,
    /// Store number.
    store: u32,
    /// The key that its heads are signed with: 66 hexadecimal digits.
    public_key: String,
    /// Its journals, of all lives of its database.
    journals: Vec<AuditedJournal>,
    /// What is on hand, as its journals come to.
    stock: Vec<AuditedStock>,
    /// The sums of every business day, as its journals come to.
    days: Vec<AuditedDay>,
    /// Its series of receipts.
    receipts: Vec<AuditedSeries>,
    /// Its drawers: what should be in each, and what was counted.
    drawers: Vec<AuditedDrawer>,
    /// Its closing readings, by the letters of their lives.
    readings: Vec<AuditedReadings>,
}

/// One journal, read anew.
#[derive(Debug, Serialize, ToSchema)]
struct AuditedJournal {
    /// The life that wrote it, 16 hexadecimal digits.
    incarnation: String,
    /// Which.
    #[schema(value_type = String)]
    stream: &'static str,
    /// How many entries there are.
    entries: u64,
    /// The last entry's number, as the node goes by.
    last_seq: u64,
    /// The chain hash there, as the node goes by.
    head: String,
    /// The chain hash that all entries together come to.
    computed_head: String,
    /// The first number that is missing.
    gap_at: Option<u64>,
    /// The first entry that is not the one that its hash was made from.
    broken_at: Option<u64>,
    /// Entries that this program cannot read.
    unreadable: u64,
    /// The node's signature over number and hash of the head: 128 hexadecimal digits.
    signature: String,
}

/// One stock item.
#[derive(Debug, Serialize, ToSchema)]
struct AuditedStock {
    /// Stock item number.
    stock_item: u32,
    /// On hand, as the shop goes by.
    on_hand: i64,
    /// On hand, as the journals come to.
    folded: i64,
}

/// One business day.
#[derive(Debug, Serialize, ToSchema)]
struct AuditedDay {
    /// YYYY-MM-DD.
    day: String,
    /// As the shop goes by.
    kept: AuditedSums,
    /// As the journals come to.
    folded: AuditedSums,
}

/// Sums of a business day.
#[derive(Debug, Serialize, ToSchema)]
struct AuditedSums {
    tickets: i64,
    training_tickets: i64,
    refunds: i64,
    lines: i64,
    units: i64,
    net_minor: i64,
    tax_minor: i64,
    total_minor: i64,
}

/// One series of receipt numbers.
#[derive(Debug, Serialize, ToSchema)]
struct AuditedSeries {
    /// Terminal and series, as in `T1-A`.
    series: String,
    /// The last number.
    last: u64,
    /// The first number that is missing.
    gap_at: Option<u64>,
    /// Numbers that two tickets carry.
    doubled: Vec<u64>,
}

/// One drawer.
#[derive(Debug, Serialize, ToSchema)]
struct AuditedDrawer {
    /// Its id.
    drawer: String,
    /// What should be in it, as the shop goes by.
    kept_minor: i64,
    /// The same, as the journals come to.
    folded_minor: i64,
    /// What was counted; null while it is open.
    counted_minor: Option<i64>,
    /// The difference that was told then.
    difference_minor: Option<i64>,
}

/// The closing readings of one life.
#[derive(Debug, Serialize, ToSchema)]
struct AuditedReadings {
    /// The letters of the life.
    series: String,
    /// The last number.
    last: u64,
    /// The first number that is missing.
    gap_at: Option<u64>,
    /// Numbers that two readings carry.
    doubled: Vec<u64>,
    /// The first reading that does not begin where the one before it ended.
    discontinued_at: Option<u64>,
}

impl From<ReadingBooks> for AuditedReadings {
    fn from(books: ReadingBooks) -> Self {
        let ReadingBooks { series, last, gap_at, doubled, discontinued_at } = books;
        Self { series, last, gap_at, doubled, discontinued_at }
    }
}

impl From<DayBooks> for AuditedSums {
    fn from(sums: DayBooks) -> Self {
        let DayBooks { tickets, training_tickets, refunds, lines, units, net_minor, tax_minor, total_minor } = sums;
        Self { tickets, training_tickets, refunds, lines, units, net_minor, tax_minor, total_minor }
    }
}

impl From<SeriesBooks> for AuditedSeries {
    fn from(series: SeriesBooks) -> Self {
        Self { series: series.series, last: series.last, gap_at: series.gap_at, doubled: series.doubled }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is folded so far. An event that was written again in another life counts once, wherever it stands first.
struct Fold {
    books: Books,
    /// The events that were counted, where there are lives that may hold one twice.
    seen: Option<BTreeSet<EventId>>,
}

impl Fold {
    fn add(&mut self, hash: &Hash, recorded: &Recorded) {
        let id = recorded.origin.map_or_else(|| hash.event_id(), |origin| origin.id);
        if self.seen.as_mut().is_none_or(|seen| seen.insert(id)) {
            self.books.add(&recorded.header, &recorded.event);
        }
    }
}

/// Reads all journals anew and compares. Takes as long as it takes to read them.
pub(crate) fn statement(app: &App, tx: &ReadTx<'_>) -> Result<AuditAnswer, AppError> {
    let seen = (lives::lives_count(tx)? > 1).then(BTreeSet::new);
    let mut fold = Fold { books: Books::default(), seen };
    let mut journals = Vec::new();
    for (journal, life, said) in audit::journal_list(tx, app.author())? {
        journals.push(read_journal(app, tx, (journal, life, said), &mut fold)?);
    }
    let books = fold.books;
    Ok(AuditAnswer {
        node: app.identity.node.get(),
        store: app.identity.store.get(),
        public_key: hex(app.key.public_key().as_bytes()),
        journals,
        stock: stock_answers(app, tx, &books)?,
        days: day_answers(tx, &books)?,
        receipts: books.series().map(AuditedSeries::from).collect(),
        drawers: drawer_answers(tx, &books)?,
        readings: books.cash().readings().into_iter().map(AuditedReadings::from).collect(),
    })
}

fn read_journal(
    app: &App,
    tx: &ReadTx<'_>,
    (journal, life, said): (JournalId, i64, Head),
    fold: &mut Fold,
) -> Result<AuditedJournal, AppError> {
    let mut chain = ChainAudit::new(&journal);
    let mut unreadable = 0;
    audit::entries_visit(tx, life, journal.stream, |entry| {
        chain.entry(entry.seq, &entry.event, &entry.hash);
        match decode(&entry.event) {
            Ok(recorded) => fold.add(&entry.hash, &recorded),
            Err(_newer_or_broken) => unreadable += 1,
        }
    })?;
    let found = chain.finish();
    Ok(AuditedJournal {
        incarnation: journal.incarnation.to_string(),
        stream: journal.stream.as_str(),
        entries: found.entries,
        last_seq: said.seq,
        head: said.hash.to_string(),
        computed_head: found.computed.hash.to_string(),
        gap_at: found.gap_at,
        broken_at: found.broken_at,
        unreadable,
        signature: hex(app.key.sign_head(&journal, &said).as_bytes()),
    })
}

fn stock_answers(app: &App, tx: &ReadTx<'_>, books: &Books) -> Result<Vec<AuditedStock>, AppError> {
    let (on_hand, totals) = stock::on_hand(tx, app.author())?;
    let aliases = stock::alias_list(tx)?;
    let twice = |item: StockItemId| aliases.get(&item).copied().unwrap_or_default();
    let folded: BTreeMap<StockItemId, i64> = books.stock().collect();
    let items: BTreeSet<StockItemId> = totals.into_iter().map(|(item, _)| item).chain(folded.keys().copied()).collect();
    let answer = |item: StockItemId| AuditedStock {
        stock_item: item.get(),
        on_hand: on_hand.on_hand(item).get() - column(twice(item).received) + column(twice(item).used),
        folded: folded.get(&item).copied().unwrap_or(0),
    };
    Ok(items.into_iter().map(answer).collect())
}

fn drawer_answers(tx: &ReadTx<'_>, books: &Books) -> Result<Vec<AuditedDrawer>, AppError> {
    let folded: BTreeMap<DrawerSessionId, DrawerBooks> = books.cash().drawers().collect();
    let kept: BTreeMap<DrawerSessionId, i64> = cash::expected_list(tx)?.into_iter().collect();
    let all: BTreeSet<DrawerSessionId> = folded.keys().chain(kept.keys()).copied().collect();
    let answer = |session: DrawerSessionId| {
        let books = folded.get(&session).copied().unwrap_or_default();
        AuditedDrawer {
            drawer: session.to_string(),
            kept_minor: kept.get(&session).copied().unwrap_or(0),
            folded_minor: books.expected_minor,
            counted_minor: books.closed.map(|(_, counted)| counted.get()),
            difference_minor: books.closed.map(|(expected, counted)| counted.get().saturating_sub(expected.get())),
        }
    };
    Ok(all.into_iter().map(answer).collect())
}

fn day_answers(tx: &ReadTx<'_>, books: &Books) -> Result<Vec<AuditedDay>, AppError> {
    let folded: BTreeMap<BusinessDay, DayBooks> = books.days().collect();
    let days: BTreeSet<BusinessDay> = audit::day_list(tx)?.into_iter().chain(folded.keys().copied()).collect();
    let mut answers = Vec::new();
    for day in days {
        let sums = sales::day_sums(tx, day)?;
        let kept = AuditedSums {
            tickets: sums.tickets,
            training_tickets: sums.training_tickets,
            refunds: sums.refunds,
            lines: sums.lines,
            units: sums.units,
            net_minor: sums.net,
            tax_minor: sums.tax,
            total_minor: sums.total,
        };
        let folded = folded.get(&day).copied().unwrap_or_default().into();
        answers.push(AuditedDay { day: day.to_string(), kept, folded });
    }
    Ok(answers)
}
