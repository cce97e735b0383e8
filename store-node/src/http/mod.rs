//! The API under `/v1`. Handlers extract, call one function of `app`, and map the outcome.

mod card_payments;
mod cart;
mod cash;
mod direct;
mod error;
mod feed;
mod gate;
mod hub_answer;
mod kitchen;
mod menu;
mod open;
mod open_tickets;
mod pair;
mod prints;
mod reads;
mod refunds;
mod router;
mod sale_body;
mod staff;
mod table;
mod terminals;
mod tips;
mod tries;
mod write_key;
mod writes;

pub(crate) use direct::{Direct, DirectRequest};
pub(crate) use feed::Feed;
pub(crate) use gate::Gate;
pub(crate) use router::{router, serve};
pub(crate) use table::Way;
