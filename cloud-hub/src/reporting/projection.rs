//! Folding the journal into the tables that reports are read from.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::domain::catalog::CatalogEvent;
use percolate_common::domain::event::{Event, Header};
use percolate_common::domain::imports::ImportedLine;
use percolate_common::domain::stock::MovementLine;
use percolate_common::domain::tickets::{TicketClass, TicketSold};
use percolate_common::ids::{StockItemId, StoreId, TicketId};
use percolate_common::journal::{JournalId, StreamKind};
use percolate_common::time::StoreCalendar;
use percolate_common::wire::event::{Recorded, decode};
use percolate_runtime::sqlite::{StorageError, WriteTx};

use super::measures::{CountedLine, Kind, Measures, Rollups, add_lines};
use super::store::{self, SourceMark, TicketRow};
use crate::kernel::projection::{Projection, ProjectionError, Slice};

/// The projection behind all reports.
#[derive(Debug)]
pub(crate) struct SalesProjection;

impl Projection for SalesProjection {
    fn name(&self) -> &'static str {
        super::NAME
    }

    fn wants(&self, _stream: StreamKind) -> bool {
        true
    }

    fn apply(&self, tx: &WriteTx<'_>, slice: &Slice) -> Result<(), ProjectionError> {
        let mut fold = Fold::new(tx, slice.journal);
        for entry in slice.entries.iter().filter(|entry| !entry.parked) {
            let refused = |_unreadable| ProjectionError::Entry {
                journal: slice.journal,
                seq: entry.seq,
                what: "it is not parked, but cannot be read",
            };
            let recorded = decode(&entry.bytes).map_err(refused)?;
            if entry.alias {
                fold.alias(&recorded);
                continue;
            }
            fold.event(entry.seq, &recorded)?;
        }
        fold.finish(&slice.stock_totals)?;
        Ok(())
    }

    fn clear(&self, tx: &WriteTx<'_>) -> Result<(), ProjectionError> {
        Ok(store::clear(tx)?)
    }
}

/// What one slice adds up to.
struct Fold<'a, 'c> {
    tx: &'a WriteTx<'c>,
    journal: JournalId,
    rollups: Rollups,
    stock: BTreeMap<(StoreId, StockItemId), (i64, i64)>,
    /// What the aliases of the slice moved.
    alias_stock: BTreeMap<(StoreId, StockItemId), (i64, i64)>,
    calendars: BTreeMap<String, Option<StoreCalendar>>,
    names: BTreeMap<String, String>,
    mark: Option<SourceMark>,
}

impl<'a, 'c> Fold<'a, 'c> {
    fn new(tx: &'a WriteTx<'c>, journal: JournalId) -> Self {
        Self {
            tx,
            journal,
            rollups: Rollups::default(),
            stock: BTreeMap::new(),
            alias_stock: BTreeMap::new(),
            calendars: BTreeMap::new(),
            names: BTreeMap::new(),
            mark: None,
        }
    }

    /// An event that counts elsewhere. Its author's totals have it twice, and must not show it twice.
    fn alias(&mut self, recorded: &Recorded) {
        let header = &recorded.header;
        let effects: &[MovementLine] = match &recorded.event {
            Event::TicketSold(sold) if sold.class == TicketClass::Sale => &sold.stock_effects,
            Event::StockMoved(moved) => &moved.lines,
            Event::TicketSold(_)
            | Event::SeriesOpened(_)
            | Event::TicketImported(_)
            | Event::ImportAmended(_)
            | Event::StoreDescribed(_)
            | Event::LifeBegan(_)
            | Event::Catalog(_) => &[],
        };
        add_movements(&mut self.alias_stock, header.store, effects);
        let receipt = self.mark.take().and_then(|mark| mark.receipt);
        self.mark = Some(SourceMark { store: header.store, receipt, at: header.at });
    }

    fn event(&mut self, seq: u64, recorded: &Recorded) -> Result<(), StorageError> {
        let header = &recorded.header;
        let mut receipt = None;
        match &recorded.event {
            Event::TicketSold(sold) if sold.class == TicketClass::Sale => {
                self.sold(header, sold)?;
                receipt = Some(sold.receipt.to_string());
            }
            Event::TicketImported(ticket) => self.imported(header, ticket.id, &ticket.source, &ticket.lines)?,
            Event::ImportAmended(amended) => self.imported(header, amended.id, &amended.source, &amended.lines)?,
            Event::StockMoved(moved) => self.stock_moved(header.store, &moved.lines),
            Event::StoreDescribed(described) => store::store_upsert(self.tx, header, described)?,
            Event::Catalog(event) => self.catalog(seq, event)?,
            Event::TicketSold(_) | Event::SeriesOpened(_) | Event::LifeBegan(_) => {}
        }
        let receipt = receipt.or_else(|| self.mark.take().and_then(|mark| mark.receipt));
        self.mark = Some(SourceMark { store: header.store, receipt, at: header.at });
        Ok(())
    }

    fn hour_key(&mut self, header: &Header) -> String {
        let calendar = self.calendars.entry(header.zone.clone());
        let calendar = calendar.or_insert_with(|| StoreCalendar::new(&header.zone, 0).ok());
        calendar.as_ref().map_or_else(|| "unknown".to_owned(), |calendar| calendar.local_hour(header.at).to_string())
    }

    fn ticket_sums(&mut self, header: &Header, measures: &Measures) {
        let hour = self.hour_key(header);
        self.rollups.add(header.store, Kind::Day, header.business_day, "", measures);
        self.rollups.add(header.store, Kind::Hour, header.business_day, &hour, measures);
    }

    fn sold(&mut self, header: &Header, sold: &TicketSold) -> Result<(), StorageError> {
        let lines: Vec<_> = sold
            .lines
            .iter()
            .map(|line| CountedLine {
                item_key: format!("i:{}", line.item),
                category_key: format!("c:{}", line.category),
                units: i64::from(line.quantity),
                net: line.total.get(),
            })
            .collect();
        let measures = Measures {
            tickets: 1,
            lines: lines.len().try_into().unwrap_or(i64::MAX),
            units: lines.iter().map(|line| line.units).sum(),
            net: sold.totals.net.get(),
            tax: sold.totals.tax.get(),
            total: sold.totals.total.get(),
            tax_unknown_tickets: 0,
        };
        let row = TicketRow { id: sold.id, receipt: Some(sold.receipt.to_string()), measures, import_keys: None };
        store::ticket_insert(self.tx, header, &row)?;
        self.ticket_sums(header, &measures);
        add_lines(&mut self.rollups, header.store, header.business_day, &lines, &[]);
        self.stock_moved(header.store, &sold.stock_effects);
        Ok(())
    }

    /// Lines of an imported ticket, at first or later: what they add is the same, whichever way they came.
    fn imported(
        &mut self,
        header: &Header,
        id: TicketId,
        source: &str,
        lines: &[ImportedLine],
    ) -> Result<(), StorageError> {
        let before = store::import_fetch(self.tx, id)?;
        let counted: Vec<_> = lines.iter().map(|line| self.legacy_line(source, line)).collect();
        let net = counted.iter().map(|line| line.net).sum();
        let first = i64::from(before.is_none());
        let added = Measures {
            tickets: first,
            lines: counted.len().try_into().unwrap_or(i64::MAX),
            units: counted.iter().map(|line| line.units).sum(),
            net,
            tax: 0,
            total: net,
            tax_unknown_tickets: first,
        };
        let (mut measures, keys_before) = before.unwrap_or_default();
        add_lines(&mut self.rollups, header.store, header.business_day, &counted, &keys_before);
        measures.add(&added);
        let new_keys = counted.into_iter().flat_map(|line| [line.item_key, line.category_key]);
        let keys: BTreeSet<String> = keys_before.into_iter().chain(new_keys).collect();
        let import_keys = Some(keys.into_iter().collect::<Vec<_>>().join("\n"));
        store::ticket_insert(self.tx, header, &TicketRow { id, receipt: None, measures, import_keys })?;
        self.ticket_sums(header, &added);
        Ok(())
    }

    fn legacy_line(&mut self, source: &str, line: &ImportedLine) -> CountedLine {
        let item_key = format!("l:{source}:{}", line.item.id);
        let category_key = format!("l:{source}:{}", line.item.category);
        let name = self.names.entry(item_key.clone()).or_insert_with(|| line.item.name.clone());
        if line.item.name < *name {
            name.clone_from(&line.item.name);
        }
        // A total that does not fit was refused at import.
        let net = line.total().map_or(0, percolate_common::money::Minor::get);
        CountedLine { item_key, category_key, units: i64::from(line.quantity), net }
    }

    fn stock_moved(&mut self, store: StoreId, lines: &[MovementLine]) {
        add_movements(&mut self.stock, store, lines);
    }

    fn catalog(&self, seq: u64, event: &CatalogEvent) -> Result<(), StorageError> {
        let set = |key: String, name: &str, unit: &str| store::name_upsert(self.tx, &key, name, unit, seq);
        match event {
            CatalogEvent::CategorySet(category) => set(format!("c:{}", category.id), &category.name, ""),
            CatalogEvent::StockItemSet(item) => set(format!("s:{}", item.id), &item.name, item.unit.as_str()),
            CatalogEvent::ItemSet(item) => set(format!("i:{}", item.id), &item.name, ""),
            CatalogEvent::TaxClassSet(_) | CatalogEvent::ItemRetired(_) | CatalogEvent::RevisionPublished(_) => Ok(()),
        }
    }

    fn finish(self, totals: &[(StockItemId, percolate_common::crdt::stock::StockTotal)]) -> Result<(), StorageError> {
        for (key, measures) in self.rollups.into_rows() {
            store::rollup_add(self.tx, &key, &measures)?;
        }
        for (key, name) in &self.names {
            store::name_upsert(self.tx, key, name, "", 0)?;
        }
        for ((place, item), (received, used)) in &self.stock {
            store::stock_fold_add(self.tx, *place, *item, *received, *used)?;
        }
        for ((place, item), (received, used)) in &self.alias_stock {
            store::stock_alias_add(self.tx, *place, *item, *received, *used)?;
        }
        let Some(mark) = self.mark else { return Ok(()) };
        for (item, total) in totals {
            store::stock_cell_join(self.tx, mark.store, *item, &self.journal, *total)?;
        }
        store::mark_upsert(self.tx, &self.journal, &mark)
    }
}

fn add_movements(sums: &mut BTreeMap<(StoreId, StockItemId), (i64, i64)>, store: StoreId, lines: &[MovementLine]) {
    for line in lines {
        let (received, used) = sums.entry((store, line.stock_item)).or_default();
        let quantity = line.quantity.get();
        if quantity >= 0 { *received += quantity } else { *used -= quantity }
    }
}
