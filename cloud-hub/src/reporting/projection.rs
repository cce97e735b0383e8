//! Folding the journal into the tables that reports are read from.
//!
//! A fold must come out the same however journals are cut into slices and in whatever order journals come. A ticket
//! counts once by its id and an imported row once by its ticket and row, whichever life of a node brings them; names
//! have a rank; stock totals are joined by maximum.

use std::collections::BTreeMap;

use percolate_common::domain::catalog::CatalogEvent;
use percolate_common::domain::catalog::rules::Rule;
use percolate_common::domain::event::{Event, Header};
use percolate_common::domain::imports::ImportedLine;
use percolate_common::domain::stock::MovementLine;
use percolate_common::domain::tickets::open::OpenFact;
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::domain::tickets::{TicketClass, TicketSold};
use percolate_common::ids::{StoreId, TicketId};
use percolate_common::journal::{JournalId, StreamKind};
use percolate_common::time::{BusinessDay, StoreCalendar};
use percolate_common::wire::event::Recorded;
use percolate_runtime::storage::{StorageError, WriteTx, kept_text};

use super::closings::JournalSums;
use super::fold_error::FoldError;
use super::later;
use super::measures::{
    CountedLine, HOUR_UNKNOWN, Keys, Kind, Measures, PERSON_UNKNOWN, Rollups, SumOverflow, add_lines, lines_sum,
};
use super::menus::Menus;
use super::money::{Money, house_key, person_key, take_off};
use super::recomputed::Recomputed;
use super::store::{self, ListedTicket, SourceMark, StockTotals};
use crate::kernel::projection::{Projection, ProjectionError, Slice};

/// The projection behind all reports.
#[derive(Debug, Default)]
pub(crate) struct SalesProjection {
    menus: Menus,
}

impl Projection for SalesProjection {
    fn name(&self) -> &'static str {
        super::NAME
    }

    fn wants(&self, _stream: StreamKind) -> bool {
        true
    }

    fn apply(&self, tx: &WriteTx<'_>, slices: &[&Slice]) -> Result<(), ProjectionError> {
        let mut fold = Fold::new(tx, &self.menus);
        slices.iter().try_for_each(|slice| fold.slice(slice))?;
        fold.count_sold()?;
        Ok(fold.finish()?)
    }

    fn clear(&self, tx: &WriteTx<'_>) -> Result<(), ProjectionError> {
        self.menus.clear();
        Ok(store::clear(tx)?)
    }
}

/// What is wrong with an entry, said of it.
fn at((journal, seq): (JournalId, u64)) -> impl Fn(FoldError) -> ProjectionError {
    move |error| match error {
        FoldError::Storage(source) => ProjectionError::Storage(source),
        FoldError::Entry(what) => ProjectionError::Entry { journal, seq, what },
    }
}

/// A sale as it counts.
struct Sale<'s> {
    /// The entry that says so.
    entry: (JournalId, u64),
    recorded: &'s Recorded,
    sold: &'s TicketSold,
    row: ListedTicket,
    hour: String,
    person: String,
    lines: Vec<CountedLine>,
    money: Money,
    moved: Vec<MovementLine>,
}

/// What is kept of a node's journal while a slice of it is folded.
struct Source {
    journal: JournalId,
    mark: SourceMark,
    /// What all its sales come to.
    sums: JournalSums,
}

/// What some slices add up to. What they have in common, the rows of the chain above all, is written once.
struct Fold<'s, 'a, 'c> {
    tx: &'a WriteTx<'c>,
    /// Sales that are counted if they are new.
    sold: Vec<Sale<'s>>,
    rollups: Rollups,
    stock: StockTotals,
    /// What the aliases of the slices moved.
    alias_stock: StockTotals,
    calendars: BTreeMap<String, Option<StoreCalendar>>,
    names: BTreeMap<String, String>,
    sources: Vec<Source>,
    /// What is found where tickets are looked at again.
    recomputed: Recomputed<'a>,
}

impl<'s, 'a, 'c> Fold<'s, 'a, 'c> {
    fn new(tx: &'a WriteTx<'c>, menus: &'a Menus) -> Self {
        Self {
            tx,
            sold: Vec::new(),
            rollups: Rollups::default(),
            stock: StockTotals::new(),
            alias_stock: StockTotals::new(),
            calendars: BTreeMap::new(),
            names: BTreeMap::new(),
            sources: Vec::new(),
            recomputed: Recomputed::new(menus),
        }
    }

    fn slice(&mut self, slice: &'s Slice) -> Result<(), ProjectionError> {
        let journal = slice.journal;
        let mut mark = store::mark_fetch(self.tx, &journal)?.unwrap_or_default();
        let mut sums = JournalSums::fetch(self.tx, &journal)?;
        for entry in &slice.entries {
            let at_entry = at((journal, entry.seq));
            sums.add(entry.seq, entry.recorded.as_ref());
            let heard = self.recomputed.heard(self.tx, (&journal, entry.seq), entry.recorded.as_ref());
            heard.map_err(FoldError::from).map_err(&at_entry)?;
            let Some(recorded) = &entry.recorded else {
                mark.parked = mark.parked.saturating_add(1);
                continue;
            };
            let folded =
                if entry.alias { self.alias(journal, recorded) } else { self.event(journal, entry.seq, recorded) };
            folded.map_err(at_entry)?;
            advance(&mut mark, recorded);
        }
        if journal.author.as_node().is_some() {
            self.sources.push(Source { journal, mark, sums });
        }
        Ok(())
    }

    /// An event that counts elsewhere. Its author's totals have it twice, and must not show it twice.
    fn alias(&mut self, journal: JournalId, recorded: &Recorded) -> Result<(), FoldError> {
        if journal.author.as_node().is_none() {
            return Ok(());
        }
        add_movements(&mut self.alias_stock, recorded.header.store, recorded.event.stock_effects())
    }

    fn event(&mut self, journal: JournalId, seq: u64, recorded: &'s Recorded) -> Result<(), FoldError> {
        let header = &recorded.header;
        if recorded.origin.is_none() {
            self.recomputed.stamped(journal, header);
        }
        // The chain's number is where all stores are added up: a sale there would count twice.
        if journal.author.as_node().is_some() && header.store == StoreId::CHAIN {
            return Err(FoldError::Entry("it comes from a node, but belongs to no store"));
        }
        match &recorded.event {
            Event::TicketSold(sold) if sold.class == TicketClass::Sale => self.sold((journal, seq), recorded, sold)?,
            Event::TicketImported(ticket) => self.imported(header, ticket.id, &ticket.source, &ticket.lines)?,
            Event::ImportAmended(amended) => self.imported(header, amended.id, &amended.source, &amended.lines)?,
            Event::StockMoved(moved) => self.stock_moved(header.store, &moved.lines)?,
            Event::StoreDescribed(described) => store::store_upsert(self.tx, header, described)?,
            Event::Catalog(event) => self.catalog(header, event)?,
            Event::DayClosed(closed) => store::closings::insert(self.tx, journal.author, header, closed)?,
            Event::OpenTicket(OpenFact::Paid(payment)) if payment.class == TicketClass::Sale => {
                later::paid(self.tx, &mut self.rollups, header, payment)?;
            }
            Event::TipAdjusted(fact) => later::tipped(self.tx, &mut self.rollups, header, fact)?,
            Event::CardSettled(settled) => later::settled(self.tx, &mut self.rollups, header, settled)?,
            // What else is open is the shop's own business until it is paid.
            Event::OpenTicket(_) => {}
            // A reading sums up what became of drawers.
            Event::DrawerOpened(_) | Event::CashMoved(_) | Event::DrawerClosed(_) => {}
            Event::TicketRefunded(refund) if refund.class == TicketClass::Sale => self.refunded(header, refund)?,
            Event::TicketRefunded(_)
            | Event::TicketSold(_)
            | Event::SeriesOpened(_)
            | Event::LifeBegan(_)
            | Event::StaffLocked(_) => {}
        }
        Ok(())
    }

    fn hour_key(&mut self, header: &Header) -> String {
        let calendar = self.calendars.entry(header.zone.clone());
        let calendar = calendar.or_insert_with(|| StoreCalendar::new(&header.zone, 0).ok());
        calendar.as_ref().map_or_else(|| HOUR_UNKNOWN.to_owned(), |calendar| calendar.local_hour(header.at).to_string())
    }

    fn ticket_sums(
        &mut self,
        (store, day): (StoreId, BusinessDay),
        (hour, person): (&str, &str),
        measures: &Measures,
    ) -> Result<(), SumOverflow> {
        self.rollups.add(store, Kind::Day, day, "", measures)?;
        self.rollups.add(store, Kind::Person, day, person, measures)?;
        self.rollups.add(store, Kind::Hour, day, hour, measures)
    }

    fn sold(&mut self, entry: (JournalId, u64), recorded: &'s Recorded, sold: &'s TicketSold) -> Result<(), FoldError> {
        let header = &recorded.header;
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
            net: sold.totals.net.get(),
            tax: sold.totals.tax.get(),
            total: sold.totals.total.get(),
            ..lines_sum(&lines)?
        };
        let row = ticket_row(header, sold.id, Some(sold.receipt.to_string()), measures);
        let hour = self.hour_key(header);
        let (person, money) = (person_key(sold.sold_by), Money::of_sale(sold));
        let moved = sold.stock_effects.clone();
        self.sold.push(Sale { entry, recorded, sold, row, hour, person, lines, money, moved });
        Ok(())
    }

    /// A refund counts on its own day, once: a repaired fork states some again in another life of their author.
    fn refunded(&mut self, header: &Header, refund: &TicketRefunded) -> Result<(), FoldError> {
        if !store::refund_insert(self.tx, refund.id)? {
            return Ok(());
        }
        let hour = self.hour_key(header);
        take_off(&mut self.rollups, (header.store, header.business_day), &hour, refund)?;
        self.stock_moved(header.store, &refund.stock_effects)
    }

    /// Counts the sales that are new. A repaired fork states some again in another life of their author.
    fn count_sold(&mut self) -> Result<(), ProjectionError> {
        let sold = std::mem::take(&mut self.sold);
        if sold.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = sold.iter().map(|sale| sale.row.clone()).collect();
        let mut new = store::tickets_insert(self.tx, &rows)?;
        for sale in sold {
            if new.remove(&sale.row.id) {
                self.count(&sale).map_err(at(sale.entry))?;
                let looked_at = self.recomputed.ticket(self.tx, sale.recorded, sale.sold);
                looked_at.map_err(FoldError::from).map_err(at(sale.entry))?;
            }
        }
        Ok(())
    }

    fn count(&mut self, sale: &Sale<'_>) -> Result<(), FoldError> {
        let (place, day) = (sale.row.store, sale.row.day);
        self.ticket_sums((place, day), (&sale.hour, &sale.person), &sale.row.measures)?;
        sale.money.count(&mut self.rollups, place, day)?;
        add_lines(&mut self.rollups, place, day, &sale.lines, &Keys::new())?;
        self.stock_moved(place, &sale.moved)
    }

    /// Lines of an imported ticket, at first or later: what they add is the same, whichever way they came.
    fn imported(
        &mut self,
        header: &Header,
        id: TicketId,
        source: &str,
        lines: &[ImportedLine],
    ) -> Result<(), FoldError> {
        let is_new = !store::ticket_exists(self.tx, id)?;
        let keys_before = if is_new { Keys::new() } else { store::import_keys(self.tx, id)? };
        let mut counted = Vec::with_capacity(lines.len());
        for line in lines {
            let line_counted = self.legacy_line(source, line)?;
            if store::import_line_insert(self.tx, id, &line.row, &line_counted)? {
                counted.push(line_counted);
            }
        }
        if counted.is_empty() && !is_new {
            return Ok(());
        }
        let first = i64::from(is_new);
        let sums = lines_sum(&counted)?;
        let added = Measures { tickets: first, total: sums.net, tax_unknown_tickets: first, ..sums };
        if is_new {
            store::tickets_insert(self.tx, &[ticket_row(header, id, None, added)])?;
        } else {
            store::ticket_add(self.tx, id, &added)?;
        }
        add_lines(&mut self.rollups, header.store, header.business_day, &counted, &keys_before)?;
        let hour = self.hour_key(header);
        Ok(self.ticket_sums((header.store, header.business_day), (&hour, PERSON_UNKNOWN), &added)?)
    }

    fn legacy_line(&mut self, source: &str, line: &ImportedLine) -> Result<CountedLine, FoldError> {
        // As the tables have them: keys are looked up there, and the first of several names is kept.
        let item_key = kept_text(&format!("l:{source}:{}", line.item.id)).into_owned();
        let category_key = kept_text(&format!("l:{source}:{}", line.item.category)).into_owned();
        let said = kept_text(&line.item.name);
        let name = self.names.entry(item_key.clone()).or_insert_with(|| said.clone().into_owned());
        if *said < **name {
            *name = said.into_owned();
        }
        Ok(CountedLine { item_key, category_key, units: i64::from(line.quantity), net: line.total()?.get() })
    }

    fn stock_moved(&mut self, store: StoreId, lines: &[MovementLine]) -> Result<(), FoldError> {
        add_movements(&mut self.stock, store, lines)
    }

    fn catalog(&self, header: &Header, event: &CatalogEvent) -> Result<(), StorageError> {
        // What was said last is what it is called, also after the catalog began a new journal.
        let rank = header.hlc.packed();
        let set = |key: String, name: &str, unit: &str| store::name_upsert(self.tx, &key, name, unit, rank);
        match event {
            CatalogEvent::CategorySet(category) => set(format!("c:{}", category.id), &category.name, ""),
            CatalogEvent::StockItemSet(item) => set(format!("s:{}", item.id), &item.name, item.unit.as_str()),
            CatalogEvent::ItemSet(item) => set(format!("i:{}", item.id), &item.name, ""),
            CatalogEvent::TaxClassSet(class) => set(format!("t:{}", class.id), &class.name, ""),
            CatalogEvent::RuleSet(rule) => match rule.as_ref() {
                Rule::HouseAccount(account) => set(house_key(account.id), &account.name, ""),
                Rule::Product(_)
                | Rule::ModifierGroup(_)
                | Rule::Modifier(_)
                | Rule::Combo(_)
                | Rule::Price(_)
                | Rule::Jurisdiction(_)
                | Rule::Tax(_)
                | Rule::HappyHour(_)
                | Rule::Discount(_)
                | Rule::ServiceCharge(_)
                | Rule::CashStep(_) => Ok(()),
            },
            CatalogEvent::ItemRetired(_) | CatalogEvent::RuleRetired(_) | CatalogEvent::RevisionPublished(_) => Ok(()),
        }
    }

    fn finish(self) -> Result<(), StorageError> {
        store::rollups_add(self.tx, &self.rollups.into_rows())?;
        for (key, name) in &self.names {
            store::name_upsert(self.tx, key, name, "", 0)?;
        }
        store::stock_folds_add(self.tx, &self.stock)?;
        store::stock_aliases_add(self.tx, &self.alias_stock)?;
        self.recomputed.finish(self.tx)?;
        for Source { journal, mark, sums } in &self.sources {
            sums.keep(self.tx, journal)?;
            store::mark_upsert(self.tx, journal, mark)?;
        }
        Ok(())
    }
}

/// Takes an entry into the mark of its journal.
fn advance(mark: &mut SourceMark, recorded: &Recorded) {
    let header = &recorded.header;
    mark.store = Some(header.store);
    mark.at = match &recorded.event {
        // The past that is brought in does not take back what was said of today.
        Event::TicketImported(_) | Event::ImportAmended(_) => mark.at.max(Some(header.at)),
        // Nor does what was written again after the repair of a fork.
        _rewritten if recorded.origin.is_some() => mark.at.max(Some(header.at)),
        Event::TicketSold(_)
        | Event::TicketRefunded(_)
        | Event::SeriesOpened(_)
        | Event::OpenTicket(_)
        | Event::StockMoved(_)
        | Event::DrawerOpened(_)
        | Event::CashMoved(_)
        | Event::DrawerClosed(_)
        | Event::DayClosed(_)
        | Event::CardSettled(_)
        | Event::TipAdjusted(_)
        | Event::StoreDescribed(_)
        | Event::LifeBegan(_)
        | Event::StaffLocked(_)
        | Event::Catalog(_) => Some(header.at),
    };
    if let Event::TicketSold(TicketSold { class: TicketClass::Sale, receipt, .. })
    | Event::TicketRefunded(TicketRefunded { class: TicketClass::Sale, receipt, .. }) = &recorded.event
    {
        mark.receipt = Some(receipt.to_string());
    }
}

fn ticket_row(header: &Header, id: TicketId, receipt: Option<String>, measures: Measures) -> ListedTicket {
    let Header { store, at, business_day, .. } = *header;
    ListedTicket { id, store, day: business_day, at, receipt, measures }
}

fn add_movements(sums: &mut StockTotals, store: StoreId, lines: &[MovementLine]) -> Result<(), FoldError> {
    for line in lines {
        let total = sums.entry((store, line.stock_item)).or_default();
        *total =
            total.moved(line.quantity).map_err(|_overflow| FoldError::Entry("its stock movements are out of range"))?;
    }
    Ok(())
}
