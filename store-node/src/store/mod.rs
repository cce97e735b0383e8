//! The tables of a store-node. SQL stands here and nowhere else in this program.
//!
//! Functions take a transaction, never a connection: whoever calls them decides what belongs together.

pub(crate) mod audit;
pub(crate) mod card_payments;
pub(crate) mod card_refunds;
pub(crate) mod cash;
pub(crate) mod down;
pub(crate) mod file;
pub(crate) mod house;
pub(crate) mod imports;
pub(crate) mod journal;
pub(crate) mod kitchen;
pub(crate) mod lives;
pub(crate) mod open_tickets;
pub(crate) mod prints;
pub(crate) mod refunds;
pub(crate) mod repair;
pub(crate) mod sales;
pub(crate) mod staff;
pub(crate) mod stock;
pub(crate) mod terminals;
pub(crate) mod tips;

use percolate_runtime::migrate::Migration;

/// The schema, oldest first.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration::new(1, "node", include_str!("../../migrations/0001_node.sql")),
    Migration::new(2, "lives", include_str!("../../migrations/0002_lives.sql")),
    Migration::new(3, "returned_movements", include_str!("../../migrations/0003_returned_movements.sql")),
    Migration::new(4, "one_row_a_sale", include_str!("../../migrations/0004_one_row_a_sale.sql")),
    Migration::new(5, "terminals", include_str!("../../migrations/0005_terminals.sql")),
    Migration::new(6, "staff", include_str!("../../migrations/0006_staff.sql")),
    Migration::new(7, "cash", include_str!("../../migrations/0007_cash.sql")),
    Migration::new(8, "open_tickets", include_str!("../../migrations/0008_open_tickets.sql")),
    Migration::new(9, "refunds", include_str!("../../migrations/0009_refunds.sql")),
    Migration::new(10, "tenders", include_str!("../../migrations/0010_tenders.sql")),
    Migration::new(11, "tips_and_house_accounts", include_str!("../../migrations/0011_tips_and_house_accounts.sql")),
    Migration::new(12, "kitchen", include_str!("../../migrations/0012_kitchen.sql")),
    Migration::new(13, "prints", include_str!("../../migrations/0013_prints.sql")),
    Migration::new(14, "card_refunds", include_str!("../../migrations/0014_card_refunds.sql")),
];

/// Rows of any list that has no limit of its own.
pub(crate) const LIST_ROWS_MAX: i64 = 100_000;

/// A count as a column.
pub(crate) fn column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count from a column.
pub(crate) fn count(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}
