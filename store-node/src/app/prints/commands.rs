//! What people ask of paper: another copy, another try, or none any more.

use percolate_common::domain::cash::ReadingNumber;
use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::ids::{RefundId, TicketId};
use percolate_common::paper::Document;
use percolate_common::paper::receipt::{self, When};
use percolate_common::wire::event::Recorded;
use percolate_runtime::sqlite::{ReadTx, WriteTx};

use super::super::App;
use super::super::error::AppError;
use super::super::readings;
use super::super::refunds::{recorded, sale};
use super::super::tickets::{Answer, RequestKey, give, given};
use super::answer::answer;
use super::queue::doubted;
use super::{New, enqueue, kept, letterhead, reading_slip};
use crate::store::prints::{self as store, JobRow, PaperKey, PrintKind, PrintState};
use crate::store::sales::Place;
use crate::store::{cash, refunds, sales};

/// Kinds of writes; a key belongs to one.
const KIND_PRINT: i64 = 30;
const KIND_RETRY: i64 = 31;
const KIND_CANCEL: i64 = 32;
const KIND_REFUND_PRINT: i64 = 33;
const KIND_READING_PRINT: i64 = 34;

/// What may be printed once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Paper {
    /// The receipt of a ticket.
    Ticket(TicketId),
    /// The receipt of money that was given back.
    Refund(RefundId),
    /// The slip of a closing reading.
    Reading(ReadingNumber),
}

impl Paper {
    const fn kind(&self) -> (i64, PrintKind) {
        match self {
            Self::Ticket(_) => (KIND_PRINT, PrintKind::Receipt),
            Self::Refund(_) => (KIND_REFUND_PRINT, PrintKind::Refund),
            Self::Reading(_) => (KIND_READING_PRINT, PrintKind::Reading),
        }
    }

    fn key(&self) -> PaperKey {
        match self {
            Self::Ticket(ticket) => (*ticket).into(),
            Self::Refund(refund) => (*refund).into(),
            Self::Reading(number) => number.into(),
        }
    }

    /// Where in the journals it stands.
    fn place(&self, tx: &ReadTx<'_>) -> Result<Place, AppError> {
        match self {
            Self::Ticket(ticket) => sales::ticket_place(tx, *ticket)?.ok_or(AppError::NotFound("ticket")),
            Self::Refund(refund) => refunds::refund_place(tx, *refund)?.ok_or(AppError::NotFound("refund")),
            Self::Reading(number) => cash::reading_place(tx, number)?.ok_or(AppError::NotFound("reading")),
        }
    }
}

/// What stands on a paper.
struct Text {
    ticket: Option<TicketId>,
    label: String,
    document: String,
}

/// Paper that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrintRefusal {
    /// Nowhere to print it.
    #[error("{0} has no printer")]
    NoPrinter(String),
    /// It has no receipt of ours.
    #[error("this ticket was brought in from another system, which alone has its receipt")]
    Imported,
    /// It is over.
    #[error("print {0} is over: it is {1}")]
    Over(i64, &'static str),
    /// It may lie there already.
    #[error("print {0} is on its way to the printer")]
    Sending(i64),
}

/// What stands on the receipt of the sale at a place, by what the menu calls things now; and its number.
fn written_anew(app: &App, tx: &ReadTx<'_>, at: Place) -> Result<(String, String), AppError> {
    let recorded = recorded(tx, at)?.ok_or(AppError::NotFound("ticket"))?;
    let Recorded { header, event: Event::TicketSold(sold), .. } = recorded else {
        return Err(PrintRefusal::Imported.into());
    };
    let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
    let local = app.calendar.local_text(header.at);
    let when = When { local: &local, day: header.business_day };
    Ok((kept(&receipt::sale(letterhead(app), &sold, when, &catalog)), sold.receipt.to_string()))
}

/// What stands on the receipt of the refund at a place: as on its first paper as long as that is kept, or by what the menu calls things
/// now.
fn refund_text(app: &App, tx: &ReadTx<'_>, at: Place) -> Result<Text, AppError> {
    let Some(Recorded { header, event: Event::TicketRefunded(refund), .. }) = recorded(tx, at)? else {
        return Err(AppError::NotFound("refund"));
    };
    let label = refund.receipt.to_string();
    let first = store::first_paper(tx, (refund.ticket, PrintKind::Refund), Some(&label))?;
    let document = if let Some((document, _label)) = first {
        document
    } else {
        let (sold, _day) = sale(tx, refund.ticket)?.ok_or(AppError::RefundUnknown)?;
        let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
        let local = app.calendar.local_text(header.at);
        let when = When { local: &local, day: header.business_day };
        kept(&receipt::refund(letterhead(app), (&refund, &sold), when, &catalog))
    };
    Ok(Text { ticket: Some(refund.ticket), label, document })
}

/// What stands on the paper of what is at a place. A reading never changes, so its slip is written anew.
fn text(app: &App, tx: &ReadTx<'_>, (paper, at): (&Paper, Place)) -> Result<Text, AppError> {
    match paper {
        Paper::Ticket(ticket) => {
            let (document, label) = match store::first_paper(tx, (*ticket, PrintKind::Receipt), None)? {
                Some(first) => first,
                None => written_anew(app, tx, at)?,
            };
            Ok(Text { ticket: Some(*ticket), label, document })
        }
        Paper::Refund(_) => refund_text(app, tx, at),
        Paper::Reading(number) => {
            let (_answer, header, closed) = readings::at_place(tx, at)?;
            let document = kept(&Document(reading_slip(app, &header, &closed)));
            Ok(Text { ticket: None, label: number.to_string(), document })
        }
    }
}

/// Prints a paper once more. The first one that there is of it says nothing; all others say which copy they are. What came back from
/// the hub had its first paper before.
pub(crate) fn again(
    app: &App,
    tx: &WriteTx<'_>,
    (terminal, paper): (&TerminalName, &Paper),
    key: &RequestKey,
) -> Result<Answer, AppError> {
    let (write, kind) = paper.kind();
    if let Some(given) = given(app, tx, key, write)? {
        return Ok(given);
    }
    let at = paper.place(tx)?;
    let printer = app.printers.of(Some(terminal)).ok_or_else(|| PrintRefusal::NoPrinter(terminal.to_string()))?;
    app.check_reserve()?;
    let stamp = app.stamp(tx)?;
    let Text { ticket, label, document } = text(app, tx, (paper, at))?;
    let copy = match store::copies_fetch(tx, paper.key())? {
        Some(copies) => copies.saturating_add(1),
        None => u32::from(at.life != stamp.life.number),
    };
    store::copies_put(tx, paper.key(), copy)?;
    let job = enqueue(tx, &stamp, printer, New { kind, terminal: Some(terminal), ticket, label, document, copy })?;
    give(tx, key, write, &answer(app, &job))
}

fn fetch(tx: &ReadTx<'_>, number: i64) -> Result<JobRow, AppError> {
    store::job_fetch(tx, number)?.ok_or(AppError::NotFound("print"))
}

/// Whether somebody still sends a job. What was left in the middle at a printer that the shop no longer has, nobody does.
fn is_on_its_way(app: &App, job: &JobRow) -> bool {
    app.printers.named(&job.printer).is_some()
}

/// Has a job tried again, now: one that is held goes on, and one whose printer the shop no longer has goes to that of its till.
pub(crate) fn retry(app: &App, tx: &WriteTx<'_>, number: i64, key: &RequestKey) -> Result<Answer, AppError> {
    if let Some(given) = given(app, tx, key, KIND_RETRY)? {
        return Ok(given);
    }
    let mut job = fetch(tx, number)?;
    match job.state {
        PrintState::Queued | PrintState::Held => {}
        PrintState::Sending if is_on_its_way(app, &job) => return Err(PrintRefusal::Sending(number).into()),
        // A drawer that may have been opened is not opened again, and a paper that may lie there says so.
        PrintState::Sending if job.kind == PrintKind::Drawer => {
            let job = doubted(job, app.clock.now());
            store::job_put(tx, &job)?;
            return give(tx, key, KIND_RETRY, &answer(app, &job));
        }
        PrintState::Sending => job.unsure = job.unsure.saturating_add(1),
        state @ (PrintState::Printed | PrintState::Cancelled | PrintState::Expired) => {
            return Err(PrintRefusal::Over(number, state.as_str()).into());
        }
    }
    if app.printers.named(&job.printer).is_none() {
        let terminal = job.terminal.as_deref().and_then(|name| name.parse::<TerminalName>().ok());
        let printer = app.printers.of(terminal.as_ref());
        let nowhere = || PrintRefusal::NoPrinter(job.terminal.clone().unwrap_or_else(|| "the shop".to_owned()));
        job.printer = printer.ok_or_else(nowhere)?.name.clone();
    }
    (job.state, job.reason) = (PrintState::Queued, None);
    store::job_put(tx, &job)?;
    give(tx, key, KIND_RETRY, &answer(app, &job))
}

/// Ends a job that nobody wants any more.
pub(crate) fn cancel(app: &App, tx: &WriteTx<'_>, number: i64, key: &RequestKey) -> Result<Answer, AppError> {
    if let Some(given) = given(app, tx, key, KIND_CANCEL)? {
        return Ok(given);
    }
    let job = fetch(tx, number)?;
    match job.state {
        PrintState::Sending if is_on_its_way(app, &job) => return Err(PrintRefusal::Sending(number).into()),
        PrintState::Queued | PrintState::Held | PrintState::Cancelled | PrintState::Sending => {}
        state @ (PrintState::Printed | PrintState::Expired) => {
            return Err(PrintRefusal::Over(number, state.as_str()).into());
        }
    }
    let ended_at = job.ended_at.or_else(|| Some(app.clock.now()));
    let job = JobRow { state: PrintState::Cancelled, reason: None, ended_at, ..job };
    store::job_put(tx, &job)?;
    give(tx, key, KIND_CANCEL, &answer(app, &job))
}
