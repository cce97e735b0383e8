//! The way to head office. Nobody needs it to sell: what is wrong on the way there is said, and no more.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use percolate_common::identity::acceptance::CheckOutcomeV1;
use percolate_common::identity::bundle::BundleV1;
use percolate_common::time::UtcMillis;
use percolate_runtime::http::caller::{Answer, CallError, Caller, HttpsAddress};
use percolate_runtime::system::{clock_from_option, monotonic_now};
use percolate_runtime::tasks::blocking;
use percolate_runtime::tls::{Roots, TlsClock, TlsTrouble, client_config};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Check, Code, Ground, asked};

/// Longest wait for all of head office's names. With the two that follow no longer than the checks may take together.
const NAMES_MAX: Duration = Duration::from_millis(700);
/// Longest wait for an answer, and for another that is longer.
const ANSWER_MAX: Duration = Duration::from_millis(1_100);
/// Bytes of the longer question: more than one packet of any network.
const LONG_BYTES: u64 = 16 * 1024;
/// What is enough for a day's sales beside a menu, in kbit/s.
const KBITS_FINE: u64 = 64;
/// Bytes of a packet that a shop's line should carry whole.
const MTU_FINE: u64 = 1_400;
/// Where head office says of which chain it is.
const CHAIN: &str = "/v1/identity/chain";

/// What was found, and what head office's clock says if it was reached.
pub(super) async fn checks(ground: &Arc<Ground>) -> (Vec<Check>, Option<UtcMillis>) {
    let Some(bundle) = &ground.bundle else { return (Vec::new(), None) };
    let names = names(bundle).await;
    let (mut reached, mqtt) = tokio::join!(Reached::ask(bundle), mqtt(&bundle.chain.mqtt));
    reached.connects = mqtt.outcome == CheckOutcomeV1::Pass;
    let hub_says = reached.said.as_ref().and_then(|said| {
        let date = said.headers.get("date")?.to_str().ok()?;
        UtcMillis::from_http_date(date)
    });
    let long = match &reached.at {
        Some((address, Ok(()))) => Some(reached.long(address).await),
        Some((_, Err(_))) | None => None,
    };
    let (mtu, bandwidth) = line(&reached, long.as_ref(), way_out().await);
    (vec![names, https(&reached), mqtt, mtu, bandwidth], hub_says)
}

/// The host of `HOST:PORT`, unless it is an address.
fn name_in(place: &str) -> Option<&str> {
    let (host, _port) = place.rsplit_once(':')?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_err().then_some(host)
}

async fn names(bundle: &BundleV1) -> Check {
    const FIX: &str =
        "Look at the router's name service: the machine asks who stands in /etc/resolv.conf. The shop sells meanwhile.";
    let places = bundle.chain.https.iter().filter_map(|url| url.strip_prefix("https://"));
    let places = places.map(|place| place.trim_end_matches('/')).chain(bundle.chain.mqtt.iter().map(String::as_str));
    let mut names: Vec<String> = places.filter_map(name_in).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Check::pass(Code::Dns, "Head office is found by addresses, without names.");
    }
    let looked = names.clone();
    let lost = blocking(move || {
        let resolves = |name: &String| (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut all| all.next().is_some());
        looked.into_iter().filter(|name| !resolves(name)).collect::<Vec<_>>()
    });
    match timeout(NAMES_MAX, lost).await {
        Ok(Ok(lost)) if lost.is_empty() => Check::pass(Code::Dns, format!("{} is found.", names.join(", "))),
        Ok(Ok(lost)) => Check::warn(Code::Dns, format!("Nobody says where {} is.", lost.join(", ")), FIX),
        Ok(Err(_)) | Err(_) => Check::warn(Code::Dns, "The name service does not answer.", FIX),
    }
}

/// What was asked of head office, and how it went at the address that was tried last.
struct Reached {
    caller: Option<Caller>,
    at: Option<(HttpsAddress, Result<(), CallError>)>,
    said: Option<Answer>,
    /// How long the answer took, with all that comes before it.
    took: Duration,
    /// Whether somebody takes a connection at the broker's address, who has little to say until he is asked.
    connects: bool,
}

impl Reached {
    async fn ask(bundle: &BundleV1) -> Self {
        let nobody = Self { caller: None, at: None, said: None, took: Duration::ZERO, connects: false };
        let caller = || {
            let tls = Arc::new(TlsClock::new(clock_from_option(None).ok()?, UtcMillis::new(bundle.made_at_ms)));
            Some(Caller::new(client_config(&Roots::from_pem(&bundle.chain.root).ok()?, None, tls).ok()?))
        };
        let Some(caller) = caller() else { return nobody };
        let addresses: Vec<HttpsAddress> = bundle.chain.https.iter().filter_map(|text| text.parse().ok()).collect();
        let each = ANSWER_MAX / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let caller = caller.with_limits(each, 64 * 1024);
        let mut reached = Self { caller: Some(caller.clone()), ..nobody };
        for address in addresses {
            let from = monotonic_now();
            let answered = caller.get(&address, CHAIN).await;
            reached.took = monotonic_now().saturating_sub(from);
            match answered {
                Ok(said) => {
                    reached.said = Some(said);
                    reached.at = Some((address, Ok(())));
                    break;
                }
                Err(error) => reached.at = Some((address, Err(error))),
            }
        }
        reached
    }

    /// How long a long question takes to be answered, whatever the answer; none if it is not.
    async fn long(&self, address: &HttpsAddress) -> Option<Duration> {
        let path = format!("{CHAIN}?{}", "x".repeat(usize::try_from(LONG_BYTES).unwrap_or_default()));
        let from = monotonic_now();
        let caller = self.caller.clone()?.with_limits(ANSWER_MAX, 64 * 1024);
        match caller.get(address, &path).await {
            Ok(_) | Err(CallError::Problem { .. } | CallError::Foreign { .. }) => {
                Some(monotonic_now().saturating_sub(from))
            }
            Err(_) => None,
        }
    }
}

fn https(reached: &Reached) -> Check {
    const CODE: Code = Code::HubHttps;
    match &reached.at {
        Some((address, Ok(()))) => Check::pass(CODE, format!("Head office answers at {address}.")),
        Some((address, Err(CallError::Certificate { trouble: TlsTrouble::UnknownIssuer | TlsTrouble::WrongName }))) => {
            let said = format!("Somebody reads this line: what answers at {address} is not head office.");
            let fix = "Ask who runs the network to pass ports 8444 and 8883 through unread. The shop sells meanwhile.";
            Check::warn(Code::HubNotProven, said, fix)
        }
        Some((address, Err(CallError::Foreign { .. } | CallError::Certificate { trouble: TlsTrouble::NoTls }))) => {
            let said = format!("Something else answers at {address}: a page to sign in at, perhaps.");
            let fix = "Sign in, or ask who runs the network. The shop sells meanwhile.";
            Check::warn(Code::CaptivePortal, said, fix)
        }
        Some((address, Err(error))) => {
            let said = format!("Head office does not answer at {address}: {error}.");
            Check::warn(CODE, said, "Look at the cable and the router. The shop sells meanwhile.")
        }
        None => Check::warn(CODE, "The bundle names no address of head office.", "Ask head office for another."),
    }
}

async fn mqtt(addresses: &[String]) -> Check {
    let each = ANSWER_MAX / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    for address in addresses {
        if let Ok(Ok(_stream)) = timeout(each, TcpStream::connect(address)).await {
            return Check::pass(Code::HubMqtt, format!("The broker is at {address}."));
        }
    }
    let said = format!("The broker is not reached at {}.", addresses.join(", "));
    let fix = "Ask who runs the network to let port 8883 out. The shop sells meanwhile.";
    Check::warn(Code::HubMqtt, said, fix)
}

/// The largest packet of the way that leads out of the shop; none if there is no way, or it cannot be found out.
async fn way_out() -> Option<u64> {
    let found = blocking(|| {
        let said = asked("ip", &["-o", "route", "show", "default"])?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let device = text.split_whitespace().skip_while(|word| *word != "dev").nth(1)?.to_owned();
        let mtu = std::fs::read_to_string(format!("/sys/class/net/{device}/mtu")).ok()?;
        mtu.trim().parse().ok()
    });
    timeout(ANSWER_MAX, found).await.ok()?.ok()?
}

/// What comes through of that which is sent.
fn line(reached: &Reached, long: Option<&Option<Duration>>, way_out: Option<u64>) -> (Check, Check) {
    const SMALL: &str =
        "Set the router's MTU, or its MSS clamping, to what the line carries. The shop sells meanwhile.";
    const SLOW: &str = "Ask who runs the line. The shop sells meanwhile, and what it sold arrives late.";
    let lost = || {
        let said = "Small packets come through, and large ones do not.";
        Check::warn(Code::Mtu, said, SMALL)
    };
    let unknown = Check::warn(Code::Bandwidth, "How much the line carries was not found out.", SLOW);
    match (&reached.at, long) {
        (_, Some(Some(took))) => {
            let more_ms = took.saturating_sub(reached.took).as_millis().max(1);
            let kbits = u64::from(u32::try_from(u128::from(LONG_BYTES) * 8 / more_ms).unwrap_or(u32::MAX));
            let carried = match way_out.filter(|mtu| *mtu < MTU_FINE) {
                Some(mtu) => Check::warn(Code::Mtu, format!("The way out carries packets of {mtu} bytes."), SMALL),
                None => Check::pass(Code::Mtu, "Large packets come through."),
            };
            let said = format!("The line carries {kbits} kbit/s or more; {KBITS_FINE} are enough.");
            let outcome = if kbits >= KBITS_FINE {
                Check::pass(Code::Bandwidth, said)
            } else {
                Check::warn(Code::Bandwidth, said, SLOW)
            };
            (carried, outcome)
        }
        (_, Some(None)) => (lost(), unknown),
        // Somebody took the connection, and then nothing large came back: certificates are.
        (Some((_, Err(CallError::Slow))), None) if reached.connects => (lost(), unknown),
        (Some(_) | None, None) => {
            let said = "Whether large packets come through is found out when head office answers.";
            (Check::warn(Code::Mtu, said, "Run this again when it does. The shop sells meanwhile."), unknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_addresses() {
        assert_eq!(name_in("hub.example:8444"), Some("hub.example"));
        assert_eq!((name_in("10.0.0.1:8883"), name_in("[fd00::1]:8883"), name_in("none")), (None, None, None));
    }
}
