//! Where a broker is reached, and as whom. What it carries is not known here.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use crate::files::{SecretError, read_secret};

/// A text that names no broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no broker: HOST:PORT is expected, and a comma between several")]
pub struct BrokerAddressError(String);

/// The address of a broker; an IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    host: String,
    port: u16,
}

impl BrokerAddress {
    /// The host, a name or an address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether what is sent there stays on this machine. A name other than `localhost` may lead anywhere.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for BrokerAddress {
    type Err = BrokerAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || BrokerAddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(refused)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)),
        };
        if is_host { Ok(Self { host: host.to_owned(), port }) } else { Err(refused()) }
    }
}

/// The addresses of one broker, or of the members of one cluster, in the order in which they are tried: `HOST:PORT`, and a
/// comma between several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddresses {
    first: BrokerAddress,
    others: Vec<BrokerAddress>,
}

impl BrokerAddresses {
    /// The address for a try, counted from 0: after the last comes the first again.
    #[must_use]
    pub fn for_try(&self, tries_before: usize) -> &BrokerAddress {
        let place = tries_before % (self.others.len() + 1);
        place.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first)
    }

    /// The first address that leads off this machine, if there is one.
    #[must_use]
    pub fn remote(&self) -> Option<&BrokerAddress> {
        std::iter::once(&self.first).chain(&self.others).find(|address| !address.is_loopback())
    }
}

impl fmt::Display for BrokerAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.others.iter().try_for_each(|other| write!(f, ",{other}"))
    }
}

impl FromStr for BrokerAddresses {
    type Err = BrokerAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = text.split(',').map(|address| address.trim().parse());
        let first = all.next().ok_or_else(|| BrokerAddressError(text.to_owned()))??;
        Ok(Self { first, others: all.collect::<Result<_, _>>()? })
    }
}

impl BrokerAddresses {
    /// A broker of this machine, by the name that stands for whichever of its loopback addresses answers.
    #[must_use]
    pub fn localhost(port: u16) -> Self {
        Self { first: BrokerAddress { host: "localhost".to_owned(), port }, others: Vec::new() }
    }
}

impl From<std::net::SocketAddr> for BrokerAddresses {
    fn from(address: std::net::SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { first: BrokerAddress { host, port: address.port() }, others: Vec::new() }
    }
}

/// A user of a broker and its password, which nobody sees but the broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// A user and its password.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned() }
    }

    /// A user whose password is the one line of a file, as [`read_secret`] takes it.
    ///
    /// # Errors
    /// [`SecretError`] if the file cannot be read, is open to others, or does not hold one line.
    pub fn read(user: &str, path: &Path) -> Result<Self, SecretError> {
        Ok(Self::new(user, &read_secret(path)?))
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password, for the broker.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_is_tried_in_its_order_and_over_again() {
        let brokers: BrokerAddresses = "one:1883, [::1]:1884,127.0.0.1:1885".parse().unwrap();
        let tried: Vec<_> = (0..5).map(|tries| brokers.for_try(tries).to_string()).collect();
        assert_eq!(tried, ["one:1883", "[::1]:1884", "127.0.0.1:1885", "one:1883", "[::1]:1884"]);
        assert_eq!(brokers.to_string().parse(), Ok(brokers));
        let alone: BrokerAddresses = "localhost:1883".parse().unwrap();
        assert_eq!(alone.for_try(usize::MAX).to_string(), "localhost:1883");
        assert_eq!(BrokerAddresses::localhost(1883), alone);
    }

    #[test]
    fn what_names_no_broker_is_refused() {
        for text in
            ["", "hub", "hub:", ":1883", "hub:0", "hub:65536", "::1:1883", "[::1:1883", "[hub]:1", "a b:1", "a:1,"]
        {
            assert!(text.parse::<BrokerAddresses>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_may_lead_off_this_machine() {
        for here in ["localhost:1", "127.0.0.1:1", "127.8.0.1:1", "[::1]:1"] {
            assert_eq!(here.parse::<BrokerAddresses>().unwrap().remote(), None, "{here}");
        }
        let brokers: BrokerAddresses = "localhost:1,broker.example:2,10.0.0.1:3".parse().unwrap();
        assert_eq!(brokers.remote().unwrap().to_string(), "broker.example:2");
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", Credentials::new("n11", "secret"));
        assert!(shown.contains("n11") && !shown.contains("secret"), "{shown}");
    }
}
