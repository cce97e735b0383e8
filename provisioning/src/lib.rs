//! What field techs and developers run against stores and hub, as a library under a thin program.
//!
//! - [`audit`]: the proof that nothing is lost, doubled or changed.
//! - [`demo`]: a whole chain on one machine, with a verdict on its books.
//! - [`office`]: the chain founded, shops planned, their bundles made, boxes shut out, people let in.
//! - [`terminal`]: the tills and screens of a shop, paired with its box and revoked.
//! - [`up`]: a shop on a new machine, from its bundle to the first ticket. [`preflight`]: whether it can sell there.
//! - [`import`]: past sales from a file into the running store nodes.
//! - [`client`]: the servers, asked over HTTP.
//! - [`screen`], [`table`], [`figures`], [`qr`]: what a person sees.
//! - [`exit`]: how the program ends.
//!
//! Absent on purpose: databases, MQTT, rules of the shop. What is decided here is only which requests are sent.

pub mod audit;
pub mod client;
pub mod demo;
pub mod exit;
pub mod figures;
pub mod import;
pub mod office;
pub mod preflight;
pub mod qr;
pub mod screen;
pub mod table;
pub mod terminal;
pub mod up;
