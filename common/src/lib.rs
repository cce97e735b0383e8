//! The pure heart of Percolate: what a shop and the hub agree on, without any input or output.
//!
//! Floors, from the ground up; each may use the ones below it:
//!
//! 1. [`ids`], [`money`], [`quantity`], [`time`], [`entropy`], [`hlc`]: the words.
//! 2. [`journal`]: who may state a fact, in which order, and how anybody can check it.
//! 3. [`crdt`]: what merges.
//! 4. [`domain`]: the rules of the shop, as functions from state and command to facts or a refusal.
//! 5. [`paper`]: what stands on receipts and slips, and what a printer is sent.
//! 6. [`identity`]: who somebody is, how they show it, and what makes a box a shop of its chain.
//! 7. [`wire`]: the frozen twins of the facts, the envelopes and the topics.
//! 8. [`sync`]: the sending and receiving machines, without sockets or clocks.
//!
//! Absent on purpose: an executor, a database, sockets, a clock, randomness, the environment, logging.

pub mod ids;
pub mod money;
pub mod quantity;
pub mod time;

pub mod entropy;
pub mod hlc;

pub mod journal;

pub mod crdt;

pub mod domain;

pub mod paper;

pub mod identity;

pub mod wire;

pub mod sync;
