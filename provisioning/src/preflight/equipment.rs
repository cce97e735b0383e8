//! What stands around the machine and lies on it: printers, tills, the packet filter, the disk's cipher, a battery.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use percolate_common::paper::escpos::Question;

use super::{Check, Code, Ground, asked};

/// How long a printer may take to be reached, and again to answer.
const PRINTER_MAX: Duration = Duration::from_millis(900);

pub(super) fn printer(ground: &Ground) -> Check {
    const FIX: &str = "Look at its cable, paper and address. The shop sells meanwhile, without paper.";
    let printers = ground.bundle.as_ref().map(|bundle| bundle.site.printers.as_slice()).unwrap_or_default();
    if printers.is_empty() {
        return Check::pass(Code::Printer, "The shop has no printer that is known.");
    }
    let silent: Vec<String> = std::thread::scope(|scope| {
        let asking: Vec<_> = printers.iter().map(|it| scope.spawn(|| answers(&it.address))).collect();
        let answered = asking.into_iter().map(|answer| answer.join().unwrap_or(false));
        let silent = printers.iter().zip(answered).filter(|(_, answered)| !answered);
        silent.map(|(printer, _)| format!("{} at {}", printer.name, printer.address)).collect()
    });
    if silent.is_empty() {
        return Check::pass(Code::Printer, format!("All of the shop's printers answer: {}.", printers.len()));
    }
    Check::warn(Code::Printer, format!("A printer does not answer: {}.", silent.join(", ")), FIX)
}

fn answers(address: &str) -> bool {
    let asked = || -> std::io::Result<()> {
        let at = address.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&at, PRINTER_MAX)?;
        stream.set_read_timeout(Some(PRINTER_MAX))?;
        stream.set_write_timeout(Some(PRINTER_MAX))?;
        stream.write_all(&Question::Printer.bytes())?;
        stream.read_exact(&mut [0])
    };
    asked().is_ok()
}

pub(super) fn terminals(ground: &Ground) -> Check {
    let Some(bundle) = &ground.bundle else {
        return Check::pass(Code::Terminals, "Without a bundle no tills are known.");
    };
    let names: Vec<&str> = bundle.site.terminals.iter().map(|terminal| terminal.name.as_str()).collect();
    if names.is_empty() {
        let fix = "Nothing, if the till is a page on this machine. Head office plans others with the shop.";
        return Check::warn(Code::Terminals, "Head office has planned no tills for the shop.", fix);
    }
    Check::pass(Code::Terminals, format!("Tills of the shop: {}.", names.join(", ")))
}

pub(super) fn firewall() -> Check {
    match asked("nft", &["list", "table", "inet", "percolate"]) {
        Some(said) if said.status.success() => Check::pass(Code::Firewall, "The packet filter is loaded."),
        Some(_) => {
            let fix = "provision up loads it under systemd; by hand: nft -f, as docs/firewall.md says.";
            Check::warn(Code::Firewall, "The packet filter is not loaded yet, or only root may see it.", fix)
        }
        None => {
            let fix = "Install nftables, and run this again.";
            Check::warn(Code::Firewall, "The machine has no packet filter: nft is missing.", fix)
        }
    }
}

pub(super) fn encryption(ground: &Ground) -> Check {
    const FIX: &str =
        "Put the data folder on an encrypted disk: who takes this one can read the shop's sales and keys.";
    let there = ground.place.data.ancestors().find(|path| path.is_dir()).unwrap_or(std::path::Path::new("/"));
    let text = |said: std::process::Output| String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let source = asked("findmnt", &["-n", "-o", "SOURCE", "-T", &there.to_string_lossy()]).map(text);
    let layers = source.filter(|source| source.starts_with("/dev/")).and_then(|source| {
        let plain = source.split('[').next().unwrap_or_default().to_owned();
        asked("lsblk", &["-n", "-s", "-o", "TYPE", &plain]).map(text)
    });
    match layers {
        Some(layers) if layers.lines().any(|layer| layer.trim() == "crypt") => {
            Check::pass(Code::Encryption, "The data folder lies on an encrypted disk.")
        }
        Some(_) => Check::warn(Code::Encryption, "The data folder lies on a disk that is not encrypted.", FIX),
        None => Check::warn(Code::Encryption, "Whether the disk is encrypted was not found out.", FIX),
    }
}

pub(super) fn ups() -> Check {
    const FIX: &str =
        "Put the machine behind a battery. Without one nothing is lost at a power cut, but the shop stands still.";
    let supplies = fs::read_dir("/sys/class/power_supply").into_iter().flatten().flatten();
    let mut kinds = supplies.filter_map(|supply| fs::read_to_string(supply.path().join("type")).ok());
    if kinds.any(|kind| matches!(kind.trim(), "Battery" | "UPS")) {
        return Check::pass(Code::Ups, "A battery carries the machine over a power cut.");
    }
    Check::warn(Code::Ups, "No battery is seen that carries the machine over a power cut.", FIX)
}
