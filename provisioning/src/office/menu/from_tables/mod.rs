//! A menu from its tables: CSV files in one folder. It is whole, or every mistake in it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use percolate_common::domain::catalog::{
    CatalogError, Category, Draft, Item, MenuFault, MenuList, MenuPlace, StockItem, TaxClass, Use,
};
use percolate_common::ids::{CategoryId, ItemId, StockItemId, TaxClassId};
use percolate_common::money::{Currency, DecimalError, MicroRate, Minor, PercentError};
use percolate_common::quantity::Quantity;

use super::Called;
use super::columns::{self, KINDS, Kind, Line, MENU, RECIPES, STOCK_ITEMS, TAXES};
use super::to_tables::bare;
use crate::exit::Failure;
use crate::office::quarantine::Mistake;

/// Characters of a reason that are shown.
const REASON_CHARS_MAX: usize = 300;

/// What was read from a folder.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) content: Draft,
    /// What a person should know of it.
    pub(super) notes: Vec<String>,
    /// What keeps it from being published.
    pub(super) mistakes: Vec<Mistake>,
    /// The numbers that stand in a table, whatever else is wrong with their lines: what names them names something.
    named: BTreeSet<(MenuList, u32)>,
    /// The lists with a line whose number or name cannot be read: it may be the one that others name.
    unread: BTreeSet<MenuList>,
    /// Where each entry stands.
    rows: BTreeMap<(MenuList, u32), u64>,
    use_rows: BTreeMap<(u32, u32), u64>,
    classes: BTreeMap<String, TaxClassId>,
    categories: BTreeMap<String, CategoryId>,
    /// The lines as they stand.
    shown: BTreeMap<(&'static str, u64), String>,
}

/// Reads all tables of a folder. What is for sale by the same name keeps its number.
pub(super) fn read(folder: &Path, columns: &[Called], (currency, known): (Currency, &Draft)) -> Result<Read, Failure> {
    let mut read = Read::default();
    let mut found = Vec::new();
    let mut tables = Vec::new();
    for kind in KINDS {
        let table = columns::read(kind, folder, columns)?;
        read.notes.extend(table.notes);
        found.extend(table.called);
        tables.push((kind, table.lines));
    }
    if let Some(called) = columns.iter().find(|called| !found.contains(called)) {
        return Err(Failure::usage(format!("no table with a {} has a column {}", called.name, called.theirs)));
    }
    for (kind, line) in tables.iter().flat_map(|(kind, lines)| lines.iter().map(|line| (*kind, line))) {
        read.shown.insert((kind.file, line.row), line.shown.clone());
        read.line(kind, line, (currency, known));
    }
    for fault in read.content.faults() {
        read.unsound(&fault);
    }
    Ok(read)
}

/// A cell that cannot be taken: code and reason.
type Refused = (&'static str, String);

impl Read {
    fn line(&mut self, kind: &'static Kind, line: &Line, around: (Currency, &Draft)) {
        let Some(cells) = &line.cells else {
            let said = "it has more or fewer cells than the header, or is no UTF-8 text";
            self.unread.extend(list_of(kind));
            return self.mistake(kind, line.row, "", ("column_count", said.to_owned()));
        };
        let mut cells = Cells { kind, row: line.row, cells, read: self };
        let taken = match list_of(kind) {
            Some(MenuList::TaxClasses) => cells.tax_class(&around.1.tax_classes),
            Some(MenuList::StockItems) => cells.stock_item(),
            Some(MenuList::Items | MenuList::Categories) => cells.item(around),
            None => cells.part(),
        };
        // What is wrong with it was told where it was found.
        taken.unwrap_or_default();
    }

    fn mistake(&mut self, kind: &Kind, row: u64, column: &str, (code, reason): Refused) {
        self.mistakes.push(Mistake {
            file: kind.file,
            line: row,
            column: column.to_owned(),
            code: code.to_owned(),
            reason: reason.chars().take(REASON_CHARS_MAX).collect(),
            store: None,
            content: self.shown.get(&(kind.file, row)).cloned().unwrap_or_default(),
        });
    }

    /// What keeps the menu from being sold is told by its line and column. What names nothing was told where it was read.
    fn unsound(&mut self, MenuFault { place, error }: &MenuFault) {
        match error {
            CatalogError::Dangling { .. } => return,
            CatalogError::OutOfRange { .. } | CatalogError::Incomplete { .. } => {}
        }
        let MenuPlace { list, number, field, used } = *place;
        let number = number.unwrap_or_default();
        let use_row = used.and_then(|used| self.use_rows.get(&(number, used.get())));
        let own = self.rows.get(&(list, number)).copied().unwrap_or(1);
        let (kind, row): (&Kind, u64) = match list {
            MenuList::Items => use_row.map_or((&MENU, own), |row| (&RECIPES, *row)),
            MenuList::TaxClasses => (&TAXES, own),
            MenuList::StockItems => (&STOCK_ITEMS, own),
            MenuList::Categories => (&MENU, own),
        };
        let column = match (list, field.unwrap_or_default()) {
            (MenuList::TaxClasses, "name") => "class",
            (MenuList::Categories, _) => "category",
            (_, "tax_class") => "tax",
            (_, "uses") => "",
            (_, field) => field,
        };
        self.mistake(kind, row, column, ("out_of_range", error.to_string()));
    }
}

/// What the lines of a table are; none if they belong to what stands in another.
fn list_of(kind: &Kind) -> Option<MenuList> {
    let lists = [(&TAXES, MenuList::TaxClasses), (&STOCK_ITEMS, MenuList::StockItems), (&MENU, MenuList::Items)];
    lists.into_iter().find(|(it, _)| it.file == kind.file).map(|(_, list)| list)
}

/// The cells of a line, on their way into the menu. What is wrong is told; `None` is a line that is not taken.
struct Cells<'a> {
    kind: &'static Kind,
    row: u64,
    cells: &'a [String],
    read: &'a mut Read,
}

impl Cells<'_> {
    fn tax_class(&mut self, known: &BTreeMap<TaxClassId, TaxClass>) -> Option<()> {
        let name = self.text("class");
        let rate = self.value("rate", rate);
        let Some(name) = name else {
            self.read.unread.insert(MenuList::TaxClasses);
            return None;
        };
        let again = self.read.classes.contains_key(&name);
        if again {
            return self.refuse("class", ("twice", format!("the class {name:?} stands in another line already")));
        }
        let number =
            numbered(&name, known.values().map(|it| (it.id.get(), &it.name)), &self.read.classes, TaxClassId::get);
        let id = TaxClassId::new(number);
        self.read.classes.insert(name.clone(), id);
        self.read.rows.insert((MenuList::TaxClasses, number), self.row);
        self.read.content.tax_classes.insert(id, TaxClass { id, name, rate: rate? });
        Some(())
    }

    fn stock_item(&mut self) -> Option<()> {
        let number = self.new_number("stock_item", MenuList::StockItems);
        let (name, unit) = (
            self.text("name"),
            self.value("unit", |cell| {
                cell.parse().map_err(|_no_unit| ("malformed", format!("{cell:?}: each, mg or ul is expected")))
            }),
        );
        let id = StockItemId::new(number?);
        self.read.content.stock_items.insert(id, StockItem { id, name: name?, unit: unit? });
        Some(())
    }

    fn item(&mut self, (currency, known): (Currency, &Draft)) -> Option<()> {
        let number = self.new_number("item", MenuList::Items);
        let (name, category) = (self.text("name"), self.text("category"));
        let price = self.value("price", |cell| price(cell, currency));
        let tax = self.text("tax");
        let tax_class = tax.and_then(|tax| match self.read.classes.get(&tax).copied() {
            Some(class) => Some(class),
            None if self.read.unread.contains(&MenuList::TaxClasses) => None,
            None => self.refuse("tax", ("unknown", format!("{} has no class {tax:?}", TAXES.file))),
        });
        let category = category.map(|category| self.category(category, &known.categories));
        let id = ItemId::new(number?);
        let item =
            Item { id, name: name?, category: category?, tax_class: tax_class?, price: price?, uses: Vec::new() };
        self.read.content.items.insert(id, item);
        Some(())
    }

    /// The category of a name, which is there from the first item on that is in it.
    fn category(&mut self, name: String, known: &BTreeMap<CategoryId, Category>) -> CategoryId {
        if let Some(id) = self.read.categories.get(&name) {
            return *id;
        }
        let known = known.values().map(|it| (it.id.get(), &it.name));
        let number = numbered(&name, known, &self.read.categories, CategoryId::get);
        let id = CategoryId::new(number);
        self.read.categories.insert(name.clone(), id);
        self.read.rows.insert((MenuList::Categories, number), self.row);
        self.read.content.categories.insert(id, Category { id, name });
        id
    }

    fn part(&mut self) -> Option<()> {
        let item = self.known_number("item", (MenuList::Items, &MENU));
        let stock_item = self.known_number("stock_item", (MenuList::StockItems, &STOCK_ITEMS));
        let quantity = self.value("quantity", quantity);
        let (item, stock_item) = (item?, stock_item?);
        if let Some(first) = self.read.use_rows.insert((item, stock_item), self.row) {
            self.read.use_rows.insert((item, stock_item), first);
            let said = format!("item {item} takes stock item {stock_item} in line {first} already");
            return self.refuse("stock_item", ("twice", said));
        }
        let part = Use { stock_item: StockItemId::new(stock_item), quantity: quantity? };
        let is_there = self.read.content.stock_items.contains_key(&part.stock_item);
        if let Some(item) = self.read.content.items.get_mut(&ItemId::new(item)).filter(|_| is_there) {
            item.uses.push(part);
        }
        Some(())
    }

    fn cell(&self, column: &str) -> String {
        let at = self.kind.columns.iter().position(|name| *name == column);
        at.and_then(|at| self.cells.get(at)).map(|cell| bare(cell).to_owned()).unwrap_or_default()
    }

    fn text(&mut self, column: &str) -> Option<String> {
        self.value(column, |cell| Ok(cell.to_owned()))
    }

    /// What a cell says, or nothing if it cannot be read.
    fn value<T>(&mut self, column: &str, read: impl Fn(&str) -> Result<T, Refused>) -> Option<T> {
        let cell = self.cell(column);
        if cell.is_empty() {
            return self.refuse(column, ("missing", "nothing stands there".to_owned()));
        }
        match read(&cell) {
            Ok(value) => Some(value),
            Err(refused) => self.refuse(column, refused),
        }
    }

    /// The number of something that stands in this table alone, and once.
    fn new_number(&mut self, column: &str, list: MenuList) -> Option<u32> {
        let Some(number) = self.value(column, number) else {
            self.read.unread.insert(list);
            return None;
        };
        if !self.read.named.insert((list, number)) {
            let first = self.read.rows.get(&(list, number)).copied().unwrap_or_default();
            return self.refuse(column, ("twice", format!("{number} stands in line {first} already")));
        }
        self.read.rows.insert((list, number), self.row);
        Some(number)
    }

    /// The number of something that stands in another table.
    fn known_number(&mut self, column: &str, (list, kind): (MenuList, &Kind)) -> Option<u32> {
        let number = self.value(column, number)?;
        if self.read.named.contains(&(list, number)) {
            return Some(number);
        }
        if self.read.unread.contains(&list) {
            return None;
        }
        self.refuse(column, ("unknown", format!("{} has no {column} {number}", kind.file)))
    }

    fn refuse<T>(&mut self, column: &str, refused: Refused) -> Option<T> {
        self.read.mistake(self.kind, self.row, column, refused);
        None
    }
}

/// The number of what is known by a name; for another one, the next that nothing has.
fn numbered<'a, K: Copy>(
    name: &str,
    known: impl Iterator<Item = (u32, &'a String)>,
    taken: &BTreeMap<String, K>,
    number: impl Fn(K) -> u32,
) -> u32 {
    let mut last = taken.values().map(|id| number(*id)).max().unwrap_or_default();
    for (number, other) in known {
        if other == name {
            return number;
        }
        last = last.max(number);
    }
    last.saturating_add(1)
}

fn is_digits(cell: &str) -> bool {
    !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(cell: &str) -> Result<u32, Refused> {
    let read = cell.parse().ok().filter(|number| is_digits(cell) && *number > 0);
    read.ok_or_else(|| ("malformed", format!("{cell:?}: a number from 1 is expected")))
}

fn quantity(cell: &str) -> Result<Quantity, Refused> {
    let said = "a whole number of the stock item's base unit is expected: pieces, mg or microlitres";
    let read: Option<i64> = cell.parse().ok().filter(|_| is_digits(cell.strip_prefix('-').unwrap_or(cell)));
    read.map(Quantity::new).ok_or_else(|| ("malformed", format!("{cell:?}: {said}")))
}

fn price(cell: &str, currency: Currency) -> Result<Minor, Refused> {
    Minor::from_decimal(cell, currency).map_err(|error| {
        let code = match &error {
            DecimalError::Malformed(_) => "malformed",
            DecimalError::TooFine { .. } => "too_fine",
            DecimalError::OutOfRange(_) => "out_of_range",
        };
        (code, error.to_string())
    })
}

fn rate(cell: &str) -> Result<MicroRate, Refused> {
    MicroRate::from_percent(cell).map_err(|error| {
        let code = match &error {
            PercentError::Malformed(_) => "malformed",
            PercentError::TooFine(_) => "too_fine",
            PercentError::OutOfRange(_) => "out_of_range",
        };
        (code, error.to_string())
    })
}

#[cfg(test)]
mod tests;
