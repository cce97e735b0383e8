//! The queue of a printer, as whoever prints it sees it. A job is `sending` before its first byte leaves, so that whatever happens
//! then, its paper says that it may be there twice.

use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};

use super::super::App;
use super::super::error::AppError;
use super::Printer;
use crate::store::lives;
use crate::store::prints::{self as store, JobRow, PrintKind, PrintState};

/// A drawer that could not be opened for so long stays closed: nobody stands there any more. Milliseconds.
const DRAWER_MS_MAX: i64 = 30_000;
/// A job that went out so often without an answer waits for a person, rather than printing itself again and again.
const UNSURE_MAX: u32 = 3;
/// What is over is kept for so long, in milliseconds: 35 days, more than a month's receipts.
const KEPT_MS: i64 = 35 * 24 * 60 * 60 * 1_000;
/// One job of so many looks for what is over for too long.
const TRIM_EVERY: i64 = 100;

/// Why a drawer stays closed, or a paper waits.
const UNSURE: &str = "unsure";
const TOO_LATE: &str = "too_late";

fn ended(job: JobRow, state: PrintState, reason: Option<&str>, now: UtcMillis) -> JobRow {
    JobRow { state, reason: reason.map(str::to_owned), ended_at: Some(now), ..job }
}

/// What may lie there already. A drawer is not opened twice.
pub(super) fn doubted(job: JobRow, now: UtcMillis) -> JobRow {
    if job.kind == PrintKind::Drawer {
        return ended(job, PrintState::Expired, Some(UNSURE), now);
    }
    let unsure = job.unsure.saturating_add(1);
    let is_held = unsure >= UNSURE_MAX || job.state == PrintState::Held;
    let (state, reason) =
        if is_held { (PrintState::Held, Some(UNSURE.to_owned())) } else { (PrintState::Queued, None) };
    JobRow { state, reason, unsure, ..job }
}

/// Whether something can be sent to a printer. What all of them have waiting is told to whoever measures.
pub(crate) fn look(app: &App, tx: &ReadTx<'_>, printer: &Printer) -> Result<bool, AppError> {
    let backlog = store::backlog(tx)?;
    let waiting: i64 = backlog.iter().map(|one| one.waiting).sum();
    let oldest = backlog.iter().map(|one| one.oldest_ms).min();
    let age_s = oldest.map_or(0, |oldest| app.clock.now().get().saturating_sub(oldest).max(0) / 1_000);
    let gauged = |value: i64| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    metrics::gauge!("node_prints_waiting").set(gauged(waiting));
    metrics::gauge!("node_prints_oldest_age_seconds").set(gauged(age_s));
    Ok(backlog.iter().any(|one| one.printer == printer.name && one.queued))
}

/// Takes up what a process before, a line that broke, or another life of the box has left.
pub(crate) fn recover(app: &App, tx: &WriteTx<'_>, printer: &Printer) -> Result<(), AppError> {
    let (life, now) = (lives::present(tx)?, app.clock.now());
    loop {
        let left = store::job_list_interrupted(tx, &printer.name, life)?;
        if left.is_empty() {
            return Ok(());
        }
        for job in left {
            let number = job.number;
            store::job_put(tx, &doubted(job, now))?;
            store::job_life_put(tx, number, life)?;
        }
    }
}

/// Writes that a job is printed, and takes the next one: from now on it may go out.
pub(crate) fn advance(
    app: &App,
    tx: &WriteTx<'_>,
    (printer, done): (&Printer, Option<i64>),
    and_next: bool,
) -> Result<Option<JobRow>, AppError> {
    let now = app.clock.now();
    if let Some(job) = done.map(|number| store::job_fetch(tx, number)).transpose()?.flatten() {
        let number = job.number;
        store::job_put(tx, &ended(job, PrintState::Printed, None, now))?;
        if number % TRIM_EVERY == 0 {
            store::job_trim(tx, UtcMillis::new(now.get().saturating_sub(KEPT_MS)))?;
        }
    }
    if !and_next {
        return Ok(None);
    }
    loop {
        let Some(job) = store::job_next(tx, &printer.name)? else { return Ok(None) };
        if job.kind == PrintKind::Drawer && now.get().saturating_sub(job.queued_at.get()) > DRAWER_MS_MAX {
            store::job_put(tx, &ended(job, PrintState::Expired, Some(TOO_LATE), now))?;
            continue;
        }
        let job = JobRow { state: PrintState::Sending, reason: None, ..job };
        store::job_put(tx, &job)?;
        return Ok(Some(job));
    }
}

/// Writes that nobody knows what became of a job.
pub(crate) fn unsure(app: &App, tx: &WriteTx<'_>, number: i64) -> Result<(), AppError> {
    if let Some(job) = store::job_fetch(tx, number)?.filter(|job| job.state == PrintState::Sending) {
        store::job_put(tx, &doubted(job, app.clock.now()))?;
    }
    Ok(())
}
