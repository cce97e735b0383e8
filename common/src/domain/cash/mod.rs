//! Cash: what is in a drawer, who counted it, and how a day is closed.
//!
//! A drawer is a terminal's, from its float to its count. What should be there is told by facts: the float, the cash of sales
//! that name the drawer, and what was put in or taken out. What is there is told by a person. A difference is written down,
//! and refuses nothing.

pub mod books;
pub mod decide;
pub mod reading;
pub mod slip;

use core::fmt;
use core::str::FromStr;

use crate::domain::staff::approvals::Approval;
use crate::ids::{CashMovementId, DrawerSessionId, StaffId, TicketId};
use crate::journal::{Incarnation, ShortHash};
use crate::money::{Currency, Minor};

use super::tickets::receipt::{Series, TerminalName};
use reading::ReadingSums;

/// A drawer was opened with a float that somebody counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawerOpened {
    /// The drawer.
    pub session: DrawerSessionId,
    /// At which terminal.
    pub terminal: TerminalName,
    /// What was in it.
    pub float: Minor,
    /// Who counted.
    pub by: Option<StaffId>,
}

/// Which way cash moved, other than by a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CashMovementKind {
    /// Put in, as change from the bank.
    PayIn,
    /// Taken out and spent, as for milk.
    PayOut,
    /// Taken to the safe.
    Drop,
    /// Opened without a sale; nothing moved.
    NoSale,
}

impl CashMovementKind {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PayIn => "pay_in",
            Self::PayOut => "pay_out",
            Self::Drop => "drop",
            Self::NoSale => "no_sale",
        }
    }
}

/// Why cash moved. Words and no text: a journal names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CashReason {
    /// From the bank or to it.
    Bank,
    /// To have coins.
    Change,
    /// Bought for the shop.
    Supplies,
    /// A delivery was paid.
    Delivery,
    /// Tips were paid out.
    Tips,
    /// Something was booked wrongly before.
    Correction,
    /// Anything else.
    Other,
}

impl CashReason {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bank => "bank",
            Self::Change => "change",
            Self::Supplies => "supplies",
            Self::Delivery => "delivery",
            Self::Tips => "tips",
            Self::Correction => "correction",
            Self::Other => "other",
        }
    }
}

/// Cash moved other than by a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CashMoved {
    /// Its id.
    pub id: CashMovementId,
    /// Into which drawer, or out of which.
    pub session: DrawerSessionId,
    /// Which way.
    pub kind: CashMovementKind,
    /// How much; nothing if the drawer was only opened.
    pub amount: Minor,
    /// Why.
    pub reason: CashReason,
    /// Who did it.
    pub by: Option<StaffId>,
    /// Who approved it.
    pub approval: Option<StaffId>,
    /// More was taken out than should have been there.
    pub beyond_expected: bool,
}

/// So many coins or notes of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denomination {
    /// What one is worth.
    pub value: Minor,
    /// How many.
    pub count: u32,
}

/// A drawer was counted, and is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawerClosed {
    /// The drawer.
    pub session: DrawerSessionId,
    /// At which terminal.
    pub terminal: TerminalName,
    /// What was counted.
    pub counted: Minor,
    /// How it was counted, if coin by coin.
    pub denominations: Vec<Denomination>,
    /// What should have been there.
    pub expected: Minor,
    /// Who counted.
    pub by: Option<StaffId>,
}

impl DrawerClosed {
    /// What is there too much; below zero what is missing.
    #[must_use]
    pub fn difference(&self) -> Minor {
        Minor::new(self.counted.get().saturating_sub(self.expected.get()))
    }
}

/// The number of a closing reading: `<series>-<n>`, gapless from 1 within the series of a life, as receipts are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadingNumber {
    /// The letters of the life.
    pub series: Series,
    /// 1 and up.
    pub number: u64,
}

/// A text that is no number of a reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the number of a reading: <series>-<n> is expected, as in A-17")]
pub struct ReadingNumberError(String);

impl fmt::Display for ReadingNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.series, self.number)
    }
}

impl FromStr for ReadingNumber {
    type Err = ReadingNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (series, number) = text.split_once('-')?;
            let number = number.parse().ok().filter(|number| *number > 0)?;
            let parsed = Self { series: series.parse().ok()?, number };
            (parsed.to_string() == text).then_some(parsed)
        };
        parse().ok_or_else(|| ReadingNumberError(text.to_owned()))
    }
}

/// Entries of one life's sales journal, both ends included; `to` is one less than `from` where there were none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRange {
    /// Which life.
    pub incarnation: Incarnation,
    /// The first entry.
    pub from: u64,
    /// The last entry.
    pub to: u64,
}

/// A drawer that was counted since the reading before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedDrawer {
    /// The drawer.
    pub session: DrawerSessionId,
    /// At which terminal.
    pub terminal: TerminalName,
    /// What should have been there.
    pub expected: Minor,
    /// What was counted.
    pub counted: Minor,
}

/// A drawer that is open, and stays open over the close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedDrawer {
    /// The drawer.
    pub session: DrawerSessionId,
    /// At which terminal.
    pub terminal: TerminalName,
}

/// A day was closed: what its entries come to. It says nothing of what came later, and is never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayClosed {
    /// Its number.
    pub number: ReadingNumber,
    /// What it covers: the present life first, then older lives of which something was in no reading yet.
    pub ranges: Vec<ReadRange>,
    /// Entries that came back into a range of an earlier reading after it was made, and count here.
    pub late: u64,
    /// What amounts are in.
    pub currency: Currency,
    /// What they come to.
    pub sums: ReadingSums,
    /// Drawers that were counted since the reading before: the first of them.
    pub drawers: Vec<CountedDrawer>,
    /// Drawers that stay open: the first of them.
    pub carried: Vec<CarriedDrawer>,
    /// Tickets that are open, and stay so.
    pub open_tickets: OpenTickets,
    /// The chain hash of the present life's sales journal at the end of its range.
    pub head: ShortHash,
    /// Who closed it.
    pub by: Option<StaffId>,
    /// Who approved it, where that was needed.
    pub approval: Option<Approval>,
}

/// Tickets that are open over a close.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenTickets {
    /// How many.
    pub count: u64,
    /// The oldest of them.
    pub first: Vec<TicketId>,
}

/// Open tickets that a closing reading tells one by one.
pub const OPEN_TICKETS_TOLD_MAX: usize = 200;

/// Drawers that a closing reading tells one by one, counted and open: more are in its sums only.
pub const DRAWERS_TOLD_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_a_reading_is_read_as_it_is_written_and_no_other_way() {
        let number: ReadingNumber = "BKQX-17".parse().unwrap();
        assert_eq!((number.series.to_string().as_str(), number.number), ("BKQX", 17));
        for wrong in ["", "A", "A-", "A-0", "A-01", "A-+1", "a-1", "-1", "A-1-1", "A-x"] {
            assert_eq!(wrong.parse::<ReadingNumber>(), Err(ReadingNumberError(wrong.to_owned())));
        }
    }

    #[test]
    fn movements_and_reasons_have_these_words() {
        use CashMovementKind as K;
        use CashReason as R;
        let kinds = [K::PayIn, K::PayOut, K::Drop, K::NoSale].map(K::as_str);
        assert_eq!(kinds, ["pay_in", "pay_out", "drop", "no_sale"]);
        let reasons = [R::Bank, R::Change, R::Supplies, R::Delivery, R::Tips, R::Correction, R::Other].map(R::as_str);
        assert_eq!(reasons, ["bank", "change", "supplies", "delivery", "tips", "correction", "other"]);
    }
}
