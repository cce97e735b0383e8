//! The kitchen: what is to be prepared, at which station, and how far it is. A screen is no book: nothing of it is in a journal, and
//! what is sold is sold whether or not anybody looks (docs/adr/0037-a-kitchens-queue-is-no-book.md).

mod answer;
mod lines;
mod sending;

pub(crate) use answer::{KitchenAnswer, PrepAnswer, bump, changed_since, last_change, look, recall};
pub(crate) use lines::{abandoned, changed, divided, note, refunded, renamed, returned, unsure, void_approved};
pub(crate) use sending::{Ordered, closed, send, sold};
