//! The machine's packet filter: a table of its own, with what the shop's bundle and the tech have said beyond it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use percolate_common::identity::bundle::{BundleV1, ChainV1};
use percolate_common::identity::site::PrinterV1;
use percolate_runtime::files::{FileError, write_atomic};

use super::error::UpError;

/// The table, and nothing that is another's.
const TEXT: &str = include_str!("../../../deploy/nftables/percolate-store.nft");
/// What is loaded, in the folder of the shop's description.
pub(super) const FILE: &str = "firewall.nft";
/// Ports of head office that the table lets out already.
const HUB_PORTS: [u16; 2] = [8_444, 8_883];
/// The port of printers that it lets out already, to the shop's network.
const PRINTER_PORTS: [u16; 1] = [9_100];

/// Machines by their addresses: one, or a network of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address, and no network as in 192.168.7.0/24")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let refused = || NetworkError(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_none| refused())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_none| refused())?;
        if bits > most { Err(refused()) } else { Ok(Self { address, bits }) }
    }
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    /// It was loaded, and was not there, or other.
    New,
    /// It was there already.
    There,
    /// It was not: why.
    Not(String),
}

/// The ports of places, `HOST:PORT`, but for those that are let out already.
fn ports_beyond<'p>(places: impl Iterator<Item = &'p String>, there: &[u16]) -> Vec<String> {
    let port = |place: &String| place.trim_end_matches('/').rsplit_once(':')?.1.parse().ok();
    let ports: BTreeSet<u16> = places.filter_map(port).filter(|port| !there.contains(port)).collect();
    ports.iter().map(u16::to_string).collect()
}

/// The whole file.
fn text((chain, printers): (&ChainV1, &[PrinterV1]), ssh: &[Network]) -> String {
    let mut text = TEXT.to_owned();
    let mut add = |set: &str, elements: &[String]| {
        if !elements.is_empty() {
            text.push_str(&format!("\nadd element inet percolate {set} {{ {} }}\n", elements.join(", ")));
        }
    };
    let networks = |v4: bool| {
        let of_kind = ssh.iter().filter(move |network| network.address.is_ipv4() == v4);
        of_kind.map(|network| format!("{}/{}", network.address, network.bits)).collect::<Vec<_>>()
    };
    add("hub_ports", &ports_beyond(chain.https.iter().chain(&chain.mqtt), &HUB_PORTS));
    add("printer_ports", &ports_beyond(printers.iter().map(|printer| &printer.address), &PRINTER_PORTS));
    add("ssh4", &networks(true));
    add("ssh6", &networks(false));
    text
}

/// Loads the table, after it was seen that it can be; what other tables say is not touched. A shop sells without it.
pub(super) fn load(bundle: &BundleV1, ssh: &[Network], config: &Path) -> Result<Loaded, UpError> {
    let path = config.join(FILE);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let mut wanted = text((&bundle.chain, &bundle.site.printers), ssh);
    if ssh.is_empty() {
        // Who was let in stays let in when nobody says otherwise: it may be the tech who types this.
        for line in before.lines().filter(|line| line.starts_with("add element inet percolate ssh")) {
            wanted.push_str(&format!("\n{line}\n"));
        }
    }
    let was_there = nft(&["list", "table", "inet", "percolate"]).is_ok();
    let is_same = before == wanted;
    if !is_same {
        write_atomic(&path, wanted.as_bytes()).map_err(|error: FileError| UpError::Install(error))?;
    }
    let file = path.to_string_lossy().into_owned();
    match nft(&["-c", "-f", &file]).and_then(|()| nft(&["-f", &file])) {
        Ok(()) if was_there && is_same => Ok(Loaded::There),
        Ok(()) => Ok(Loaded::New),
        Err(why) => Ok(Loaded::Not(why)),
    }
}

fn nft(words: &[&str]) -> Result<(), String> {
    let done = Command::new("nft").args(words).stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("nft cannot be run ({error}): install nftables"))?;
    let said = String::from_utf8_lossy(&done.stderr).lines().next().unwrap_or_default().to_owned();
    if done.status.success() { Ok(()) } else { Err(said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(https: &str, mqtt: &str) -> ChainV1 {
        ChainV1 {
            id: [1; 16].into(),
            name: "Bytes".to_owned(),
            root: String::new(),
            intermediate: String::new(),
            https: vec![https.to_owned()],
            mqtt: vec![mqtt.to_owned()],
        }
    }

    #[test]
    fn the_file_is_the_table_and_what_was_said_beyond_it() {
        let usual = chain("https://hub.example:8444", "hub.example:8883");
        let printer = |address: &str| PrinterV1 {
            name: "Bar".to_owned(),
            kind: "receipt".to_owned(),
            address: address.to_owned(),
            columns: None,
        };
        assert_eq!(text((&usual, &[printer("192.168.7.30:9100")]), &[]), TEXT);
        let ssh = ["192.168.7.9", "10.1.0.0/16", "fd00::/64"].map(|text| text.parse().unwrap());
        let printers = ["p:9101", "[fd00::7]:6001", "q:9101", "q:9100"].map(printer);
        let other = text((&chain("https://hub.example:443/", "[fd00::1]:8883"), &printers), &ssh);
        let added = other.strip_prefix(TEXT).unwrap();
        let expected = "\nadd element inet percolate hub_ports { 443 }\n\
                        \nadd element inet percolate printer_ports { 6001, 9101 }\n\
                        \nadd element inet percolate ssh4 { 192.168.7.9/32, 10.1.0.0/16 }\n\
                        \nadd element inet percolate ssh6 { fd00::/64 }\n";
        assert_eq!(added, expected);
    }

    #[test]
    fn what_names_no_network_is_refused() {
        for text in ["", "home", "10.0.0.0/33", "10.0.0.0/-1", "fd00::/129", "10.0.0.0/", "10.0.0.0/8 }; drop"] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
