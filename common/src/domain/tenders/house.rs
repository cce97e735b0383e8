//! House accounts: what somebody may run up at a shop, and settles with the chain later.

use crate::domain::catalog::rules::Rules;
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::ids::HouseAccountId;
use crate::money::{Minor, MoneyOverflow};

/// An account that takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HouseRejection {
    /// The menu has no such account.
    #[error("house account {0} is not on the menu")]
    Unknown(HouseAccountId),
    /// More than one ticket may have.
    #[error("house account {account} takes {limit} minor units of one ticket at most, and {asked} are asked of it")]
    Ticket {
        /// Which.
        account: HouseAccountId,
        /// What one ticket may have on it.
        limit: i64,
        /// What this one would have.
        asked: i64,
    },
    /// More than one day may have.
    #[error("house account {account} takes {left} minor units more on this day, and {asked} are asked of it")]
    Day {
        /// Which.
        account: HouseAccountId,
        /// What the day may still have.
        left: i64,
        /// What is asked.
        asked: i64,
    },
}

/// What tenders put on an account.
///
/// # Errors
/// [`MoneyOverflow`] if the sum does not fit.
pub fn on_account<'t>(
    tenders: impl IntoIterator<Item = &'t Tender>,
    account: HouseAccountId,
) -> Result<Minor, MoneyOverflow> {
    let is_it = |tender: &&Tender| tender.kind == TenderKind::House { account };
    Minor::sum(tenders.into_iter().filter(is_it).map(|tender| tender.amount))
}

/// Whether an account takes so much more of a ticket, which has some on it already, on a day that has some, too.
///
/// # Errors
/// [`HouseRejection`] says why not.
pub fn check(
    rules: &Rules,
    account: HouseAccountId,
    asked: Minor,
    (on_ticket, on_day): (Minor, Minor),
) -> Result<(), HouseRejection> {
    let rule = rules.house_account(account).ok_or(HouseRejection::Unknown(account))?;
    let of_ticket = on_ticket.get().saturating_add(asked.get());
    if of_ticket > rule.per_ticket.get() {
        return Err(HouseRejection::Ticket { account, limit: rule.per_ticket.get(), asked: of_ticket });
    }
    let left = rule.per_day.get().saturating_sub(on_day.get());
    if asked.get() > left {
        return Err(HouseRejection::Day { account, left: left.max(0), asked: asked.get() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::rules::{HouseAccount, Rule};

    #[test]
    fn an_account_takes_what_it_may_of_a_ticket_and_of_a_day_and_not_a_cent_more() {
        let account = HouseAccountId::new(3);
        let mut rules = Rules::default();
        let (name, per_ticket, per_day) = ("Atelier".to_owned(), Minor::new(1_000), Minor::new(1_500));
        rules.set(Rule::HouseAccount(HouseAccount { id: account, name, per_ticket, per_day }));
        let takes = |asked, on_ticket, on_day| {
            check(&rules, account, Minor::new(asked), (Minor::new(on_ticket), Minor::new(on_day)))
        };
        assert_eq!(takes(1_000, 0, 500), Ok(()));
        assert_eq!(takes(400, 600, 1_100), Ok(()));
        assert_eq!(takes(401, 600, 0), Err(HouseRejection::Ticket { account, limit: 1_000, asked: 1_001 }));
        assert_eq!(takes(501, 0, 1_000), Err(HouseRejection::Day { account, left: 500, asked: 501 }));
        assert_eq!(takes(1, 0, 1_600), Err(HouseRejection::Day { account, left: 0, asked: 1 }));
        assert_eq!(takes(300, 0, -200), Ok(()), "what went back gives room");
        let other = HouseAccountId::new(4);
        assert_eq!(
            check(&rules, other, Minor::new(1), (Minor::ZERO, Minor::ZERO)),
            Err(HouseRejection::Unknown(other))
        );
    }
}
