//! HTTP as all our servers speak it. What stands here is around the routes; the routes and their rules are the servers'.
//!
//! - [`problem`]: every error is an RFC 9457 document with a code for programs and a sentence for people.
//! - [`extract`]: bodies, queries and idempotency keys whose refusals are problems.
//! - [`auth`]: who is asking.
//! - [`page`]: an HTML page that runs its own scripts and nobody else's.
//! - [`health`]: `/livez`, `/readyz`, `/metrics`.
//! - [`server`]: limits, request ids, listening and stopping. [`tls`]: the same behind a handshake.
//! - [`caller`]: asks a server of ours over HTTPS, for those who ask seldom.

pub mod problem;

pub mod auth;
pub mod extract;
pub mod page;

pub mod health;

pub mod server;
pub mod tls;

pub mod caller;
