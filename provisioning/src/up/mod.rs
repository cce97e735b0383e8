//! `provision up`: a shop on a new machine, from its bundle to the first ticket.
//!
//! Each step looks at what is there and does what is missing, and leaves files whole at every moment: killed anywhere and run
//! again, it comes to the same.

mod acceptance;
mod bundle;
mod error;
mod fetch;
mod install;
pub mod options;
mod service;
mod trial;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::identity::acceptance::{CheckOutcomeV1, CheckV1, StepOutcomeV1, StepV1};
use percolate_common::identity::bundle::BundleV1;
use percolate_common::time::Clock;
use percolate_runtime::enrolment::EnrolmentRefusal;
use percolate_runtime::files::{DataDir, FileError};
use percolate_runtime::system::{clock_from_option, monotonic_now};
use serde_json::json;

pub use error::UpError;
pub use fetch::FetchError;
use options::{PreflightOptions, UpOptions};

use crate::exit::{Exit, Failure};
use crate::preflight::{self, Ground};
use crate::screen::Screen;
use acceptance::Said;
use trial::Identity;

/// The lock of whoever brings the shop up, a folder in the shop's configuration.
const LOCK: &str = "up";

/// How it goes, step by step.
struct Way<'s> {
    screen: &'s mut Screen,
    json: bool,
    steps: Vec<StepV1>,
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
    accepted: bool,
    steps: Vec<StepV1>,
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
    let clock = clock_from_option(None).map_err(|error| Failure::new(Exit::Failed, error))?;
    let way = Way { screen, json, steps: Vec::new(), began };
    let up = match bring_up(options, clock, way).await {
        Ok(up) => up,
        Err(error) => return refuse(error, json, screen),
    };
    let took = up.sold_at.saturating_sub(began);
    report(&up, took, json, screen).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(if refusal(&up.identity).is_some() { Exit::NotEnrolled } else { Exit::Done })
}

async fn bring_up(options: &UpOptions, clock: Arc<dyn Clock>, mut way: Way<'_>) -> Result<Up, UpError> {
    let place = &options.place.absolute()?;
    let _only_one = lock(&place.config)?;
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

    way.begin("this machine is looked at");
    let ground = Ground { place, bundle: Some(&verified.bundle), now: clock.now() };
    let checks = preflight::checks(&ground).await;
    if !way.json {
        preflight::show(&checks, way.screen).unwrap_or_default();
    }
    let failed: Vec<_> = checks.iter().filter(|check| check.outcome == CheckOutcomeV1::Fail).collect();
    if !failed.is_empty() {
        let codes: Vec<_> = failed.iter().map(|check| check.code).collect();
        return Err(UpError::Preflight { failed: codes.join(", "), checks });
    }
    way.end("preflight", StepOutcomeV1::Done, "it can sell");

    way.begin("the shop is installed");
    let is_new = install::install(&verified, (&place.config, &place.data))?;
    let outcome = if is_new { StepOutcomeV1::Done } else { StepOutcomeV1::Skipped };
    way.end("files", outcome, &format!("{} and {}", place.config.display(), place.data.display()));

    way.begin("its server starts");
    let (node, started) = service::start(place, service::kind(options.service), is_new).await?;
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

    way.begin("head office is asked, for 10 s at most");
    let identity = trial::identity(&node).await?;
    let enrolled = identity.state == "enrolled";
    let outcome = if enrolled { StepOutcomeV1::Done } else { StepOutcomeV1::Waiting };
    way.end("enrolment", outcome, &in_words(&identity));

    way.begin("all of it is signed");
    let steps = way.steps.clone();
    let kept: Vec<CheckV1> = checks.iter().map(preflight::Check::kept).collect();
    let said = Said { steps, checks: kept, ticket, rehearsal: place.rehearsal };
    let accepted = acceptance::sign((&verified.bundle, &place.data), said, clock).await?;
    let outcome = if accepted { StepOutcomeV1::Done } else { StepOutcomeV1::Waiting };
    way.end("acceptance", outcome, if accepted { "head office has it" } else { "kept on the box" });
    Ok(Up { bundle: verified.bundle, receipt, identity, accepted, steps: way.steps, checks, sold_at })
}

/// Two techs at one box would undo each other's work.
fn lock(config: &Path) -> Result<DataDir, UpError> {
    match DataDir::open(&config.join(LOCK)) {
        Ok(lock) => Ok(lock),
        Err(FileError::InUse { .. }) => Err(UpError::Running),
        Err(error) => Err(UpError::Install(error)),
    }
}

/// What head office has said, if it has refused. That it was not reached, or somebody else answered, is no refusal.
fn refusal(identity: &Identity) -> Option<&str> {
    let code = identity.code.as_deref().filter(|_| identity.state != "enrolled");
    code.filter(|code| EnrolmentRefusal::from_code(code).is_some())
}

fn in_words(identity: &Identity) -> String {
    match refusal(identity) {
        _ if identity.state == "enrolled" => "head office knows this box".to_owned(),
        Some(code) => format!("head office refuses: {code}. The shop sells; call head office"),
        None => {
            "head office does not answer yet. The shop sells; the box enrols itself when there is a line".to_owned()
        }
    }
}

fn report(up: &Up, took: Duration, json: bool, screen: &mut Screen) -> std::io::Result<()> {
    let site = &up.bundle.site;
    if json {
        let steps =
            up.steps.iter().map(|step| json!({ "step": step.name, "ms": step.ms, "outcome": mark(step.outcome) }));
        let (steps, checks) =
            (steps.collect::<Vec<_>>(), up.checks.iter().map(preflight::Check::object).collect::<Vec<_>>());
        let outcome = if refusal(&up.identity).is_some() { "ready_not_enrolled" } else { "ready" };
        let object = json!({
            "outcome": outcome, "store": site.store, "node": site.node, "bundle": up.bundle.number,
            "receipt": up.receipt, "identity": up.identity.state, "identity_code": up.identity.code,
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
    let ground = Ground { place: &options.place, bundle: None, now: clock.now() };
    let checks = preflight::checks(&ground).await;
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
