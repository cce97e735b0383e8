//! The files of an old system about its shops, and the lines in them.

use std::path::Path;

use crate::exit::Failure;
use crate::office::csv_file::{CsvFile, Found, Row};

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Any text.
    Text,
    /// A whole number from 0.
    Number,
    /// A whole number, which may be below 0: the hub says that it may not.
    Quantity,
    /// 1 to 7, or a day by name.
    Weekday,
    /// A time of the day, `HH:MM`.
    Time,
    /// yes or no; nothing is no.
    Truth,
    /// Texts with blanks between them.
    Words,
    /// A text; nothing is none.
    Word,
}

/// A column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// What the hub calls it.
    pub(super) field: &'static str,
    pub(super) form: Form,
    pub(super) needed: bool,
}

/// A file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) file: &'static str,
    /// The list of a shop that its lines belong to; empty where a line is a shop.
    pub(super) list: &'static str,
    pub(super) columns: &'static [Column],
    /// Whether its lines may be shown again: where people type something they are not, in whichever column it stands.
    pub(super) is_shown: bool,
}

const fn needed(name: &'static str, form: Form) -> Column {
    Column { name, field: name, form, needed: true }
}

const fn optional(name: &'static str, form: Form) -> Column {
    Column { name, field: name, form, needed: false }
}

const fn called(name: &'static str, field: &'static str, form: Form) -> Column {
    Column { name, field, form, needed: true }
}

const SHOPS: Kind = Kind {
    file: "stores.csv",
    list: "",
    columns: &[
        needed("node", Form::Number),
        needed("name", Form::Text),
        needed("zone", Form::Text),
        needed("currency", Form::Text),
        needed("cutover_hour", Form::Number),
        optional("lan_names", Form::Words),
        optional("sign_in", Form::Word),
        optional("badge_use", Form::Word),
        optional("card_forward", Form::Word),
        optional("address", Form::Word),
        optional("receipts", Form::Word),
    ],
    is_shown: true,
};
const HOURS: Kind = Kind {
    file: "hours.csv",
    list: "hours",
    columns: &[
        needed("weekday", Form::Weekday),
        called("opens", "opens_minute", Form::Time),
        called("closes", "closes_minute", Form::Time),
    ],
    is_shown: true,
};
const TERMINALS: Kind = Kind {
    file: "terminals.csv",
    list: "terminals",
    columns: &[
        needed("name", Form::Text),
        needed("kind", Form::Text),
        optional("training", Form::Truth),
        optional("printer", Form::Word),
    ],
    is_shown: true,
};
const PRINTERS: Kind = Kind {
    file: "printers.csv",
    list: "printers",
    columns: &[
        needed("name", Form::Text),
        needed("kind", Form::Text),
        needed("address", Form::Text),
        optional("columns", Form::Number),
    ],
    is_shown: true,
};
const STAFF: Kind = Kind {
    file: "staff.csv",
    list: "staff",
    columns: &[
        needed("id", Form::Number),
        needed("name", Form::Text),
        needed("role", Form::Text),
        optional("pin", Form::Word),
        optional("badge", Form::Word),
    ],
    is_shown: false,
};
const STOCK: Kind = Kind {
    file: "stock.csv",
    list: "stock",
    columns: &[needed("item", Form::Number), needed("quantity", Form::Quantity)],
    is_shown: true,
};

/// The file with the shops themselves.
pub(super) static STORES: &Kind = &SHOPS;

/// All files; that with the shops is read first.
pub(super) static KINDS: [&Kind; 6] = [&SHOPS, &HOURS, &TERMINALS, &PRINTERS, &STAFF, &STOCK];

/// The column in which a field stands.
pub(super) fn column_of(field: &str) -> &str {
    let mut columns = KINDS.into_iter().flat_map(|kind| kind.columns);
    columns.find(|column| column.field == field).map_or(field, |column| column.name)
}

/// The column that says whose line it is, in every file.
pub(super) const STORE_COLUMN: &str = "store";

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number in the file; the header is 1.
    pub(super) row: u64,
    /// Whose it is. Where that stands first, a comma too many behind it changes nothing.
    pub(super) store: Option<String>,
    /// The columns of its kind in their order; none if it has another number of cells.
    pub(super) cells: Option<Vec<String>>,
    /// How it is shown to whoever corrects it.
    pub(super) shown: String,
}

/// The lines of a file, and the columns of it that are not read.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    pub(super) ignored: Vec<String>,
}

/// Reads a file. That with the shops must be there, of the others none.
pub(super) fn read(kind: &'static Kind, path: &Path) -> Result<Option<Lines>, Failure> {
    if !path.exists() && !kind.list.is_empty() {
        return Ok(None);
    }
    let file = CsvFile::read(path)?;
    let columns = kind.columns.iter().map(|column| (column.name, column.needed));
    let found = file.find(std::iter::once((STORE_COLUMN, true)).chain(columns));
    let Found { mut places, ignored } = found.map_err(|said| Failure::usage(format!("{}: {said}", path.display())))?;
    let store_at = places.remove(0);
    let line = |row: &Row| Line {
        row: row.number,
        store: row.cell(store_at).filter(|_| row.is_whole || store_at == Some(0)).map(str::to_owned),
        cells: row.cells(&places),
        shown: if kind.is_shown { row.shown.clone() } else { String::new() },
    };
    Ok(Some(Lines { lines: file.rows.iter().map(line).collect(), ignored }))
}
