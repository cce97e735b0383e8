//! What may be done with a drawer: people are right about what they hold in their hands, and numbers may not be.

use crate::ids::{CashMovementId, DrawerSessionId, StaffId};
use crate::money::Minor;

use super::super::tickets::receipt::TerminalName;
use super::{CashMoved, CashMovementKind, CashReason, Denomination, DrawerClosed, DrawerOpened};

/// Most that a float, a movement or one count may be, in minor units.
pub const CASH_MINOR_MAX: i64 = 10_000_000;
/// Values of coins and notes in one count.
pub const DENOMINATIONS_MAX: usize = 40;

/// A drawer as its facts tell it. Sums never wrap: nothing may keep a drawer from being closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawer {
    /// Which.
    pub session: DrawerSessionId,
    /// At which terminal.
    pub terminal: TerminalName,
    /// What it was opened with.
    pub float: Minor,
    /// Cash of sales, less change and what was given back.
    pub sold: Minor,
    /// What was put in.
    pub paid_in: Minor,
    /// What was taken out and spent.
    pub paid_out: Minor,
    /// What was taken to the safe.
    pub dropped: Minor,
    /// Whether it was counted and closed.
    pub closed: bool,
}

impl Drawer {
    /// What should be there.
    #[must_use]
    pub fn expected(&self) -> Minor {
        let come = self.float.get().saturating_add(self.sold.get()).saturating_add(self.paid_in.get());
        Minor::new(come.saturating_sub(self.paid_out.get()).saturating_sub(self.dropped.get()))
    }
}

/// Something about a drawer that is refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrawerRejection {
    /// The terminal has one that is open.
    #[error("drawer {session} of terminal {terminal} is open: close it first, or go on with it")]
    Open {
        /// The one that is open.
        session: DrawerSessionId,
        /// Whose.
        terminal: TerminalName,
    },
    /// It was counted before.
    #[error("drawer {0} was counted and closed before")]
    Closed(DrawerSessionId),
    /// Below zero, absurd, or not zero where nothing moves.
    #[error("amount {amount} is out of range: {allowed}")]
    Amount {
        /// What it says.
        amount: i64,
        /// What would be taken.
        allowed: &'static str,
    },
    /// Neither a sum nor coins and notes, or both, or too many kinds of these.
    #[error("a count is either a sum, or 1 to {DENOMINATIONS_MAX} values of coins and notes with how many there are")]
    Count,
}

fn amount(amount: Minor, least: i64, allowed: &'static str) -> Result<Minor, DrawerRejection> {
    if (least..=CASH_MINOR_MAX).contains(&amount.get()) {
        return Ok(amount);
    }
    Err(DrawerRejection::Amount { amount: amount.get(), allowed })
}

const FROM_ZERO: &str = "0 to 10000000 minor units are expected";
const FROM_ONE: &str = "1 to 10000000 minor units are expected";
const NOTHING: &str = "nothing moves where a drawer is only opened";

/// Opens a drawer.
///
/// # Errors
/// [`DrawerRejection`] if the terminal has an open one, or the float is out of range.
pub fn open(held: Option<DrawerSessionId>, opening: DrawerOpened) -> Result<DrawerOpened, DrawerRejection> {
    if let Some(session) = held {
        return Err(DrawerRejection::Open { session, terminal: opening.terminal });
    }
    amount(opening.float, 0, FROM_ZERO)?;
    Ok(opening)
}

/// What somebody does with the cash in a drawer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoveCash {
    /// Which way.
    pub kind: CashMovementKind,
    /// How much.
    pub amount: Minor,
    /// Why.
    pub reason: CashReason,
    /// Who.
    pub by: Option<StaffId>,
    /// Who approved it.
    pub approval: Option<StaffId>,
}

/// Moves cash. Taking out more than should be there is written down and marked, for it has been taken out.
///
/// # Errors
/// [`DrawerRejection`] if the drawer is closed, or the amount out of range.
pub fn move_cash(drawer: &Drawer, id: CashMovementId, command: MoveCash) -> Result<CashMoved, DrawerRejection> {
    if drawer.closed {
        return Err(DrawerRejection::Closed(drawer.session));
    }
    let MoveCash { kind, reason, by, approval, .. } = command;
    let is_out = match kind {
        CashMovementKind::PayIn => false,
        CashMovementKind::PayOut | CashMovementKind::Drop => true,
        CashMovementKind::NoSale => {
            if command.amount != Minor::ZERO {
                return Err(DrawerRejection::Amount { amount: command.amount.get(), allowed: NOTHING });
            }
            false
        }
    };
    let amount = match kind {
        CashMovementKind::NoSale => Minor::ZERO,
        CashMovementKind::PayIn | CashMovementKind::PayOut | CashMovementKind::Drop => {
            amount(command.amount, 1, FROM_ONE)?
        }
    };
    let beyond_expected = is_out && amount > drawer.expected();
    Ok(CashMoved { id, session: drawer.session, kind, amount, reason, by, approval, beyond_expected })
}

/// What somebody counted: a sum, or coins and notes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Count {
    /// The sum.
    pub total: Option<Minor>,
    /// Coins and notes.
    pub denominations: Vec<Denomination>,
}

impl Count {
    /// The sum, however it was counted.
    ///
    /// # Errors
    /// [`DrawerRejection`] if it is none.
    pub fn sum(&self) -> Result<Minor, DrawerRejection> {
        let sum = match (self.total, self.denominations.len()) {
            (Some(total), 0) => total.get(),
            (None, 1..=DENOMINATIONS_MAX) => {
                let worth = |one: &Denomination| one.value.get().saturating_mul(i64::from(one.count));
                if let Some(wrong) = self.denominations.iter().find(|one| one.value <= Minor::ZERO) {
                    return Err(DrawerRejection::Amount { amount: wrong.value.get(), allowed: FROM_ONE });
                }
                self.denominations.iter().map(worth).fold(0, i64::saturating_add)
            }
            (Some(_) | None, _) => return Err(DrawerRejection::Count),
        };
        amount(Minor::new(sum), 0, FROM_ZERO)
    }
}

/// Closes a drawer with any count. What should have been there is written beside it, and told only now.
///
/// # Errors
/// [`DrawerRejection`] if it is closed already, or the count is none.
pub fn close(drawer: &Drawer, count: Count, by: Option<StaffId>) -> Result<DrawerClosed, DrawerRejection> {
    let counted = count.sum()?;
    if drawer.closed {
        return Err(DrawerRejection::Closed(drawer.session));
    }
    Ok(DrawerClosed {
        session: drawer.session,
        terminal: drawer.terminal.clone(),
        counted,
        denominations: count.denominations,
        expected: drawer.expected(),
        by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawer() -> Drawer {
        Drawer {
            session: DrawerSessionId::opened(1, 11, "k"),
            terminal: "T1".parse().unwrap(),
            float: Minor::new(10_000),
            sold: Minor::new(2_500),
            paid_in: Minor::new(500),
            paid_out: Minor::new(1_200),
            dropped: Minor::new(4_000),
            closed: false,
        }
    }

    fn opening(float: i64) -> DrawerOpened {
        let Drawer { session, terminal, .. } = drawer();
        DrawerOpened { session, terminal, float: Minor::new(float), by: None }
    }

    fn command(kind: CashMovementKind, amount: i64) -> MoveCash {
        MoveCash { kind, amount: Minor::new(amount), reason: CashReason::Other, by: None, approval: None }
    }

    fn moved(kind: CashMovementKind, amount: i64) -> Result<(i64, bool), DrawerRejection> {
        let moved = move_cash(&drawer(), CashMovementId::moved(1, 11, "m"), command(kind, amount))?;
        Ok((moved.amount.get(), moved.beyond_expected))
    }

    fn out_of_range<T>(amount: i64, allowed: &'static str) -> Result<T, DrawerRejection> {
        Err(DrawerRejection::Amount { amount, allowed })
    }

    #[test]
    fn a_second_drawer_at_a_terminal_is_refused_and_the_open_one_is_named() {
        let held = DrawerSessionId::opened(1, 11, "held");
        let terminal = drawer().terminal;
        assert_eq!(open(Some(held), opening(0)), Err(DrawerRejection::Open { session: held, terminal }));
        assert_eq!(open(None, opening(0)), Ok(opening(0)));
        assert_eq!(open(None, opening(CASH_MINOR_MAX)), Ok(opening(CASH_MINOR_MAX)));
        assert_eq!(open(None, opening(-1)), out_of_range(-1, FROM_ZERO));
        assert_eq!(open(None, opening(CASH_MINOR_MAX + 1)), out_of_range(CASH_MINOR_MAX + 1, FROM_ZERO));
    }

    #[test]
    fn what_is_taken_out_beyond_what_should_be_there_is_taken_and_marked() {
        use CashMovementKind as K;
        assert_eq!(drawer().expected(), Minor::new(7_800));
        for kind in [K::PayOut, K::Drop] {
            assert_eq!(moved(kind, 7_800), Ok((7_800, false)));
            assert_eq!(moved(kind, 7_801), Ok((7_801, true)));
        }
        assert_eq!(moved(K::PayIn, 7_801), Ok((7_801, false)));
        assert_eq!(moved(K::NoSale, 0), Ok((0, false)));
    }

    #[test]
    fn amounts_out_of_range_and_a_closed_drawer_are_refused() {
        use CashMovementKind as K;
        for amount in [0, -1, CASH_MINOR_MAX + 1] {
            assert_eq!(moved(K::PayIn, amount), out_of_range(amount, FROM_ONE));
        }
        assert_eq!(moved(K::PayIn, CASH_MINOR_MAX), Ok((CASH_MINOR_MAX, false)));
        assert_eq!(moved(K::NoSale, 1), out_of_range(1, NOTHING));
        let closed = Drawer { closed: true, ..drawer() };
        let refused = move_cash(&closed, CashMovementId::moved(1, 11, "m"), command(K::Drop, 1));
        assert_eq!(refused, Err(DrawerRejection::Closed(closed.session)));
    }

    fn total(total: i64) -> Count {
        Count { total: Some(Minor::new(total)), denominations: Vec::new() }
    }

    fn coins(coins: &[(i64, u32)]) -> Count {
        let one = |(value, count): &(i64, u32)| Denomination { value: Minor::new(*value), count: *count };
        Count { total: None, denominations: coins.iter().map(one).collect() }
    }

    fn closed(count: Count) -> Result<(i64, i64), DrawerRejection> {
        close(&drawer(), count, None).map(|closed| (closed.counted.get(), closed.difference().get()))
    }

    #[test]
    fn p32_any_count_closes_a_drawer_and_the_difference_is_written_down() {
        assert_eq!(closed(total(7_800)), Ok((7_800, 0)));
        assert_eq!(closed(total(7_665)), Ok((7_665, -135)));
        assert_eq!(closed(total(0)), Ok((0, -7_800)));
        assert_eq!(closed(coins(&[(2_000, 3), (25, 73)])), Ok((7_825, 25)));
    }

    #[test]
    fn a_count_is_one_sum_or_coins_and_notes_and_not_both() {
        let both = Count { total: Some(Minor::new(5)), ..coins(&[(5, 1)]) };
        for unclear in [Count::default(), both, coins(&[(1, 1); DENOMINATIONS_MAX + 1])] {
            assert_eq!(closed(unclear), Err(DrawerRejection::Count));
        }
        assert_eq!(closed(coins(&[(1, 1); DENOMINATIONS_MAX])), Ok((40, 40 - 7_800)));
        assert_eq!(closed(coins(&[(0, 1)])), out_of_range(0, FROM_ONE));
        assert_eq!(closed(total(-1)), out_of_range(-1, FROM_ZERO));
        assert_eq!(closed(total(CASH_MINOR_MAX + 1)), out_of_range(CASH_MINOR_MAX + 1, FROM_ZERO));
        let again = close(&Drawer { closed: true, ..drawer() }, total(1), None);
        assert_eq!(again, Err(DrawerRejection::Closed(drawer().session)));
    }

    #[test]
    fn sums_that_are_too_large_do_not_keep_a_drawer_from_being_closed() {
        let most = Drawer { sold: Minor::new(i64::MAX), ..drawer() };
        assert_eq!(close(&most, total(0), None).map(|closed| closed.difference().get()), Ok(-i64::MAX + 5_200));
    }
}
