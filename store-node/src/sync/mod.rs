//! Exchanging journals with the hub. [`session`] decides, [`task`] carries.

pub(crate) mod session;
mod standing;
pub(crate) mod task;
mod totals;
