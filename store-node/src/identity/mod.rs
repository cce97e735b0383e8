//! The node's certificate: asked for, shown, renewed, and told of. Selling knows nothing of it.
//!
//! - [`plan`]: what to do next, and how it stands. It decides, and does nothing.
//! - [`files`]: what lies in the folder. Each file is whole at any kill, and any combination of them is a state to go on
//!   from.
//! - [`member`]: the box as a member of its chain, and what certificate is fit for it.
//! - [`hub`]: asks the hub. [`enrol`] and [`renew`] say what, and look at the answer; [`trial`] connects by a new one.
//! - [`keeper`]: the task that does what is to be done.

mod enrol;
mod files;
mod hub;
mod keeper;
mod member;
mod plan;
mod renew;
mod trial;

pub(crate) use keeper::{Desk, Keeper};
pub(crate) use member::Member;
