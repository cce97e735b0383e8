//! The rules of the shop: pure functions from state and command to facts, or to a refusal that says what to do.

pub mod books;
pub mod cash;
pub mod catalog;
pub mod event;
pub mod imports;
pub mod kitchen;
pub mod pricing;
pub mod staff;
pub mod stock;
pub mod tenders;
pub mod terminals;
pub mod tickets;
