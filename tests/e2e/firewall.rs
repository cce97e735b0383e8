//! The packet filters, as they are loaded on a machine with a shop's network on one side and the world on the other: what nmap
//! finds from both sides, and from within, is the list, and nothing else.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use percolate_common::identity::site::PrinterV1;
use system_tests::harness::head_office::{HeadOffice, NewBox};
use system_tests::harness::netns::{Lab, Scan, Tool};
use system_tests::harness::tech::{Tech, changed};

const TOOLS: &[Tool] = &[("nft", "nftables"), ("nmap", "nmap")];

/// Where a machine listens that has everything open.
const PORTS: [u16; 11] = [22, 53, 80, 443, 1883, 8080, 8443, 8444, 8883, 9100, 40_000];
/// All of them, as nmap takes them.
const LIST: &str = "22,53,80,443,1883,8080,8443,8444,8883,9100,40000";
/// Every port there is.
const ALL: &str = "1-65535";

const BOX_LAN: [&str; 2] = ["192.168.7.20", "fd00:7::20"];
const BOX_WAN: [&str; 2] = ["203.0.113.20", "2001:db8::20"];
const LAN: [&str; 2] = ["192.168.7.9", "fd00:7::9"];
const WAN: [&str; 2] = ["203.0.113.9", "2001:db8::9"];

fn at(address: &str, port: u16) -> Result<SocketAddr> {
    Ok(SocketAddr::new(address.parse()?, port))
}

/// Sockets that nobody serves: a connection is made all the same.
struct Open {
    _streams: Vec<TcpListener>,
}

/// A box between its shop's network and the world; on all three everything listens.
fn three_machines(test: &str) -> Result<Option<(Lab, Open)>> {
    let Some(mut lab) = Lab::new(test, TOOLS) else { return Ok(None) };
    for name in ["box", "lan", "wan"] {
        lab.machine(name)?;
    }
    lab.wire(("box", "lan0"), ("lan", "eth0"))?;
    lab.wire(("box", "wan0"), ("wan", "eth0"))?;
    let network =
        |address: &str, bits: [u8; 2]| format!("{address}/{}", if address.contains(':') { bits[1] } else { bits[0] });
    for (name, end, addresses) in
        [("box", "lan0", BOX_LAN), ("box", "wan0", BOX_WAN), ("lan", "eth0", LAN), ("wan", "eth0", WAN)]
    {
        let whole = addresses.map(|address| network(address, [24, 64]));
        lab.address(name, end, &whole.each_ref().map(String::as_str))?;
    }
    let mut streams = Vec::new();
    for (name, addresses) in [("box", [BOX_LAN, BOX_WAN].concat()), ("lan", LAN.to_vec()), ("wan", WAN.to_vec())] {
        for (address, port) in addresses.iter().flat_map(|address| PORTS.map(|port| (address, port))) {
            streams.push(lab.listen(name, at(address, port)?)?);
        }
    }
    Ok(Some((lab, Open { _streams: streams })))
}

/// What a machine finds open at both addresses of another, which must be the same; of all ports at the one, of those that are
/// open without the filter at the other.
fn found(lab: &Lab, from: &str, addresses: [&str; 2], ports: &str, kind: Scan) -> Result<Vec<u16>> {
    let [four, six] = addresses;
    let open = lab.open_ports(from, four, ports, kind)?;
    let open_six = lab.open_ports(from, six, LIST, kind)?;
    ensure!(open == open_six, "from {from}: {open:?} at {four}, and {open_six:?} at {six}");
    Ok(open)
}

/// Whether a datagram from one socket comes to another.
fn arrives(from: &UdpSocket, to: &UdpSocket) -> Result<bool> {
    to.set_read_timeout(Some(Duration::from_millis(400)))?;
    // One's own filter says no at once.
    if from.send_to(b"x", to.local_addr()?).is_err() {
        return Ok(false);
    }
    Ok(to.recv_from(&mut [0; 8]).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shops_machine_lets_in_and_out_what_is_on_the_list_and_nothing_else() -> Result<()> {
    const TEST: &str = "a_shops_machine_lets_in_and_out_what_is_on_the_list_and_nothing_else";
    let Some((lab, _open)) = three_machines(TEST)? else { return Ok(()) };
    // Without the filter everything is open, to everybody: what is not found below is kept away by it.
    for (from, to) in [("lan", BOX_LAN), ("wan", BOX_WAN)] {
        ensure!(found(&lab, from, to, LIST, Scan::Packets)? == PORTS, "a scan does not see what is open");
    }
    for to in [LAN, WAN] {
        ensure!(found(&lab, "box", to, LIST, Scan::Sockets)? == PORTS, "a scan does not see what is open");
    }

    // A tech brings the shop up, and lets those in who sign in from the office's machine in the shop.
    let scratch = tempfile::tempdir()?;
    let mut office = HeadOffice::open(scratch.path()).await?;
    office.plan(42, "Harbour")?;
    let bundle = office.bundle(42, &[])?;
    office.hub.kill()?;
    // One of the shop's printers listens where few do.
    let printer = PrinterV1 {
        name: "Bar".to_owned(),
        kind: "receipt".to_owned(),
        address: "192.168.7.9:40000".to_owned(),
        columns: None,
    };
    let bundle = changed(&bundle, office.hub.data(), |bundle| bundle.site.printers = vec![printer])?;
    let shop = NewBox::new(scratch.path(), "box");
    let tech = Tech { before: lab.enter("box"), ..Tech::at(&shop.folder)? };
    let words = ["--firewall", "--ssh-from", "192.168.7.9", "--ssh-from", "fd00:7::/64"];
    let up = tech.up(&bundle, &words)?;
    ensure!(up.exit == 0 && up.step("firewall")? == "done", "{up:?}");
    let again = tech.up(&bundle, &["--firewall"])?;
    ensure!(again.exit == 0 && again.step("firewall")? == "there", "{again:?}");
    ensure!(again.found("firewall", "PASS"), "{again:?}");

    let own = [22, 8443];
    ensure!(found(&lab, "lan", BOX_LAN, ALL, Scan::Packets)? == own, "from the shop");
    ensure!(found(&lab, "lan", BOX_LAN, LIST, Scan::Sockets)? == own, "from the shop, as programs ask");
    ensure!(found(&lab, "wan", BOX_WAN, ALL, Scan::Packets)?.is_empty(), "from the world");
    ensure!(found(&lab, "box", LAN, LIST, Scan::Sockets)? == [53, 8444, 8883, 9100, 40_000], "to the shop");
    ensure!(found(&lab, "box", WAN, LIST, Scan::Sockets)? == [53, 8444, 8883], "to the world");

    // Datagrams: names and the time go out, with their answers; nothing comes in by itself.
    for (port, goes) in [(53, true), (123, true), (161, false), (40_000, false)] {
        let (inside, outside) = (lab.datagrams("box", at(BOX_WAN[0], 0)?)?, lab.datagrams("wan", at(WAN[0], port)?)?);
        ensure!(arrives(&inside, &outside)? == goes, "to port {port}");
        ensure!(arrives(&outside, &inside)? == goes, "the answer from port {port}");
    }
    for port in [53, 123, 161, 5353, 8443] {
        let (inside, outside) = (lab.datagrams("box", at(BOX_LAN[0], port)?)?, lab.datagrams("lan", at(LAN[0], 0)?)?);
        ensure!(!arrives(&outside, &inside)?, "in at port {port}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn head_offices_machine_lets_in_and_out_what_is_on_the_list_and_nothing_else() -> Result<()> {
    const TEST: &str = "head_offices_machine_lets_in_and_out_what_is_on_the_list_and_nothing_else";
    let Some((lab, _open)) = three_machines(TEST)? else { return Ok(()) };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nftables/percolate-hub.nft");
    let file = file.to_str().context("a path")?;
    lab.run("box", &["nft", "-c", "-f", file])?;
    ensure!(found(&lab, "wan", BOX_WAN, LIST, Scan::Packets)? == PORTS, "a check alone has loaded something");
    lab.run("box", &["nft", "-f", file])?;
    lab.run("box", &["nft", "add", "element", "inet", "percolate", "ssh4", "{ 192.168.7.0/24 }"])?;
    lab.run("box", &["nft", "add", "element", "inet", "percolate", "ssh6", "{ fd00:7::/64 }"])?;
    ensure!(found(&lab, "lan", BOX_LAN, ALL, Scan::Packets)? == [22, 8444, 8883], "from who may sign in");
    ensure!(found(&lab, "wan", BOX_WAN, ALL, Scan::Packets)? == [8444, 8883], "from the world");
    for to in [LAN, WAN] {
        ensure!(found(&lab, "box", to, LIST, Scan::Sockets)? == [53], "to the world");
    }
    // Loaded again it is as before it was added to: a table of its own, and never two of them.
    lab.run("box", &["nft", "-f", file])?;
    let rules = lab.run("box", &["nft", "list", "ruleset"])?;
    ensure!(rules.matches("table ").count() == 1 && !rules.contains("fd00:7::/64"), "{rules}");
    Ok(())
}
