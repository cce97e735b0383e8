//! What the facts of an open ticket come to, in whatever order and however often they are read.

use core::fmt::Debug;
use std::collections::{BTreeMap, BTreeSet};

use super::{OpenFact, OpenLine, PaymentTaken, Said, Standing, Terms, TicketOpened};
use crate::domain::pricing::cart::Cart;
use crate::domain::tickets::receipt::ReceiptNumber;
use crate::domain::tickets::{PaymentBefore, SoldLine, TicketClass, TicketSold};
use crate::ids::{LineId, PaymentId, TicketId};
use crate::money::{Minor, MoneyOverflow};
use crate::time::UtcMillis;

/// How far a ticket is. What comes later here beats what comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Somebody works at it.
    Open,
    /// It is put aside.
    Held,
    /// It ended, and nothing was owed.
    Abandoned,
    /// It was paid.
    Paid,
}

impl Stage {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Held => "held",
            Self::Abandoned => "abandoned",
            Self::Paid => "paid",
        }
    }
}

/// A ticket as its facts tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTicket {
    /// Which.
    pub id: TicketId,
    /// How it was opened; none while that is not known.
    pub opened: Option<TicketOpened>,
    /// Payments before the end.
    pub payments: BTreeMap<PaymentId, PaymentTaken>,
    /// Receipts that it was sold by, and when. More than one is a conflict: two lives of a box have sold it, and may have given
    /// out the same number.
    pub receipts: BTreeSet<(ReceiptNumber, UtcMillis)>,
    added: BTreeMap<LineId, OpenLine>,
    voided: BTreeMap<LineId, BTreeSet<&'static str>>,
    gone: BTreeMap<LineId, BTreeSet<TicketId>>,
    terms: Option<Said<Terms>>,
    standing: Option<Said<Standing>>,
    abandoned: bool,
}

/// Of two that should be one, the one whose description sorts first: anybody who sees both chooses it.
fn put_first<K: Ord, T: Debug + Clone>(map: &mut BTreeMap<K, T>, key: K, value: &T) {
    let kept = map.entry(key).or_insert_with(|| value.clone());
    if format!("{value:?}") < format!("{kept:?}") {
        *kept = value.clone();
    }
}

/// What was said in the highest turn holds; of several in one turn, the one whose description sorts last.
fn hear<T: Debug + Clone + PartialEq>(held: &mut Option<Said<T>>, said: &Said<T>) {
    let wins = held.as_ref().is_none_or(|held| {
        said.turn > held.turn || (said.turn == held.turn && format!("{said:?}") > format!("{held:?}"))
    });
    if wins {
        *held = Some(said.clone());
    }
}

impl OpenTicket {
    /// A ticket of which nothing is known yet.
    #[must_use]
    pub const fn new(id: TicketId) -> Self {
        Self {
            id,
            opened: None,
            payments: BTreeMap::new(),
            receipts: BTreeSet::new(),
            added: BTreeMap::new(),
            voided: BTreeMap::new(),
            gone: BTreeMap::new(),
            terms: None,
            standing: None,
            abandoned: false,
        }
    }

    /// Adds a fact. What is about other tickets changes nothing.
    pub fn add(&mut self, fact: &OpenFact) {
        match fact {
            OpenFact::Opened(opened) if opened.id == self.id => {
                if self.opened.as_ref().is_none_or(|known| opened < known) {
                    self.opened = Some(opened.clone());
                }
            }
            OpenFact::Changed(changed) if changed.id == self.id => {
                for line in &changed.added {
                    put_first(&mut self.added, line.id, line);
                }
                for (line, reason) in &changed.voided {
                    self.voided.entry(*line).or_default().insert(reason.as_str());
                }
                if let Some(terms) = &changed.terms {
                    hear(&mut self.terms, terms);
                }
            }
            OpenFact::Moved(moved) if moved.id == self.id => hear(&mut self.standing, &moved.standing),
            OpenFact::Divided(divided) => {
                for (was, line) in &divided.lines {
                    if divided.from == self.id {
                        self.gone.entry(*was).or_default().insert(divided.to);
                    }
                    if divided.to == self.id {
                        put_first(&mut self.added, line.id, line);
                    }
                }
            }
            OpenFact::Abandoned(abandoned) if abandoned.id == self.id => self.abandoned = true,
            OpenFact::Paid(payment) if payment.ticket == self.id => {
                put_first(&mut self.payments, payment.id, payment);
            }
            OpenFact::Opened(_)
            | OpenFact::Changed(_)
            | OpenFact::Moved(_)
            | OpenFact::Abandoned(_)
            | OpenFact::Paid(_) => {}
        }
    }

    /// Adds that it was sold, and when.
    pub fn add_sold(&mut self, sold: &TicketSold, at: UtcMillis) {
        if sold.id == self.id {
            self.receipts.insert((sold.receipt.clone(), at));
        }
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if !self.receipts.is_empty() {
            return Stage::Paid;
        }
        if self.abandoned {
            return Stage::Abandoned;
        }
        if self.standing.as_ref().is_some_and(|standing| standing.what.held) { Stage::Held } else { Stage::Open }
    }

    /// Real or practice.
    #[must_use]
    pub fn class(&self) -> TicketClass {
        self.opened.as_ref().map_or(TicketClass::Sale, |opened| opened.class)
    }

    /// Where it is; none while its opening is not known.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let opened = self.opened.as_ref();
        let first = || opened.map(|o| Standing { held: false, terminal: o.terminal.clone(), staff: o.by });
        self.standing.as_ref().map(|said| said.what.clone()).or_else(first)
    }

    /// What holds for the whole.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.terms.as_ref().map(|said| said.what.clone()).unwrap_or_default()
    }

    /// The turn of whoever says something anew.
    #[must_use]
    pub fn next_turn(&self) -> u32 {
        let terms = self.terms.as_ref().map_or(0, |said| said.turn);
        let standing = self.standing.as_ref().map_or(0, |said| said.turn);
        terms.max(standing).saturating_add(1)
    }

    /// The lines that are there, in their places.
    #[must_use]
    pub fn lines(&self) -> Vec<&OpenLine> {
        let there = |line: &&OpenLine| !self.voided.contains_key(&line.id) && !self.gone.contains_key(&line.id);
        let mut lines: Vec<_> = self.added.values().filter(there).collect();
        lines.sort_by_key(|line| (line.place, line.id));
        lines
    }

    /// The lines that were taken off, in their places, with the reasons.
    #[must_use]
    pub fn voided(&self) -> Vec<(&OpenLine, &BTreeSet<&'static str>)> {
        let known = |(id, reasons)| Some((self.added.get(id)?, reasons));
        let mut lines: Vec<_> = self.voided.iter().filter_map(known).collect();
        lines.sort_by_key(|(line, _)| (line.place, line.id));
        lines
    }

    /// A line that is there.
    #[must_use]
    pub fn line(&self, id: LineId) -> Option<&OpenLine> {
        self.added.get(&id).filter(|_| !self.voided.contains_key(&id) && !self.gone.contains_key(&id))
    }

    /// Whether a line was ever here.
    #[must_use]
    pub fn was_added(&self, id: LineId) -> bool {
        self.added.contains_key(&id)
    }

    /// Whether a line was taken off.
    #[must_use]
    pub fn is_voided(&self, id: LineId) -> bool {
        self.voided.contains_key(&id)
    }

    /// How many lines ever came, and the place of the next one.
    #[must_use]
    pub fn next_place(&self) -> u32 {
        self.added.values().map(|line| line.place.saturating_add(1)).max().unwrap_or(0)
    }

    /// What it is as a cart, with the prices that its lines had.
    #[must_use]
    pub fn cart(&self) -> (Cart, Vec<SoldLine>) {
        let lines = self.lines();
        let terms = self.terms();
        let cart = Cart {
            lines: lines.iter().map(|line| line.asked.clone()).collect(),
            consumption: terms.consumption,
            discounts: terms.discounts,
            exempt: terms.exempt,
            without_service_charge: terms.without_service_charge,
        };
        (cart, lines.into_iter().map(|line| line.listed.clone()).collect())
    }

    /// What was paid before the end, without tips.
    ///
    /// # Errors
    /// [`MoneyOverflow`] beyond 64 bits.
    pub fn paid(&self) -> Result<Minor, MoneyOverflow> {
        Minor::sum(self.payments.values().map(|payment| payment.amount))
    }

    /// The payments as the sale counts them.
    #[must_use]
    pub fn payments_before(&self) -> Vec<PaymentBefore> {
        self.payments.values().map(|payment| PaymentBefore { id: payment.id, amount: payment.amount }).collect()
    }
}
