//! Shops from the tables of an old system: CSV files in one folder, with a line for each shop, and lines for what it has.
//!
//! A shop is planned whole or not at all: one line that cannot be taken, in whichever file, sets its shop aside.

mod field;
mod set_aside;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::ShopSource;
use super::menu;
use super::plan::{Asked, Refusal, Wanted};
use crate::exit::Failure;
use field::{Read, read_row};
pub(super) use set_aside::SetAside;
use table::{KINDS, Kind, Line, Lines, STORES};

/// Where an entry of a shop comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    kind: &'static Kind,
    row: u64,
}

/// A line that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    place: Place,
    /// The column, where it is one.
    column: String,
    code: String,
    reason: String,
    /// The shop that it is about, if that can be read.
    store: Option<u32>,
}

/// What was read from a folder.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By shop: where its own line stands, and each entry of its lists.
    origins: BTreeMap<u32, Origins>,
    /// The lines as they stand, for those that are set aside.
    texts: BTreeMap<(&'static str, u64), String>,
    faults: Vec<Fault>,
    /// Shops that are not planned.
    aside: BTreeSet<u32>,
}

#[derive(Debug, Default)]
struct Origins {
    own: u64,
    lists: BTreeMap<&'static str, Vec<u64>>,
}

/// Reads all tables of a folder.
pub(super) fn read(folder: &Path) -> Result<Asked, Failure> {
    let mut tables = Tables::default();
    let mut sites: BTreeMap<u32, Map<String, Value>> = BTreeMap::new();
    let mut notes = Vec::new();
    for kind in KINDS {
        let path = folder.join(kind.file);
        let Some(Lines { lines, ignored }) = table::read(kind, &path)? else {
            notes.push(format!("{} is not there: no shop has any of it", kind.file));
            continue;
        };
        if !ignored.is_empty() {
            notes.push(format!("{}: not read: {}", kind.file, ignored.join(", ")));
        }
        for line in &lines {
            tables.take(kind, line, &mut sites);
        }
    }
    if folder.join(menu::MENU_FILE).exists() {
        notes.push(menu::NOT_READ_HERE.to_owned());
    }
    tables.judge(&sites);
    let shops = sites.into_iter().filter(|(store, _)| !tables.aside.contains(store));
    let shops = shops.map(|(store, site)| Wanted { store, site }).collect();
    Ok(Asked { shops, notes, is_derived: true, tables: Some(tables) })
}

impl Tables {
    /// Takes a line into its shop, or sets it aside.
    fn take(&mut self, kind: &'static Kind, line: &Line, sites: &mut BTreeMap<u32, Map<String, Value>>) {
        let place = Place { kind, row: line.row };
        self.texts.insert((kind.file, line.row), line.shown.clone());
        let Read { store, entry, faults } = read_row(kind, line);
        let is_whole = faults.is_empty();
        for (column, code, reason) in faults {
            self.fault(place, (column, code), &reason, store);
        }
        let Some(store) = store.filter(|_| is_whole) else { return };
        if kind.list.is_empty() {
            if let Some(first) = self.origins.get(&store).map(|origins| origins.own) {
                let said = format!("shop {store} stands in line {first} already");
                self.fault(place, ("store", "twice"), &said, Some(store));
                return;
            }
            self.origins.insert(store, Origins { own: line.row, ..Origins::default() });
            sites.insert(store, entry);
        } else if let (Some(site), Some(origins)) = (sites.get_mut(&store), self.origins.get_mut(&store)) {
            origins.lists.entry(kind.list).or_default().push(line.row);
            let list = site.entry(kind.list).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(Value::Object(entry));
            }
        } else if self.aside.contains(&store) {
            // The shop is set aside already, and its other lines with it.
        } else if !kind.is_shown {
            // It may be no number of a shop at all, and is repeated to nobody.
            self.fault(place, ("store", "unknown"), &format!("{} has no such shop", STORES.file), None);
        } else {
            self.fault(place, ("store", "unknown"), &format!("{} has no shop {store}", STORES.file), Some(store));
        }
    }

    fn fault(&mut self, place: Place, (column, code): (&str, &str), reason: &str, store: Option<u32>) {
        let (column, code, reason) = (column.to_owned(), code.to_owned(), reason.to_owned());
        self.faults.push(Fault { place, column, code, reason, store });
        self.aside.extend(store);
    }

    /// Two shops cannot have one box. And a line of nobody may be anybody's: then no shop is known to be whole.
    fn judge(&mut self, sites: &BTreeMap<u32, Map<String, Value>>) {
        let mut boxes: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (store, site) in sites {
            if let Some(node) = site.get("node").and_then(Value::as_u64) {
                boxes.entry(node).or_default().push(*store);
            }
        }
        for (node, stores) in boxes.into_iter().filter(|(_, stores)| stores.len() > 1) {
            for store in &stores {
                let row = self.origins.get(store).map_or(0, |origins| origins.own);
                let said = format!("box {node} is given to shops {stores:?}");
                self.fault(Place { kind: STORES, row }, ("node", "taken"), &said, Some(*store));
            }
        }
        if self.faults.iter().any(|fault| fault.store.is_none()) {
            self.aside.extend(sites.keys());
        }
    }

    /// The hub does not take a shop: what it names are lines here.
    pub(super) fn set_aside(&mut self, store: u32, refusal: &Refusal) {
        self.aside.insert(store);
        let own = self.origins.get(&store).map_or(0, |origins| origins.own);
        if refusal.errors.is_empty() {
            let column = if refusal.code.starts_with("node_") { "node" } else { "" };
            self.fault(Place { kind: STORES, row: own }, (column, &refusal.code), &refusal.detail, Some(store));
        }
        for error in &refusal.errors {
            let (place, column) = self.place(store, own, &error.pointer);
            self.fault(place, (&column, &error.code), &error.detail, Some(store));
        }
    }

    /// Which line, and which column of it, a pointer means: `/stock/3/item`.
    fn place(&self, store: u32, own: u64, pointer: &str) -> (Place, String) {
        let mut parts = pointer.split('/').skip(1);
        let (first, at, field) = (parts.next().unwrap_or_default(), parts.next(), parts.next().unwrap_or_default());
        let lists = self.origins.get(&store).and_then(|origins| origins.lists.get(first));
        let row = lists.zip(at.and_then(|at| at.parse::<usize>().ok())).and_then(|(rows, at)| rows.get(at));
        match (KINDS.into_iter().find(|kind| kind.list == first), row) {
            (Some(kind), Some(row)) => (Place { kind, row: *row }, table::column_of(field).to_owned()),
            (Some(_) | None, _) => (Place { kind: STORES, row: own }, first.to_owned()),
        }
    }

    /// Writes the lines that are set aside beside the tables, or removes what was written there before.
    pub(super) fn write_set_aside(&self, source: &ShopSource) -> Result<SetAside, Failure> {
        let folder = source.from_csv.as_deref().unwrap_or(Path::new("."));
        set_aside::write(folder, self)
    }
}

#[cfg(test)]
mod tests;
