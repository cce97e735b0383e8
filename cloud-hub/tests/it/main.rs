//! The hub as a whole and in parts: real files, a real broker, nodes made by hand.

mod support;

mod broker;
mod catalog;
mod durability;
mod http;
mod ingest;
mod journal;
mod projection;
mod relay;
mod throughput;
