//! Everything that is moved besides journals: tables with their rows, as a file tells them and as a server keeps them.

use percolate_runtime::storage::{ReadTx, Row, StorageError, Value, WriteTx};

/// Rows of one table that are compared or moved at once: 20,000 nodes with several lives, and then some.
const ROWS_MAX: i64 = 2_000_000;

/// A table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// Its columns on the server, those of the key first.
    columns: &'static [&'static str],
    /// How many of them are the key.
    key: usize,
    /// What a file is asked for the same columns, where that is not the same words.
    from_file: Option<&'static str>,
}

const fn same(name: &'static str, columns: &'static [&'static str], key: usize) -> Table {
    Table { name, columns, key, from_file: None }
}

/// What belongs to the journal.
pub(super) const JOURNAL: [Table; 10] = [
    Table {
        name: "stock_total",
        columns: &["author", "incarnation", "stream", "stock_item", "received", "used", "seq"],
        key: 4,
        from_file: Some(
            "SELECT author, incarnation, stream, stock_item, received, used, stock_total.seq
             FROM stock_total JOIN journal_stream ON id = stream_id",
        ),
    },
    Table {
        name: "journal_origin",
        columns: &["author", "event_id", "incarnation", "stream", "seq", "counted"],
        key: 5,
        from_file: Some(
            "SELECT journal_origin.author, event_id, incarnation, stream, journal_origin.seq, counted
             FROM journal_origin JOIN journal_stream ON id = stream_id",
        ),
    },
    Table {
        name: "signed_head",
        columns: &["author", "incarnation", "stream", "seq", "hash", "signature", "public_key", "at_ms"],
        key: 3,
        from_file: Some(
            "SELECT author, incarnation, stream, signed_head.seq, signed_head.hash, signature, public_key, at_ms
             FROM signed_head JOIN journal_stream ON id = stream_id",
        ),
    },
    Table {
        name: "down_position",
        columns: &["node", "author", "incarnation", "stream", "seq", "acked_at_ms"],
        key: 4,
        from_file: Some(
            "SELECT node, author, incarnation, stream, down_position.seq, acked_at_ms
             FROM down_position JOIN journal_stream ON id = stream_id",
        ),
    },
    same(
        "node_session",
        &["node", "store", "incarnation", "session", "boot", "machine", "version", "skew_ms", "welcomed_at_ms"],
        1,
    ),
    same(
        "node_life",
        &[
            "node",
            "incarnation",
            "session",
            "boot",
            "greeting",
            "machine",
            "state",
            "first_seen_at_ms",
            "welcomed_at_ms",
            "stock_compared_at_ms",
            "stock_differs",
        ],
        2,
    ),
    same("node_boot", &["node", "incarnation", "boot", "first_at_ms"], 3),
    same("node_key", &["node", "incarnation", "public_key", "first_seen_at_ms"], 2),
    same("node_presence", &["node", "boot", "online", "changed_at_ms"], 1),
    same("dead_letter", &["fingerprint", "topic", "reason", "frame", "times", "first_at_ms", "last_at_ms"], 1),
];

/// What the catalog has said, who published it, and the menu that is being written.
pub(super) const CATALOG: [Table; 5] = [
    same("outbox_life", &["stream", "incarnation", "seq", "hash", "hlc", "created_at_ms"], 2),
    same("outbox_said", &["stream", "incarnation", "seq", "event", "hash"], 3),
    same("menu_draft", &["id", "menu", "person", "saved_at_ms"], 1),
    same("publication", &["incarnation", "seq", "person"], 2),
    same("menu_file", &["id", "hash"], 1),
];

/// What people have decided about differences in the books; all else of the reports is folded there.
pub(super) const REPORTING: [Table; 1] =
    [same("difference_settled", &["ticket", "part", "number", "said", "computed", "who", "at_ms", "reason"], 5)];

/// What identity knows: shops, codes, which boxes are let in, and people of the office.
pub(super) const IDENTITY: [Table; 11] = [
    same("site", &["store", "node", "name", "content", "bundles", "made_at_ms"], 1),
    same(
        "code",
        &[
            "id",
            "request_key",
            "key",
            "salt",
            "store",
            "node",
            "bundle",
            "purpose",
            "made_at_ms",
            "expires_at_ms",
            "used_at_ms",
            "used_key",
            "used_machine",
            "tries",
            "site",
        ],
        1,
    ),
    same("issued", &["serial", "answer", "issued_at_ms"], 1),
    same("acceptance", &["node", "made_at_ms", "body", "signature"], 2),
    same(
        "auth_device",
        &["serial", "node", "public_key", "not_before_ms", "not_after_ms", "state", "changed_at_ms"],
        1,
    ),
    same("office_user", &["id", "name", "password", "totp", "totp_step", "failures", "locked_until_ms", "state"], 1),
    same("invitation", &["hash", "user_id", "expires_at_ms"], 1),
    same("doing", &["id", "at_ms", "actor", "what", "about"], 1),
    same("auth_session", &["hash", "user_id", "name", "seen_at_ms", "ends_at_ms"], 1),
    same("auth_grant", &["user_id", "role", "scope", "place"], 4),
    same("auth_place", &["store", "district", "region"], 1),
];

/// A cell of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Cell {
    fn taken(row: &mut Row<'_>) -> Result<Self, StorageError> {
        Ok(match row.take::<Value<'_>>()? {
            Value::Int(number) => Self::Int(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_vec()),
            Value::Null | Value::Ints(_) | Value::Texts(_) | Value::Blobs(_) => Self::Null,
        })
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }
}

pub(super) type Cells = Vec<Cell>;

impl Table {
    /// All rows in the order of their keys.
    pub(super) fn rows(&self, tx: &ReadTx<'_>, is_file: bool) -> Result<Vec<Cells>, StorageError> {
        let select = match self.from_file {
            Some(select) if is_file => select.to_owned(),
            Some(_) | None => format!("SELECT {} FROM {}", self.columns.join(", "), self.name),
        };
        let order: Vec<String> = (1..=self.key).map(|place| place.to_string()).collect();
        let sql = format!("{select} ORDER BY {} LIMIT {ROWS_MAX}", order.join(", "));
        tx.query_list(&sql, &[], |row| {
            let mut cells = Cells::new();
            while row.left() > 0 {
                cells.push(Cell::taken(row)?);
            }
            Ok(cells)
        })
    }

    /// Empties the table on the server and writes these rows.
    pub(super) fn fill(&self, tx: &WriteTx<'_>, rows: &[Cells]) -> Result<(), StorageError> {
        tx.execute(&format!("DELETE FROM {}", self.name), &[])?;
        let places: Vec<String> = (1..=self.columns.len()).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", self.name, self.columns.join(", "), places.join(", "));
        for row in rows {
            let bound: Vec<Value<'_>> = row.iter().map(Cell::value).collect();
            tx.execute(&sql, &bound)?;
        }
        Ok(())
    }
}
