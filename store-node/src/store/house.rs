//! What was put on house accounts, day by day.

use percolate_common::ids::HouseAccountId;
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

/// Adds to what an account has of a day.
pub(crate) fn house_add(
    tx: &WriteTx<'_>,
    day: BusinessDay,
    account: HouseAccountId,
    amount: Minor,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO house_day (day, account, amount_minor) VALUES (:day, :account, :amount)
         ON CONFLICT (day, account) DO UPDATE SET amount_minor = amount_minor + excluded.amount_minor",
        named_params! {":day": day.days(), ":account": account.get(), ":amount": amount.get()},
    )?;
    Ok(())
}

/// What an account has of a day.
pub(crate) fn house_sum(tx: &ReadTx<'_>, day: BusinessDay, account: HouseAccountId) -> Result<Minor, StorageError> {
    let sum = tx.query_optional(
        "SELECT amount_minor FROM house_day WHERE day = :day AND account = :account",
        named_params! {":day": day.days(), ":account": account.get()},
        |row| row.get("amount_minor").map(Minor::new),
    )?;
    Ok(sum.unwrap_or_default())
}
