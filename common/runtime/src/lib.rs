//! The shared ground that does input and output: what `percolate-common` must never do, each in one place.
//!
//! - [`system`]: clocks, randomness, the machine's identity. The only reader of the wall clock.
//! - [`files`]: atomic writes, secrets, the data folder and its lock.
//! - [`leftovers`]: who holds such a lock, and what was never finished.
//! - [`backoff`]: how long to wait before trying again.
//! - [`tasks`]: tasks by name, ordered stop, blocking work. The only place that starts a task.
//! - [`telemetry`]: logs and metrics.
//! - [`storage`]: values, rows and transactions, whichever engine a database runs on.
//! - [`sqlite`], [`migrate`], [`database`], [`checkpoint`], [`writer`], [`read_pool`]: one writer with group commit,
//!   and readers. [`changes`]: what it changed, for those who follow.
//! - [`pki`]: makes certificates. [`seal`]: seals and opens bundles. [`tls`]: who is let in, and whom we believe.
//! - [`password`], [`totp`]: how somebody shows that it is they. [`invitation`]: who is asked in first.
//! - [`enrolment`]: what a box and its hub say about certificates. [`bundle_fetch`]: about a bundle that comes over the line.
//! - [`broker`]: where a broker is reached, and as whom. [`mqtt`]: the link to it. The only user of the MQTT client.
//!   [`network`]: what this machine says of its own network.
//! - [`printer`]: a line to a printer in the shop's network.
//! - [`http`]: problems, extractors, authentication, the server around a router. Routes live elsewhere.
//!
//! Absent on purpose: tables, topics, routes, rules. This package knows no shop.

pub mod system;

pub mod files;
pub mod follower;
pub mod leftovers;

pub mod backoff;
pub mod tasks;

pub mod telemetry;

pub mod storage;

pub mod sqlite;

pub mod postgres;

pub mod migrate;

pub mod changes;

pub mod checkpoint;
mod company;
pub mod connection;
pub mod database;
pub mod read_pool;
pub mod writer;

pub mod pki;
pub mod seal;
pub mod tls;
pub mod verify;

pub mod bundle_fetch;
pub mod enrolment;
pub mod invitation;
pub mod password;
pub mod totp;

pub mod broker;
mod filters;
pub mod mqtt;
pub mod network;

pub mod printer;

pub mod http;
