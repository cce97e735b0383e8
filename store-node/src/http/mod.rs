//! The API under `/v1`. Handlers extract, call one function of `app`, and map the outcome.

mod direct;
mod error;
mod feed;
mod open;
mod reads;
mod router;
mod writes;

pub(crate) use direct::{Direct, DirectRequest};
pub(crate) use feed::Feed;
pub(crate) use router::router;
