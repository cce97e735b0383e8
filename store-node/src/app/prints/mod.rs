//! Paper: what happens writes a job along, in its own transaction, and somebody else prints it after the commit. No sale waits
//! for a printer.

mod answer;
mod commands;
mod queue;

pub(crate) use answer::{PrintAnswer, PrinterAnswer, list, standings};
pub(crate) use commands::{Paper, PrintRefusal, again, cancel, retry};
pub(crate) use queue::{advance, look, recover, unsure};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use percolate_common::domain::cash::{DayClosed, slip};
use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::event::Header;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::domain::tickets::{TicketClass, TicketSold};
use percolate_common::ids::TicketId;
use percolate_common::money::Minor;
use percolate_common::paper::receipt::{self, Letterhead, When};
use percolate_common::paper::{Block, Document, Receipts};
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::WriteTx;
use tokio::sync::Notify;

use super::error::AppError;
use super::{App, Stamp};
use crate::store::prints::{self as store, JobRow, PrintKind, PrintState};

/// A printer of the shop.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) name: String,
    /// `HOST:PORT`.
    pub(crate) address: String,
    /// Characters of a line.
    pub(crate) columns: u8,
    /// Whether it prints receipts.
    pub(crate) receipts: bool,
    /// Why it prints nothing, and since when it is so; before it was asked, nothing.
    standing: Mutex<Option<(Option<&'static str>, UtcMillis)>>,
    /// Somebody wants it to be tried at once.
    pub(crate) wanted: Notify,
}

impl Printer {
    pub(crate) fn new(name: String, address: String, columns: u8, receipts: bool) -> Self {
        Self { name, address, columns, receipts, standing: Mutex::default(), wanted: Notify::new() }
    }

    /// How it stands with it, from now on; whether that is new.
    pub(crate) fn stands(&self, reason: Option<&'static str>, now: UtcMillis) -> bool {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.is_some_and(|(before, _)| before == reason) {
            return false;
        }
        standing.replace((reason, now)).is_some() || reason.is_some()
    }

    /// Why it prints nothing, and since when it is so; nothing before it was asked.
    pub(crate) fn standing(&self) -> Option<(Option<&'static str>, UtcMillis)> {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The printers of the shop, and what it prints.
#[derive(Debug, Default)]
pub(crate) struct Printers {
    pub(crate) all: Vec<Arc<Printer>>,
    /// Of tills that have one of their own.
    pub(crate) by_terminal: BTreeMap<String, String>,
    /// Whether a sale prints unless somebody says otherwise.
    pub(crate) receipts: Receipts,
    /// What stands below the shop's name.
    pub(crate) address: Option<String>,
}

impl Printers {
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Printer>> {
        self.all.iter().find(|printer| printer.name == name)
    }

    /// The printer of a till: its own, or the first that prints receipts.
    pub(crate) fn of(&self, terminal: Option<&TerminalName>) -> Option<&Arc<Printer>> {
        let own = terminal.and_then(|terminal| self.by_terminal.get(&terminal.to_string()));
        match own {
            Some(name) => self.named(name),
            None => self.all.iter().find(|printer| printer.receipts),
        }
    }
}

/// The till that sells, and whether it wants paper of it; what the shop has decided if it does not say.
#[derive(Debug, Clone)]
pub(crate) struct Till {
    pub(crate) name: TerminalName,
    pub(crate) receipt: Option<Receipts>,
}

/// A job that is written with what it is of.
struct New<'n> {
    kind: PrintKind,
    terminal: Option<&'n TerminalName>,
    ticket: Option<TicketId>,
    label: String,
    document: String,
    copy: u32,
}

fn enqueue(tx: &WriteTx<'_>, stamp: &Stamp, printer: &Printer, new: New<'_>) -> Result<JobRow, AppError> {
    let job = JobRow {
        number: 0,
        printer: printer.name.clone(),
        terminal: new.terminal.map(ToString::to_string),
        kind: new.kind,
        ticket: new.ticket,
        label: new.label,
        document: new.document,
        copy: new.copy,
        state: PrintState::Queued,
        reason: None,
        unsure: 0,
        queued_at: stamp.at,
        ended_at: None,
    };
    let number = store::job_insert(tx, stamp.life, &job)?;
    Ok(JobRow { number, ..job })
}

fn kept(document: &Document) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

fn letterhead(app: &App) -> Letterhead<'_> {
    Letterhead { name: &app.identity.described.name, address: app.printers.address.as_deref() }
}

/// Whether a sale by a till is to be printed.
fn is_wanted(app: &App, till: &Till) -> bool {
    till.receipt.unwrap_or(app.printers.receipts) == Receipts::Print
}

fn has_cash(class: TicketClass, tenders: &[Tender]) -> bool {
    class == TicketClass::Sale && tenders.iter().any(|tender| tender.kind == TenderKind::Cash)
}

/// Opens the drawer of a till, for cash that moves, or for none.
pub(crate) fn drawer(
    app: &App,
    tx: &WriteTx<'_>,
    stamp: &Stamp,
    terminal: &TerminalName,
    label: String,
) -> Result<(), AppError> {
    let Some(printer) = app.printers.of(Some(terminal)) else { return Ok(()) };
    let document = kept(&Document::default());
    let new = New { kind: PrintKind::Drawer, terminal: Some(terminal), ticket: None, label, document, copy: 0 };
    enqueue(tx, stamp, printer, new).map(drop)
}

/// Opens the drawer of a till for a payment, if it is cash.
pub(crate) fn drawer_for(
    app: &App,
    tx: &WriteTx<'_>,
    stamp: &Stamp,
    terminal: &TerminalName,
    (class, tenders): (TicketClass, &[Tender]),
) -> Result<(), AppError> {
    if !has_cash(class, tenders) {
        return Ok(());
    }
    drawer(app, tx, stamp, terminal, terminal.to_string())
}

/// A sale: its drawer opens for cash, and its receipt is printed.
pub(crate) fn sold(
    app: &App,
    tx: &WriteTx<'_>,
    stamp: &Stamp,
    (sold, till): (&TicketSold, &Till),
    catalog: &Catalog,
) -> Result<(), AppError> {
    let Some(printer) = app.printers.of(Some(&till.name)) else { return Ok(()) };
    let gives_back = sold.class == TicketClass::Sale && sold.change > Minor::ZERO;
    if gives_back || has_cash(sold.class, &sold.tenders) {
        drawer(app, tx, stamp, &till.name, sold.receipt.to_string())?;
    }
    if !is_wanted(app, till) {
        return Ok(());
    }
    let local = app.calendar.local_text(stamp.at);
    let when = When { local: &local, day: app.calendar.business_day(stamp.at) };
    let new = New {
        kind: PrintKind::Receipt,
        terminal: Some(&till.name),
        ticket: Some(sold.id),
        label: sold.receipt.to_string(),
        document: kept(&receipt::sale(letterhead(app), sold, when, catalog)),
        copy: 0,
    };
    enqueue(tx, stamp, printer, new)?;
    Ok(store::copies_put(tx, sold.id.into(), 0)?)
}

/// Money was given back: the drawer opens for cash, and a receipt of it is printed.
pub(crate) fn given_back(
    app: &App,
    tx: &WriteTx<'_>,
    stamp: &Stamp,
    ((refund, sold), till): ((&TicketRefunded, &TicketSold), &Till),
    catalog: &Catalog,
) -> Result<(), AppError> {
    let Some(printer) = app.printers.of(Some(&till.name)) else { return Ok(()) };
    if has_cash(refund.class, &refund.tenders) {
        drawer(app, tx, stamp, &till.name, refund.receipt.to_string())?;
    }
    if !is_wanted(app, till) {
        return Ok(());
    }
    let local = app.calendar.local_text(stamp.at);
    let when = When { local: &local, day: app.calendar.business_day(stamp.at) };
    let new = New {
        kind: PrintKind::Refund,
        terminal: Some(&till.name),
        ticket: Some(refund.ticket),
        label: refund.receipt.to_string(),
        document: kept(&receipt::refund(letterhead(app), (refund, sold), when, catalog)),
        copy: 0,
    };
    enqueue(tx, stamp, printer, new)?;
    Ok(store::copies_put(tx, refund.id.into(), 0)?)
}

/// What stands on the slip of a reading.
fn reading_slip(app: &App, header: &Header, closed: &DayClosed) -> Vec<Block> {
    let local = app.calendar.local_text(header.at);
    let pairs = slip::pairs(header, closed, &local).into_iter().map(|(left, right)| Block::Pair(left, right));
    [Block::Large(letterhead(app).name.to_owned()), Block::Blank].into_iter().chain(pairs).collect()
}

/// A day was closed: its reading is printed where whoever closed it stands, or at the shop's first printer. What it does not have, and
/// somebody has to do something about, stands below it: so many cards that no ticket counts, and what they come to.
pub(crate) fn closed(
    app: &App,
    tx: &WriteTx<'_>,
    stamp: &Stamp,
    (header, closed, (cards, amount)): (&Header, &DayClosed, (u64, i64)),
    terminal: Option<&TerminalName>,
) -> Result<(), AppError> {
    let Some(printer) = app.printers.of(terminal) else { return Ok(()) };
    let mut blocks = reading_slip(app, header, closed);
    if cards > 0 {
        let amount = Minor::new(amount).to_decimal(closed.currency);
        blocks.extend([Block::Blank, Block::Pair(format!("Cards without a ticket  {cards}"), amount)]);
    }
    let label = closed.number.to_string();
    let document = kept(&Document(blocks));
    let new = New { kind: PrintKind::Reading, terminal, ticket: None, label, document, copy: 0 };
    enqueue(tx, stamp, printer, new)?;
    Ok(store::copies_put(tx, (&closed.number).into(), 0)?)
}
