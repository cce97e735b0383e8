//! What this machine says of its own network, and what it says when somebody is not reached.

use std::fs;
use std::io::{self, ErrorKind};

/// Routes of IPv4 and of IPv6, as the kernel lists them.
const ROUTES: &str = "/proc/net/route";
const ROUTES_6: &str = "/proc/net/ipv6_route";

/// A route that is in use, and one that leads nowhere (`include/uapi/linux/route.h`, `ipv6_route.h`).
const IN_USE: u32 = 0x1;
const LEADS_NOWHERE: u32 = 0x200;

/// How it stands with the machine's own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnNetwork {
    /// No way leads out: the machine has no address, or does not know its router.
    NoRoute,
    /// A way leads out, and the cable or the radio carries nothing.
    NoCarrier,
    /// As far as the machine itself knows, it could reach others.
    Ready,
}

impl OwnNetwork {
    /// As it stands now. Where the system does not say, it is taken to be ready.
    #[must_use]
    pub fn look() -> Self {
        let Ok(routes) = fs::read_to_string(ROUTES) else { return Self::Ready };
        // Absent where there is no IPv6.
        Self::of(&routes, &fs::read_to_string(ROUTES_6).unwrap_or_default(), carries)
    }

    fn of(routes: &str, routes_6: &str, carries: impl Fn(&str) -> bool) -> Self {
        let mut ways = routes.lines().filter_map(way_out).chain(routes_6.lines().filter_map(way_out_6)).peekable();
        if ways.peek().is_none() {
            Self::NoRoute
        } else if ways.any(carries) {
            Self::Ready
        } else {
            Self::NoCarrier
        }
    }
}

/// The interface of a route to everywhere, of a line of [`ROUTES`].
fn way_out(line: &str) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let (interface, to, _router) = (fields.next()?, fields.next()?, fields.next()?);
    let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
    let mask = fields.nth(3)?;
    (to == "00000000" && mask == "00000000" && flags & IN_USE != 0).then_some(interface)
}

/// The same of a line of [`ROUTES_6`].
fn way_out_6(line: &str) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let (to, to_bits) = (fields.next()?, fields.next()?);
    let flags = u32::from_str_radix(fields.nth(6)?, 16).ok()?;
    let interface = fields.next()?;
    let everywhere = to_bits == "00" && to.bytes().all(|digit| digit == b'0');
    (everywhere && flags & IN_USE != 0 && flags & LEADS_NOWHERE == 0 && interface != "lo").then_some(interface)
}

/// Whether something is at the other end of an interface's cable. One that is switched off cannot say it.
fn carries(interface: &str) -> bool {
    match fs::read_to_string(format!("/sys/class/net/{interface}/carrier")) {
        Ok(text) => text.trim() != "0",
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Why somebody was not reached, as far as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreached {
    /// No way leads there from this machine.
    NoRoute,
    /// The name was not found, or nobody answered who could find it.
    NoName,
    /// Nobody answered at the address.
    NoAnswer,
    /// Somebody answered at the address, and does not serve.
    NotServing,
}

impl Unreached {
    /// Of an error of a connection that was being made.
    #[expect(clippy::wildcard_enum_match_arm, reason = "kinds of errors that a connection is not refused with")]
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Self::NoRoute,
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::NotServing,
            ErrorKind::TimedOut | ErrorKind::HostUnreachable => Self::NoAnswer,
            // Who looks up names fails without a number of the system's.
            _ if error.raw_os_error().is_none() => Self::NoName,
            _ => Self::NoAnswer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs as _;

    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const OUT: &str = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
    const HERE: &str = "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
    const OUT_6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
        fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n";
    const NOWHERE_6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";

    #[test]
    fn a_way_out_is_a_route_to_everywhere_by_an_interface_that_carries() {
        let all = |_: &str| true;
        assert_eq!(OwnNetwork::of(&format!("{HEAD}{HERE}{OUT}"), NOWHERE_6, all), OwnNetwork::Ready);
        assert_eq!(OwnNetwork::of(&format!("{HEAD}{HERE}"), NOWHERE_6, all), OwnNetwork::NoRoute);
        assert_eq!(OwnNetwork::of(HEAD, "", all), OwnNetwork::NoRoute);
        assert_eq!(OwnNetwork::of(&OUT.replace("0003", "0002"), "", all), OwnNetwork::NoRoute, "not in use");
        assert_eq!(OwnNetwork::of(HEAD, &format!("{NOWHERE_6}{OUT_6}"), all), OwnNetwork::Ready);
        assert_eq!(OwnNetwork::of(OUT, OUT_6, |_| false), OwnNetwork::NoCarrier);
        assert_eq!(OwnNetwork::of(OUT, OUT_6, |name| name == "eth1"), OwnNetwork::Ready, "one way is enough");
    }

    #[test]
    fn the_machine_itself_can_be_asked() {
        // Whatever this machine has: nothing of it is without an answer.
        let _any: OwnNetwork = OwnNetwork::look();
        assert!(carries("an interface that is nowhere"), "what the system does not say is no fault");
    }

    #[test]
    fn why_somebody_was_not_reached_is_read_from_the_systems_error() {
        let number = |number| Unreached::of(&io::Error::from_raw_os_error(number));
        // ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, ECONNREFUSED, ECONNRESET of Linux.
        assert_eq!([101, 113, 110].map(number), [Unreached::NoRoute, Unreached::NoAnswer, Unreached::NoAnswer]);
        assert_eq!([111, 104].map(number), [Unreached::NotServing; 2]);
        assert_eq!(Unreached::of(&ErrorKind::UnexpectedEof.into()), Unreached::NotServing);
        let unknown = "nobody.invalid:1".to_socket_addrs().unwrap_err();
        assert_eq!(Unreached::of(&unknown), Unreached::NoName, "{unknown:?}");
    }
}
