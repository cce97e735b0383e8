//! Exchanging journals with the hub. [`session`] decides, [`task`] carries.

pub(crate) mod session;
pub(crate) mod task;
