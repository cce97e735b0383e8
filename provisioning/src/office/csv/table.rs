//! The files of an old system, and the lines in them. Columns are found by name, in any order.

use std::path::Path;

use anyhow::Context as _;

use crate::exit::{Exit, Failure};

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
    columns: &[needed("name", Form::Text), needed("kind", Form::Text), optional("training", Form::Truth)],
    is_shown: true,
};
const PRINTERS: Kind = Kind {
    file: "printers.csv",
    list: "printers",
    columns: &[needed("name", Form::Text), needed("kind", Form::Text), needed("address", Form::Text)],
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

/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

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
    let shown = path.display();
    let is_there = path.exists();
    if !is_there && !kind.list.is_empty() {
        return Ok(None);
    }
    let bytes = bytes(path).map_err(|error| Failure::new(Exit::Usage, error))?;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut records = reader.byte_records();
    let unreadable = |error: csv::Error| Failure::usage(format!("{shown} cannot be read: {}", kind_of(&error)));
    let header = records.next().transpose().map_err(unreadable)?;
    let header = header.ok_or_else(|| Failure::usage(format!("{shown} is empty: its first line names the columns")))?;
    let found = places(kind, &header).map_err(|said| Failure::usage(format!("{shown}: {said}")))?;
    let Places { store: store_at, columns: places, ignored } = found;
    let mut lines = Vec::new();
    for record in records {
        let record = record.map_err(unreadable)?;
        let row = record.position().map_or(0, csv::Position::line);
        let texts: Option<Vec<&str>> = record.iter().map(|cell| std::str::from_utf8(cell).ok()).collect();
        let is_whole = record.len() == header.len();
        let cell = |at: &Option<usize>| {
            let text = at.and_then(|at| texts.as_ref()?.get(at).copied());
            text.map_or_else(String::new, |text| text.trim().to_owned())
        };
        let store = texts.as_ref().filter(|_| is_whole || store_at == Some(0)).map(|_| cell(&store_at));
        let cells = texts.as_ref().filter(|_| is_whole).map(|_| places.iter().map(cell).collect());
        let shown = if kind.is_shown { shown_line(&record) } else { String::new() };
        lines.push(Line { row, store, cells, shown });
    }
    Ok(Some(Lines { lines, ignored }))
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("could not read {shown}"))?.len();
    anyhow::ensure!(size <= FILE_BYTES_MAX, "{shown} has {size} bytes, and at most {FILE_BYTES_MAX} are read");
    std::fs::read(path).with_context(|| format!("could not read {shown}"))
}

/// What is wrong, without anything that stands in the file.
fn kind_of(error: &csv::Error) -> String {
    let at = error.position().map_or_else(String::new, |at| format!(" in line {}", at.line()));
    format!("it is no CSV{at}")
}

/// Control characters by their names: whoever looks at it sees what stands there, and nothing else happens.
fn shown_line(record: &csv::ByteRecord) -> String {
    let cells = record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
    let text = cells.collect::<Vec<_>>().join(",");
    let plain = |c: char| if c.is_control() { c.escape_default().collect::<String>() } else { c.to_string() };
    text.chars().map(plain).collect()
}

/// Where each column stands, and those that are not read.
struct Places {
    store: Option<usize>,
    columns: Vec<Option<usize>>,
    ignored: Vec<String>,
}

fn places(kind: &Kind, header: &csv::ByteRecord) -> Result<Places, String> {
    let names: Option<Vec<String>> =
        header.iter().map(|name| Some(std::str::from_utf8(name).ok()?.trim().to_ascii_lowercase())).collect();
    let names = names.ok_or("its first line is not UTF-8 text")?;
    let find = |name: &str| {
        let mut found = names.iter().enumerate().filter(|(_, it)| *it == name).map(|(at, _)| at);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(format!("the header names {name} twice")),
            (at, _) => Ok(at),
        }
    };
    let (store, mut columns, mut missing) = (find(STORE_COLUMN)?, Vec::new(), Vec::new());
    if store.is_none() {
        missing.push(STORE_COLUMN);
    }
    for column in kind.columns {
        let at = find(column.name)?;
        if at.is_none() && column.needed {
            missing.push(column.name);
        }
        columns.push(at);
    }
    if !missing.is_empty() {
        let other =
            [";", "\t", "|"].into_iter().find(|it| names.len() == 1 && names.iter().any(|name| name.contains(it)));
        let hint = other.map_or_else(String::new, |it| {
            format!(" (its columns seem to be separated by {it:?}; commas are expected)")
        });
        return Err(format!("the header lacks {}{hint}", missing.join(", ")));
    }
    let is_read = |at: usize| store == Some(at) || columns.contains(&Some(at));
    let ignored = names.iter().enumerate().filter(|(at, _)| !is_read(*at));
    let ignored = ignored.map(|(_, name)| name.escape_default().to_string()).collect();
    Ok(Places { store, columns, ignored })
}
