//! Who somebody is in a chain, how they show it, and what makes a box a shop of its chain.
//!
//! - [`names`]: chains, principals and the names of certificates, each with one spelling.
//! - [`certificate`], [`request`], and the [`serial`], [`der`] and [`pem`] that both need: reads certificates and requests.
//!   What makes them needs a CA's key, and lives in the shell.
//! - [`code`], [`proof`]: the enrolment code, and the proofs that both ends know it, so that it never travels.
//! - [`pairing`]: the shorter code by which a terminal of a shop is paired with its box.
//! - [`person`]: the name by which somebody signs in to the office.
//! - [`hex`]: bytes as text, where they are said in JSON.
//! - [`chain_key`]: whose bundles a box believes.
//! - [`bundle`], [`site`], [`acceptance`]: what a box is given, and what it says when it is done. [`site_file`]: what of it
//!   lies on the box.

mod base32;

pub mod acceptance;
pub mod bundle;
pub mod certificate;
pub mod chain_key;
pub mod code;
pub mod der;
pub mod hex;
pub mod names;
pub mod pairing;
pub mod pem;
pub mod person;
pub mod proof;
pub mod request;
pub mod serial;
pub mod site;
pub mod site_file;
