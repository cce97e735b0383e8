//! The tables of a menu, and their columns.

use std::path::Path;

use super::Called;
use crate::exit::Failure;
use crate::office::csv_file::{CsvFile, Found};

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) file: &'static str,
    /// Its columns.
    pub(super) columns: &'static [&'static str],
    /// How many of them may be left out: the last ones.
    pub(super) optional: usize,
    /// Whether there is no menu without it.
    pub(super) is_needed: bool,
    /// What is said if it is not there.
    without: &'static str,
}

/// The table with what is for sale.
pub(in crate::office) const MENU_FILE: &str = "menu.csv";

pub(super) static TAXES: Kind = Kind {
    file: "taxes.csv",
    columns: &["class", "rate"],
    optional: 0,
    is_needed: true,
    without: "no menu is without taxes",
};
pub(super) static STOCK_ITEMS: Kind = Kind {
    file: "stock_items.csv",
    columns: &["stock_item", "name", "unit"],
    optional: 0,
    is_needed: false,
    without: "nothing is counted in the stock room",
};
pub(super) static MENU: Kind = Kind {
    file: MENU_FILE,
    columns: &["item", "name", "category", "price", "tax", "product", "size", "barcodes", "allergens", "kilocalories"],
    optional: 5,
    is_needed: true,
    without: "nothing is for sale",
};
pub(super) static RECIPES: Kind = Kind {
    file: "recipes.csv",
    columns: &["item", "stock_item", "quantity"],
    optional: 0,
    is_needed: false,
    without: "no item takes anything from the stock room",
};

/// All tables; what others name is read before them.
pub(super) static KINDS: [&Kind; 4] = [&TAXES, &STOCK_ITEMS, &MENU, &RECIPES];

/// All columns that some table has.
pub(super) fn known() -> Vec<&'static str> {
    let mut all: Vec<_> = KINDS.iter().flat_map(|kind| kind.columns.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

pub(super) fn is_known(name: &str) -> bool {
    known().contains(&name)
}

/// A line of a table.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) row: u64,
    /// The table's columns in their order; none if it has another number of cells, or is no text.
    pub(super) cells: Option<Vec<String>>,
    pub(super) shown: String,
}

/// A table that was read.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    /// Which columns are there.
    pub(super) there: Vec<&'static str>,
    /// Which of the columns that are called otherwise are in it.
    pub(super) called: Vec<Called>,
    /// What a person should know of it.
    pub(super) notes: Vec<String>,
}

/// Reads a table. One that may be left out has no lines then.
pub(super) fn read(kind: &'static Kind, folder: &Path, columns: &[Called]) -> Result<Lines, Failure> {
    let path = folder.join(kind.file);
    if !path.exists() && !kind.is_needed {
        let notes = vec![format!("{} is not there: {}", kind.file, kind.without)];
        return Ok(Lines { lines: Vec::new(), there: Vec::new(), called: Vec::new(), notes });
    }
    let mut file = CsvFile::read(&path).map_err(|failure| Failure {
        exit: failure.exit,
        error: if path.exists() { failure.error } else { failure.error.context(kind.without) },
    })?;
    let own = columns.iter().filter(|called| kind.columns.contains(&called.name.as_str()));
    let called = own.filter(|called| file.read_as(&called.theirs, &called.name)).cloned().collect();
    let needed = kind.columns.len() - kind.optional;
    let found = file.find(kind.columns.iter().enumerate().map(|(at, name)| (*name, at < needed)));
    let Found { places, ignored } = found.map_err(|said| Failure::usage(format!("{}: {said}", path.display())))?;
    let notes =
        if ignored.is_empty() { Vec::new() } else { vec![format!("{}: not read: {}", kind.file, ignored.join(", "))] };
    let lines = file.rows.into_iter().map(|row| Line { row: row.number, cells: row.cells(&places), shown: row.shown });
    let there = kind.columns.iter().zip(&places).filter(|(_, place)| place.is_some()).map(|(name, _)| *name).collect();
    Ok(Lines { lines: lines.collect(), there, called, notes })
}
