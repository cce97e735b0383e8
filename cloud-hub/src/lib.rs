//! The cloud hub: broker, journal and services of a chain, in one process.

pub mod kernel;
pub mod reporting;
