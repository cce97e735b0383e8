//! Machines of a test's own: network namespaces with wires between them. Nothing of this machine's own network is touched, and
//! nothing is left when the test ends, however it ends.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::skipped;

/// How often a disk is filled on which somebody writes meanwhile.
const FILLS_MAX: u32 = 100;

/// Where iproute2 keeps the namespaces that have names.
const NAMESPACES: &str = "/run/netns";
/// Files here take the place of those in /etc, for whoever is started in the namespace of that name.
const SETTINGS: &str = "/etc/netns";

/// Some machines, and the wires between them.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    machines: Vec<String>,
}

/// A program that a test needs; Debian has it in a package.
pub type Tool = (&'static str, &'static str);

impl Lab {
    /// A lab without machines. Where one cannot be had there is none, and a line says that the test is skipped: it needs root,
    /// namespaces and these programs.
    #[must_use]
    pub fn new(test: &str, tools: &[Tool]) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        let is_there = |name: &str| places.iter().any(|place| Path::new(place).join(name).exists());
        if !rustix::process::geteuid().is_root() {
            skipped(test, "only root makes network namespaces");
            return None;
        }
        if let Some((name, package)) = [("ip", "iproute2")].iter().chain(tools).find(|(name, _)| !is_there(name)) {
            skipped(test, &format!("there is no {name} (apt-get install {package})"));
            return None;
        }
        sweep();
        let prefix = format!("pc{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut lab = Self { prefix, machines: Vec::new() };
        if let Err(error) = lab.machine("probe") {
            skipped(test, &format!("this machine has no network namespaces: {error:#}"));
            return None;
        }
        Some(lab)
    }

    /// Adds a machine, with nothing but its loopback.
    ///
    /// # Errors
    /// If there can be none.
    pub fn machine(&mut self, name: &str) -> Result<()> {
        let namespace = self.namespace(name);
        run("ip", &["netns", "add", &namespace])?;
        self.machines.push(namespace);
        self.run(name, &["ip", "link", "set", "lo", "up"]).map(drop)
    }

    fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Lays a wire between two machines, each with an interface of a name.
    ///
    /// # Errors
    /// If there can be none.
    pub fn wire(&self, (a, a_end): (&str, &str), (b, b_end): (&str, &str)) -> Result<()> {
        let (a_space, b_space) = (self.namespace(a), self.namespace(b));
        let words = ["link", "add", a_end, "netns", &a_space, "type", "veth", "peer", "name", b_end, "netns", &b_space];
        run("ip", &words)?;
        for (name, end) in [(a, a_end), (b, b_end)] {
            self.run(name, &["ip", "link", "set", end, "up"])?;
        }
        Ok(())
    }

    /// Gives an interface addresses, as in `192.168.7.20/24`. They are there at once.
    ///
    /// # Errors
    /// If it takes one of them not.
    pub fn address(&self, name: &str, end: &str, addresses: &[&str]) -> Result<()> {
        for address in addresses {
            let of_six: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
            self.run(name, &[&["ip", "addr", "add", address, "dev", end], of_six].concat())?;
        }
        Ok(())
    }

    /// Makes the name service of a machine: these lines are its resolv.conf.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn name_service(&self, name: &str, lines: &str) -> Result<()> {
        let folder = self.settings(name);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join("resolv.conf"), lines)?)
    }

    fn settings(&self, name: &str) -> PathBuf {
        Path::new(SETTINGS).join(self.namespace(name))
    }

    /// The words before a program that is to run on a machine.
    #[must_use]
    pub fn enter(&self, name: &str) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace(name)].map(str::to_owned).to_vec()
    }

    /// Runs a program on a machine, and gives what it writes.
    ///
    /// # Errors
    /// If it fails.
    pub fn run(&self, name: &str, words: &[&str]) -> Result<String> {
        let namespace = self.namespace(name);
        run("ip", &[&["netns", "exec", &namespace], words].concat())
    }

    /// Does something as a program on that machine would: sockets that are made in it are the machine's, wherever they are
    /// used later.
    ///
    /// # Errors
    /// If it fails, or the machine cannot be entered.
    pub fn on<T: Send>(&self, name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = File::open(Path::new(NAMESPACES).join(self.namespace(name)))?;
        std::thread::scope(|scope| {
            // A thread that has entered it ends there.
            let entered = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                work()
            });
            entered.join().unwrap_or_else(|_panicked| bail!("it panicked on {name}"))
        })
    }

    /// Listens on a machine.
    ///
    /// # Errors
    /// If it has no such address, or it is taken.
    pub fn listen(&self, name: &str, address: SocketAddr) -> Result<TcpListener> {
        self.on(name, || Ok(TcpListener::bind(address)?))
    }

    /// A socket for datagrams on a machine.
    ///
    /// # Errors
    /// If it has no such address, or it is taken.
    pub fn datagrams(&self, name: &str, address: SocketAddr) -> Result<UdpSocket> {
        self.on(name, || Ok(UdpSocket::bind(address)?))
    }

    /// The ports of an address that a machine finds open, among these (as nmap takes them). Addresses are taken as they are,
    /// and no names are asked for: there may be no way to anywhere. With sockets of the machine's own kind the question goes
    /// the way of its programs; without them packets are written past its own filter.
    ///
    /// # Errors
    /// If nmap fails.
    pub fn open_ports(&self, name: &str, address: &str, ports: &str, kind: Scan) -> Result<Vec<u16>> {
        let six: &[&str] = if address.contains(':') { &["-6"] } else { &[] };
        let kind: &[&str] = match kind {
            Scan::Packets => &["-sS"],
            Scan::Sockets => &["-sT", "--unprivileged"],
        };
        let fixed =
            ["nmap", "-Pn", "-n", "-T4", "--max-retries", "1", "--min-rate", "20000", "-oG", "-", "-p", ports, address];
        let said = self.run(name, &[&fixed[..], six, kind].concat())?;
        ensure!(said.contains("# Nmap done"), "{said}");
        let mut open = Vec::new();
        for entry in said.split_once("Ports: ").map(|(_, rest)| rest).unwrap_or_default().split([',', '\t', '\n']) {
            if let Some((port, rest)) = entry.trim().split_once('/')
                && rest.starts_with("open/")
            {
                open.push(port.parse().with_context(|| said.clone())?);
            }
        }
        open.sort_unstable();
        Ok(open)
    }
}

/// How ports are asked.
#[derive(Debug, Clone, Copy)]
pub enum Scan {
    /// By packets of nmap's own: of what another machine lets in.
    Packets,
    /// By connections, as programs make them: of what the machine itself lets out.
    Sockets,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in &self.machines {
            remove(namespace);
        }
        // Only if nobody else has something in it.
        fs::remove_dir(SETTINGS).unwrap_or_default();
    }
}

/// Takes a machine away. What was started there ends there.
fn remove(namespace: &str) {
    let pids = run("ip", &["netns", "pids", namespace]).unwrap_or_default();
    for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)) {
        kill_process(pid, Signal::KILL).unwrap_or_default();
    }
    run("ip", &["netns", "del", namespace]).unwrap_or_default();
    fs::remove_dir_all(Path::new(SETTINGS).join(namespace)).unwrap_or_default();
}

/// Takes away what tests have left that were killed, by the numbers of their processes.
fn sweep() {
    for entry in fs::read_dir(NAMESPACES).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let author = name.strip_prefix("pc").and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
        if author.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            remove(&name);
        }
    }
}

/// A small disk: a folder in memory that holds so much, and is gone with the value.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it on a folder that is made for it. None, and a line that the test is skipped, where that is not allowed.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn mount(test: &str, folder: &Path, mebibytes: u32) -> Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let size = format!("size={mebibytes}m,mode=755");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "percolate-test", &folder.to_string_lossy()]);
        match mounted {
            Ok(_) => Ok(Some(Self(folder.to_owned()))),
            Err(error) => {
                skipped(test, &format!("no small disk can be mounted: {error:#}"));
                Ok(None)
            }
        }
    }

    /// Makes it larger, with all that is on it.
    ///
    /// # Errors
    /// If that is refused.
    pub fn grow(&self, mebibytes: u32) -> Result<()> {
        let size = format!("remount,size={mebibytes}m");
        run("mount", &["-o", &size, &self.0.to_string_lossy()]).map(drop)
    }

    /// Makes it as small as what is on it: from now on nothing more fits. A program that writes meanwhile makes it more, and then
    /// it is looked at again.
    ///
    /// # Errors
    /// If that is refused again and again.
    pub fn fill(&self) -> Result<()> {
        let mut filled = self.fill_once();
        for _again in 1..FILLS_MAX {
            if filled.is_ok() {
                break;
            }
            filled = self.fill_once();
        }
        filled
    }

    fn fill_once(&self) -> Result<()> {
        let state = rustix::fs::statvfs(&self.0)?;
        let used = state.f_blocks.saturating_sub(state.f_bfree).saturating_mul(state.f_frsize);
        let size = format!("remount,size={used}");
        run("mount", &["-o", &size, &self.0.to_string_lossy()]).map(drop)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever has still a file on it keeps it alive, and nobody sees it any more.
        run("umount", &["-l", &self.0.to_string_lossy()]).unwrap_or_default();
    }
}

fn run(program: &str, words: &[&str]) -> Result<String> {
    let done = Command::new(program).args(words).stdin(Stdio::null()).output();
    let done = done.with_context(|| program.to_owned())?;
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    ensure!(done.status.success(), "{program} {}: {said}", words.join(" "));
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
