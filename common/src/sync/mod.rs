//! The machines that carry journals from an author to its readers.
//!
//! They hold no socket, no database and no clock: the driver tells them what happened and when, and asks what to do.
//! Elapsed time is a [`core::time::Duration`] since any fixed start, from a clock that never goes back.

pub mod backoff;
pub mod greeting;
pub mod inbound;
pub mod outbound;

#[cfg(test)]
mod tests;
