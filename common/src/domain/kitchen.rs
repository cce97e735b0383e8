//! What is to be prepared: which lines go to which station, and how far a prep ticket is.
//!
//! A prep ticket is made once for each ticket, station and sending: its id is derived from them. Who changes it says in which turn they
//! have seen it; what was changed meanwhile is shown again first. So that of two screens that bump at once one does, what is sent again
//! late does nothing, and nobody bumps away what was taken off a moment before.

use std::collections::BTreeMap;

use super::catalog::Catalog;
use super::catalog::rules::Consumption;
use super::catalog::station::Station;
use super::tickets::open::VoidReason;
use super::tickets::{SoldLine, TicketClass};
use crate::ids::{ItemId, LineId, PrepId, TicketId};
use crate::time::UtcMillis;

/// Longest note of a line, in bytes.
pub const LINE_NOTE_BYTES_MAX: usize = 80;

/// Why something need not be prepared after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The line was taken off.
    Voided(VoidReason),
    /// The ticket ended unpaid.
    Abandoned,
    /// The ticket should not have been sold, and was given back.
    Refunded,
}

impl Cancelled {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voided(reason) => reason.as_str(),
            Self::Abandoned => "abandoned",
            Self::Refunded => "refunded",
        }
    }
}

/// Something to prepare. It says in words what it is, so that it stays what was sent, whatever menu comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dish {
    /// Item number.
    pub item: ItemId,
    /// What people read.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// Extras of each piece: how many, and what people read.
    pub extras: Vec<(u32, String)>,
    /// What was noted for whoever prepares it.
    pub note: Option<String>,
    /// Why it need not be prepared after all, by its word.
    pub cancelled: Option<String>,
}

impl Dish {
    /// A line as the menu names it.
    #[must_use]
    pub fn new(line: &SoldLine, note: Option<String>, catalog: &Catalog) -> Self {
        let menu = &catalog.content;
        let name = menu.items.get(&line.item).map_or_else(|| format!("item {}", line.item), |item| item.name.clone());
        let extra = |extra: &super::tickets::SoldExtra| {
            let known = menu.rules.modifier(extra.modifier);
            (extra.count, known.map_or_else(|| format!("modifier {}", extra.modifier), |known| known.name.clone()))
        };
        let extras = line.extras.iter().map(extra).collect();
        Self { item: line.item, name, quantity: line.quantity, extras, note, cancelled: None }
    }
}

/// How far a prep ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrepStage {
    /// It waits.
    Queued,
    /// It was made.
    Made,
    /// It was made, and called back.
    Recalled,
}

impl PrepStage {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Made => "made",
            Self::Recalled => "recalled",
        }
    }
}

/// What one station is to prepare of one sending of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepTicket {
    /// Its id.
    pub id: PrepId,
    /// Of which ticket.
    pub ticket: TicketId,
    /// Where.
    pub station: Station,
    /// The receipt's number, once the ticket is paid.
    pub receipt: Option<String>,
    /// What people call the order.
    pub name: Option<String>,
    /// What people noted for the whole.
    pub note: Option<String>,
    /// Where it is eaten.
    pub consumption: Consumption,
    /// Real or practice.
    pub class: TicketClass,
    /// What.
    pub dishes: Vec<Dish>,
    /// How far it is.
    pub stage: PrepStage,
    /// How often it was changed by anybody.
    pub turn: u32,
    /// When it was sent.
    pub queued_at: UtcMillis,
    /// When it was made last.
    pub made_at: Option<UtcMillis>,
    /// When it was called back last.
    pub recalled_at: Option<UtcMillis>,
}

impl PrepTicket {
    /// It was made. Whether that is new: who has seen it in another turn looks again.
    pub const fn bump(&mut self, seen: u32, at: UtcMillis) -> bool {
        if self.turn != seen || matches!(self.stage, PrepStage::Made) {
            return false;
        }
        self.stage = PrepStage::Made;
        self.made_at = Some(at);
        self.turn = self.turn.saturating_add(1);
        true
    }

    /// It is called back. Whether that is new, as above.
    pub const fn recall(&mut self, seen: u32, at: UtcMillis) -> bool {
        if self.turn != seen || !matches!(self.stage, PrepStage::Made) {
            return false;
        }
        self.stage = PrepStage::Recalled;
        self.recalled_at = Some(at);
        self.turn = self.turn.saturating_add(1);
        true
    }

    /// What stands in a place need not be prepared; in no place named, nothing of it. The first reason stays. Whether that is new.
    pub fn cancel(&mut self, place: Option<usize>, why: Cancelled) -> bool {
        let mut is_new = false;
        for (at, dish) in self.dishes.iter_mut().enumerate() {
            if dish.cancelled.is_none() && place.is_none_or(|place| place == at) {
                dish.cancelled = Some(why.as_str().to_owned());
                is_new = true;
            }
        }
        self.turn = self.turn.saturating_add(u32::from(is_new));
        is_new
    }

    /// Whether nothing of it is to be prepared any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.dishes.iter().all(|dish| dish.cancelled.is_some())
    }
}

/// What is sent together: of which ticket, and what is known of it.
#[derive(Debug, Clone)]
pub struct Sending {
    /// The ticket.
    pub ticket: TicketId,
    /// Its receipt's number, if it is paid.
    pub receipt: Option<String>,
    /// What people call the order, where the ticket itself has no name.
    pub name: Option<String>,
    /// Where it is eaten.
    pub consumption: Consumption,
    /// Real or practice.
    pub class: TicketClass,
    /// When.
    pub at: UtcMillis,
}

/// A line to send: its id, where it has one, and what it is.
pub type Order = (Option<LineId>, Dish);

/// Divides what is sent into one prep ticket a station, each with the lines that stand in its places. What no station prepares is in
/// none. A sending is known by its first line.
#[must_use]
pub fn prep_tickets(
    catalog: &Catalog,
    sending: &Sending,
    orders: Vec<Order>,
) -> Vec<(PrepTicket, Vec<Option<LineId>>)> {
    let mut by_station: BTreeMap<&Station, Vec<Order>> = BTreeMap::new();
    let mut first = None;
    for (line, dish) in orders {
        if let Some(station) = catalog.content.station_of(dish.item) {
            first = first.or(line);
            by_station.entry(station).or_default().push((line, dish));
        }
    }
    let prep = |(station, orders): (&Station, Vec<Order>)| {
        let (lines, dishes) = orders.into_iter().unzip();
        let prep = PrepTicket {
            id: PrepId::of(sending.ticket, station.as_str(), first),
            ticket: sending.ticket,
            station: station.clone(),
            receipt: sending.receipt.clone(),
            name: sending.name.clone(),
            note: None,
            consumption: sending.consumption,
            class: sending.class,
            dishes,
            stage: PrepStage::Queued,
            turn: 0,
            queued_at: sending.at,
            made_at: None,
            recalled_at: None,
        };
        (prep, lines)
    };
    by_station.into_iter().map(prep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::tests::small_menu;
    use crate::ids::CategoryId;

    fn dish(item: u32) -> Dish {
        let (item, name) = (ItemId::new(item), format!("item {item}"));
        Dish { item, name, quantity: 1, extras: Vec::new(), note: None, cancelled: None }
    }

    fn menu() -> Catalog {
        let mut menu = small_menu();
        menu.content.categories.get_mut(&CategoryId::new(1)).unwrap().station = Some("bar".parse().unwrap());
        menu.content.items.get_mut(&ItemId::new(102)).unwrap().details.station = Some("kitchen".parse().unwrap());
        menu
    }

    fn sent(key: &str, orders: Vec<Order>) -> Vec<(PrepTicket, Vec<Option<LineId>>)> {
        let sending = Sending {
            ticket: TicketId::sold(1, 11, key),
            receipt: None,
            name: None,
            consumption: Consumption::DineIn,
            class: TicketClass::Sale,
            at: at(0),
        };
        prep_tickets(&menu(), &sending, orders)
    }

    fn at(ms: i64) -> UtcMillis {
        UtcMillis::new(1_795_000_000_000 + ms)
    }

    fn prep() -> PrepTicket {
        sent("a", vec![(None, dish(101)), (None, dish(101))]).remove(0).0
    }

    #[test]
    fn p28_each_station_has_its_lines_and_the_same_sending_is_the_same_prep_tickets() {
        let line = |place| Some(LineId::asked(11, "a", place));
        let orders = || vec![(line(0), dish(101)), (line(1), dish(201)), (line(2), dish(102)), (line(3), dish(101))];
        let both = sent("a", orders());
        let of = |at: usize| (both[at].0.station.as_str(), both[at].0.dishes.len(), both[at].1.clone());
        assert_eq!((both.len(), of(0), of(1)), (2, ("bar", 2, vec![line(0), line(3)]), ("kitchen", 1, vec![line(2)])));
        assert_eq!(sent("a", orders()), both);
        let ids = |of: &[(PrepTicket, _)]| of.iter().map(|(prep, _)| prep.id).collect::<Vec<_>>();
        for other in [sent("b", orders()), sent("a", orders().split_off(3))] {
            assert!(ids(&other).iter().all(|id| !ids(&both).contains(id)), "another ticket, or another sending");
        }
        assert_eq!(sent("a", vec![(line(1), dish(201))]), vec![], "nothing is to be prepared");
    }

    #[test]
    fn p28_of_two_who_bump_at_once_one_does_and_what_comes_late_does_nothing() {
        let mut prep = prep();
        assert!(!prep.recall(0, at(1)), "it was not made");
        assert!(prep.bump(0, at(1)));
        assert!(!prep.bump(0, at(2)) && !prep.bump(1, at(2)), "it was made");
        assert_eq!((prep.stage, prep.made_at, prep.turn), (PrepStage::Made, Some(at(1)), 1));
        assert!(!prep.recall(0, at(3)) && prep.recall(1, at(3)));
        assert!(!prep.bump(0, at(4)), "the first bump, sent again, does not make what was called back");
        assert_eq!((prep.stage, prep.recalled_at), (PrepStage::Recalled, Some(at(3))));
        assert!(prep.bump(2, at(5)) && prep.made_at == Some(at(5)));
    }

    #[test]
    fn what_was_taken_off_is_not_bumped_away_before_it_is_seen() {
        let mut prep = prep();
        assert!(prep.cancel(Some(1), Cancelled::Voided(VoidReason::Unwanted)));
        assert!(!prep.cancel(Some(1), Cancelled::Abandoned), "the first reason stays");
        assert!(!prep.bump(0, at(1)), "it has changed");
        let words = |prep: &PrepTicket| prep.dishes.iter().map(|dish| dish.cancelled.clone()).collect::<Vec<_>>();
        assert_eq!((words(&prep), prep.is_cancelled()), (vec![None, Some("unwanted".to_owned())], false));
        assert!(prep.cancel(None, Cancelled::Refunded) && prep.is_cancelled());
        assert_eq!(words(&prep), [Some("refunded".to_owned()), Some("unwanted".to_owned())]);
        assert!(!prep.cancel(Some(7), Cancelled::Refunded));
        assert!(prep.bump(2, at(1)), "seen, it goes");
    }
}
