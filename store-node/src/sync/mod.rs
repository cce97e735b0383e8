//! Exchanging journals with the hub. [`session`] and [`welcome`] decide, [`exchange`] carries, and
//! [`task`] lets it.

pub(crate) mod exchange;
mod mark;
mod outlook;
pub(crate) mod session;
mod standing;
pub(crate) mod task;
mod totals;
mod welcome;

#[cfg(test)]
mod tests;
