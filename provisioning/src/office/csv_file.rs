//! A table of an old system: one CSV file, whose columns are found by their names, in any order. What its cells mean is told by
//! whoever reads them.

use std::path::Path;

use anyhow::Context as _;

use crate::exit::{Exit, Failure};

/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A file that was read.
#[derive(Debug)]
pub(super) struct CsvFile {
    names: Vec<Name>,
    pub(super) rows: Vec<Row>,
}

/// What a column is called.
#[derive(Debug)]
struct Name {
    written: String,
    /// As what it is read, unless another one is.
    read_as: Option<String>,
}

/// A line.
#[derive(Debug)]
pub(super) struct Row {
    /// Its number in the file; the header is 1.
    pub(super) number: u64,
    /// Its cells without blanks around them; none if it is no UTF-8 text.
    texts: Option<Vec<String>>,
    /// Whether it has as many cells as the header.
    pub(super) is_whole: bool,
    /// How it is shown to whoever corrects it.
    pub(super) shown: String,
}

/// Where columns stand, and those that are not read.
#[derive(Debug)]
pub(super) struct Found {
    /// As they were asked for.
    pub(super) places: Vec<Option<usize>>,
    pub(super) ignored: Vec<String>,
}

impl Row {
    /// What stands in a column, if the line can be read.
    pub(super) fn cell(&self, at: Option<usize>) -> Option<&str> {
        let texts = self.texts.as_ref()?;
        Some(at.and_then(|at| texts.get(at)).map_or("", String::as_str))
    }

    /// What stands in these columns, if the line has as many cells as the header.
    pub(super) fn cells(&self, places: &[Option<usize>]) -> Option<Vec<String>> {
        let read = places.iter().map(|at| self.cell(*at).map(str::to_owned)).collect::<Option<Vec<_>>>();
        read.filter(|_| self.is_whole)
    }
}

impl CsvFile {
    /// Reads a file whole.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let bytes = bytes(path).map_err(|error| Failure::new(Exit::Usage, error))?;
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let mut records = reader.byte_records();
        let unreadable = |error: csv::Error| Failure::usage(format!("{shown} cannot be read: {}", kind_of(&error)));
        let header = records.next().transpose().map_err(unreadable)?;
        let header =
            header.ok_or_else(|| Failure::usage(format!("{shown} is empty: its first line names the columns")))?;
        let name = |name: &[u8]| Some(std::str::from_utf8(name).ok()?.trim().to_ascii_lowercase());
        let names: Option<Vec<String>> = header.iter().map(name).collect();
        let names =
            names.ok_or_else(|| Failure::usage(format!("{shown}: its first line is not UTF-8 text")))?.into_iter();
        let names = names.map(|written| Name { read_as: Some(written.clone()), written }).collect();
        let mut rows = Vec::new();
        for record in records {
            let record = record.map_err(unreadable)?;
            let cell = |cell: &[u8]| Some(std::str::from_utf8(cell).ok()?.trim().to_owned());
            rows.push(Row {
                number: record.position().map_or(0, csv::Position::line),
                texts: record.iter().map(cell).collect(),
                is_whole: record.len() == header.len(),
                shown: shown_line(&record),
            });
        }
        Ok(Self { names, rows })
    }

    /// From now on the column with the first name is read as the second, and no other is. Tells whether there is one.
    pub(super) fn read_as(&mut self, written: &str, wanted: &str) -> bool {
        let is_there = self.names.iter().any(|name| name.written == written);
        for name in self.names.iter_mut().filter(|_| is_there) {
            if name.written == written {
                name.read_as = Some(wanted.to_owned());
            } else if name.read_as.as_deref() == Some(wanted) {
                name.read_as = None;
            }
        }
        is_there
    }

    /// Where columns stand; those that must be there are told with `true`.
    pub(super) fn find<'a>(&self, wanted: impl Iterator<Item = (&'a str, bool)>) -> Result<Found, String> {
        let (mut places, mut missing) = (Vec::new(), Vec::new());
        for (wanted, is_needed) in wanted {
            let found = self.names.iter().enumerate().filter(|(_, it)| it.read_as.as_deref() == Some(wanted));
            let mut found = found.map(|(at, _)| at);
            let at = found.next();
            if found.next().is_some() {
                return Err(format!("the header names {wanted} twice"));
            }
            if at.is_none() && is_needed {
                missing.push(wanted);
            }
            places.push(at);
        }
        if !missing.is_empty() {
            return Err(format!("the header lacks {}{}", missing.join(", "), self.hint()));
        }
        let ignored = self.names.iter().enumerate().filter(|(at, _)| !places.contains(&Some(*at)));
        let ignored = ignored.map(|(_, name)| name.written.escape_default().to_string()).collect();
        Ok(Found { places, ignored })
    }

    /// What else the columns may be separated by.
    fn hint(&self) -> String {
        let [only] = self.names.as_slice() else { return String::new() };
        let other = [";", "\t", "|"].into_iter().find(|it| only.written.contains(it));
        other.map_or_else(String::new, |it| {
            format!(" (its columns seem to be separated by {it:?}; commas are expected)")
        })
    }
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
