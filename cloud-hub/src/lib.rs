//! The cloud hub: broker, journal and services of a chain, in one process.
//!
//! - [`kernel`]: what every service stands on: databases, the journal, outboxes, projections, HTTP.
//! - [`catalog`], [`reporting`]: the services. They meet in the journal only.
//! - [`sync`]: what nodes send is committed and then acknowledged; what services say is sent down.
//! - [`broker`]: the hub's own MQTT broker, or one of somebody else's. Nothing of record is in it.
//! - [`arguments`], [`config`]: what it is told, and which of that goes together.
//! - [`hub`]: the composition root, which starts and stops it all.
//! - [`prepare`]: makes a PostgreSQL database ready. [`moving`]: moves a chain there. [`offline`]: read models, by hand.
//! - [`inline`]: the same hub for a simulation, without anything that runs by itself.

pub mod kernel;

pub mod catalog;
pub mod reporting;

pub mod sync;

pub mod broker;

pub mod arguments;
pub mod config;
pub mod hub;
pub mod hub_error;
pub mod identity;
pub mod inline;
pub mod moving;
pub mod offline;
pub mod prepare;

mod entrance;
mod ingest_part;
mod own_papers;
mod stores;
