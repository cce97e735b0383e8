//! The network: the tills' port, and the way to head office.

use std::net::TcpListener;
use std::sync::Arc;

use percolate_common::identity::acceptance::CheckOutcomeV1;
use percolate_common::time::UtcMillis;
use percolate_runtime::http::caller::{CallError, Caller, HttpsAddress};
use percolate_runtime::http::server::ENDPOINTS_FILE;
use percolate_runtime::system::clock_from_option;
use percolate_runtime::tls::{Roots, TlsClock, TlsTrouble, client_config};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Check, Ground};

/// Longest wait for somebody at the other end.
const REACHED_MAX: std::time::Duration = std::time::Duration::from_secs(2);

pub(super) fn port(ground: &Ground<'_>) -> Check {
    const CODE: &str = "ports";
    let address = ground.place.http;
    if !address.ip().is_loopback() {
        let said = format!("{address} is for other machines too, and tills there cannot show yet who they are.");
        return Check::new(CODE, CheckOutcomeV1::Fail, said, "Say --http 127.0.0.1:8080: tills on this machine.");
    }
    // The shop's own server may be at work there.
    let is_ours = ground.place.data.join(ENDPOINTS_FILE).exists();
    let bound = if address.port() == 0 { Ok(()) } else { TcpListener::bind(address).map(drop) };
    match bound {
        Ok(()) => Check::new(CODE, CheckOutcomeV1::Pass, format!("{address} is free."), ""),
        Err(_) if is_ours => Check::new(CODE, CheckOutcomeV1::Pass, format!("{address} is the shop's own."), ""),
        Err(error) => {
            let said = format!("{address} cannot be had: {error}.");
            Check::new(CODE, CheckOutcomeV1::Fail, said, "Stop what listens there (ss -lntp shows it), or say --http.")
        }
    }
}

/// Nobody needs head office to sell: what is wrong on the way there is said, and no more.
pub(super) async fn hub(ground: &Ground<'_>) -> Vec<Check> {
    let Some(bundle) = ground.bundle else { return Vec::new() };
    vec![https(ground).await, mqtt(&bundle.chain.mqtt).await]
}

async fn https(ground: &Ground<'_>) -> Check {
    const CODE: &str = "hub_https";
    let chain = ground.bundle.map(|bundle| &bundle.chain);
    let asked = async {
        let chain = chain?;
        let clock = clock_from_option(None).ok()?;
        let made_at = ground.bundle.map_or(0, |bundle| bundle.made_at_ms);
        let tls = Arc::new(TlsClock::new(clock, UtcMillis::new(made_at)));
        let caller = Caller::new(client_config(&Roots::from_pem(&chain.root).ok()?, None, tls).ok()?);
        let caller = caller.with_limits(REACHED_MAX, 64 * 1024);
        let mut last = None;
        for address in chain.https.iter().filter_map(|text| text.parse::<HttpsAddress>().ok()) {
            let answered = caller.get(&address, "/v1/identity/chain").await;
            let well = answered.is_ok();
            last = Some((address, answered.map(drop)));
            if well {
                break;
            }
        }
        last
    };
    match asked.await {
        Some((address, Ok(()))) => {
            Check::new(CODE, CheckOutcomeV1::Pass, format!("Head office answers at {address}."), "")
        }
        Some((address, Err(CallError::Certificate { trouble: TlsTrouble::UnknownIssuer | TlsTrouble::WrongName }))) => {
            let said = format!("Somebody reads this line: what answers at {address} is not head office.");
            let fix = "Ask who runs the network to pass ports 8444 and 8883 through unread. The shop sells meanwhile.";
            Check::new("hub_not_proven", CheckOutcomeV1::Warn, said, fix)
        }
        Some((address, Err(CallError::Foreign { .. } | CallError::Certificate { trouble: TlsTrouble::NoTls }))) => {
            let said = format!("Something else answers at {address}: a page to sign in at, perhaps.");
            Check::new(
                "captive_portal",
                CheckOutcomeV1::Warn,
                said,
                "Sign in, or ask who runs the network. The shop sells meanwhile.",
            )
        }
        Some((address, Err(error))) => {
            let said = format!("Head office does not answer at {address}: {error}.");
            Check::new(CODE, CheckOutcomeV1::Warn, said, "Look at the cable and the router. The shop sells meanwhile.")
        }
        None => {
            Check::new(CODE, CheckOutcomeV1::Warn, "The bundle names no address of head office.", "Ask head office.")
        }
    }
}

async fn mqtt(addresses: &[String]) -> Check {
    const CODE: &str = "hub_mqtt";
    for address in addresses {
        if let Ok(Ok(_stream)) = timeout(REACHED_MAX, TcpStream::connect(address)).await {
            return Check::new(CODE, CheckOutcomeV1::Pass, format!("The broker is at {address}."), "");
        }
    }
    let said = format!("The broker is not reached at {}.", addresses.join(", "));
    Check::new(
        CODE,
        CheckOutcomeV1::Warn,
        said,
        "Ask who runs the network to let port 8883 out. The shop sells meanwhile.",
    )
}
