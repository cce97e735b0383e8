//! The ways into a mosquitto of a test's own.

use own_mosquitto::Mosquitto;
use percolate_runtime::broker::Credentials;

use super::node::Door;

/// Starts one with accounts for the hub and for n11, n12 and n21. Where there is none, the test has said so and gives up.
pub(crate) fn start() -> Option<Mosquitto> {
    started(&["n11", "n12", "n21"])
}

fn started(nodes: &[&str]) -> Option<Mosquitto> {
    let started = Mosquitto::start(nodes);
    started.expect("mosquitto starts where it is installed")
}

/// The way in with an account.
pub(crate) fn door(mosquitto: &Mosquitto, account: &str) -> Door {
    door_with(mosquitto, Some(Credentials::new(account, &mosquitto.password(account).unwrap())))
}

/// The way in as somebody, or as nobody.
pub(crate) fn door_with(mosquitto: &Mosquitto, credentials: Option<Credentials>) -> Door {
    Door { brokers: mosquitto.address().into(), credentials, tls: None }
}
