//! A menu from its tables: CSV files in one folder. It is whole, or every mistake in it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use percolate_common::domain::catalog::barcode::{BarcodeError, Gtin};
use percolate_common::domain::catalog::rules::{Product, Rule};
use percolate_common::domain::catalog::{
    Allergen, CatalogError, Category, Draft, Item, ItemDetails, MenuFault, MenuList, MenuPart, MenuPlace, Size,
    StockItem, TaxClass, Use,
};
use percolate_common::ids::{CategoryId, ItemId, ProductId, StockItemId, TaxClassId};
use percolate_common::money::{Currency, DecimalError, MicroRate, Minor, PercentError};
use percolate_common::quantity::Quantity;

use super::Called;
use super::columns::{self, KINDS, Kind, Line, MENU, RECIPES, STOCK_ITEMS, TAXES};
use super::to_tables::{bare, untold};
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
    products: BTreeMap<String, ProductId>,
    /// The columns of the table of items that may be left out, and are there.
    there: BTreeSet<&'static str>,
    /// The lines as they stand.
    shown: BTreeMap<(&'static str, u64), String>,
}

/// Reads all tables of a folder. What is for sale by the same name keeps its number, and what tables have no place for stays as
/// it is for sale.
pub(super) fn read(folder: &Path, columns: &[Called], (currency, known): (Currency, &Draft)) -> Result<Read, Failure> {
    let mut read = Read::default();
    read.content.rules = known.rules.clone();
    let mut found = Vec::new();
    let mut tables = Vec::new();
    for kind in KINDS {
        let table = columns::read(kind, folder, columns)?;
        read.notes.extend(table.notes);
        found.extend(table.called);
        read.there.extend(table.there);
        tables.push((kind, table.lines));
    }
    if let Some(called) = columns.iter().find(|called| !found.contains(called)) {
        return Err(Failure::usage(format!("no table with a {} has a column {}", called.name, called.theirs)));
    }
    for (kind, line) in tables.iter().flat_map(|(kind, lines)| lines.iter().map(|line| (*kind, line))) {
        read.shown.insert((kind.file, line.row), line.shown.clone());
        read.line(kind, line, (currency, known));
    }
    read.keep_what_rules_name(known);
    for fault in read.content.faults() {
        read.unsound(&fault);
    }
    read.notes
        .extend(untold(&read.content).map(|what| format!("stays as it is for sale, since no table has it: {what}")));
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
            Some(_) => cells.item(around),
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

    /// Categories, taxes and stock items that rules name are there, though no line of a table has them any more.
    fn keep_what_rules_name(&mut self, known: &Draft) {
        for MenuFault { place, error } in self.content.faults() {
            let (false, CatalogError::Dangling { kind, number, .. }) = (is_of_table(place.list), error) else {
                continue;
            };
            match kind {
                "category" => keep(&mut self.content.categories, &known.categories, CategoryId::new(number)),
                "tax class" => keep(&mut self.content.tax_classes, &known.tax_classes, TaxClassId::new(number)),
                "stock item" => keep(&mut self.content.stock_items, &known.stock_items, StockItemId::new(number)),
                _ => {}
            }
        }
    }

    /// What keeps the menu from being sold is told by its line and column. What names nothing was told where it was read.
    fn unsound(&mut self, MenuFault { place, error }: &MenuFault) {
        let MenuPlace { list, number, part, field, .. } = *place;
        let number = number.unwrap_or_default();
        let code = match error {
            CatalogError::Dangling { .. } if is_of_table(list) => return,
            CatalogError::Dangling { kind: "item", number, .. } => {
                let is_told =
                    self.unread.contains(&MenuList::Items) || self.named.contains(&(MenuList::Items, *number));
                if is_told {
                    return;
                }
                "unknown"
            }
            CatalogError::Dangling { .. } => "unknown",
            CatalogError::Twice { .. } => "twice",
            CatalogError::OutOfRange { .. }
            | CatalogError::Incomplete { .. }
            | CatalogError::RulesIncomplete { .. } => "out_of_range",
        };
        let use_row = match part {
            Some(MenuPart::Use(used)) => self.use_rows.get(&(number, used.get())),
            Some(MenuPart::Slot(_) | MenuPart::Choice(..)) | None => None,
        };
        let own = self.rows.get(&(list, number)).copied().unwrap_or(1);
        let (kind, row): (&Kind, u64) = match list {
            MenuList::Items => use_row.map_or((&MENU, own), |row| (&RECIPES, *row)),
            MenuList::TaxClasses => (&TAXES, own),
            MenuList::StockItems => (&STOCK_ITEMS, own),
            MenuList::Categories | MenuList::Products => (&MENU, own),
            // What stays as it is for sale stands in no table: it is what is not sold any more that it names.
            MenuList::ModifierGroups
            | MenuList::Modifiers
            | MenuList::Combos
            | MenuList::PriceRules
            | MenuList::Jurisdictions
            | MenuList::TaxRules
            | MenuList::HappyHours
            | MenuList::Discounts
            | MenuList::ServiceCharges
            | MenuList::HouseAccounts
            | MenuList::CashStep => return self.mistake(&MENU, 1, "", (code, error.to_string())),
        };
        let column = match (list, field.unwrap_or_default()) {
            (MenuList::TaxClasses, "name") => "class",
            (MenuList::Categories, _) => "category",
            (MenuList::Products, _) => "product",
            (_, "tax_class") => "tax",
            (_, "uses") => "",
            (_, field) => field,
        };
        self.mistake(kind, row, column, (code, error.to_string()));
    }
}

/// Whether tables say what stands in a list.
fn is_of_table(list: MenuList) -> bool {
    [MenuList::Items, MenuList::TaxClasses, MenuList::StockItems, MenuList::Categories].contains(&list)
}

fn keep<K: Ord + Copy, V: Clone>(content: &mut BTreeMap<K, V>, known: &BTreeMap<K, V>, id: K) {
    if let Some(kept) = known.get(&id) {
        content.entry(id).or_insert_with(|| kept.clone());
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
        let details = number.map(|number| self.details(ItemId::new(number), known));
        let id = ItemId::new(number?);
        let item = Item {
            id,
            name: name?,
            category: category?,
            tax_class: tax_class?,
            price: price?,
            uses: Vec::new(),
            details: details?,
        };
        self.read.content.items.insert(id, item);
        Some(())
    }

    /// The category of a name, which is there from the first item on that is in it.
    fn category(&mut self, name: String, known: &BTreeMap<CategoryId, Category>) -> CategoryId {
        if let Some(id) = self.read.categories.get(&name) {
            return *id;
        }
        let names = known.values().map(|it| (it.id.get(), &it.name));
        let number = numbered(&name, names, &self.read.categories, CategoryId::get);
        let id = CategoryId::new(number);
        // Tables say nothing of stations: those of the menu for sale stay.
        let station = known.get(&id).and_then(|it| it.station.clone());
        self.read.categories.insert(name.clone(), id);
        self.read.rows.insert((MenuList::Categories, number), self.row);
        self.read.content.categories.insert(id, Category { id, name, station });
        id
    }

    /// What may be left out: without the column, it is what it is for sale. A mistake was told, and leaves nothing.
    fn details(&mut self, id: ItemId, known: &Draft) -> ItemDetails {
        let mut details = known.items.get(&id).map(|item| item.details.clone()).unwrap_or_default();
        let has = |cells: &Self, column| cells.read.there.contains(column);
        if has(self, "product") && has(self, "size") {
            details.size = self.size(known);
        }
        if has(self, "barcodes") {
            details.barcodes = self.several("barcodes", barcode);
        }
        if has(self, "allergens") {
            details.allergens = self.several("allergens", allergen);
        }
        if has(self, "kilocalories") {
            details.kilocalories =
                if self.cell("kilocalories").is_empty() { None } else { self.value("kilocalories", kilocalories) };
        }
        details
    }

    /// The size of something; the thing is there from the first size of it on.
    fn size(&mut self, known: &Draft) -> Option<Size> {
        if self.cell("product").is_empty() && self.cell("size").is_empty() {
            return None;
        }
        let (product, name) = (self.text("product"), self.text("size"));
        let product = product?;
        let id = if let Some(id) = self.read.products.get(&product) {
            *id
        } else {
            let known = known.rules.products().map(|it| (it.id.get(), &it.name));
            let number = numbered(&product, known, &self.read.products, ProductId::get);
            let id = ProductId::new(number);
            self.read.products.insert(product.clone(), id);
            self.read.rows.insert((MenuList::Products, number), self.row);
            self.read.content.rules.set(Rule::Product(Product { id, name: product }));
            id
        };
        Some(Size { product: id, name: name? })
    }

    /// What stands in a cell one after another, with blanks between.
    fn several<T>(&mut self, column: &str, read: impl Fn(&str) -> Result<T, Refused>) -> Vec<T> {
        let mut all = Vec::new();
        for part in self.cell(column).split_whitespace() {
            match read(part) {
                Ok(value) => all.push(value),
                Err(refused) => self.refuse(column, refused).unwrap_or_default(),
            }
        }
        all
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

fn barcode(cell: &str) -> Result<Gtin, Refused> {
    cell.parse().map_err(|error: BarcodeError| ("malformed", format!("{cell:?}: {error}")))
}

fn allergen(cell: &str) -> Result<Allergen, Refused> {
    let known = Allergen::ALL.into_iter().find(|allergen| allergen.as_str() == cell);
    known.ok_or_else(|| {
        ("malformed", format!("{cell:?}: one of {} is expected", Allergen::ALL.map(Allergen::as_str).join(", ")))
    })
}

fn kilocalories(cell: &str) -> Result<u32, Refused> {
    let read = cell.parse().ok().filter(|_| is_digits(cell));
    read.ok_or_else(|| ("malformed", format!("{cell:?}: a whole number of kilocalories is expected")))
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
