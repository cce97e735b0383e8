//! Reports: equal to a slow count of what was sold, whatever the order and number in which it came, and never more than
//! their completeness marks say.

mod between;
mod clocks;
pub(crate) mod closings;
mod csv;
mod differences;
mod imports;
mod later;
mod live;
mod marks;
mod order;
mod questions;
mod rebuild;
mod refunds;
mod sums;
mod tickets;
