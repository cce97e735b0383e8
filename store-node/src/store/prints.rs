//! What is to be printed, and what was.

use percolate_common::domain::cash::ReadingNumber;
use percolate_common::ids::{RefundId, TicketId};
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::LIST_ROWS_MAX;
use super::lives::Life;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrintKind {
    /// The receipt of a sale.
    Receipt,
    /// The receipt of money that was given back.
    Refund,
    /// A closing reading.
    Reading,
    /// Nothing: a drawer opens.
    Drawer,
}

impl PrintKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Refund => "refund",
            Self::Reading => "reading",
            Self::Drawer => "drawer",
        }
    }

    fn read(word: &str) -> Self {
        let all = [Self::Refund, Self::Reading, Self::Drawer];
        all.into_iter().find(|kind| kind.as_str() == word).unwrap_or(Self::Receipt)
    }
}

/// How it stands with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrintState {
    /// Waits for its turn.
    Queued,
    /// Its bytes are on their way.
    Sending,
    /// The printer has said that it is done.
    Printed,
    /// Waits for a person.
    Held,
    /// A person did not want it any more.
    Cancelled,
    /// A drawer that would have opened too late.
    Expired,
}

impl PrintState {
    const ALL: [Self; 6] = [Self::Queued, Self::Sending, Self::Printed, Self::Held, Self::Cancelled, Self::Expired];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Printed => "printed",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    fn read(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Held)
    }
}

/// A job.
#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    pub(crate) number: i64,
    pub(crate) printer: String,
    pub(crate) terminal: Option<String>,
    pub(crate) kind: PrintKind,
    pub(crate) ticket: Option<TicketId>,
    pub(crate) label: String,
    pub(crate) document: String,
    pub(crate) copy: u32,
    pub(crate) state: PrintState,
    pub(crate) reason: Option<String>,
    pub(crate) unsure: u32,
    pub(crate) queued_at: UtcMillis,
    pub(crate) ended_at: Option<UtcMillis>,
}

/// Which jobs of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhichJobs {
    /// All that are not over, the oldest first.
    Waiting,
    /// In this state; of those that are over the latest first.
    In(PrintState),
    /// The latest of all.
    All,
}

/// What waits for one printer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) printer: String,
    pub(crate) waiting: i64,
    pub(crate) oldest_ms: i64,
    /// Whether something can be sent.
    pub(crate) queued: bool,
}

const JOB: &str =
    "SELECT number, printer, terminal, kind, ticket, label, document, copy, state, reason, unsure, queued_at_ms,
    ended_at_ms FROM print_job";

fn job(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let (kind, state): (String, String) = (row.get("kind")?, row.get("state")?);
    let ticket: Option<[u8; 16]> = row.get("ticket")?;
    Ok(JobRow {
        number: row.get("number")?,
        printer: row.get("printer")?,
        terminal: row.get("terminal")?,
        // The table takes no other words.
        kind: PrintKind::read(&kind),
        ticket: ticket.map(TicketId::from_bytes),
        label: row.get("label")?,
        document: row.get("document")?,
        copy: row.get("copy")?,
        state: PrintState::read(&state),
        reason: row.get("reason")?,
        unsure: row.get("unsure")?,
        queued_at: UtcMillis::new(row.get("queued_at_ms")?),
        ended_at: row.get::<_, Option<i64>>("ended_at_ms")?.map(UtcMillis::new),
    })
}

/// Writes a job under the next number, which it gives.
pub(crate) fn job_insert(tx: &WriteTx<'_>, life: Life, job: &JobRow) -> Result<i64, StorageError> {
    let number: i64 =
        tx.query_one("SELECT coalesce(max(number), 0) + 1 AS next FROM print_job", [], |row| row.get("next"))?;
    tx.execute(
        "INSERT INTO print_job (number, life, printer, terminal, kind, ticket, label, document, copy, state, reason, unsure,
            queued_at_ms, ended_at_ms)
         VALUES (:number, :life, :printer, :terminal, :kind, :ticket, :label, :document, :copy, :state, :reason, :unsure,
            :queued, :ended)",
        named_params! {
            ":number": number, ":life": life.number, ":printer": job.printer, ":terminal": job.terminal,
            ":kind": job.kind.as_str(), ":ticket": job.ticket.map(TicketId::to_bytes), ":label": job.label,
            ":document": job.document, ":copy": job.copy, ":state": job.state.as_str(), ":reason": job.reason,
            ":unsure": job.unsure, ":queued": job.queued_at.get(), ":ended": job.ended_at.map(UtcMillis::get),
        },
    )?;
    Ok(number)
}

/// Writes how it stands with a job.
pub(crate) fn job_put(tx: &WriteTx<'_>, job: &JobRow) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE print_job SET printer = :printer, state = :state, reason = :reason, unsure = :unsure, ended_at_ms = :ended
         WHERE number = :number",
        named_params! {
            ":number": job.number, ":printer": job.printer, ":state": job.state.as_str(), ":reason": job.reason,
            ":unsure": job.unsure, ":ended": job.ended_at.map(UtcMillis::get),
        },
    )?;
    Ok(())
}

pub(crate) fn job_fetch(tx: &ReadTx<'_>, number: i64) -> Result<Option<JobRow>, StorageError> {
    tx.query_optional(&format!("{JOB} WHERE number = :number"), named_params! {":number": number}, job)
}

/// The next job of a printer.
pub(crate) fn job_next(tx: &ReadTx<'_>, printer: &str) -> Result<Option<JobRow>, StorageError> {
    // The index knows them by all three states.
    let sql = format!(
        "{JOB} WHERE printer = :printer AND state IN ('queued', 'sending', 'held') AND state = 'queued' ORDER BY number LIMIT 1"
    );
    tx.query_optional(&sql, named_params! {":printer": printer}, job)
}

/// Jobs of a printer that a process before may have sent, or that another life may have: their paper may lie there.
pub(crate) fn job_list_interrupted(tx: &ReadTx<'_>, printer: &str, life: Life) -> Result<Vec<JobRow>, StorageError> {
    let sql = format!(
        "{JOB} WHERE printer = :printer AND state IN ('queued', 'sending', 'held') AND (state = 'sending' OR life <> :life)
         ORDER BY number LIMIT :limit"
    );
    tx.query_list(&sql, named_params! {":printer": printer, ":life": life.number, ":limit": LIST_ROWS_MAX}, job)
}

/// A job was looked at in this life.
pub(crate) fn job_life_put(tx: &WriteTx<'_>, number: i64, life: Life) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE print_job SET life = :life WHERE number = :number",
        named_params! {":number": number, ":life": life.number},
    )?;
    Ok(())
}

pub(crate) fn job_list(tx: &ReadTx<'_>, which: WhichJobs, limit: u32) -> Result<Vec<JobRow>, StorageError> {
    let (condition, state, order) = match which {
        WhichJobs::Waiting => ("state IN ('queued', 'sending', 'held')", "", "ASC"),
        WhichJobs::In(state @ (PrintState::Queued | PrintState::Sending | PrintState::Held)) => {
            ("state = :state AND state IN ('queued', 'sending', 'held')", state.as_str(), "ASC")
        }
        WhichJobs::In(state) => ("state = :state", state.as_str(), "DESC"),
        WhichJobs::All => ("TRUE", "", "DESC"),
    };
    tx.query_list(
        &format!("{JOB} WHERE {condition} AND :state = :state ORDER BY number {order} LIMIT :limit"),
        named_params! {":state": state, ":limit": limit},
        job,
    )
}

/// What waits, by printer.
pub(crate) fn backlog(tx: &ReadTx<'_>) -> Result<Vec<Backlog>, StorageError> {
    tx.query_list(
        "SELECT printer, count(*) AS waiting, min(queued_at_ms) AS oldest, max(state <> 'held') AS queued FROM print_job
         WHERE state IN ('queued', 'sending', 'held') GROUP BY printer ORDER BY printer LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        |row| {
            Ok(Backlog {
                printer: row.get("printer")?,
                waiting: row.get("waiting")?,
                oldest_ms: row.get("oldest")?,
                queued: row.get("queued")?,
            })
        },
    )
}

/// What stood on the first paper of this kind of a ticket, and its label, as long as they are kept. Of its refunds each has a label
/// of its own.
pub(crate) fn first_paper(
    tx: &ReadTx<'_>,
    (ticket, kind): (TicketId, PrintKind),
    label: Option<&str>,
) -> Result<Option<(String, String)>, StorageError> {
    tx.query_optional(
        "SELECT document, label FROM print_job WHERE ticket = :ticket AND kind = :kind AND coalesce(label = :label, 1)
         ORDER BY number LIMIT 1",
        named_params! {":ticket": ticket.to_bytes(), ":kind": kind.as_str(), ":label": label},
        |row| Ok((row.get("document")?, row.get("label")?)),
    )
}

/// What a paper is of, where copies are counted: the id of a ticket or a refund, or the number of a reading. An id begins with its
/// time, and so with no letter for some thousand years; a number begins with the letters of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PaperKey([u8; 16]);

impl From<TicketId> for PaperKey {
    fn from(ticket: TicketId) -> Self {
        Self(ticket.to_bytes())
    }
}

impl From<RefundId> for PaperKey {
    fn from(refund: RefundId) -> Self {
        Self(refund.to_bytes())
    }
}

impl From<&ReadingNumber> for PaperKey {
    fn from(reading: &ReadingNumber) -> Self {
        let mut key = [0; 16];
        // A series has seven letters at most.
        let (series, number) = key.split_at_mut(8);
        series.iter_mut().zip(reading.series.to_string().bytes()).for_each(|(to, letter)| *to = letter);
        number.copy_from_slice(&reading.number.to_be_bytes());
        Self(key)
    }
}

/// How many copies there are of a paper; none if none was to be printed here.
pub(crate) fn copies_fetch(tx: &ReadTx<'_>, paper: PaperKey) -> Result<Option<u32>, StorageError> {
    tx.query_optional(
        "SELECT copies FROM print_paper WHERE ticket = :paper",
        named_params! {":paper": paper.0},
        |row| row.get("copies"),
    )
}

pub(crate) fn copies_put(tx: &WriteTx<'_>, paper: PaperKey, copies: u32) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO print_paper (ticket, copies) VALUES (:paper, :copies)
         ON CONFLICT (ticket) DO UPDATE SET copies = excluded.copies",
        named_params! {":paper": paper.0, ":copies": copies},
    )?;
    Ok(())
}

/// Removes what was over before a time. The latest number stays taken.
pub(crate) fn job_trim(tx: &WriteTx<'_>, before: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "DELETE FROM print_job WHERE ended_at_ms < :before AND ended_at_ms IS NOT NULL
            AND number < (SELECT max(number) FROM print_job)",
        named_params! {":before": before.get()},
    )?;
    Ok(())
}
