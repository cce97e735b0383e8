//! Jobs and printers as the API shows them.

use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::ReadTx;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::App;
use super::super::error::AppError;
use super::Printer;
use crate::store::prints::{self as store, Backlog, JobRow, PrintState, WhichJobs};

/// Why jobs of a printer wait that the shop no longer has.
const UNPLANNED: &str = "unplanned";
/// How a printer stands that prints.
const OK: &str = "ok";
/// How one stands that was not asked yet.
const UNASKED: &str = "unasked";

/// Something that is printed, was, or is to be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PrintAnswer {
    /// Its number.
    print: i64,
    /// At which printer.
    printer: String,
    /// Of which till.
    terminal: Option<String>,
    /// `receipt`, `refund`, `reading`, or `drawer`, which opens one.
    #[schema(value_type = String)]
    kind: &'static str,
    /// The receipt's or the reading's number; of a drawer that opens by itself the till.
    label: String,
    /// The ticket, of a receipt and of a refund.
    ticket_id: Option<String>,
    /// Which copy; 0 is the first paper.
    copy: u32,
    /// `queued`, `sending`, `printed`, `held` (a person decides: retry or cancel), `cancelled`, or `expired`: a drawer that would have
    /// opened too late.
    #[schema(value_type = String)]
    state: &'static str,
    /// Why it waits: what keeps its printer, or `unsure` where it was sent several times and nobody knows whether it was printed.
    reason: Option<String>,
    /// Whether its paper says that the same may lie there already.
    possible_duplicate: bool,
    /// When it was written, UTC milliseconds.
    queued_at_ms: i64,
    /// For how long it has waited, or had, in milliseconds.
    age_ms: i64,
}

pub(super) fn answer(app: &App, job: &JobRow) -> PrintAnswer {
    let until = job.ended_at.unwrap_or_else(|| app.clock.now());
    let of_printer = || match app.printers.named(&job.printer) {
        Some(printer) => printer.standing().and_then(|(reason, _)| reason),
        None => Some(UNPLANNED),
    };
    let waits = matches!(job.state, PrintState::Queued | PrintState::Sending);
    PrintAnswer {
        print: job.number,
        printer: job.printer.clone(),
        terminal: job.terminal.clone(),
        kind: job.kind.as_str(),
        label: job.label.clone(),
        ticket_id: job.ticket.map(|ticket| ticket.to_string()),
        copy: job.copy,
        state: job.state.as_str(),
        reason: job.reason.clone().or_else(|| of_printer().filter(|_| waits).map(str::to_owned)),
        possible_duplicate: job.unsure > 0,
        queued_at_ms: job.queued_at.get(),
        age_ms: until.get().saturating_sub(job.queued_at.get()).max(0),
    }
}

/// Jobs.
pub(crate) fn list(app: &App, tx: &ReadTx<'_>, which: WhichJobs, limit: u32) -> Result<Vec<PrintAnswer>, AppError> {
    Ok(store::job_list(tx, which, limit)?.iter().map(|job| answer(app, job)).collect())
}

/// How it stands with a printer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PrinterAnswer {
    /// Its name.
    name: String,
    /// `ok`; or why it prints nothing: `paper_out`, `cover_open`, `printer_error`, `offline`, `unreachable`, `silent`, `interrupted`,
    /// `unasked` before it was asked, or `unplanned` if the shop no longer has it.
    #[schema(value_type = String)]
    state: &'static str,
    /// Since when it is so, UTC milliseconds.
    since_ms: Option<i64>,
    /// Jobs that wait for it.
    waiting: i64,
    /// For how long the oldest of them has waited, in milliseconds.
    oldest_age_ms: Option<i64>,
}

/// How it stands with all printers: those of the shop first, and then those for which something waits all the same.
pub(crate) fn standings(app: &App, tx: &ReadTx<'_>) -> Result<Vec<PrinterAnswer>, AppError> {
    let backlog = store::backlog(tx)?;
    let age = |one: &Backlog| app.clock.now().get().saturating_sub(one.oldest_ms).max(0);
    let planned = |printer: &Printer| {
        let (state, since) = match printer.standing() {
            None => (UNASKED, None),
            Some((reason, since)) => (reason.unwrap_or(OK), Some(since)),
        };
        let waits = backlog.iter().find(|one| one.printer == printer.name);
        PrinterAnswer {
            name: printer.name.clone(),
            state,
            since_ms: since.map(UtcMillis::get),
            waiting: waits.map_or(0, |one| one.waiting),
            oldest_age_ms: waits.map(age),
        }
    };
    let unplanned = |one: &Backlog| PrinterAnswer {
        name: one.printer.clone(),
        state: UNPLANNED,
        since_ms: None,
        waiting: one.waiting,
        oldest_age_ms: Some(age(one)),
    };
    let others = backlog.iter().filter(|one| app.printers.named(&one.printer).is_none()).map(unplanned);
    Ok(app.printers.all.iter().map(|printer| planned(printer)).chain(others).collect())
}
