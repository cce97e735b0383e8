//! The hub as a whole and in parts: real files, a real broker, nodes made by hand.

#![cfg(test)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test that meets anything else fails and shows it")]

#[cfg(test)]
mod support;

#[cfg(test)]
mod access;
#[cfg(test)]
mod alias;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod broker;
#[cfg(test)]
mod catalog;
#[cfg(test)]
mod door;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod giveback;
#[cfg(test)]
mod http;
#[cfg(test)]
mod hubrestore;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod ingest;
#[cfg(test)]
mod inline;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod mosquitto;
#[cfg(test)]
mod node_lanes;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod people;
#[cfg(test)]
mod planning;
#[cfg(test)]
mod projection;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod remembering;
#[cfg(test)]
mod reporting;
#[cfg(test)]
mod roles;
mod shut_out;
#[cfg(test)]
mod throughput;
