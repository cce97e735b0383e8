//! Exchanging journals with the hub. [`session`] and [`welcome`] decide, [`task`] carries.

pub(crate) mod session;
mod standing;
pub(crate) mod task;
mod totals;
mod welcome;

#[cfg(test)]
mod tests;
