//! `provision demo`: one bad morning of a whole chain on this machine, and the proof that its books agree.
//!
//! [`options`] → [`folder`], [`chain`], [`clock`] → [`opening`]: [`servers`], [`crew`], [`link`], [`shops`], [`large`],
//! [`enrolling`] → [`rush`] → [`play`]: on the [`floor`] each [`till`] sells and keeps a [`tally`], while each [`act`] of
//! the planned [`morning`] is done, with a [`copy`] of a box, the [`delivery`] of what waited, and what it is to [`cost`];
//! [`live`] shows [`pulse`] and [`diary`] on the [`board`] → [`settle`] → [`books`] → [`report`] → [`prompt`]. All is planned
//! before it begins; the rules of the shop are asked for every price, so that three books can be compared: the tills', the
//! shops' and the head office's.

pub mod act;
pub mod board;
pub mod books;
pub mod chain;
pub mod clock;
pub mod copy;
pub mod cost;
pub mod crew;
pub mod delivery;
pub mod diary;
pub mod enrolling;
pub mod floor;
pub mod folder;
pub mod large;
pub mod link;
pub mod live;
pub mod morning;
pub mod opening;
pub mod options;
pub mod play;
pub mod prompt;
pub mod pulse;
pub mod report;
pub mod rush;
pub mod servers;
pub mod settle;
pub mod shops;
pub mod tally;
pub mod till;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use percolate_runtime::tasks::{TaskGroup, shutdown_or_hangup_signal};
use tokio::sync::oneshot;

use self::floor::Floor;
use self::folder::Folder;
use self::opening::{Opened, open};
use self::options::DemoOptions;
use self::prompt::{Lines, Prompt, invitation};
use self::servers::ServerError;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// How long all servers and their lines together may take to end, in milliseconds; the servers get half of it.
const STOP_MS_MAX: u64 = 45_000;

/// Runs the demo.
///
/// # Errors
/// [`Failure`] if it could not be run to its end. That books differ is no failure, but an exit.
pub async fn run(options: &DemoOptions, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let before = (!screen.is_terminal && !json).then(|| screen.tell_on_output());
    let outcome = run_and_stop(options, json, screen).await;
    if let Some(before) = before {
        // Errors are told where they always are.
        screen.progress = before;
    }
    outcome
}

async fn run_and_stop(options: &DemoOptions, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    check_port(options.office_port)?;
    let folder = Folder::open(options).map_err(|error| Failure::new(error.exit(), error))?;
    let tasks = TaskGroup::new();
    let (trouble, troubled) = oneshot::channel();
    let outcome = tokio::select! {
        outcome = whole(options, folder.path(), &tasks, (trouble, json), screen) => outcome,
        failure = first_trouble(troubled) => Err(failure),
    };
    if screen.progress.has_bars() {
        // A person's Ctrl-C stands in this line.
        screen.progress.say("");
    }
    screen.progress.say(&folder.farewell(&outcome));
    if !tasks.stop(Duration::from_millis(STOP_MS_MAX)).await.is_clean() {
        screen.progress.say("  some servers did not end in time and were killed");
    }
    outcome
}

/// Whether the office page can have the port that was asked for: found out before anything is started.
fn check_port(port: u16) -> Result<(), Failure> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let taken = anyhow::anyhow!("port {port} is taken: choose another with --office-port");
            Err(Failure::new(Exit::ServerFailed, taken))
        }
        Err(error) => {
            let refused = format!("port {port} cannot be had: choose another with --office-port");
            Err(Failure::new(Exit::ServerFailed, anyhow::Error::new(error).context(refused)))
        }
        Ok(_free) => Ok(()),
    }
}

/// Waits for a server that cannot be kept up; for ever, if all can.
async fn first_trouble(troubled: oneshot::Receiver<ServerError>) -> Failure {
    match troubled.await {
        Ok(error) => Failure::new(Exit::ServerFailed, error),
        Err(_closed) => std::future::pending().await,
    }
}

async fn whole(
    options: &DemoOptions,
    folder: &Path,
    tasks: &TaskGroup,
    (trouble, json): (oneshot::Sender<ServerError>, bool),
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let interrupted = || Failure::new(Exit::Interrupted, anyhow::anyhow!("interrupted"));
    let opened = tokio::select! {
        opened = open(options, folder, tasks, screen) => opened?,
        _signal = shutdown_or_hangup_signal() => return Err(interrupted()),
    };
    let crew = opened.stage.crew.clone();
    tasks.spawn("servers", move |stop| async move {
        // Nobody listens any more if the demo is over.
        let _told = crew.keep_up(stop).await.map_err(|error| trouble.send(error));
    });
    let report = tokio::select! {
        report = play::play(&opened, options, &screen.progress) => report?,
        _signal = shutdown_or_hangup_signal() => return Err(interrupted()),
    };
    let failed = |error: io::Error| Failure::new(Exit::Failed, error);
    let text = if json { format!("{}\n", report.to_json()) } else { report.to_text(screen.paint) };
    screen.write(&text).map_err(failed)?;
    if screen.is_terminal && !options.exit && !json {
        screen.write(&invitation(&opened.stage)).map_err(failed)?;
        tokio::select! {
            asked = ask(&opened, screen) => return Ok(report.exit().or(asked?)),
            signal = shutdown_or_hangup_signal() => drop(signal.map_err(failed)?),
        }
    }
    Ok(report.exit())
}

/// Lets a person try things until they have had enough.
async fn ask(opened: &Opened, screen: &mut Screen) -> Result<Exit, Failure> {
    let stage = &*opened.stage;
    let mut lines = Lines::of_process().map_err(|error| Failure::new(Exit::Failed, error))?;
    let floor =
        Floor { catalog: stage.catalog.clone(), clock: stage.wall.clock, seed: stage.seed, tally: stage.tally.clone() };
    Prompt { stage, floor, currency: opened.currency }.serve(&mut lines, screen).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_told_before_anything_starts() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = check_port(port).unwrap_err();
        let told = format!("port {port} is taken: choose another with --office-port");
        assert_eq!((failure.to_string(), failure.exit), (told, Exit::ServerFailed));
        drop(taken);
        assert!(check_port(port).is_ok() && check_port(0).is_ok());
    }
}
