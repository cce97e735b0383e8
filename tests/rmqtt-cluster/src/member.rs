//! One member: a process.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// What a member says once it takes connections.
const READY: &str = "ready";

/// Lines of its log that are shown when it does not start.
const LOG_LINES: usize = 20;

#[derive(Debug)]
pub(crate) struct Member {
    process: Option<Child>,
    program: PathBuf,
    arguments: Vec<OsString>,
    log: PathBuf,
    port: u16,
}

impl Member {
    /// Starts the member of this number among members of these ports, in a folder with the accounts, and waits until it takes
    /// clients on its port.
    pub(crate) fn start(
        (program, folder): (&Path, &Path),
        (number, members): (usize, &str),
        port: u16,
    ) -> io::Result<Self> {
        let words = ["--id", &number.to_string(), "--members", members, "--accounts"];
        let mut arguments: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        arguments.push(folder.into());
        let log = folder.join(format!("member-{number}.log"));
        let mut member = Self { process: None, program: program.to_owned(), arguments, log, port };
        member.run()?;
        Ok(member)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// It ends when its input does, and that is with this process at the latest.
    fn run(&mut self) -> io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        let process = command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let process = self.process.insert(process);
        let mut said = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut said)?;
        }
        if said.trim() == READY { Ok(()) } else { Err(io::Error::other(format!("no member: {}", self.end_of_log()?))) }
    }

    fn end_of_log(&self) -> io::Result<String> {
        let log = fs::read_to_string(&self.log)?;
        let lines: Vec<_> = log.lines().rev().take(LOG_LINES).collect();
        Ok(lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    pub(crate) fn freeze(&self) -> io::Result<()> {
        let process = self.process.as_ref().ok_or_else(not_running)?;
        Ok(kill_process(Pid::from_child(process), Signal::STOP)?)
    }

    pub(crate) fn kill(&mut self) -> io::Result<()> {
        let mut process = self.process.take().ok_or_else(not_running)?;
        process.kill()?;
        let status = process.wait()?;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            return Err(io::Error::other(format!("it was to be killed, and had ended: {status}")));
        }
        match TcpStream::connect(self.address()) {
            Ok(_) => Err(io::Error::other("it was killed, and somebody takes its clients")),
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn again(&mut self) -> io::Result<()> {
        if self.process.is_some() { Err(io::Error::other("it was not killed")) } else { self.run() }
    }
}

fn not_running() -> io::Error {
    io::Error::other("it does not run")
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _already_gone = process.kill();
            let _reaped = process.wait();
        }
    }
}
