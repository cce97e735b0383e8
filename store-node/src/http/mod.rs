//! The API under `/v1`. Handlers extract, call one function of `app`, and map the outcome.

mod error;
mod feed;
mod reads;
mod router;
mod writes;

pub(crate) use router::router;
