//! What goes wrong around a tech, made so: each has a code, a sentence, something to do and an exit code, leaves nothing half
//! installed, and the same command brings the shop up once it is mended.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use system_tests::harness::head_office::{HeadOffice, NewBox, Said};
use system_tests::harness::netns::{Lab, SmallDisk};
use system_tests::harness::tech::{Tech, changed};
use system_tests::harness::{eventually, skipped};

const STORE: u32 = 42;

/// A head office with a bundle of one shop.
async fn office(scratch: &Path) -> Result<(HeadOffice, std::path::PathBuf)> {
    let office = HeadOffice::open(scratch).await?;
    office.plan(STORE, "Harbour")?;
    let bundle = office.bundle(STORE, &[])?;
    Ok((office, bundle))
}

/// What lies in a shop's folders, but for the lock of who was at work.
fn installed(shop: &NewBox) -> Result<Vec<String>> {
    Ok(shop.files()?.into_keys().filter(|name| !name.starts_with("etc/up/")).collect())
}

fn refused(said: &Said, exit: i32, code: &str) -> bool {
    said.exit == exit && said.says("code") == code && said.says("sentence").len() > 10 && said.says("fix").len() > 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_or_becomes_so_is_told_and_the_same_command_goes_on() -> Result<()> {
    const TEST: &str = "a_disk_that_is_full_or_becomes_so_is_told_and_the_same_command_goes_on";
    /// All of it is signed, and kept.
    const LAST_STEP: usize = 10;
    let scratch = tempfile::tempdir()?;
    let (mut office, bundle) = office(scratch.path()).await?;
    office.hub.kill()?;
    // The disk outlives the shop, whose server ends with it.
    let Some(disk) = SmallDisk::mount(TEST, &scratch.path().join("small"), 8)? else { return Ok(()) };
    let shop = NewBox::new(scratch.path(), "small");
    // Too small for a shop: in a shop the machine is not fit, in a rehearsal there is no room for the server.
    let real = Tech { rehearsal: false, ..Tech::at(&shop.folder)? }.up(&bundle, &[])?;
    ensure!(refused(&real, 7, "preflight_failed") && real.found("disk_free", "FAIL"), "{real:?}");
    let full = shop.up(&bundle, &[])?;
    ensure!(refused(&full, 10, "disk_full"), "{full:?}");
    ensure!(installed(&shop)?.is_empty(), "half installed: {:?}", installed(&shop)?);

    // It becomes full while the program is at work, as it begins with each of its steps.
    disk.grow(160)?;
    let tech = Tech::at(&shop.folder)?;
    let words = ["up", &bundle.to_string_lossy(), "--service", "process"];
    let mut told = 0;
    for step in 0.. {
        let mut child = tech.command(&words)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let steps = BufReader::new(child.stderr.take().context("its words")?);
        let mut begun = 0;
        for _line in steps.lines().map_while(Result::ok).filter(|line| line.ends_with("...")) {
            if begun == step {
                // It stands still while its disk becomes full.
                let pid = Pid::from_child(&child);
                kill_process(pid, Signal::STOP)?;
                disk.fill()?;
                kill_process(pid, Signal::CONT)?;
            }
            begun += 1;
        }
        let done = child.wait_with_output()?;
        let text = String::from_utf8(done.stdout)?;
        let said = Said {
            exit: done.status.code().unwrap_or(-1),
            object: serde_json::from_str(text.lines().last().unwrap_or("null"))?,
        };
        disk.grow(160)?;
        if begun <= step {
            ensure!(said.exit == 0, "on a disk with room: {said:?}");
            break;
        }
        // The last step is one small file, which may be written before the program stood still.
        let is_kept = || shop.folder.join("data/acceptance.cbor").is_file();
        if !(step == LAST_STEP && said.exit == 0 && is_kept()) {
            ensure!(refused(&said, 10, "disk_full"), "full from step {step} on: {said:?}");
        }
        told += 1;
        let up = eventually("the shop to come up", || async {
            let up = tech.up(&bundle, &[])?;
            ensure!(up.exit == 0, "{up:?}");
            Ok(up)
        })
        .await?;
        ensure!(up.says("receipt") == "T1-TRN-1", "a second practice ticket: {up:?}");
        // From the beginning again, at each step.
        shop.kill()?;
        for folder in ["etc", "data"] {
            fs::remove_dir_all(shop.folder.join(folder))?;
        }
    }
    println!("full at {told} steps");
    ensure!(told == LAST_STEP + 1, "{told} steps");
    Ok(())
}

/// A small server in head office's place: how often it was asked, and all that it was sent.
struct Impostor {
    child: Option<Child>,
    address: SocketAddr,
    heard: std::path::PathBuf,
}

impl Drop for Impostor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_to_sign_in_at_is_called_so_and_the_shop_sells() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (office, bundle) = office(scratch.path()).await?;
    let portal = TcpListener::bind("127.0.0.1:0")?;
    let address = portal.local_addr()?;
    let serving = std::thread::spawn(move || {
        // It answers whatever it is asked, until it is asked for its end.
        for guest in portal.incoming().map_while(Result::ok) {
            let mut guest: TcpStream = guest;
            let mut asked = [0; 512];
            let length = guest.read(&mut asked).unwrap_or(0);
            if asked.get(..length).is_some_and(|asked| asked.starts_with(b"end")) {
                return;
            }
            let answer = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/sign-in\r\nContent-Length: 0\r\n\r\n";
            guest.write_all(answer).unwrap_or_default();
        }
    });
    let bundle = changed(&bundle, office.hub.data(), |bundle| bundle.chain.https = vec![format!("https://{address}")])?;
    let shop = NewBox::new(scratch.path(), "box");
    let up = shop.up(&bundle, &[])?;
    TcpStream::connect(address)?.write_all(b"end")?;
    serving.join().ok().context("the page")?;
    ensure!(up.exit == 0 && up.says("outcome") == "ready" && !up.says("receipt").is_empty(), "{up:?}");
    ensure!(up.found("captive_portal", "WARN") && up.says("identity") == "enrolling", "{up:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_the_line_by_another_certificate_is_found_and_hears_no_code() -> Result<()> {
    const TEST: &str = "who_reads_the_line_by_another_certificate_is_found_and_hears_no_code";
    let scratch = tempfile::tempdir()?;
    let (office, bundle) = office(scratch.path()).await?;
    let (key, certificate) = (scratch.path().join("proxy.key"), scratch.path().join("proxy.pem"));
    let (key, certificate) = (key.to_string_lossy(), certificate.to_string_lossy());
    let name = "subjectAltName=DNS:hub.percolate.internal";
    let words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=hub",
    ];
    let made =
        Command::new("openssl").args(words).args(["-addext", name, "-keyout", &key, "-out", &certificate]).output();
    if !made.is_ok_and(|made| made.status.success()) {
        skipped(TEST, "there is no openssl (apt-get install openssl)");
        return Ok(());
    }
    let address = free_port()?;
    let heard = scratch.path().join("heard");
    let port = address.port().to_string();
    let mut proxy = Command::new("openssl");
    proxy.args(["s_server", "-accept", &port, "-key", &key, "-cert", &certificate, "-trace"]).stdin(Stdio::piped());
    proxy.stdout(fs::File::create(&heard)?).stderr(Stdio::null());
    let proxy = Impostor { child: Some(proxy.spawn()?), address, heard };
    eventually("the proxy to listen", || async { Ok(TcpStream::connect(proxy.address).map(drop)?) }).await?;

    let mut code = String::new();
    let bundle = changed(&bundle, office.hub.data(), |bundle| {
        bundle.chain.https = vec![format!("https://{}", proxy.address)];
        code.clone_from(&bundle.code);
    })?;
    let shop = NewBox::new(scratch.path(), "box");
    let up = shop.up(&bundle, &[])?;
    ensure!(up.exit == 0 && up.says("outcome") == "ready" && up.says("identity") != "enrolled", "{up:?}");
    ensure!(up.found("hub_not_proven", "WARN"), "{up:?}");
    let heard = fs::read(&proxy.heard)?;
    let text = String::from_utf8_lossy(&heard);
    ensure!(text.contains("ClientHello") && text.contains("Alert"), "nobody came to the proxy: {text}");
    ensure!(!text.contains("enrolments") && !text.contains(&code) && code.len() > 10, "it heard more than it may");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_type_it_at_once_bring_up_one_shop() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (office, bundle) = office(scratch.path()).await?;
    let shop = NewBox::new(scratch.path(), "box");
    let tech = Tech::at(&shop.folder)?;
    let saids = std::thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| tech.up(&bundle, &[]))).collect();
        both.into_iter()
            .map(|one| one.join().unwrap_or_else(|_panicked| anyhow::bail!("it panicked")))
            .collect::<Result<Vec<_>>>()
    })?;
    ensure!(saids.iter().any(|said| said.exit == 0 && said.says("identity") == "enrolled"), "{saids:?}");
    for said in &saids {
        ensure!(
            said.exit == 0 || (refused(said, 10, "up_running") && said.says("sentence").contains("process")),
            "{said:?}"
        );
    }
    // Neither by another configuration of the same data.
    let lock = percolate_runtime::files::DataDir::open(&shop.folder.join("data/up"))?;
    let held = tech.up(&bundle, &[])?;
    ensure!(refused(&held, 10, "up_running"), "{held:?}");
    drop(lock);
    ensure!(office.devices()?.len() == 1, "{:?}", office.devices());
    let again = tech.up(&bundle, &[])?;
    ensure!(again.exit == 0 && again.says("receipt") == "T1-TRN-1", "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_another_device_has_keeps_a_shop_from_being_brought_up() -> Result<()> {
    const TEST: &str = "an_address_that_another_device_has_keeps_a_shop_from_being_brought_up";
    let Some(mut lab) = Lab::new(TEST, &[("arping", "iputils-arping")]) else { return Ok(()) };
    for name in ["box", "other", "switch"] {
        lab.machine(name)?;
    }
    lab.run("switch", &["ip", "link", "add", "br0", "type", "bridge"])?;
    lab.run("switch", &["ip", "link", "set", "br0", "up"])?;
    for (name, end) in [("box", "p1"), ("other", "p2")] {
        lab.wire((name, "eth0"), ("switch", end))?;
        lab.run("switch", &["ip", "link", "set", end, "master", "br0"])?;
        lab.address(name, "eth0", &["192.168.7.20/24"])?;
    }
    let device = lab.run("other", &["cat", "/sys/class/net/eth0/address"])?;
    let scratch = tempfile::tempdir()?;
    let (mut office, bundle) = office(scratch.path()).await?;
    office.hub.kill()?;
    let shop = NewBox::new(scratch.path(), "box");
    let tech = Tech { before: lab.enter("box"), ..Tech::at(&shop.folder)? };
    let said = tech.up(&bundle, &[])?;
    ensure!(refused(&said, 7, "preflight_failed") && said.found("address_taken", "FAIL"), "{said:?}");
    let [_, sentence, _] = said.check("address_taken").context("the check")?;
    ensure!(sentence.contains("192.168.7.20") && sentence.to_lowercase().contains(device.trim()), "{sentence}");
    ensure!(installed(&shop)?.is_empty(), "half installed: {:?}", installed(&shop)?);

    lab.run("other", &["ip", "addr", "flush", "dev", "eth0"])?;
    lab.address("other", "eth0", &["192.168.7.21/24"])?;
    let up = tech.up(&bundle, &[])?;
    ensure!(up.exit == 0 && up.found("address_taken", "PASS") && up.found("address", "PASS"), "{up:?}");
    Ok(())
}

/// Passes connections on to another address, until the process ends.
fn pass_on(listener: TcpListener, to: SocketAddr) {
    std::thread::spawn(move || {
        for guest in listener.incoming().map_while(Result::ok) {
            let Ok(hub) = TcpStream::connect(to) else { continue };
            for (mut from, mut into) in [(guest.try_clone(), hub.try_clone()), (Ok(hub), Ok(guest))]
                .into_iter()
                .filter_map(|(from, into)| Some((from.ok()?, into.ok()?)))
            {
                std::thread::spawn(move || {
                    std::io::copy(&mut from, &mut into).unwrap_or_default();
                    into.shutdown(std::net::Shutdown::Both).unwrap_or_default();
                });
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_loses_large_packets_is_told_from_one_that_is_down() -> Result<()> {
    const TEST: &str = "a_line_that_loses_large_packets_is_told_from_one_that_is_down";
    let Some(mut lab) = Lab::new(TEST, &[("nft", "nftables")]) else { return Ok(()) };
    for name in ["box", "router", "hub"] {
        lab.machine(name)?;
    }
    lab.wire(("box", "eth0"), ("router", "lan0"))?;
    lab.wire(("router", "wan0"), ("hub", "eth0"))?;
    for (name, end, address) in [("box", "eth0", "192.168.7.20/24"), ("router", "lan0", "192.168.7.1/24")] {
        lab.address(name, end, &[address])?;
    }
    for (name, end, address) in [("router", "wan0", "10.99.0.1/24"), ("hub", "eth0", "10.99.0.2/24")] {
        lab.address(name, end, &[address])?;
    }
    lab.run("box", &["ip", "route", "add", "default", "via", "192.168.7.1"])?;
    lab.run("hub", &["ip", "route", "add", "default", "via", "10.99.0.1"])?;
    lab.run("router", &["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;
    let scratch = tempfile::tempdir()?;
    let (office, bundle) = office(scratch.path()).await?;
    let mut places = Vec::new();
    let bundle = changed(&bundle, office.hub.data(), |bundle| {
        let chain = &mut bundle.chain;
        for (port, place) in [(8444, &mut chain.https), (8883, &mut chain.mqtt)] {
            let near = place.first().map(|near| near.trim_start_matches("https://").to_owned()).unwrap_or_default();
            let scheme = if port == 8444 { "https://" } else { "" };
            *place = vec![format!("{scheme}10.99.0.2:{port}")];
            places.push((port, near));
        }
    })?;
    for (port, near) in places {
        pass_on(lab.listen("hub", SocketAddr::new("10.99.0.2".parse()?, port))?, near.parse()?);
    }
    // The narrow piece is in the middle, and nobody says so: what a router is told of large packets is dropped, too.
    lab.run("router", &["ip", "link", "set", "wan0", "mtu", "900"])?;
    lab.run(
        "router",
        &[
            "nft",
            "add table ip silent; add chain ip silent out { type filter hook output priority 0; }; \
                               add rule ip silent out icmp type destination-unreachable drop",
        ],
    )?;
    let shop = NewBox::new(scratch.path(), "box");
    let tech = Tech { before: lab.enter("box"), ..Tech::at(&shop.folder)? };
    let lost = tech.up(&bundle, &[])?;
    ensure!(lost.exit == 0 && lost.says("identity") == "enrolling" && lost.says("link") == "no_line_yet", "{lost:?}");
    ensure!(lost.found("mtu", "WARN") && lost.found("hub_mqtt", "PASS") && lost.found("hub_https", "WARN"), "{lost:?}");
    let [_, sentence, _] = lost.check("mtu").context("the check")?;
    ensure!(sentence.contains("large ones do not"), "{sentence}");

    // Narrow, and said so: everything fits, and goes through.
    lab.run("router", &["ip", "link", "set", "wan0", "mtu", "1500"])?;
    lab.run("box", &["ip", "link", "set", "eth0", "mtu", "1200"])?;
    let narrow = eventually("the box to be enrolled", || async {
        let said = tech.up(&bundle, &[])?;
        ensure!(said.exit == 0 && said.says("identity") == "enrolled" && said.says("link") == "linked", "{said:?}");
        Ok(said)
    })
    .await?;
    ensure!(narrow.found("mtu", "WARN") && narrow.found("bandwidth", "PASS"), "{narrow:?}");
    ensure!(narrow.check("mtu").is_some_and(|[_, sentence, _]| sentence.contains("1200")), "{narrow:?}");
    lab.run("box", &["ip", "link", "set", "eth0", "mtu", "1500"])?;
    let whole = tech.up(&bundle, &[])?;
    ensure!(whole.exit == 0 && whole.found("mtu", "PASS") && whole.found("hub_https", "PASS"), "{whole:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_service_that_is_dead_holds_up_nobody() -> Result<()> {
    const TEST: &str = "a_name_service_that_is_dead_holds_up_nobody";
    let Some(mut lab) = Lab::new(TEST, &[]) else { return Ok(()) };
    for name in ["box", "router"] {
        lab.machine(name)?;
    }
    lab.wire(("box", "eth0"), ("router", "lan0"))?;
    lab.address("box", "eth0", &["192.168.7.20/24"])?;
    lab.address("router", "lan0", &["192.168.7.1/24"])?;
    // It is there, takes every question, and answers none.
    let _silent = lab.datagrams("router", "192.168.7.1:53".parse()?)?;
    lab.name_service("box", "nameserver 192.168.7.1\n")?;
    let scratch = tempfile::tempdir()?;
    let (office, bundle) = office(scratch.path()).await?;
    let bundle = changed(&bundle, office.hub.data(), |bundle| {
        bundle.chain.https = vec!["https://hub.maven.example:8444".to_owned()];
        bundle.chain.mqtt = vec!["hub.maven.example:8883".to_owned()];
    })?;
    let shop = NewBox::new(scratch.path(), "box");
    let tech = Tech { before: lab.enter("box"), ..Tech::at(&shop.folder)? };
    let up = tech.up(&bundle, &[])?;
    ensure!(up.exit == 0 && up.says("outcome") == "ready" && up.says("link") == "no_line_yet", "{up:?}");
    ensure!(up.found("dns", "WARN") && up.found("hub_https", "WARN") && up.found("hub_mqtt", "WARN"), "{up:?}");
    // It was not waited until the machine itself gives up.
    ensure!(up.check("dns").is_some_and(|[_, sentence, _]| sentence.contains("does not answer")), "{up:?}");
    println!("without names: {} ms to READY", up.says("took_ms"));
    Ok(())
}
