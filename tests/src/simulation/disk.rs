//! What disks hold, read from their files by this crate's own statements and not by the programs that wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, EventId, Hash, Head, Incarnation, JournalId, StreamKind};
use percolate_common::wire::event::{Recorded, decode};
use rusqlite::{Connection, OpenFlags};

/// Stock that came in and went out.
pub(super) type Total = (i64, i64);

/// An entry of a journal.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) journal: JournalId,
    pub(super) seq: u64,
    pub(super) hash: Hash,
    pub(super) bytes: Vec<u8>,
    /// What it says; nothing if it cannot be read.
    pub(super) recorded: Option<Recorded>,
    /// What tells the event from all others, wherever it is written again.
    pub(super) id: EventId,
    /// Whether the hub passes over it, because it counts elsewhere.
    pub(super) alias: bool,
}

/// A node's disk.
#[derive(Debug, Default)]
pub(super) struct NodeDisk {
    pub(super) entries: Vec<Entry>,
    pub(super) set_aside: u64,
    pub(super) heads: BTreeMap<JournalId, Head>,
    pub(super) down: BTreeMap<JournalId, Head>,
    pub(super) totals: BTreeMap<(Incarnation, i64), Total>,
    pub(super) lives: Vec<(Incarnation, String)>,
    pub(super) repair_left: u64,
    /// What the shop's own books say is there.
    pub(super) on_hand: BTreeMap<i64, i64>,
    /// Tickets and their sum with tax, by day.
    pub(super) days: BTreeMap<i64, (i64, i64)>,
}

/// The hub's disk.
#[derive(Debug, Default)]
pub(super) struct HubDisk {
    pub(super) entries: Vec<Entry>,
    pub(super) heads: BTreeMap<JournalId, Head>,
    pub(super) totals: BTreeMap<(JournalId, i64), Total>,
    /// The lives whose stock was compared, and whether it was other than stated.
    pub(super) compared: BTreeMap<(i64, Incarnation), bool>,
    pub(super) dead_letters: Vec<String>,
    /// Tickets of the reports: store, day, sum with tax.
    pub(super) tickets: BTreeMap<Vec<u8>, (i64, i64, i64)>,
    /// Tickets and their sum with tax, by store and day.
    pub(super) days: BTreeMap<(i64, i64), (i64, i64)>,
    /// On hand by store and stock item.
    pub(super) on_hand: BTreeMap<(i64, i64), i64>,
}

#[expect(clippy::disallowed_methods, reason = "a witness reads the files with nothing of the product's")]
fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).with_context(|| format!("opening {}", path.display()))
}

/// Rows of whole numbers and blobs, as they come.
fn rows<T>(
    connection: &Connection,
    sql: &str,
    mut row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |found| row(found))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn journal(author: i64, incarnation: i64, stream: i64) -> Option<JournalId> {
    Some(JournalId {
        author: AuthorId::from_number(u32::try_from(author).ok()?),
        incarnation: Incarnation::new(incarnation.cast_unsigned()),
        stream: StreamKind::from_number(u8::try_from(stream).ok()?)?,
    })
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn hash(bytes: &[u8]) -> Hash {
    Hash::from_slice(bytes).unwrap_or(Hash::from_bytes([0; 32]))
}

fn entry(journal: JournalId, seq: i64, bytes: Vec<u8>, hash: Hash, alias: bool) -> Entry {
    let recorded = decode(&bytes).ok();
    let origin = recorded.as_ref().and_then(|recorded| recorded.origin);
    let id = origin.map_or_else(|| hash.event_id(), |origin| origin.id);
    Entry { journal, seq: number(seq), hash, bytes, recorded, id, alias }
}

impl Entry {
    /// The id of the ticket that it states, if it states one.
    pub(super) fn ticket_id(&self) -> Option<Vec<u8>> {
        match &self.recorded.as_ref()?.event {
            Event::TicketSold(sold) => Some(sold.id.to_bytes().to_vec()),
            Event::TicketImported(ticket) => Some(ticket.id.to_bytes().to_vec()),
            Event::ImportAmended(_)
            | Event::TicketRefunded(_)
            | Event::OpenTicket(_)
            | Event::StockMoved(_)
            | Event::SeriesOpened(_)
            | Event::DrawerOpened(_)
            | Event::CashMoved(_)
            | Event::DrawerClosed(_)
            | Event::DayClosed(_)
            | Event::StoreDescribed(_)
            | Event::LifeBegan(_)
            | Event::StaffLocked(_)
            | Event::CardSettled(_)
            | Event::TipAdjusted(_)
            | Event::Catalog(_) => None,
        }
    }

    /// What it moves in the stock room.
    pub(super) fn effects(&self) -> Vec<(i64, i64)> {
        let lines = match self.recorded.as_ref().map(|recorded| &recorded.event) {
            Some(Event::TicketSold(sold)) if sold.class == TicketClass::Sale => &sold.stock_effects,
            Some(Event::TicketRefunded(refund)) if refund.class == TicketClass::Sale => &refund.stock_effects,
            Some(Event::StockMoved(moved)) => &moved.lines,
            Some(
                Event::TicketSold(_)
                | Event::TicketRefunded(_)
                | Event::TicketImported(_)
                | Event::ImportAmended(_)
                | Event::OpenTicket(_)
                | Event::SeriesOpened(_)
                | Event::DrawerOpened(_)
                | Event::CashMoved(_)
                | Event::DrawerClosed(_)
                | Event::DayClosed(_)
                | Event::StoreDescribed(_)
                | Event::LifeBegan(_)
                | Event::StaffLocked(_)
                | Event::CardSettled(_)
                | Event::TipAdjusted(_)
                | Event::Catalog(_),
            )
            | None => return Vec::new(),
        };
        lines.iter().map(|line| (i64::from(line.stock_item.get()), line.quantity.get())).collect()
    }
}

impl NodeDisk {
    /// Reads a node's database, also while its process runs.
    pub(super) fn read(folder: &Path, node: NodeId) -> Result<Self> {
        let db = open(&folder.join("node.db"))?;
        let author = AuthorId::node(node);
        let own = |incarnation: i64, stream: i64| journal(i64::from(author.number()), incarnation, stream);
        let mut disk = Self::default();
        let found = rows(
            &db,
            "SELECT l.incarnation, j.stream, j.seq, j.event, j.hash FROM journal j JOIN author_life l USING (life)
             ORDER BY 1, 2, 3",
            |row| Ok((own(row.get(0)?, row.get(1)?), row.get(2)?, row.get(3)?, hash(row.get_ref(4)?.as_blob()?))),
        )?;
        let known = found.into_iter().filter_map(|(id, seq, bytes, hash)| Some(entry(id?, seq, bytes, hash, false)));
        disk.entries = known.collect();
        let heads = rows(
            &db,
            "SELECT l.incarnation, h.stream, h.seq, h.hash FROM stream_head h JOIN author_life l USING (life)",
            |row| Ok((own(row.get(0)?, row.get(1)?), head(row.get(2)?, row.get_ref(3)?.as_blob()?))),
        )?;
        disk.heads = heads.into_iter().filter_map(|(id, head)| Some((id?, head))).collect();
        let down = rows(&db, "SELECT author, incarnation, stream, seq, hash FROM down_head", |row| {
            Ok((journal(row.get(0)?, row.get(1)?, row.get(2)?), head(row.get(3)?, row.get_ref(4)?.as_blob()?)))
        })?;
        disk.down = down.into_iter().filter_map(|(id, head)| Some((id?, head))).collect();
        let totals = rows(
            &db,
            "SELECT l.incarnation, t.stock_item, t.received, t.used FROM stock_total t JOIN author_life l USING (life)",
            |row| {
                let life = Incarnation::new(row.get::<_, i64>(0)?.cast_unsigned());
                Ok(((life, row.get(1)?), (row.get(2)?, row.get(3)?)))
            },
        )?;
        disk.totals = totals.into_iter().collect();
        disk.lives = rows(&db, "SELECT incarnation, reason FROM author_life ORDER BY life", |row| {
            Ok((Incarnation::new(row.get::<_, i64>(0)?.cast_unsigned()), row.get(1)?))
        })?;
        disk.set_aside = number(db.query_row("SELECT count(*) FROM journal_set_aside", [], |row| row.get(0))?);
        disk.repair_left =
            number(db.query_row("SELECT coalesce(sum(last_seq - next_seq + 1), 0) FROM repair", [], |row| row.get(0))?);
        let on_hand = rows(
            &db,
            "SELECT stock_item, sum(n) FROM (SELECT stock_item, received - used AS n FROM stock_total
             UNION ALL SELECT stock_item, used - received FROM stock_alias) GROUP BY 1 HAVING sum(n) <> 0",
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        disk.on_hand = on_hand.into_iter().collect();
        let days = rows(
            &db,
            "SELECT day, sum(n), sum(total) FROM (SELECT day, 1 AS n, total_minor AS total FROM ticket WHERE class <> 2
             UNION ALL SELECT day, 0, net_minor FROM day_amendment) GROUP BY day",
            |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
        )?;
        disk.days = days.into_iter().collect();
        Ok(disk)
    }
}

fn head(seq: i64, bytes: &[u8]) -> Head {
    Head { seq: number(seq), hash: hash(bytes) }
}

/// How far a hub's journals reach.
pub(super) fn hub_heads(folder: &Path) -> Result<BTreeMap<JournalId, Head>> {
    heads_of(&open(&folder.join("journal.db"))?)
}

fn heads_of(db: &Connection) -> Result<BTreeMap<JournalId, Head>> {
    let heads = rows(db, "SELECT author, incarnation, stream, seq, hash FROM journal_stream", |row| {
        Ok((journal(row.get(0)?, row.get(1)?, row.get(2)?), head(row.get(3)?, row.get_ref(4)?.as_blob()?)))
    })?;
    Ok(heads.into_iter().filter_map(|(id, head)| Some((id?, head))).collect())
}

/// The entries of all journals of a hub.
fn hub_entries(db: &Connection) -> Result<Vec<Entry>> {
    let found = rows(
        db,
        "SELECT s.author, s.incarnation, s.stream, e.seq, e.event, e.hash, e.alias
         FROM journal_entry e JOIN journal_stream s ON s.id = e.stream_id ORDER BY 1, 2, 3, 4",
        |row| {
            let id = journal(row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((id, row.get(3)?, row.get(4)?, hash(row.get_ref(5)?.as_blob()?), row.get::<_, i64>(6)? == 1))
        },
    )?;
    let known = found.into_iter().filter_map(|(id, seq, bytes, hash, alias)| Some(entry(id?, seq, bytes, hash, alias)));
    Ok(known.collect())
}

impl HubDisk {
    /// The tickets that a hub's journals hold.
    pub(super) fn ticket_ids(folder: &Path) -> Result<BTreeSet<Vec<u8>>> {
        let entries = hub_entries(&open(&folder.join("journal.db"))?)?;
        Ok(entries.iter().filter_map(Entry::ticket_id).collect())
    }

    /// Reads a hub's databases, also while its process runs.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let db = open(&folder.join("journal.db"))?;
        let mut disk = Self { heads: heads_of(&db)?, ..Self::default() };
        disk.entries = hub_entries(&db)?;
        let totals = rows(
            &db,
            "SELECT s.author, s.incarnation, s.stream, t.stock_item, t.received, t.used
             FROM stock_total t JOIN journal_stream s ON s.id = t.stream_id",
            |row| {
                let id = journal(row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((id, row.get(3)?, (row.get(4)?, row.get(5)?)))
            },
        )?;
        disk.totals = totals.into_iter().filter_map(|(id, item, total)| Some(((id?, item), total))).collect();
        let compared = rows(
            &db,
            "SELECT node, incarnation, stock_differs FROM node_life WHERE stock_compared_at_ms IS NOT NULL",
            |row| Ok(((row.get(0)?, Incarnation::new(row.get::<_, i64>(1)?.cast_unsigned())), row.get(2)?)),
        )?;
        disk.compared = compared.into_iter().collect();
        disk.dead_letters = rows(&db, "SELECT topic || ': ' || reason FROM dead_letter", |row| row.get(0))?;
        let db = open(&folder.join("reporting.db"))?;
        let tickets = rows(&db, "SELECT id, store, day, total_minor FROM ticket", |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
        })?;
        disk.tickets = tickets.into_iter().collect();
        let days =
            rows(&db, "SELECT scope, day, tickets, total_minor FROM rollup WHERE kind = 1 AND scope <> 0", |row| {
                Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)))
            })?;
        disk.days = days.into_iter().collect();
        let stock = rows(&db, "SELECT store, stock_item, received - used FROM stock_fold", |row| {
            Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
        })?;
        disk.on_hand = stock.into_iter().filter(|(_, much)| *much != 0).collect();
        Ok(disk)
    }

    /// The entries of one author.
    pub(super) fn of(&self, author: AuthorId) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.journal.author == author)
    }
}

/// How far the hub holds a node's journals, as the node has understood it.
pub(super) fn acked(folder: &Path, node: NodeId) -> Result<Vec<(JournalId, u64)>> {
    let db = open(&folder.join("node.db"))?;
    let found = rows(
        &db,
        "SELECT l.incarnation, r.stream, r.acked_seq FROM reader r JOIN author_life l USING (life)",
        |row| {
            let id = journal(i64::from(AuthorId::node(node).number()), row.get(0)?, row.get(1)?);
            Ok((id, number(row.get(2)?)))
        },
    )?;
    Ok(found.into_iter().filter_map(|(id, seq)| Some((id?, seq))).collect())
}

/// The keys of tickets that a node's disk holds, set aside or not.
pub(super) fn ticket_ids(folder: &Path) -> Result<BTreeSet<Vec<u8>>> {
    let db = open(&folder.join("node.db"))?;
    Ok(rows(&db, "SELECT id FROM ticket", |row| row.get(0))?.into_iter().collect())
}

/// Writes an entry at the end of a journal that no program of today can read: a newer one ran here for a moment.
pub(super) fn poison(folder: &Path, node: NodeId, bytes: &[u8]) -> Result<JournalId> {
    let db = open(&folder.join("node.db"))?;
    let sql = "SELECT l.incarnation, h.life, h.seq, h.hash FROM stream_head h JOIN present_life p USING (life)
               JOIN author_life l USING (life) WHERE h.stream = 4";
    let (incarnation, life, before) = db.query_row(sql, [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, head(row.get(2)?, row.get_ref(3)?.as_blob()?)))
    })?;
    let after = before.after(bytes);
    let seq = i64::try_from(after.seq)?;
    let entry = (life, seq, bytes, after.hash.as_bytes());
    let _rows = db.execute("INSERT INTO journal (life, stream, seq, event, hash) VALUES (?1, 4, ?2, ?3, ?4)", entry)?;
    let moved = (seq, after.hash.as_bytes(), life);
    let _rows = db.execute("UPDATE stream_head SET seq = ?1, hash = ?2 WHERE life = ?3 AND stream = 4", moved)?;
    journal(i64::from(AuthorId::node(node).number()), incarnation, 4).context("the journal of a node's own words")
}
