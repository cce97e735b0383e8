//! What must hold: always, and once the world has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Result, anyhow};
use percolate_common::domain::books::Books;
use percolate_common::domain::event::Event as Fact;
use percolate_common::journal::{AuthorId, ChainAudit, EventId, Hash, Incarnation, JournalId, StreamKind};

use super::disk::{Entry, HubDisk, NodeDisk, Total, acked, hub_heads};
use super::reach::Met;
use super::shop::node_of;
use super::world::World;

/// Which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oracle {
    /// Something failed that must not.
    Failed,
    /// A till was told something that is not so: a box that was killed does not know what it answered.
    Answered,
    /// I2: the hub acknowledged what its journal does not hold.
    Acknowledged,
    /// The hub took something in a session that is over.
    Session,
    /// I1, I10: one place of a journal has two contents.
    OnePlace,
    /// I3: both sides hold the same journals, chained as their hashes say.
    SameJournals,
    /// I4, I5, I6: totals are the sum of what was written, the same on both sides.
    Totals,
    /// I11: what was accepted is there once.
    Once,
    /// I13: what is not hindered comes to rest.
    Rest,
    /// I14: sums are what their parts come to, the same on both sides.
    Sums,
    /// I15: clock readings of one journal only grow.
    Clocks,
    /// I16: what the hub once said, everybody holds.
    Down,
    /// Reports that are folded anew come out the same.
    Rebuild,
}

/// A promise that was broken.
#[derive(Debug)]
pub struct Violation {
    /// Which.
    pub oracle: Oracle,
    /// How.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.oracle, self.detail)
    }
}

impl std::error::Error for Violation {}

pub(super) fn violation(oracle: Oracle, detail: impl Into<String>) -> anyhow::Error {
    anyhow!(Violation { oracle, detail: detail.into() })
}

fn hold(oracle: Oracle, so: bool, detail: impl FnOnce() -> String) -> Result<()> {
    if so { Ok(()) } else { Err(violation(oracle, detail())) }
}

/// Tickets that a box which starts is asked for: the last that it told a till of.
const TOLD_CHECKED: usize = 8;

impl World {
    /// A box that starts on its own disk knows what it told the tills.
    pub(super) fn check_told(&self, bx: usize) -> Result<()> {
        let Some(found) = self.boxes.get(bx) else { return Ok(()) };
        let Some(running) = &found.process else { return Ok(()) };
        for id in found.told.iter().rev().take(TOLD_CHECKED) {
            let (status, _body) = running.node.get(&format!("/v1/tickets/{id}"));
            hold(Oracle::Answered, status == 200, || format!("box {bx} has forgotten the ticket {id}: {status}"))?;
        }
        let disk = NodeDisk::read(&found.folder, node_of(found.shop))?;
        check_journals(&disk.entries)?;
        check_totals(&disk)
    }

    /// A hub that starts on its own disk holds what it acknowledged.
    pub(super) fn check_acked(&self) -> Result<()> {
        let heads = hub_heads(&self.office.folder)?;
        for (journal, acked) in self.watch.acked() {
            // What nodes acknowledge of the hub's own journals is not the hub's promise.
            let held = heads.get(journal).map_or(0, |head| head.seq);
            hold(Oracle::Acknowledged, held >= *acked, || {
                format!("{journal}: the hub acknowledged entry {acked} and holds {held}")
            })?;
        }
        Ok(())
    }

    /// No node believes that the hub holds more than it does, unless the hub was put back.
    pub(super) fn check_believed(&self) -> Result<()> {
        if self.watch.is_blind() || !self.office.folder.join("journal.db").exists() {
            return Ok(());
        }
        let held = hub_heads(&self.office.folder)?;
        for (bx, found) in self.boxes.iter().enumerate().filter(|(_, found)| found.folder.join("node.db").exists()) {
            for (journal, acked) in acked(&found.folder, node_of(found.shop))? {
                let there = held.get(&journal).map_or(0, |head| head.seq);
                hold(Oracle::Acknowledged, acked <= there, || {
                    format!("{journal}: box {bx} believes that the hub holds entry {acked}, it holds {there}")
                })?;
            }
        }
        Ok(())
    }

    /// Why the world is not at rest, if it is not.
    pub(super) fn unrest(&self) -> Result<Option<String>> {
        let held = hub_heads(&self.office.folder)?;
        for (bx, found) in self.boxes.iter().enumerate() {
            let disk = NodeDisk::read(&found.folder, node_of(found.shop))?;
            if disk.repair_left > 0 {
                return Ok(Some(format!("box {bx} has {} entries to write again", disk.repair_left)));
            }
            for (journal, head) in &disk.heads {
                let there = held.get(journal).map_or(0, |head| head.seq);
                if there != head.seq {
                    return Ok(Some(format!("{journal}: box {bx} holds {}, the hub {there}", head.seq)));
                }
            }
            for (journal, head) in held.iter().filter(|(id, _)| id.author.as_node().is_none()) {
                let there = disk.down.get(journal).map_or(0, |head| head.seq);
                if there != head.seq {
                    return Ok(Some(format!("{journal}: the hub holds {}, box {bx} {there}", head.seq)));
                }
            }
        }
        Ok(None)
    }

    /// Everything that must hold at rest.
    pub(super) fn check_all(&mut self) -> Result<()> {
        let hub = HubDisk::read(&self.office.folder)?;
        check_journals(&hub.entries)?;
        hold(Oracle::Failed, hub.dead_letters.is_empty(), || format!("dead letters: {:?}", hub.dead_letters))?;
        let mut disks = Vec::new();
        for found in &self.boxes {
            disks.push((found.shop, NodeDisk::read(&found.folder, node_of(found.shop))?));
        }
        self.meet(&hub, &disks);
        for (bx, (_, disk)) in disks.iter().enumerate() {
            check_journals(&disk.entries)?;
            check_totals(disk)?;
            check_same(bx, disk, &hub)?;
        }
        check_places(&hub, &disks)?;
        check_cells(&hub)?;
        let differs: Vec<_> = hub.compared.iter().filter(|(_, differs)| **differs).collect();
        hold(Oracle::Totals, differs.is_empty(), || {
            format!("the hub found the stock of {differs:?} other than stated")
        })?;
        for shop in 0..self.plan.stores {
            self.check_books(shop, &hub, &disks)?;
        }
        self.check_given(&hub)?;
        self.check_menu(&hub, &disks)?;
        self.check_rebuild()
    }

    fn meet(&mut self, hub: &HubDisk, disks: &[(usize, NodeDisk)]) {
        self.reach.add(Met::StockCompared, hub.compared.len() as u64);
        self.reach.add(Met::Alias, hub.entries.iter().filter(|entry| entry.alias).count() as u64);
        for (_, disk) in disks {
            self.reach.add(Met::SetAside, disk.set_aside);
            for (_, reason) in &disk.lives {
                let met = match reason.as_str() {
                    "moved" => Met::LifeMoved,
                    "forked" => Met::LifeForked,
                    "fenced" => Met::LifeFenced,
                    "returned" => Met::LifeReturned,
                    _other => continue,
                };
                self.reach.met(met);
            }
        }
    }

    /// A shop's books: what all its events come to, each counted once, is what the box shows and what the reports show.
    fn check_books(&self, shop: usize, hub: &HubDisk, disks: &[(usize, NodeDisk)]) -> Result<()> {
        let store = i64::try_from(shop)? + 1;
        let author = AuthorId::node(node_of(shop));
        let counted = fold(hub.of(author))?;
        let reported: BTreeMap<i64, (i64, i64)> =
            hub.days.iter().filter(|((of, _), _)| *of == store).map(|((_, day), sums)| (*day, *sums)).collect();
        let tickets = hub.tickets.values().filter(|(of, _, _)| *of == store).count();
        hold(Oracle::Once, tickets == counted.tickets, || {
            format!("shop {shop}: the journals hold {} tickets, the reports {tickets}", counted.tickets)
        })?;
        let detail = || format!("shop {shop}: the journals come to {:?}, the reports to {reported:?}", counted.days);
        hold(Oracle::Sums, reported == counted.days, detail)?;
        let stock: BTreeMap<i64, i64> =
            hub.on_hand.iter().filter(|((of, _), _)| *of == store).map(|((_, item), much)| (*item, *much)).collect();
        let detail = || format!("shop {shop}: the events moved {:?}, the reports have {stock:?}", counted.stock);
        hold(Oracle::Totals, stock == counted.stock, detail)?;
        for (bx, (_, disk)) in disks.iter().enumerate().filter(|(_, (of, _))| *of == shop) {
            let detail = || format!("box {bx} has {:?} on hand, the hub {:?}", disk.on_hand, counted.stock);
            hold(Oracle::Totals, disk.on_hand == counted.stock, detail)?;
            let detail = || format!("box {bx} has the days {:?}, the hub {:?}", disk.days, counted.days);
            hold(Oracle::Sums, disk.days == counted.days, detail)?;
        }
        Ok(())
    }

    /// What tills were given is in the reports, unless the last disk that held it is gone.
    fn check_given(&self, hub: &HubDisk) -> Result<()> {
        for (ticket, total) in &self.model.given {
            match hub.tickets.get(ticket) {
                Some((_, _, reported)) => hold(Oracle::Sums, reported == total, || {
                    format!("a till was told {total}, the reports say {reported}")
                })?,
                None => hold(Oracle::Once, self.model.gone.contains(ticket), || {
                    let hex: String = ticket.iter().map(|byte| format!("{byte:02x}")).collect();
                    format!("the ticket {hex} was given to a till and is lost")
                })?,
            }
        }
        Ok(())
    }

    fn check_menu(&self, hub: &HubDisk, disks: &[(usize, NodeDisk)]) -> Result<()> {
        let Some(process) = &self.office.process else { return Ok(()) };
        let sold = process.hub.revision();
        for (bx, found) in self.boxes.iter().enumerate() {
            let here = found.process.as_ref().and_then(|running| running.node.revision());
            hold(Oracle::Down, here == sold, || format!("box {bx} sells revision {here:?}, the office {sold:?}"))?;
        }
        let down = hub.heads.iter().filter(|(journal, _)| journal.author.as_node().is_none());
        for (journal, head) in down {
            for (bx, (_, disk)) in disks.iter().enumerate() {
                let same = disk.down.get(journal) == Some(head);
                hold(Oracle::Down, same || head.seq == 0, || format!("box {bx} holds another {journal} than the hub"))?;
            }
        }
        for (bx, (_, disk)) in disks.iter().enumerate() {
            let lost = disk.down.keys().find(|journal| !hub.heads.contains_key(*journal));
            hold(Oracle::Down, lost.is_none(), || format!("the hub has lost {lost:?}, which box {bx} holds"))?;
        }
        Ok(())
    }

    fn check_rebuild(&self) -> Result<()> {
        let Some(process) = &self.office.process else { return Ok(()) };
        let before = process.hub.digest()?;
        process.hub.rebuild()?;
        let after = process.hub.digest()?;
        let differing: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).map(|(a, _)| a.0).collect();
        hold(Oracle::Rebuild, differing.is_empty(), || format!("folded anew, these tables differ: {differing:?}"))
    }
}

/// Entries are numbered without a gap, chained, and their clocks only grow.
fn check_journals(entries: &[Entry]) -> Result<()> {
    let mut begin = 0;
    while let Some(first) = entries.get(begin) {
        let journal = first.journal;
        let length = entries.iter().skip(begin).take_while(|entry| entry.journal == journal).count();
        let mut audit = ChainAudit::new(&journal);
        let mut clock = None;
        for entry in entries.iter().skip(begin).take(length) {
            audit.entry(entry.seq, &entry.bytes, &entry.hash);
            let Some(recorded) = &entry.recorded else { continue };
            let hlc = recorded.header.hlc;
            hold(Oracle::Clocks, clock.is_none_or(|before| before < hlc), || {
                format!("{journal}: the clock of entry {} does not grow", entry.seq)
            })?;
            clock = Some(hlc);
        }
        let found = audit.finish();
        hold(Oracle::SameJournals, found.gap_at.is_none() && found.broken_at.is_none(), || {
            format!("{journal}: {found:?}")
        })?;
        begin += length;
    }
    Ok(())
}

/// The totals of each life are what its entries moved.
fn check_totals(disk: &NodeDisk) -> Result<()> {
    let mut folded: BTreeMap<(Incarnation, i64), Total> = BTreeMap::new();
    for entry in &disk.entries {
        add(&mut folded, entry, |item| (entry.journal.incarnation, item));
    }
    let kept: BTreeMap<_, _> =
        disk.totals.iter().filter(|(_, total)| **total != (0, 0)).map(|(key, total)| (*key, *total)).collect();
    hold(Oracle::Totals, kept == folded, || format!("a box keeps the totals {kept:?}, its entries come to {folded:?}"))
}

fn add<K: Ord>(totals: &mut BTreeMap<K, Total>, entry: &Entry, key: impl Fn(i64) -> K) {
    for (item, much) in entry.effects() {
        let total = totals.entry(key(item)).or_default();
        *total = if much >= 0 { (total.0 + much, total.1) } else { (total.0, total.1 - much) };
    }
}

/// The hub's cells of each life are what that life's entries moved.
fn check_cells(hub: &HubDisk) -> Result<()> {
    let mut folded: BTreeMap<(AuthorId, Incarnation, i64), Total> = BTreeMap::new();
    for entry in &hub.entries {
        add(&mut folded, entry, |item| (entry.journal.author, entry.journal.incarnation, item));
    }
    let mut kept: BTreeMap<(AuthorId, Incarnation, i64), Total> = BTreeMap::new();
    for ((journal, item), total) in &hub.totals {
        let cell = kept.entry((journal.author, journal.incarnation, *item)).or_default();
        *cell = (cell.0.max(total.0), cell.1.max(total.1));
    }
    kept.retain(|_, total| *total != (0, 0));
    for (key, total) in &kept {
        let folded = folded.get(key).copied().unwrap_or_default();
        hold(Oracle::Totals, folded == *total, || {
            format!("{}/{}: the hub holds the totals {total:?}, its entries come to {folded:?}", key.0, key.1)
        })?;
    }
    let missing = folded.keys().find(|key| !kept.contains_key(*key));
    hold(Oracle::Totals, missing.is_none(), || format!("the hub holds no totals of {missing:?}"))
}

/// What a box holds, the hub holds, entry for entry; and the other way round for all lives of that shop.
fn check_same(bx: usize, disk: &NodeDisk, hub: &HubDisk) -> Result<()> {
    for (journal, head) in &disk.heads {
        let there = hub.heads.get(journal);
        hold(Oracle::SameJournals, there == Some(head) || head.seq == 0, || {
            format!("{journal}: box {bx} ends at {head:?}, the hub at {there:?}")
        })?;
    }
    let Some(author) = disk.heads.keys().next().map(|journal| journal.author) else { return Ok(()) };
    for (journal, head) in hub.heads.iter().filter(|(journal, _)| journal.author == author) {
        let here = disk.heads.get(journal);
        hold(Oracle::SameJournals, here == Some(head) || head.seq == 0, || {
            format!("{journal}: the hub ends at {head:?}, box {bx} at {here:?}")
        })?;
    }
    Ok(())
}

/// One place, one content, on all disks.
fn check_places(hub: &HubDisk, disks: &[(usize, NodeDisk)]) -> Result<()> {
    let mut places: BTreeMap<(JournalId, u64), Hash> = BTreeMap::new();
    for entry in disks.iter().flat_map(|(_, disk)| &disk.entries).chain(&hub.entries) {
        let hash = *places.entry((entry.journal, entry.seq)).or_insert(entry.hash);
        hold(Oracle::OnePlace, hash == entry.hash, || format!("{} has two entries {}", entry.journal, entry.seq))?;
    }
    Ok(())
}

/// What a shop's events come to, each counted once.
#[derive(Debug)]
struct Counted {
    tickets: usize,
    days: BTreeMap<i64, (i64, i64)>,
    stock: BTreeMap<i64, i64>,
}

fn fold<'e>(entries: impl Iterator<Item = &'e Entry>) -> Result<Counted> {
    let mut seen: BTreeSet<EventId> = BTreeSet::new();
    let (mut books, mut tickets, mut ids) = (Books::default(), BTreeSet::new(), Vec::new());
    for entry in entries {
        let Some(recorded) = &entry.recorded else { continue };
        let first = seen.insert(entry.id);
        if entry.journal.stream == StreamKind::Sales && !matches!(recorded.event, Fact::ImportAmended(_)) {
            ids.push((entry.id, entry.alias));
        }
        if first {
            books.add(&recorded.header, &recorded.event);
        }
        if first && let Some(id) = entry.ticket_id() {
            let training = matches!(&recorded.event, Fact::TicketSold(sold)
                if sold.class == percolate_common::domain::tickets::TicketClass::Training);
            if !training {
                tickets.insert(id);
            }
        }
    }
    let counted: BTreeSet<_> = ids.iter().filter(|(_, alias)| !alias).map(|(id, _)| *id).collect();
    let plain = ids.iter().filter(|(_, alias)| !alias).count();
    hold(Oracle::Once, counted.len() == plain, || "an event counts twice at the hub".to_owned())?;
    let never = ids.iter().find(|(id, _)| !counted.contains(id));
    hold(Oracle::Once, never.is_none(), || format!("an event never counts at the hub: {never:?}"))?;
    let day = |(day, sums): (percolate_common::time::BusinessDay, percolate_common::domain::books::DayBooks)| {
        (i64::from(day.days()), (sums.tickets, sums.total_minor))
    };
    let days = books.days().map(day).filter(|(_, sums)| *sums != (0, 0)).collect();
    let stock =
        books.stock().filter(|(_, much)| *much != 0).map(|(item, much)| (i64::from(item.get()), much)).collect();
    Ok(Counted { tickets: tickets.len(), days, stock })
}
