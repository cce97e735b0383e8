//! Tips that are written down after the sale, as on a card's slip, and what a day's tips are shared out as.
//!
//! What was said in the highest turn holds; of one turn, the highest id. Each fact counts on the day on which it was made, as the
//! difference to what held just below it: whatever the order in which facts come, sums are what holds.

use std::collections::BTreeMap;

use super::receipt::TerminalName;
use super::tender::TenderKind;
use super::{TicketClass, TicketSold};
use crate::domain::pricing::share::{share, share_evenly};
use crate::ids::{StaffId, TicketId, TipId};
use crate::money::Minor;
use crate::time::BusinessDay;

/// Business days after the sale until which a tip is adjusted, if no closing reading has counted the ticket before.
pub const TIP_DAYS_MAX: i32 = 7;
/// The largest tip that is written down after the sale, in percent of what the ticket came to.
pub const TIP_PERCENT_MAX: i64 = 100;

/// The card that a tip was put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TipCard {
    /// At a card terminal that is not ours.
    External,
    /// At the shop's card terminal.
    Driver,
}

impl TipCard {
    /// The means of payment that its sums stand under. What was taken on trust has its tip under the card, too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::External => "card_external",
            Self::Driver => "card",
        }
    }

    const fn of(kind: &TenderKind) -> Option<Self> {
        match kind {
            TenderKind::CardExternal { .. } => Some(Self::External),
            TenderKind::Card { .. } => Some(Self::Driver),
            TenderKind::Cash | TenderKind::House { .. } => None,
        }
    }
}

/// The tip of a ticket was written down, or corrected, after its sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TipAdjusted {
    /// Its id.
    pub id: TipId,
    /// Of which ticket.
    pub ticket: TicketId,
    /// One more than the highest that whoever said it had seen.
    pub turn: u32,
    /// Position on the ticket of the card that it was put on.
    pub tender: u32,
    /// Which kind of card that is.
    pub card: TipCard,
    /// What the sale said.
    pub sold: Minor,
    /// The whole tip of the ticket from now on.
    pub tip: Minor,
    /// Who sold the ticket, if they had signed in: it is their tip.
    pub seller: Option<StaffId>,
    /// At which terminal it was written down.
    pub terminal: TerminalName,
    /// By whom.
    pub by: Option<StaffId>,
}

/// What is said of a ticket's tip, as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TipOn {
    /// By which fact.
    pub id: TipId,
    /// In which turn.
    pub turn: u32,
    /// On which day.
    pub day: BusinessDay,
    /// By which card.
    pub card: TipCard,
    /// What the sale said.
    pub sold: Minor,
    /// The whole tip from then on.
    pub tip: Minor,
    /// Whose tip it is.
    pub seller: Option<StaffId>,
}

impl TipOn {
    /// What a fact says that counts on a day.
    #[must_use]
    pub const fn new(fact: &TipAdjusted, day: BusinessDay) -> Self {
        let TipAdjusted { id, turn, card, sold, tip, seller, .. } = *fact;
        Self { id, turn, day, card, sold, tip, seller }
    }

    const fn rank(&self) -> (u32, TipId) {
        (self.turn, self.id)
    }

    /// What it changes, beside a tip that held before.
    const fn after(&self, before: Minor) -> TipMove {
        let amount = Minor::new(self.tip.get().saturating_sub(before.get()));
        TipMove { day: self.day, card: self.card, seller: self.seller, amount }
    }
}

/// What sums change by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TipMove {
    /// On which day.
    pub day: BusinessDay,
    /// By which card.
    pub card: TipCard,
    /// Whose tip it is.
    pub seller: Option<StaffId>,
    /// By how much: below zero where it is less.
    pub amount: Minor,
}

/// What holds for a ticket, of all that was said of its tip.
#[must_use]
pub fn holds(known: &[TipOn]) -> Option<&TipOn> {
    known.iter().max_by_key(|on| on.rank())
}

/// What sums change by when something is said of a ticket's tip, beside what is known of it. What is known already changes
/// nothing. What was said in a higher turn is another difference from now on.
#[must_use]
pub fn moves(known: &[TipOn], new: &TipOn) -> Vec<TipMove> {
    if known.iter().any(|on| on.id == new.id) {
        return Vec::new();
    }
    let below = known.iter().filter(|on| on.rank() < new.rank()).max_by_key(|on| on.rank());
    let above = known.iter().filter(|on| on.rank() > new.rank()).min_by_key(|on| on.rank());
    let before = below.map_or(new.sold, |on| on.tip);
    let less = |above: &TipOn| {
        let amount = Minor::new(before.get().saturating_sub(new.tip.get()));
        TipMove { amount, ..above.after(before) }
    };
    core::iter::once(new.after(before)).chain(above.map(less)).collect()
}

/// All that the adjusted tips of one ticket come to, in the order of their turns.
#[must_use]
pub fn all_moves(known: &[TipOn]) -> Vec<TipMove> {
    let mut sorted: Vec<_> = known.iter().collect();
    sorted.sort_by_key(|on| on.rank());
    let mut before = sorted.first().map_or(Minor::ZERO, |on| on.sold);
    let mut moves = Vec::with_capacity(sorted.len());
    for on in sorted {
        moves.push(on.after(before));
        before = on.tip;
    }
    moves
}

/// Which card of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichCard {
    /// What stands there among its tenders.
    At(u32),
    /// The first of its kind.
    First(TipCard),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdjustTip {
    /// On which card.
    pub card: WhichCard,
    /// The whole tip of the ticket.
    pub tip: Minor,
}

/// A ticket whose tip is adjusted.
#[derive(Debug, Clone, Copy)]
pub struct Tipped<'a> {
    /// Its sale.
    pub sold: &'a TicketSold,
    /// Its business day.
    pub day: BusinessDay,
    /// Whether a closing reading has counted it.
    pub is_closed: bool,
    /// Whether anything of it was given back.
    pub is_refunded: bool,
    /// What was said of its tip before.
    pub known: &'a [TipOn],
}

/// A tip that stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TipRejection {
    /// Practice.
    #[error("this ticket is practice, and has no tip to be written down")]
    Practice,
    /// Something was given back.
    #[error("something of this ticket was given back: its tip stays as it is")]
    Refunded,
    /// Too late.
    #[error("the day of this ticket is closed, or more than {TIP_DAYS_MAX} business days ago: its tip stays as it is")]
    Closed,
    /// No card, or not the first of several that were charged by us: what goes back goes there.
    #[error(
        "a tip is written down for a card that the ticket was paid by, and of several at our terminal for the first"
    )]
    Card,
    /// Too much, or less than nothing.
    #[error("a tip of {least} to {most} minor units is expected")]
    Amount {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
}

/// Decides what a ticket's tip is from now on.
///
/// # Errors
/// [`TipRejection`] says why it stays as it is.
pub fn adjust(
    ticket: &Tipped<'_>,
    ask: &AdjustTip,
    (id, terminal, today): (TipId, &TerminalName, BusinessDay),
) -> Result<TipAdjusted, TipRejection> {
    let sold = ticket.sold;
    if sold.class == TicketClass::Training {
        return Err(TipRejection::Practice);
    }
    if ticket.is_refunded {
        return Err(TipRejection::Refunded);
    }
    if ticket.is_closed || today.days().saturating_sub(ticket.day.days()) > TIP_DAYS_MAX {
        return Err(TipRejection::Closed);
    }
    let is_asked = |at: u32, card: TipCard| match ask.card {
        WhichCard::At(asked) => at == asked,
        WhichCard::First(kind) => card == kind,
    };
    let asked = (0..).zip(&sold.tenders).find_map(|(at, tender)| {
        let card = TipCard::of(&tender.kind)?;
        is_asked(at, card).then_some((at, card, tender.amount))
    });
    let (tender, card, paid) = asked.ok_or(TipRejection::Card)?;
    let first = (0..).zip(&sold.tenders).find(|(_, other)| TipCard::of(&other.kind) == Some(card));
    if card == TipCard::Driver && first.is_some_and(|(at, _)| at != tender) {
        return Err(TipRejection::Card);
    }
    let now = holds(ticket.known).map_or(sold.details.tip, |on| on.tip);
    // What was put on a card later is taken off that card again and no other; what the sale said may have been paid by this one.
    let put: i64 = all_moves(ticket.known).iter().filter(|one| one.card == card).map(|one| one.amount.get()).sum();
    let least = now.get().saturating_sub(paid.min(sold.details.tip).get()).saturating_sub(put).max(0);
    let most = sold.totals.total.get().saturating_mul(TIP_PERCENT_MAX) / 100;
    if ask.tip.get() < least || ask.tip > now && ask.tip.get() > most {
        return Err(TipRejection::Amount { least, most: most.max(now.get()) });
    }
    Ok(TipAdjusted {
        id,
        ticket: sold.id,
        turn: ticket.known.iter().map(|on| on.turn).max().unwrap_or(0).saturating_add(1),
        tender,
        card,
        sold: sold.details.tip,
        tip: ask.tip,
        seller: sold.sold_by,
        terminal: terminal.clone(),
        by: None,
    })
}

/// A day's tips by whoever sold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayTips {
    /// Tickets and tips of each; none is nobody who had signed in.
    pub people: BTreeMap<Option<StaffId>, (u64, i64)>,
}

impl DayTips {
    /// Adds tickets and a tip.
    pub fn add(&mut self, seller: Option<StaffId>, tickets: u64, tip: i64) {
        let (count, sum) = self.people.entry(seller).or_default();
        *count = count.saturating_add(tickets);
        *sum = sum.saturating_add(tip);
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> Minor {
        Minor::new(self.people.values().fold(0, |sum, (_, tip)| sum.saturating_add(*tip)))
    }

    /// Whoever sold that day, each with one point.
    #[must_use]
    pub fn sellers(&self) -> Vec<(StaffId, u32)> {
        let sold = self.people.iter().filter(|(_, (tickets, _))| *tickets > 0);
        sold.filter_map(|(seller, _)| Some(((*seller)?, 1))).collect()
    }
}

/// Shares tips out by points or hours, so that no cent is lost: each gets the whole part of their share, and what is left goes, a
/// minor unit each, to those whose share was cut off most. Where nobody has any, all get the same. Nobody gets nothing only where
/// nobody is there.
#[must_use]
pub fn pool(total: Minor, points: &[(StaffId, u32)]) -> Vec<(StaffId, Minor)> {
    let weights: Vec<_> = points.iter().map(|(_, points)| Minor::new(i64::from(*points))).collect();
    let none = weights.iter().all(|weight| *weight == Minor::ZERO);
    let shares = if none { share_evenly(total, points.len()) } else { share(total, &weights) };
    points.iter().map(|(person, _)| *person).zip(shares).collect()
}

#[cfg(test)]
mod tests;
