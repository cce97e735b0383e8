//! The whole chain, end to end: real processes, a real broker, real files, on loopback.

mod books;
mod chain;
mod demo;
mod past_sales;
mod refusals;
mod rush;
