//! The tills' port.

use std::net::TcpListener;

use super::{Check, Code, Ground};
use crate::up::running::running;

pub(super) async fn port(ground: &Ground) -> Check {
    let address = ground.place.http;
    if !address.ip().is_loopback() {
        let said = format!("{address} is for other machines too, and tills there cannot show yet who they are.");
        return Check::fail(Code::Ports, said, "Say --http 127.0.0.1:8080: tills on this machine.");
    }
    let bound = if address.port() == 0 { Ok(()) } else { TcpListener::bind(address).map(drop) };
    let Err(error) = bound else { return Check::pass(Code::Ports, format!("{address} is free.")) };
    // The shop's own server may be at work there.
    if running(&ground.place.data).await.is_some_and(|running| running.address == address) {
        return Check::pass(Code::Ports, format!("{address} is the shop's own."));
    }
    let said = format!("{address} cannot be had: {error}.");
    Check::fail(Code::Ports, said, "Stop what listens there (ss -lntp shows it), or say --http.")
}
