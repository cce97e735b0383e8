//! House accounts: what they may take is looked up in the transaction that puts something on them.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::tenders::house::{check as check_account, on_account};
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::decide::TicketRejection;
use percolate_common::domain::tickets::tender::Tender;
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_runtime::sqlite::ReadTx;

use super::error::AppError;
use crate::store::house;

/// Refuses what a house account does not take, beside what was put on it before: of the ticket, and on the day. Practice is no
/// part of a day.
pub(crate) fn check(
    tx: &ReadTx<'_>,
    catalog: &Catalog,
    (class, day): (TicketClass, BusinessDay),
    before: &[Tender],
    tenders: &[Tender],
) -> Result<(), AppError> {
    for (at, tender) in tenders.iter().enumerate() {
        let Some(account) = tender.kind.account() else { continue };
        let here = on_account(tenders.iter().take(at), account).map_err(TicketRejection::from)?;
        let earlier = on_account(before, account).map_err(TicketRejection::from)?;
        let of_day = match class {
            TicketClass::Sale => house::house_sum(tx, day, account)?,
            TicketClass::Training => Minor::ZERO,
        };
        let on_ticket = earlier.plus(here).map_err(TicketRejection::from)?;
        let on_day = of_day.plus(here).map_err(TicketRejection::from)?;
        check_account(&catalog.content.rules, account, tender.amount, (on_ticket, on_day))
            .map_err(|why| TicketRejection::House { tender: at, why })?;
    }
    Ok(())
}
