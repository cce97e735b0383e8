//! How it is paid: what may be said about a card, and what a card terminal may answer.

pub mod card;
pub mod forward;
pub mod scan;
