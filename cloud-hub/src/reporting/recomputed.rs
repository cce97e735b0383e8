//! Looking at every ticket again while it is folded: by its own lines, and beside the menu that it names.
//!
//! A menu comes in the catalog's journal, a ticket in its node's, in either order. A ticket that agrees with no menu of its
//! number that is here is kept; whenever such a menu comes, it is looked at beside all of them. So it comes out the same in any
//! order: it agrees if it agrees with one of them, and otherwise differs as it does from the one that it differs least from.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use metrics::counter;
use percolate_common::domain::catalog::CatalogEvent;
use percolate_common::domain::catalog::hours::{Channel, WallTime};
use percolate_common::domain::catalog::look_up::Moment;
use percolate_common::domain::event::{ClockQuality, Event, Header};
use percolate_common::domain::pricing::against_menu::against_menu;
use percolate_common::domain::pricing::recompute::{Difference, Part, differences};
use percolate_common::domain::tickets::TicketSold;
use percolate_common::hlc::Hlc;
use percolate_common::ids::{NodeId, StoreId, TicketId};
use percolate_common::journal::{AuthorId, JournalId, Service, StreamKind};
use percolate_common::money::MoneyOverflow;
use percolate_common::time::BusinessDay;
use percolate_common::wire::WireError;
use percolate_common::wire::event::{Recorded, decode, encode};
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

use super::menus::Menus;
use super::store::Unmatched;
use super::store::books::{self, ClockDoubt, FlaggedTicket, MenuPlace};

/// Why something could not be kept to be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecomputeError {
    #[error("what was found could not be written or read")]
    Storage(#[from] StorageError),
    #[error("it cannot be written again")]
    Wire(#[from] WireError),
}

/// Counts nothing yet: whoever watches sees the first of each, too.
pub(super) fn begin_counting() {
    counter!("hub_suspect_clock_events_total").increment(0);
    for part in Part::WORDS {
        counter!("hub_ticket_differences_total", "part" => part).increment(0);
    }
}

/// What some slices say of tickets, menus and clocks.
#[derive(Debug)]
pub(super) struct Recomputed<'m> {
    menus: &'m Menus,
    /// Where the revisions that tickets of the slices name were published, as far as that was known when the first of them was
    /// looked at.
    places: BTreeMap<u32, Vec<MenuPlace>>,
    unmatched: Vec<Unmatched>,
    /// Revisions that the slices publish.
    published: BTreeSet<u32>,
    doubts: BTreeMap<(StoreId, BusinessDay, NodeId), ClockDoubt>,
}

impl<'m> Recomputed<'m> {
    pub(super) const fn new(menus: &'m Menus) -> Self {
        Self {
            menus,
            places: BTreeMap::new(),
            unmatched: Vec::new(),
            published: BTreeSet::new(),
            doubts: BTreeMap::new(),
        }
    }

    /// Keeps what the catalog says, also what this program cannot read.
    pub(super) fn heard(
        &mut self,
        tx: &WriteTx<'_>,
        (journal, seq): (&JournalId, u64),
        recorded: Option<&Recorded>,
    ) -> Result<(), RecomputeError> {
        let JournalId { author, stream, .. } = *journal;
        if stream != StreamKind::Catalog || author != AuthorId::service(Service::Catalog) {
            return Ok(());
        }
        let bytes = recorded.map(again).transpose()?;
        let published = |recorded: &Recorded| {
            let Event::Catalog(CatalogEvent::RevisionPublished(revision)) = &recorded.event else { return None };
            Some(revision.number)
        };
        let revision = recorded.and_then(published);
        self.published.extend(revision);
        Ok(books::menu_said_insert(tx, (journal, seq), revision, bytes.as_deref())?)
    }

    /// Takes note of a clock that was known to be wrong.
    pub(super) fn stamped(&mut self, journal: JournalId, header: &Header) {
        let (ClockQuality::Suspect, Some(node)) = (header.clock, journal.author.as_node()) else { return };
        let Header { store, business_day: day, at, .. } = *header;
        let none = ClockDoubt { store, day, node: node.get(), events: 0, last_at_ms: i64::MIN };
        let doubt = self.doubts.entry((store, day, node)).or_insert(none);
        doubt.events += 1;
        doubt.last_at_ms = doubt.last_at_ms.max(at.get());
    }

    /// Looks at a ticket that is new.
    pub(super) fn ticket(
        &mut self,
        tx: &WriteTx<'_>,
        recorded: &Recorded,
        sold: &TicketSold,
    ) -> Result<(), RecomputeError> {
        let header = &recorded.header;
        let revision = sold.catalog_revision;
        let own = differences(sold).unwrap_or_else(|overflow| beyond(sold, overflow));
        flag(tx, &flagged(header, sold), false, &own)?;
        let places = match self.places.entry(revision) {
            Entry::Occupied(places) => places.into_mut(),
            Entry::Vacant(places) => places.insert(books::menu_place_list(tx, revision)?),
        };
        let found = beside_menus(self.menus, tx, (header, sold), places)?;
        if found.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        flag(tx, &flagged(header, sold), true, &found.unwrap_or_default())?;
        let (id, store, day) = (sold.id, header.store, header.business_day);
        self.unmatched.push(Unmatched { id, revision, store, day, event: again(recorded)? });
        Ok(())
    }

    /// Writes down what the slices brought, and looks at the tickets that waited for its menus.
    pub(super) fn finish(self, tx: &WriteTx<'_>) -> Result<(), StorageError> {
        books::unmatched_insert(tx, &self.unmatched)?;
        for doubt in self.doubts.values() {
            counter!("hub_suspect_clock_events_total").increment(doubt.events.unsigned_abs());
            books::clock_doubt_add(tx, doubt)?;
        }
        self.published.iter().try_for_each(|revision| self.look_again(tx, *revision))
    }

    fn look_again(&self, tx: &WriteTx<'_>, revision: u32) -> Result<(), StorageError> {
        let places = books::menu_place_list(tx, revision)?;
        let mut after = Vec::new();
        loop {
            let page = books::unmatched_page(tx, revision, &after)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = last.to_bytes().to_vec();
            for (id, bytes) in page {
                self.ticket_again(tx, (revision, id), &bytes, &places)?;
            }
        }
    }

    fn ticket_again(
        &self,
        tx: &WriteTx<'_>,
        (revision, id): (u32, TicketId),
        bytes: &[u8],
        places: &[MenuPlace],
    ) -> Result<(), StorageError> {
        let Ok(Recorded { header, event: Event::TicketSold(sold), .. }) = decode(bytes) else { return Ok(()) };
        let Some(found) = beside_menus(self.menus, tx, (&header, &sold), places)? else { return Ok(()) };
        books::menu_flags_delete(tx, id)?;
        if found.is_empty() {
            return books::unmatched_delete(tx, revision, id);
        }
        flag(tx, &flagged(&header, &sold), true, &found)
    }
}

/// How a ticket differs from the menu of its number that it differs least from; nothing if there is none.
fn beside_menus(
    menus: &Menus,
    tx: &ReadTx<'_>,
    (header, sold): (&Header, &TicketSold),
    places: &[MenuPlace],
) -> Result<Option<Vec<Difference>>, StorageError> {
    let moment = Moment {
        store: header.store,
        channel: Channel::Counter,
        day: header.business_day,
        // Nothing that is compared depends on the hour.
        wall: WallTime { weekday: 1, minute: 0 },
    };
    let mut least: Option<Vec<Difference>> = None;
    for place in places {
        let menu = menus.at(tx, *place)?;
        let Some(menu) = menu.filter(|menu| menu.revision.is_for(header.store)) else { continue };
        let found = against_menu(sold, &menu, &moment).unwrap_or_else(|overflow| beyond(sold, overflow));
        if least.as_ref().is_none_or(|least| found.len() < least.len()) {
            least = Some(found);
        }
    }
    Ok(least)
}

fn flagged(header: &Header, sold: &TicketSold) -> FlaggedTicket {
    let Header { store, business_day: day, at, .. } = *header;
    FlaggedTicket { id: sold.id, store, day, at, receipt: sold.receipt.to_string() }
}

fn flag(tx: &WriteTx<'_>, ticket: &FlaggedTicket, of_menu: bool, found: &[Difference]) -> Result<(), StorageError> {
    for difference in found {
        counter!("hub_ticket_differences_total", "part" => difference.part.as_str()).increment(1);
        books::flag_insert(tx, ticket, of_menu, difference)?;
    }
    Ok(())
}

/// A ticket whose numbers cannot be added is not what it says, whatever that is.
fn beyond(sold: &TicketSold, _overflow: MoneyOverflow) -> Vec<Difference> {
    vec![Difference { part: Part::Total, said: sold.totals.total.get(), computed: i64::MAX }]
}

/// The event's bytes again, without what differs where it was written again in another life.
fn again(recorded: &Recorded) -> Result<Vec<u8>, WireError> {
    let header = Header { hlc: Hlc::default(), clock: ClockQuality::Good, ..recorded.header.clone() };
    encode(&header, &recorded.event, None)
}
