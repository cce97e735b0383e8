//! `provision up`: a shop on a new machine, from its bundle to the first ticket.
//!
//! Each step looks at what is there and does what is missing, and leaves files whole at every moment: killed anywhere and run
//! again, it comes to the same.

mod acceptance;
mod belongs;
mod bundle;
mod error;
mod fetch;
pub mod firewall;
mod install;
mod modes;
pub mod options;
mod page;
mod plain;
mod print;
pub(crate) mod running;
mod service;
mod trial;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::identity::acceptance::{CheckOutcomeV1, CheckV1, StepOutcomeV1, StepV1};
use percolate_common::identity::bundle::BundleV1;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::enrolment::EnrolmentRefusal;
use percolate_runtime::files::{DataDir, FileError};
use percolate_runtime::system::{clock_from_option, monotonic_now};
use serde_json::json;

pub use error::UpError;
pub use fetch::FetchError;
use firewall::Loaded;
use options::{PlaceOptions, PreflightOptions, ServiceKind, UpOptions};
use print::Printed;
pub use service::Start;

use crate::client::Node;
use crate::exit::{Exit, Failure};
use crate::preflight::{self, Ground};
use crate::screen::Screen;
use acceptance::Said;
use install::Installed;
use trial::Identity;

/// The lock of whoever brings the shop up, a folder in the shop's configuration.
const LOCK: &str = "up";
/// What the server says of its certificate once head office has given it one.
const ENROLLED: &str = "enrolled";
/// What a box says of itself that head office has shut out.
const REVOKED: &str = "revoked";

/// How it goes, step by step.
struct Way<'s> {
    screen: &'s mut Screen,
    json: bool,
    steps: Vec<StepV1>,
    /// What was said of each.
    said: Vec<String>,
    began: Duration,
}

impl Way<'_> {
    /// Says what is done now.
    fn begin(&mut self, what: &str) {
        self.began = monotonic_now();
        self.screen.progress.say(&format!("{what} ..."));
    }

    /// Takes note of how a step ended, and says so.
    fn end(&mut self, name: &str, outcome: StepOutcomeV1, said: &str) {
        let took = monotonic_now().saturating_sub(self.began);
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.steps.push(StepV1 { name: name.to_owned(), outcome, ms });
        self.said.push(said.to_owned());
        if !self.json {
            self.screen.line(&format!("  {:5}  {name:12}  {said}", mark(outcome))).unwrap_or_default();
        }
    }
}

const fn mark(outcome: StepOutcomeV1) -> &'static str {
    match outcome {
        StepOutcomeV1::Done => "done",
        StepOutcomeV1::Skipped => "there",
        StepOutcomeV1::Waiting => "later",
    }
}

/// What came of it.
struct Up {
    bundle: BundleV1,
    receipt: String,
    identity: Identity,
    link: String,
    accepted: bool,
    steps: Vec<(StepV1, String)>,
    checks: Vec<preflight::Check>,
    /// When the first ticket was sold, by the monotonic clock.
    sold_at: Duration,
}

/// Runs `provision up`.
///
/// # Errors
/// [`Failure`] says what was not done, and what to do.
pub async fn run(options: &UpOptions, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let began = monotonic_now();
    let clock = clock_from_option(options.simulated_clock.as_deref()).map_err(Failure::usage)?;
    let way = Way { screen, json, steps: Vec::new(), said: Vec::new(), began };
    let start = service::Own { kind: service::kind(options.service), clock: options.simulated_clock.clone() };
    let up = match bring_up(options, clock, start, way).await {
        Ok(up) => up,
        Err(error) => return refuse(of_the_disk(error, &options.place.data), json, screen),
    };
    let took = up.sold_at.saturating_sub(began);
    report(&up, took, json, screen).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(if refusal(&up.identity).is_some() { Exit::NotEnrolled } else { Exit::Done })
}

/// What a bundle puts on a box, and nothing that runs: for whoever starts the box's server by himself.
///
/// # Errors
/// [`UpError`] if the bundle is not taken, or cannot be put there.
pub fn put_on_box(bundle: &Path, place: &PlaceOptions) -> Result<(), UpError> {
    let verified = bundle::verify(bundle, &place.config, (None, None))?;
    install::install(&verified, place).map(drop)
}

/// Brings a shop up as the command does, without a word, with a server that the caller starts. Tells whether head office knows
/// the box.
///
/// # Errors
/// [`UpError`].
pub async fn quietly(options: &UpOptions, clock: Arc<dyn Clock>, start: impl Start) -> Result<bool, UpError> {
    let mut nobody = Screen::plain(Box::new(io::sink()), Box::new(io::sink()));
    let way = Way { screen: &mut nobody, json: true, steps: Vec::new(), said: Vec::new(), began: monotonic_now() };
    let up = bring_up(options, clock, start, way).await?;
    Ok(up.identity.state == ENROLLED && up.accepted)
}

async fn bring_up(
    options: &UpOptions,
    clock: Arc<dyn Clock>,
    start: impl Start,
    mut way: Way<'_>,
) -> Result<Up, UpError> {
    let place = &options.place.absolute()?;
    modes::folder(&place.config, modes::PUBLIC)?;
    let _only_one = lock(&place.config.join(LOCK))?;
    belongs::check(place, options.chain)?;
    if options.hub.is_some() {
        way.begin("the bundle is fetched");
    }
    let file = fetch::bundle_file(options, &place.config.join(LOCK), clock.clone()).await?;
    way.begin("the bundle is opened");
    let verified = bundle::verify(&file, &place.config, (options.store, options.chain))?;
    let site = &verified.bundle.site;
    let said = format!(
        "shop {}, {}, bundle {}; chain {}",
        site.store,
        site.name,
        verified.bundle.number,
        verified.key.fingerprint()
    );
    way.end("bundle", StepOutcomeV1::Done, &said);

    let checks = fit(&mut way, place, &verified.bundle, clock.now()).await?;

    way.begin("the shop is installed");
    service::room(&place.data)?;
    let Installed { is_new, mended, lock: _held } = install::install(&verified, place)?;
    let outcome = if is_new || !mended.is_empty() { StepOutcomeV1::Done } else { StepOutcomeV1::Skipped };
    let said = format!("{} and {}", place.config.display(), place.data.display());
    way.end("files", outcome, &[vec![said], mended].concat().join("; mended: "));

    way.begin("the packet filter is loaded");
    let kind = service::kind(options.service);
    let (outcome, said) = filter(options, (&verified.bundle, place), kind)?;
    way.end("firewall", outcome, &said);

    way.begin("its server starts");
    let (node, started) = start.start(place).await?;
    let outcome = if started { StepOutcomeV1::Done } else { StepOutcomeV1::Skipped };
    way.end("server", outcome, &format!("answers at {}", node.client().address()));

    way.begin("its stock is booked");
    let booked = trial::stock(&node, &verified.bundle).await?;
    way.end("stock", if booked { StepOutcomeV1::Done } else { StepOutcomeV1::Skipped }, "what was there at first");

    way.begin("a practice ticket is sold");
    let ticket = trial::ticket(&node, &verified.bundle, &*clock).await?;
    let receipt = ticket.receipt.clone();
    way.end("first ticket", StepOutcomeV1::Done, &format!("{receipt}, practice: in no total"));
    let sold_at = monotonic_now();

    way.begin("a page is printed");
    let (outcome, said) = paper(options, (&verified.bundle, place), &receipt, clock.now()).await?;
    way.end("test page", outcome, &said);

    let (identity, link) = head_office(&mut way, &node).await?;
    let enrolled = identity.state == ENROLLED;

    way.begin("all of it is signed");
    let steps = way.steps.clone();
    let kept: Vec<CheckV1> = checks.iter().map(preflight::Check::kept).collect();
    let said = Said { steps, checks: kept, ticket, rehearsal: place.rehearsal };
    let accepted = acceptance::sign((&verified.bundle, &place.data), said, enrolled, clock).await?;
    let outcome = if accepted { StepOutcomeV1::Done } else { StepOutcomeV1::Waiting };
    way.end("acceptance", outcome, if accepted { "head office has it" } else { "kept on the box" });
    Ok(Up {
        bundle: verified.bundle,
        receipt,
        identity,
        link,
        accepted,
        steps: way.steps.into_iter().zip(way.said).collect(),
        checks,
        sold_at,
    })
}

/// Whether a shop can sell on this machine.
async fn fit(
    way: &mut Way<'_>,
    place: &PlaceOptions,
    bundle: &BundleV1,
    now: UtcMillis,
) -> Result<Vec<preflight::Check>, UpError> {
    way.begin("this machine is looked at");
    let checks = preflight::checks(Ground { place: place.clone(), bundle: Some(bundle.clone()), now }).await;
    if !way.json {
        preflight::show(&checks, way.screen).unwrap_or_default();
    }
    let failed: Vec<_> = checks.iter().filter(|check| check.outcome == CheckOutcomeV1::Fail).collect();
    if !failed.is_empty() {
        let codes: Vec<_> = failed.iter().map(|check| check.code.as_str()).collect();
        return Err(UpError::Preflight { failed: codes.join(", "), checks });
    }
    way.end("preflight", StepOutcomeV1::Done, "it can sell");
    Ok(checks)
}

/// Whether head office knows the box, and whether there is a line to it.
async fn head_office(way: &mut Way<'_>, node: &Node) -> Result<(Identity, String), UpError> {
    way.begin("head office is asked, for 10 s at most");
    let identity = trial::identity(node).await?;
    let enrolled = identity.state == ENROLLED;
    let outcome = if enrolled { StepOutcomeV1::Done } else { StepOutcomeV1::Waiting };
    way.end("enrolment", outcome, &in_words(&identity));

    way.begin("the line to head office is awaited, for 5 s at most");
    let link = trial::link(node, enrolled).await?;
    let outcome = if link == trial::LINKED { StepOutcomeV1::Done } else { StepOutcomeV1::Waiting };
    way.end("line", outcome, line_in_words(&link));
    Ok((identity, link))
}

/// The packet filter, as far as it is wanted.
fn filter(
    options: &UpOptions,
    (bundle, place): (&BundleV1, &PlaceOptions),
    kind: ServiceKind,
) -> Result<(StepOutcomeV1, String), UpError> {
    if options.no_firewall || (kind == ServiceKind::Process && !options.firewall) {
        return Ok((StepOutcomeV1::Skipped, "left as it is".to_owned()));
    }
    let loaded = firewall::load(bundle, &options.ssh_from, &place.config)?;
    if kind == ServiceKind::Systemd && !matches!(loaded, Loaded::Not(_)) {
        service::filter_at_each_start(&place.config.join(firewall::FILE))?;
    }
    let ssh = if options.ssh_from.is_empty() { "; nobody may sign in over the network (--ssh-from)" } else { "" };
    Ok(match loaded {
        Loaded::Not(why) => (StepOutcomeV1::Waiting, format!("not loaded: {why}")),
        Loaded::There => (StepOutcomeV1::Skipped, format!("loaded{ssh}")),
        Loaded::New => (StepOutcomeV1::Done, format!("loaded{ssh}")),
    })
}

/// The page of each printer, as far as it is wanted.
async fn paper(
    options: &UpOptions,
    (bundle, place): (&BundleV1, &PlaceOptions),
    receipt: &str,
    now: UtcMillis,
) -> Result<(StepOutcomeV1, String), UpError> {
    if options.no_print {
        return Ok((StepOutcomeV1::Skipped, "not wanted".to_owned()));
    }
    let Printed { now, before, silent } = print::print((bundle, &place.data), receipt, now).await?;
    if !silent.is_empty() {
        let said =
            format!("WARN: no page from {}. The shop sells; run this again when it is mended", silent.join("; "));
        return Ok((StepOutcomeV1::Waiting, said));
    }
    Ok(match (now.as_slice(), before.as_slice()) {
        ([], []) => (StepOutcomeV1::Skipped, "the shop has no printer".to_owned()),
        ([], before) => (StepOutcomeV1::Skipped, format!("printed before by {}", before.join(", "))),
        (now, _) => (StepOutcomeV1::Done, format!("printed by {}: look at it", now.join(", "))),
    })
}

/// What goes wrong on a full disk goes wrong because of it, whatever it is.
fn of_the_disk(error: UpError, data: &Path) -> UpError {
    let may_be_so = matches!(error.exit(), Exit::NotInstalled | Exit::ServerFailed);
    match service::room(data) {
        Err(full) if may_be_so && !matches!(error, UpError::Running { .. }) => full,
        Ok(()) | Err(_) => error,
    }
}

/// Two techs at one box would undo each other's work.
fn lock(folder: &Path) -> Result<DataDir, UpError> {
    match DataDir::open(folder) {
        Ok(lock) => Ok(lock),
        Err(FileError::InUse { pid, .. }) => Err(UpError::Running { pid }),
        Err(error) => Err(UpError::Install(error)),
    }
}

fn line_in_words(link: &str) -> &'static str {
    if link == trial::LINKED {
        "linked: what is sold goes to head office"
    } else {
        "no line yet: what is sold is kept, and goes later"
    }
}

/// What head office has said, if it has refused. That it was not reached, or somebody else answered, is no refusal.
fn refusal(identity: &Identity) -> Option<&str> {
    if identity.state == REVOKED {
        return Some(EnrolmentRefusal::CertificateRevoked.code());
    }
    let code = identity.code.as_deref().filter(|_| identity.state != ENROLLED);
    code.filter(|code| EnrolmentRefusal::from_code(code).is_some())
}

fn in_words(identity: &Identity) -> String {
    match refusal(identity) {
        _ if identity.state == ENROLLED => "head office knows this box".to_owned(),
        Some(code) => format!("head office refuses: {code}. The shop sells; call head office"),
        None => {
            "head office does not answer yet. The shop sells; the box enrols itself when there is a line".to_owned()
        }
    }
}

fn report(up: &Up, took: Duration, json: bool, screen: &mut Screen) -> std::io::Result<()> {
    let site = &up.bundle.site;
    if json {
        let steps = up.steps.iter().map(
            |(step, said)| json!({ "step": step.name, "ms": step.ms, "outcome": mark(step.outcome), "sentence": said }),
        );
        let (steps, checks) =
            (steps.collect::<Vec<_>>(), up.checks.iter().map(preflight::Check::object).collect::<Vec<_>>());
        let outcome = if refusal(&up.identity).is_some() { "ready_not_enrolled" } else { "ready" };
        let object = json!({
            "outcome": outcome, "store": site.store, "node": site.node, "bundle": up.bundle.number,
            "receipt": up.receipt, "identity": up.identity.state, "identity_code": up.identity.code,
            "link": if up.link == trial::LINKED { "linked" } else { "no_line_yet" },
            "accepted": up.accepted, "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "steps": steps, "checks": checks,
        });
        return screen.line(&object.to_string());
    }
    let seconds = took.as_millis() / 100;
    let known = refusal(&up.identity).map_or_else(String::new, |code| {
        format!("\nHead office does not know this box: {code}. What it sells waits until it does. Call head office.")
    });
    screen.line(&format!(
        "\nREADY: shop {}, {}, sells. First ticket {} after {}.{} s.{known}",
        site.store,
        site.name,
        up.receipt,
        seconds / 10,
        seconds % 10
    ))
}

/// A refusal in words, or as an object.
fn refuse(error: UpError, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let (exit, code, fix) = (error.exit(), error.code(), error.fix());
    if json {
        let checks = if let UpError::Preflight { checks, .. } = &error { checks.as_slice() } else { &[] };
        let checks: Vec<_> = checks.iter().map(preflight::Check::object).collect();
        let object = json!({
            "outcome": "refused", "code": code, "sentence": error.to_string(), "fix": fix, "exit_code": exit.code(),
            "checks": checks,
        });
        screen.line(&object.to_string()).map_err(|error| Failure::new(Exit::Failed, error))?;
        return Ok(exit);
    }
    Err(Failure::new(exit, anyhow::Error::new(error).context(format!("{code}. {fix}"))))
}

/// Runs `provision preflight`.
///
/// # Errors
/// [`Failure`] if nothing can be written; what is found is told by the exit code.
pub async fn preflight(options: &PreflightOptions, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let clock = clock_from_option(None).map_err(|error| Failure::new(Exit::Failed, error))?;
    let ground = Ground { place: options.place.clone(), bundle: None, now: clock.now() };
    let checks = preflight::checks(ground).await;
    let shown = if json {
        let rows: Vec<_> = checks.iter().map(preflight::Check::object).collect();
        screen.line(&json!({ "checks": rows }).to_string())
    } else {
        preflight::show(&checks, screen)
    };
    shown.map_err(|error| Failure::new(Exit::Failed, error))?;
    let fails = checks.iter().any(|check| check.outcome == CheckOutcomeV1::Fail);
    Ok(if fails { Exit::NotFit } else { Exit::Done })
}
