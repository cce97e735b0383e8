//! The server of one shop: sells, prints, counts, whether or not there is an internet.
//!
//! Rooms, from the street in: `http` asks `app`, `app` decides with `percolate-common` and writes through `store`;
//! `devices` prints what is on the disk; `sync` carries the journal to the hub and the menu back, `identity` keeps the
//! certificate by which it may. `node` builds all of it. A sale is one savepoint in the writer's group: ticket, stock, journal,
//! what is to be printed, and answer; the till hears of it only after the commit.
//!
//! Absent on purpose: a second writer, a queue to the hub beside the journal, anything that waits for the hub or a printer.

mod app;
mod causes;
pub mod config;
mod devices;
mod guard;
mod http;
mod identity;
pub mod inline;
mod lan;
mod node;
pub mod program;
mod site;
mod start_error;
mod store;
mod sync;
mod terminal_driver;

pub use node::{Node, say_put_back};
pub use start_error::StartError;
