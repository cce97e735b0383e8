//! What the end-to-end tests stand on: real processes on loopback, in a scratch folder that goes with the test.
//!
//! Nothing here knows how the programs work inside: they are started by their command lines and asked over HTTP.

pub mod audit;
pub mod books;
pub mod command;
pub mod golden_month;
pub mod harness;
pub mod imports;
pub mod kills;
pub mod past_sales;
pub mod planted;
pub mod prove;
pub mod put_back;
pub mod reads;
pub mod simulation;
pub mod words;
