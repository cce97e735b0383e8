//! What is to be prepared, and what is known of the lines of open tickets besides.

use percolate_common::domain::catalog::rules::Consumption;
use percolate_common::domain::catalog::station::Station;
use percolate_common::domain::kitchen::{Dish, PrepStage, PrepTicket};
use percolate_common::domain::tickets::TicketClass;
use percolate_common::ids::{ItemId, LineId, PrepId, TicketId};
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::types::Type;
use rusqlite::{Row, named_params};
use serde::{Deserialize, Serialize};

use super::{LIST_ROWS_MAX, column, count};

/// How long a prep ticket is kept after it was sent, in milliseconds, whatever became of it: two days.
const KEPT_MS: i64 = 2 * 24 * 60 * 60 * 1_000;
/// Old prep tickets, and old tickets with lines, that are taken away at one time: each sending takes away more than it brings.
const FORGOTTEN_AT_ONCE: i64 = 8;

/// As [`Dish`], in a row.
#[derive(Serialize, Deserialize)]
struct DishRow {
    item: u32,
    name: String,
    quantity: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    extras: Vec<(u32, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled: Option<String>,
}

impl From<&Dish> for DishRow {
    fn from(dish: &Dish) -> Self {
        let Dish { item, name, quantity, extras, note, cancelled } = dish.clone();
        Self { item: item.get(), name, quantity, extras, note, cancelled }
    }
}

impl From<DishRow> for Dish {
    fn from(row: DishRow) -> Self {
        let DishRow { item, name, quantity, extras, note, cancelled } = row;
        Self { item: ItemId::new(item), name, quantity, extras, note, cancelled }
    }
}

fn json(dishes: &[Dish]) -> String {
    serde_json::to_string(&dishes.iter().map(DishRow::from).collect::<Vec<_>>()).unwrap_or_default()
}

const fn number(stage: PrepStage) -> i64 {
    match stage {
        PrepStage::Queued => 1,
        PrepStage::Made => 2,
        PrepStage::Recalled => 3,
    }
}

const COLUMNS: &str =
    "p.id, p.ticket, p.station, p.receipt, coalesce(o.name, p.name) AS name, o.note, p.dine_in, p.training,
    p.stage, p.turn, p.change, p.queued_at_ms, p.made_at_ms, p.recalled_at_ms, p.dishes";
const TABLES: &str = "prep_ticket p LEFT JOIN open_ticket o ON o.id = p.ticket";

/// A text that this program has written, and reads again.
fn read<T>(parsed: Result<T, impl std::error::Error + Send + Sync + 'static>) -> rusqlite::Result<T> {
    parsed.map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

fn prep(row: &Row<'_>) -> rusqlite::Result<PrepTicket> {
    let dishes: Vec<DishRow> = read(serde_json::from_str(&row.get::<_, String>("dishes")?))?;
    let station: Station = read(row.get::<_, String>("station")?.parse())?;
    let moment = |name: &str| -> rusqlite::Result<Option<UtcMillis>> {
        Ok(row.get::<_, Option<i64>>(name)?.map(UtcMillis::new))
    };
    Ok(PrepTicket {
        id: row.get("id").map(PrepId::from_bytes)?,
        ticket: row.get("ticket").map(TicketId::from_bytes)?,
        station,
        receipt: row.get("receipt")?,
        name: row.get("name")?,
        note: row.get("note")?,
        consumption: if row.get("dine_in")? { Consumption::DineIn } else { Consumption::TakeAway },
        class: if row.get("training")? { TicketClass::Training } else { TicketClass::Sale },
        dishes: dishes.into_iter().map(Dish::from).collect(),
        stage: match row.get::<_, i64>("stage")? {
            2 => PrepStage::Made,
            3 => PrepStage::Recalled,
            _queued => PrepStage::Queued,
        },
        turn: row.get("turn")?,
        queued_at: UtcMillis::new(row.get("queued_at_ms")?),
        made_at: moment("made_at_ms")?,
        recalled_at: moment("recalled_at_ms")?,
    })
}

/// Puts a prep ticket at the end of the queue, unless it was there before.
pub(crate) fn prep_insert(tx: &WriteTx<'_>, prep: &PrepTicket) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO prep_ticket (id, ticket, station, receipt, name, dine_in, training, stage, turn, change, queued_at_ms, dishes)
         VALUES (:id, :ticket, :station, :receipt, :name, :dine_in, :training, :stage, :turn,
            (SELECT coalesce(max(change), 0) + 1 FROM prep_ticket), :queued_at_ms, :dishes)
         ON CONFLICT (id) DO NOTHING",
        named_params! {
            ":id": prep.id.to_bytes(), ":ticket": prep.ticket.to_bytes(), ":station": prep.station.as_str(),
            ":receipt": prep.receipt, ":name": prep.name, ":dine_in": prep.consumption == Consumption::DineIn,
            ":training": prep.class == TicketClass::Training, ":stage": number(prep.stage), ":turn": prep.turn,
            ":queued_at_ms": prep.queued_at.get(), ":dishes": json(&prep.dishes),
        },
    )?;
    Ok(())
}

/// Keeps how a prep ticket is now; screens are told of it.
pub(crate) fn prep_put(tx: &WriteTx<'_>, prep: &PrepTicket) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE prep_ticket SET receipt = :receipt, stage = :stage, turn = :turn, made_at_ms = :made_at_ms,
            recalled_at_ms = :recalled_at_ms, dishes = :dishes, change = (SELECT max(change) + 1 FROM prep_ticket)
         WHERE id = :id",
        named_params! {
            ":id": prep.id.to_bytes(), ":receipt": prep.receipt, ":stage": number(prep.stage), ":turn": prep.turn,
            ":made_at_ms": prep.made_at.map(UtcMillis::get), ":recalled_at_ms": prep.recalled_at.map(UtcMillis::get),
            ":dishes": json(&prep.dishes),
        },
    )?;
    Ok(())
}

pub(crate) fn prep_fetch(tx: &ReadTx<'_>, id: PrepId) -> Result<Option<PrepTicket>, StorageError> {
    tx.query_optional(
        &format!("SELECT {COLUMNS} FROM {TABLES} WHERE p.id = :id"),
        named_params! {":id": id.to_bytes()},
        prep,
    )
}

/// What is to be prepared of a ticket, whatever became of it.
pub(crate) fn prep_list(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<PrepTicket>, StorageError> {
    tx.query_list(
        &format!("SELECT {COLUMNS} FROM {TABLES} WHERE p.ticket = :ticket ORDER BY p.number LIMIT :limit"),
        named_params! {":ticket": ticket.to_bytes(), ":limit": LIST_ROWS_MAX},
        prep,
    )
}

/// What waits at a station or at all, the oldest first.
pub(crate) fn waiting_list(
    tx: &ReadTx<'_>,
    station: Option<&Station>,
    limit: u32,
) -> Result<Vec<PrepTicket>, StorageError> {
    tx.query_list(
        &format!(
            "SELECT {COLUMNS} FROM {TABLES} WHERE p.stage <> 2 AND (:station IS NULL OR p.station = :station)
             ORDER BY p.number LIMIT :limit"
        ),
        named_params! {":station": station.map(Station::as_str), ":limit": limit},
        prep,
    )
}

/// How many wait there.
pub(crate) fn waiting_count(tx: &ReadTx<'_>, station: Option<&Station>) -> Result<u64, StorageError> {
    tx.query_one(
        "SELECT count(*) AS waiting FROM prep_ticket WHERE stage <> 2 AND (:station IS NULL OR station = :station)",
        named_params! {":station": station.map(Station::as_str)},
        |row| Ok(count(row.get("waiting")?)),
    )
}

/// What was made there last, the last first.
pub(crate) fn made_list(
    tx: &ReadTx<'_>,
    station: Option<&Station>,
    limit: u32,
) -> Result<Vec<PrepTicket>, StorageError> {
    tx.query_list(
        &format!(
            "SELECT {COLUMNS} FROM {TABLES} WHERE p.stage = 2 AND (:station IS NULL OR p.station = :station)
             ORDER BY p.made_at_ms DESC, p.change DESC LIMIT :limit"
        ),
        named_params! {":station": station.map(Station::as_str), ":limit": limit},
        prep,
    )
}

/// What changed after a change, in the order of the changes, each with its own.
pub(crate) fn changed_list(tx: &ReadTx<'_>, after: u64, limit: u32) -> Result<Vec<(u64, PrepTicket)>, StorageError> {
    tx.query_list(
        &format!("SELECT {COLUMNS} FROM {TABLES} WHERE p.change > :after ORDER BY p.change LIMIT :limit"),
        named_params! {":after": column(after), ":limit": limit},
        |row| Ok((count(row.get("change")?), prep(row)?)),
    )
}

/// The number of the last change.
pub(crate) fn change_last(tx: &ReadTx<'_>) -> Result<u64, StorageError> {
    tx.query_one("SELECT coalesce(max(change), 0) AS last FROM prep_ticket", [], |row| Ok(count(row.get("last")?)))
}

/// Whether the kitchen has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    No,
    Yes,
    /// It came back from the hub, or this database may be older than what was sent.
    Unknown,
}

impl Sent {
    /// Its word in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Unknown => "unknown",
        }
    }

    const fn number(self) -> i64 {
        match self {
            Self::No => 0,
            Self::Yes => 1,
            Self::Unknown => 2,
        }
    }
}

/// What is known of a line besides what the journal says.
#[derive(Debug, Clone)]
pub(crate) struct LineRow {
    pub(crate) line: LineId,
    pub(crate) note: Option<String>,
    pub(crate) sent: Sent,
    /// Where it stands, if it was sent from here.
    pub(crate) at: Option<(PrepId, usize)>,
}

fn line(row: &Row<'_>) -> rusqlite::Result<LineRow> {
    let prep: Option<[u8; 16]> = row.get("prep")?;
    let place: Option<i64> = row.get("place")?;
    let at = prep.map(PrepId::from_bytes).zip(place.and_then(|place| usize::try_from(place).ok()));
    let sent = match row.get::<_, i64>("sent")? {
        1 => Sent::Yes,
        2 => Sent::Unknown,
        _no => Sent::No,
    };
    Ok(LineRow { line: row.get("line").map(LineId::from_bytes)?, note: row.get("note")?, sent, at })
}

/// Lines of a ticket of which something is known.
pub(crate) fn line_list(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<LineRow>, StorageError> {
    tx.query_list(
        "SELECT line, note, sent, prep, place FROM kitchen_line WHERE ticket = :ticket LIMIT :limit",
        named_params! {":ticket": ticket.to_bytes(), ":limit": LIST_ROWS_MAX},
        line,
    )
}

pub(crate) fn line_fetch(tx: &ReadTx<'_>, id: LineId) -> Result<Option<LineRow>, StorageError> {
    tx.query_optional(
        "SELECT line, note, sent, prep, place FROM kitchen_line WHERE line = :line",
        named_params! {":line": id.to_bytes()},
        line,
    )
}

/// Keeps the note of a line.
pub(crate) fn note_put(tx: &WriteTx<'_>, ticket: TicketId, line: LineId, note: &str) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO kitchen_line (line, ticket, note, sent) VALUES (:line, :ticket, :note, 0) ON CONFLICT DO NOTHING",
        named_params! {":line": line.to_bytes(), ":ticket": ticket.to_bytes(), ":note": note},
    )?;
    Ok(())
}

/// A line was sent.
pub(crate) fn sent_put(
    tx: &WriteTx<'_>,
    (ticket, line): (TicketId, LineId),
    (prep, place): (PrepId, usize),
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO kitchen_line (line, ticket, sent, prep, place) VALUES (:line, :ticket, :sent, :prep, :place)
         ON CONFLICT (line) DO UPDATE SET sent = excluded.sent, prep = excluded.prep, place = excluded.place",
        named_params! {
            ":line": line.to_bytes(), ":ticket": ticket.to_bytes(), ":sent": Sent::Yes.number(), ":prep": prep.to_bytes(),
            ":place": column(place as u64),
        },
    )?;
    Ok(())
}

/// Nobody knows whether a line was sent; where something is known of that, it stays.
pub(crate) fn unknown_put(tx: &WriteTx<'_>, ticket: TicketId, line: LineId) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO kitchen_line (line, ticket, sent) VALUES (:line, :ticket, :unknown)
         ON CONFLICT (line) DO UPDATE SET sent = :unknown WHERE sent = 0",
        named_params! {
            ":line": line.to_bytes(), ":ticket": ticket.to_bytes(), ":unknown": Sent::Unknown.number(),
        },
    )?;
    Ok(())
}

/// A line went to another ticket, and has another id there.
pub(crate) fn line_move(tx: &WriteTx<'_>, was: LineId, (ticket, line): (TicketId, LineId)) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE OR IGNORE kitchen_line SET line = :line, ticket = :ticket WHERE line = :was",
        named_params! {":line": line.to_bytes(), ":ticket": ticket.to_bytes(), ":was": was.to_bytes()},
    )?;
    Ok(())
}

/// Takes away what is old: a few prep tickets, and lines of a few tickets that have ended. The last change stays, whatever its age:
/// by it changes are counted.
pub(crate) fn forget(tx: &WriteTx<'_>, now: UtcMillis) -> Result<(), StorageError> {
    let before = now.get().saturating_sub(KEPT_MS);
    tx.execute(
        "DELETE FROM prep_ticket WHERE number IN (SELECT number FROM prep_ticket ORDER BY number LIMIT :limit)
            AND queued_at_ms < :before AND change < (SELECT max(change) FROM prep_ticket)",
        named_params! {":before": before, ":limit": FORGOTTEN_AT_ONCE},
    )?;
    // A ticket's id begins with the moment at which it was opened.
    let mut oldest_kept = [0_u8; 16];
    let (moment, _rest) = oldest_kept.split_at_mut(8);
    moment.copy_from_slice(&(u64::try_from(before).unwrap_or(0) << 16).to_be_bytes());
    tx.execute(
        "DELETE FROM kitchen_line WHERE ticket IN (
            SELECT l.ticket FROM kitchen_line l JOIN open_ticket o ON o.id = l.ticket
            WHERE l.ticket < :oldest_kept AND o.stage > 2 ORDER BY l.ticket LIMIT :limit)",
        named_params! {":oldest_kept": oldest_kept, ":limit": FORGOTTEN_AT_ONCE},
    )?;
    Ok(())
}
