//! Every kind of fact that a journal may hold, and what is said about each.

use crate::domain::cash::{CashMoved, DayClosed, DrawerClosed, DrawerOpened};
use crate::domain::catalog::CatalogEvent;
use crate::domain::imports::{ImportAmended, TicketImported};
use crate::domain::staff::StaffLocked;
use crate::domain::stock::{MovementLine, StockMoved};
use crate::domain::tenders::card::CardSettled;
use crate::domain::tickets::open::OpenFact;
use crate::domain::tickets::refund::TicketRefunded;
use crate::domain::tickets::tips::TipAdjusted;
use crate::domain::tickets::{SeriesOpened, TicketClass, TicketSold};
use crate::hlc::Hlc;
use crate::ids::StoreId;
use crate::journal::{Incarnation, StreamKind};
use crate::money::Currency;
use crate::time::{BusinessDay, UtcMillis};

/// How far the clock that stamped an event can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockQuality {
    /// Agreed with the hub within its limit when last compared.
    Good,
    /// Not compared with anybody yet.
    Unsynced,
    /// Known to be wrong: behind what was already written, or far from the hub.
    Suspect,
}

/// What is said about every event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Where it belongs.
    pub store: StoreId,
    /// When it happened.
    pub at: UtcMillis,
    /// When it was recorded.
    pub hlc: Hlc,
    /// The trading day that its money or stock belongs to.
    pub business_day: BusinessDay,
    /// How far `at` can be trusted.
    pub clock: ClockQuality,
    /// The zone that the business day was computed in, by IANA name.
    pub zone: String,
}

/// A node's account of its store, written at first start and whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDescribed {
    /// What people call the shop.
    pub name: String,
    /// IANA name of its zone.
    pub zone: String,
    /// Hour at which its trading day ends.
    pub cutover_hour: u8,
    /// What it sells in.
    pub currency: Currency,
}

/// Why an author's database began a new life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeReason {
    /// The database is new.
    New,
    /// It woke up on another machine: moved or copied.
    Moved,
    /// It is an older copy of itself, as a witness outside of it shows.
    Restored,
    /// The hub holds another past of the life before.
    Forked,
    /// Another process goes on with the life before.
    Fenced,
    /// A person asked for it.
    Operator,
}

/// A node's database began a life; the first event of every life but the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifeBegan {
    /// The life before, if there was one.
    pub parent: Option<Incarnation>,
    /// Why.
    pub reason: LifeReason,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A ticket was paid.
    TicketSold(TicketSold),
    /// A terminal began a new series of receipt numbers.
    SeriesOpened(SeriesOpened),
    /// A ticket of another system was brought in.
    TicketImported(TicketImported),
    /// Lines came later for an imported ticket.
    ImportAmended(ImportAmended),
    /// Money was given back for a ticket.
    TicketRefunded(TicketRefunded),
    /// The tip of a ticket was written down, or corrected, after its sale.
    TipAdjusted(TipAdjusted),
    /// Something about a ticket that is not paid yet.
    OpenTicket(OpenFact),
    /// It became known what a payment by card came to.
    CardSettled(CardSettled),
    /// Stock moved other than by a sale.
    StockMoved(StockMoved),
    /// A drawer was opened.
    DrawerOpened(DrawerOpened),
    /// Cash moved other than by a sale.
    CashMoved(CashMoved),
    /// A drawer was counted and closed.
    DrawerClosed(DrawerClosed),
    /// A day was closed.
    DayClosed(DayClosed),
    /// A node described its store.
    StoreDescribed(StoreDescribed),
    /// A node's database began a new life.
    LifeBegan(LifeBegan),
    /// Wrong tries have locked somebody out, or a terminal.
    StaffLocked(StaffLocked),
    /// The menu changed.
    Catalog(CatalogEvent),
}

impl Event {
    /// What it takes from the stock room or puts there. Practice moves nothing.
    #[must_use]
    pub fn stock_effects(&self) -> &[MovementLine] {
        match self {
            Self::TicketSold(sold) if sold.class == TicketClass::Sale => &sold.stock_effects,
            Self::TicketRefunded(refund) if refund.class == TicketClass::Sale => &refund.stock_effects,
            Self::StockMoved(moved) => &moved.lines,
            Self::TicketSold(_)
            | Self::TicketRefunded(_)
            | Self::SeriesOpened(_)
            | Self::TicketImported(_)
            | Self::ImportAmended(_)
            | Self::OpenTicket(_)
            | Self::CardSettled(_)
            | Self::TipAdjusted(_)
            | Self::DrawerOpened(_)
            | Self::CashMoved(_)
            | Self::DrawerClosed(_)
            | Self::DayClosed(_)
            | Self::StoreDescribed(_)
            | Self::LifeBegan(_)
            | Self::StaffLocked(_)
            | Self::Catalog(_) => &[],
        }
    }

    /// The stream that this fact is written to.
    #[must_use]
    pub const fn stream(&self) -> StreamKind {
        match self {
            Self::TicketSold(_)
            | Self::SeriesOpened(_)
            | Self::TicketImported(_)
            | Self::ImportAmended(_)
            | Self::TicketRefunded(_)
            | Self::TipAdjusted(_)
            | Self::OpenTicket(_)
            | Self::CardSettled(_)
            | Self::DrawerOpened(_)
            | Self::CashMoved(_)
            | Self::DrawerClosed(_)
            | Self::DayClosed(_) => StreamKind::Sales,
            Self::StockMoved(_) => StreamKind::Stock,
            Self::StoreDescribed(_) | Self::LifeBegan(_) | Self::StaffLocked(_) => StreamKind::Ops,
            Self::Catalog(_) => StreamKind::Catalog,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::stock::MovementReason;
    use crate::domain::tickets::{TicketDetails, Totals};
    use crate::ids::{MovementId, StockItemId, TicketId};
    use crate::money::Minor;
    use crate::quantity::Quantity;

    use super::*;

    #[test]
    fn sales_and_movements_move_stock_and_practice_does_not_whatever_it_says() {
        let lines = vec![MovementLine { stock_item: StockItemId::new(1), quantity: Quantity::new(-18_000) }];
        let sold = |class| {
            Event::TicketSold(TicketSold {
                id: TicketId::sold(0, 11, "k"),
                class,
                receipt: "T1-A-1".parse().unwrap(),
                currency: Currency::USD,
                catalog_revision: 1,
                lines: Vec::new(),
                taxes: Vec::new(),
                totals: Totals { net: Minor::ZERO, tax: Minor::ZERO, total: Minor::ZERO },
                tenders: Vec::new(),
                change: Minor::ZERO,
                stock_effects: lines.clone(),
                details: TicketDetails::default(),
                sold_by: None,
                drawer: None,
            })
        };
        assert_eq!(sold(TicketClass::Sale).stock_effects(), lines);
        assert_eq!(sold(TicketClass::Training).stock_effects(), []);
        let id = MovementId::moved(0, 11, "m");
        let moved = StockMoved { id, reason: MovementReason::Wasted, lines: lines.clone(), by: None, approval: None };
        assert_eq!(Event::StockMoved(moved).stock_effects(), lines);
    }
}
