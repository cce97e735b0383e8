//! The shop's network: which address the machine has there, and whether it alone has it.

use std::net::Ipv4Addr;

use serde::Deserialize;

use super::{Check, Code, asked};

/// What `ip -j addr` says of an interface.
#[derive(Debug, Deserialize)]
struct Interface {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    addr_info: Vec<Info>,
}

/// What it says of an address.
#[derive(Debug, Deserialize)]
struct Info {
    #[serde(default)]
    local: Option<Ipv4Addr>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    dynamic: bool,
}

/// An address in the shop's network.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    interface: String,
    address: Ipv4Addr,
    /// Whether somebody else gives it, for a while.
    dynamic: bool,
    /// Whether its network can be asked who has it.
    is_asked: bool,
}

/// None if that cannot be found out.
fn addresses() -> Option<Vec<Address>> {
    let said = asked("ip", &["-j", "-4", "addr", "show", "up"])?;
    said.status.success().then(|| read(&said.stdout))?
}

fn read(json: &[u8]) -> Option<Vec<Address>> {
    let interfaces: Vec<Interface> = serde_json::from_slice(json).ok()?;
    let of = |interface: Interface| {
        let is_asked =
            interface.flags.iter().all(|flag| !matches!(flag.as_str(), "LOOPBACK" | "NOARP" | "POINTOPOINT"));
        let name = interface.ifname;
        let global = interface.addr_info.into_iter().filter(|info| info.scope == "global");
        global.filter_map(move |Info { local, dynamic, .. }| {
            Some(Address { interface: name.clone(), address: local?, dynamic, is_asked })
        })
    };
    Some(interfaces.into_iter().flat_map(of).collect())
}

/// A shop sells without any network; that nobody has plugged in the cable is said all the same.
pub(super) fn address() -> Check {
    const UNKNOWN: &str = "Install iproute2, or look at the network by hand.";
    let Some(addresses) = addresses() else {
        return Check::warn(Code::Address, "The machine's addresses cannot be found out.", UNKNOWN);
    };
    said_of(&addresses)
}

fn said_of(addresses: &[Address]) -> Check {
    const NONE: &str = "Plug in the network's cable. The shop sells meanwhile.";
    const DYNAMIC: &str = "Reserve the address for this machine in the shop's router, or give it a fixed one.";
    let names: Vec<_> = addresses.iter().map(|it| format!("{} at {}", it.address, it.interface)).collect();
    let names = names.join(", ");
    if addresses.is_empty() {
        return Check::warn(Code::Address, "The machine has no address in a network.", NONE);
    }
    if addresses.iter().any(|it| it.dynamic) {
        let said = format!("The machine's address may change at any time: {names}.");
        return Check::warn(Code::Address, said, DYNAMIC);
    }
    Check::pass(Code::Address, format!("The machine has {names}."))
}

/// Asks the network whether somebody else answers by an address of this machine.
pub(super) fn taken() -> Check {
    const FIX: &str = "Give this machine another address, or find the other device: one of them is reached by chance.";
    const UNKNOWN: &str = "Run this as root, with iputils-arping installed, to have it found out.";
    let own: Vec<_> = addresses().unwrap_or_default().into_iter().filter(|it| it.is_asked).collect();
    let mut unknown = false;
    // All at once: each question waits a second for who may answer.
    let answers = std::thread::scope(|scope| {
        let asking: Vec<_> = own.iter().map(|it| scope.spawn(|| another_has(it))).collect();
        asking.into_iter().map(|answer| answer.join().unwrap_or(Answer::Unknown)).collect::<Vec<_>>()
    });
    for (it, answer) in own.iter().zip(answers) {
        match answer {
            Answer::Taken(who) => {
                let said = format!("{} answers from another device too{who}.", it.address);
                return Check::fail(Code::AddressTaken, said, FIX);
            }
            Answer::Unknown => unknown = true,
            Answer::Silent => {}
        }
    }
    if unknown {
        return Check::warn(Code::AddressTaken, "Whether another device has this address was not found out.", UNKNOWN);
    }
    Check::pass(Code::AddressTaken, "No other device answers by this machine's address.")
}

/// What the network says.
enum Answer {
    Silent,
    /// With the device's hardware address, in brackets, where it is known.
    Taken(String),
    Unknown,
}

fn another_has(it: &Address) -> Answer {
    let address = it.address.to_string();
    let Some(said) = asked("arping", &["-D", "-c", "2", "-w", "1", "-I", &it.interface, &address]) else {
        return Answer::Unknown;
    };
    let text = String::from_utf8_lossy(&said.stdout);
    match said.status.code() {
        Some(0) => Answer::Silent,
        Some(1) => Answer::Taken(device(&text).map(|mac| format!(" ({mac})")).unwrap_or_default()),
        Some(_) | None => Answer::Unknown,
    }
}

/// The hardware address in what arping says.
fn device(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(mac, _)| mac)
}

#[cfg(test)]
mod tests {
    use percolate_common::identity::acceptance::CheckOutcomeV1;

    use super::*;

    #[test]
    fn addresses_are_read_as_the_machine_says_them() {
        let json = br#"[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"addr_info":[
            {"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"}]},
            {"ifname":"eth0","flags":["BROADCAST","UP"],"addr_info":[
            {"family":"inet","local":"192.168.7.20","prefixlen":24,"scope":"global","dynamic":true}]},
            {"ifname":"wg0","flags":["POINTOPOINT","NOARP","UP"],"addr_info":[{"local":"10.9.0.2","scope":"global"}]}, {}]"#;
        let found = read(json).unwrap();
        let of = |it: &Address| (it.interface.clone(), it.address.to_string(), it.dynamic, it.is_asked);
        let expected = [("eth0", "192.168.7.20", true, true), ("wg0", "10.9.0.2", false, false)];
        let expected = expected.map(|(name, address, d, a)| (name.to_owned(), address.to_owned(), d, a));
        assert_eq!(found.iter().map(of).collect::<Vec<_>>(), expected);
        assert_eq!(said_of(&found).outcome, CheckOutcomeV1::Warn);
        assert_eq!(said_of(&found[1..]).outcome, CheckOutcomeV1::Pass);
        assert_eq!(said_of(&[]).outcome, CheckOutcomeV1::Warn);
        assert_eq!(read(b"Object \"-j\" is unknown"), None);
    }

    #[test]
    fn the_other_device_is_named() {
        let said = "ARPING 192.168.7.20 from 0.0.0.0 eth0\nUnicast reply from 192.168.7.20 [3A:0B:11:22:33:44]  0.9ms";
        assert_eq!(device(said), Some("3A:0B:11:22:33:44"));
        assert_eq!(device("Sent 2 probes"), None);
    }
}
