//! Past sales of another system: idempotent by row, whatever the order and number of attempts.

use percolate_common::domain::event::Event;
use percolate_common::domain::imports::{
    IMPORT_LINES_MAX, ImportAmended, ImportRejection, ImportedLine, TicketImported, check_line,
};
use percolate_common::ids::TicketId;
use percolate_common::money::Minor;
use percolate_common::time::UtcMillis;
use percolate_common::wire::EVENT_BYTES_MAX;
use percolate_runtime::sqlite::WriteTx;
use serde::Serialize;
use utoipa::ToSchema;

use super::books::imported_sums;
use super::error::AppError;
use super::tickets::{Answer, KIND_IMPORT, RequestKey, give, given};
use super::{App, Stamp};
use crate::store::imports as store;
use crate::store::sales::{self, RowClass, TicketRow};

/// The first moment that a past sale may be from: 1970, before which no till of today kept a file.
const OLDEST_SALE_MS: i64 = 0;
/// How far another system's clock may be ahead of ours: a day, in milliseconds.
const CLOCKS_APART_MS_MAX: i64 = 86_400_000;
/// What a line needs in an event besides its texts, and an event besides its lines, in bytes: generously.
const LINE_OVERHEAD_BYTES: usize = 32;
const EVENT_OVERHEAD_BYTES: usize = 1_024;

/// A basket as it was bought.
#[derive(Debug, Clone)]
pub(crate) struct Basket {
    pub(crate) local_date: String,
    pub(crate) local_time: String,
    pub(crate) lines: Vec<ImportedLine>,
}

/// A row that was not brought in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RejectedRow {
    /// Its id.
    pub(crate) row: String,
    /// For programs.
    #[schema(value_type = String)]
    pub(crate) code: &'static str,
    /// For a person.
    pub(crate) detail: String,
}

/// What an import did.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct ImportAnswer {
    /// Tickets that are new.
    pub(crate) tickets_created: u32,
    /// Tickets that lines came later for.
    pub(crate) tickets_amended: u32,
    /// Lines that are new.
    pub(crate) lines_added: u32,
    /// Lines that were here already.
    pub(crate) lines_duplicate: u32,
    /// Baskets whose local time came twice that day; the first was taken.
    pub(crate) repeated_local_times: u32,
    /// Rows that were not brought in.
    pub(crate) rejected: Vec<RejectedRow>,
}

/// Brings baskets in.
pub(crate) fn import(
    app: &App,
    tx: &WriteTx<'_>,
    source: &str,
    baskets: Vec<Basket>,
    key: &RequestKey,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_IMPORT)? {
        return Ok(answer);
    }
    app.check_reserve_now()?;
    let stamp = app.stamp(tx)?;
    let mut done = ImportAnswer::default();
    for basket in baskets {
        import_basket(app, tx, &stamp, source, basket, &mut done)?;
    }
    give(tx, key, KIND_IMPORT, &done)
}

fn rejection_code(rejection: &ImportRejection) -> &'static str {
    match rejection {
        ImportRejection::LineCount(_) => "line_count",
        ImportRejection::Quantity { .. } => "quantity_out_of_range",
        ImportRejection::Price { .. } => "price_out_of_range",
        ImportRejection::Text { .. } => "text_invalid",
    }
}

fn reject(done: &mut ImportAnswer, lines: &[ImportedLine], code: &'static str, detail: &str) {
    done.rejected.extend(lines.iter().map(|line| RejectedRow {
        row: line.row.clone(),
        code,
        detail: detail.to_owned(),
    }));
}

/// Rows in the order of their numbers, or of their text where they are none.
fn row_order(row: &str) -> (bool, u128, String) {
    row.parse::<u128>().map_or_else(|_text| (true, 0, row.to_owned()), |number| (false, number, row.to_owned()))
}

/// The lines that are new and sound; the others are counted or rejected.
fn new_lines(
    tx: &WriteTx<'_>,
    (source, local): (&str, &str),
    lines: Vec<ImportedLine>,
    done: &mut ImportAnswer,
) -> Result<Vec<ImportedLine>, AppError> {
    let mut fresh = Vec::with_capacity(lines.len());
    for line in lines {
        if let Err(rejection) = check_line(&line) {
            reject(done, core::slice::from_ref(&line), rejection_code(&rejection), &format!("{rejection}."));
            continue;
        }
        let hash = line.content_hash(local);
        match store::line_fetch(tx, source, &line.row)? {
            Some(known) if known == hash => done.lines_duplicate += 1,
            Some(_) => {
                let detail = format!("Row {} was brought in before with other content, which stays.", line.row);
                reject(done, core::slice::from_ref(&line), "conflicting_row", &detail);
            }
            None => {
                store::line_insert(tx, source, &line.row, &hash)?;
                fresh.push(line);
            }
        }
    }
    fresh.sort_by_cached_key(|line| row_order(&line.row));
    Ok(fresh)
}

/// Why a basket cannot be brought in as a whole, if it cannot.
fn unlawful(basket: &Basket, at: UtcMillis, now: UtcMillis) -> Option<(&'static str, String)> {
    let local = format!("{} {}", basket.local_date, basket.local_time);
    if !(OLDEST_SALE_MS..=now.get().saturating_add(CLOCKS_APART_MS_MAX)).contains(&at.get()) {
        return Some(("local_time_out_of_range", format!("{local} is in the future, or before 1970: no past sale.")));
    }
    let texts = |line: &ImportedLine| {
        line.row.len() + line.item.id.len() + line.item.name.len() + line.item.category.len() + LINE_OVERHEAD_BYTES
    };
    let bytes: usize = basket.lines.iter().map(texts).sum();
    let limit = EVENT_BYTES_MAX - EVENT_OVERHEAD_BYTES;
    (bytes > limit).then(|| {
        let detail =
            format!("The basket of {local} has {bytes} bytes of text, and a journal takes {limit} of one basket.");
        ("basket_too_large", detail)
    })
}

fn import_basket(
    app: &App,
    tx: &WriteTx<'_>,
    now: &Stamp,
    source: &str,
    basket: Basket,
    done: &mut ImportAnswer,
) -> Result<(), AppError> {
    if basket.lines.is_empty() || basket.lines.len() > IMPORT_LINES_MAX {
        let detail = ImportRejection::LineCount(basket.lines.len()).to_string();
        reject(done, &basket.lines, "line_count", &detail);
        return Ok(());
    }
    let resolved = match app.calendar.resolve_local(&basket.local_date, &basket.local_time) {
        Ok(resolved) => resolved,
        Err(error) => {
            reject(done, &basket.lines, "local_time_invalid", &format!("{error}."));
            return Ok(());
        }
    };
    if let Some((code, detail)) = unlawful(&basket, resolved.at, now.at) {
        reject(done, &basket.lines, code, &detail);
        return Ok(());
    }
    let local = format!("{} {}", basket.local_date, basket.local_time);
    let lines = new_lines(tx, (source, &local), basket.lines, done)?;
    if lines.is_empty() {
        return Ok(());
    }
    done.repeated_local_times += u32::from(resolved.repeated);
    done.lines_added += u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let stamp = Stamp { at: resolved.at, ..*now };
    match store::basket_fetch(tx, source, &local)? {
        Some(id) => {
            done.tickets_amended += 1;
            amend(app, tx, &stamp, id, source, lines)
        }
        None => {
            done.tickets_created += 1;
            let id = TicketId::imported(source, app.identity.store, &local);
            store::basket_insert(tx, source, &local, id)?;
            create(app, tx, &stamp, id, source, lines)
        }
    }
}

fn create(
    app: &App,
    tx: &WriteTx<'_>,
    stamp: &Stamp,
    id: TicketId,
    source: &str,
    lines: Vec<ImportedLine>,
) -> Result<(), AppError> {
    let day = app.calendar.business_day(stamp.at);
    let (count, units, net) = imported_sums(&lines)?;
    let currency = app.identity.described.currency;
    let ticket = TicketImported { id, source: source.to_owned(), currency, lines };
    let head = app.record_on(tx, stamp, day, &Event::TicketImported(ticket))?;
    let row = TicketRow {
        seq: head.seq,
        id,
        day,
        class: RowClass::Imported,
        receipt: None,
        lines: count,
        units,
        net,
        tax: Minor::ZERO,
        total: net,
        body_hash: None,
    };
    Ok(sales::ticket_insert(tx, stamp.life, &row)?)
}

fn amend(
    app: &App,
    tx: &WriteTx<'_>,
    stamp: &Stamp,
    id: TicketId,
    source: &str,
    lines: Vec<ImportedLine>,
) -> Result<(), AppError> {
    let day = app.calendar.business_day(stamp.at);
    let (count, units, net) = imported_sums(&lines)?;
    let currency = app.identity.described.currency;
    let amended = ImportAmended { id, source: source.to_owned(), currency, lines };
    app.record_on(tx, stamp, day, &Event::ImportAmended(amended))?;
    Ok(sales::amendment_add(tx, day, count, units, net)?)
}
