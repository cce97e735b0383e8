//! The store node as a whole: real files, the real API on loopback, a hub played by hand.

#![cfg(test)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test that meets anything else fails and shows it")]

#[cfg(test)]
mod support;

#[cfg(test)]
mod books;
#[cfg(test)]
mod card_numbers;
#[cfg(test)]
mod card_payments;
#[cfg(test)]
mod card_refunds;
#[cfg(test)]
mod carts;
#[cfg(test)]
mod cash;
#[cfg(test)]
mod cash_approvals;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod days;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod evenings;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod feed;
#[cfg(test)]
mod folders;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod house;
#[cfg(test)]
mod installed;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kitchen;
#[cfg(test)]
mod late_cards;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod menu;
#[cfg(test)]
mod month;
#[cfg(test)]
mod open_tickets;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod owed;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod printers;
#[cfg(test)]
mod prints;
#[cfg(test)]
mod refunds;
#[cfg(test)]
mod renewal;
#[cfg(test)]
mod selling;
#[cfg(test)]
mod staff;
#[cfg(test)]
mod surface;
#[cfg(test)]
mod terminals;
#[cfg(test)]
mod tips;
#[cfg(test)]
mod twelve_terminals;
