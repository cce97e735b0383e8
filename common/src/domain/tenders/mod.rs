//! How it is paid: what may be said about a card, and what a card terminal may answer.

pub mod card;
pub mod exchange;
pub mod forward;
pub mod house;
pub mod scan;
