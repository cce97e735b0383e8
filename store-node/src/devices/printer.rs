//! One printer: what waits for it goes out in order, each paper after the one before is done. Where it does not answer it is asked again
//! for ever, and nothing is sent to it until it says that it prints.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::paper::escpos::{KICK, QUIET, Question, Trouble};
use percolate_common::paper::{Document, Marks};
use percolate_runtime::backoff::jittered_delay;
use percolate_runtime::printer::Line;
use percolate_runtime::system::monotonic_now;
use tokio_util::sync::CancellationToken;

use crate::app::error::AppError;
use crate::app::{App, FOLLOW_EVERY, Printer, prints};
use crate::store::prints::{JobRow, PrintKind};

/// How long a printer may take to be reached.
const OPEN_MAX: Duration = Duration::from_secs(2);
/// How long it may take to say how it is, and whether it tells when it is done.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long it may take what it prints.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How long it may print at one job while it says that nothing is wrong.
const PRINT_MAX: Duration = Duration::from_secs(30);
/// The longest wait between two tries to reach it.
const RETRY_MAX: Duration = Duration::from_secs(15);
/// How often a printer is asked how it is while it has nothing to do.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// How long a job that is on its way may take to end when the box stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Why nothing is printed: a word of the API.
type Reason = &'static str;

const UNREACHABLE: Reason = "unreachable";
const SILENT: Reason = "silent";
const INTERRUPTED: Reason = "interrupted";

/// Why a visit ended early.
enum Ended {
    /// The printer does not print.
    Printer(Reason),
    /// The box cannot write down what it does.
    Box(AppError),
}

impl From<AppError> for Ended {
    fn from(error: AppError) -> Self {
        Self::Box(error)
    }
}

/// A line to a printer that answers.
struct Talk<'p> {
    line: Line,
    printer: &'p Printer,
    app: &'p App,
    /// It tells when it is done; otherwise it only says that it lives.
    tells: bool,
    /// It has said so while it was asked something else.
    is_done: bool,
}

impl<'p> Talk<'p> {
    /// Reaches a printer, and finds out how it is. Nothing to print is sent yet.
    async fn open(app: &'p App, printer: &'p Printer) -> Result<Self, Reason> {
        let line = Line::open(&printer.address, OPEN_MAX).await.map_err(|_error| UNREACHABLE)?;
        let mut talk = Self { line, printer, app, tells: false, is_done: false };
        talk.line.send(QUIET, ANSWER_MAX).await.map_err(|_error| SILENT)?;
        talk.ready().await?;
        talk.tells = talk.line.ask(Question::Done, ANSWER_MAX).await.is_ok();
        Ok(talk)
    }

    /// Asks what is answered at once.
    async fn ask(&mut self, question: Question) -> Result<u8, Reason> {
        self.line.send(&question.bytes(), ANSWER_MAX).await.map_err(|_error| INTERRUPTED)?;
        let is_done = &mut self.is_done;
        let heard = self.line.hear(question, ANSWER_MAX, |other| *is_done |= Question::Done.is_answered_by(other));
        heard.await.map_err(|error| if error.kind() == ErrorKind::TimedOut { SILENT } else { INTERRUPTED })
    }

    async fn trouble(&mut self) -> Result<Option<Trouble>, Reason> {
        let printer = self.ask(Question::Printer).await?;
        let standstill = self.ask(Question::Standstill).await?;
        Ok(Trouble::of(printer, standstill, self.ask(Question::Paper).await?))
    }

    async fn ready(&mut self) -> Result<(), Reason> {
        self.trouble().await?.map_or(Ok(()), |trouble| Err(trouble.as_str()))
    }

    /// Sends a job, and waits until it is printed: however long that takes, as long as the printer says why.
    async fn print(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        self.line.send(bytes, SEND_MAX).await.map_err(|_error| INTERRUPTED)?;
        self.is_done = false;
        if self.tells {
            self.line.send(&Question::Done.bytes(), ANSWER_MAX).await.map_err(|_error| INTERRUPTED)?;
        }
        let mut until = monotonic_now() + PRINT_MAX;
        loop {
            if self.tells {
                match self.line.hear(Question::Done, ANSWER_MAX, |_other| ()).await {
                    Ok(_done) => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::TimedOut => {}
                    Err(_broken) => return Err(INTERRUPTED),
                }
            }
            // Some answer in the order in which they were asked: not before the page is out.
            let heard = match self.trouble().await {
                Ok(trouble) => Some(trouble),
                Err(SILENT) => None,
                Err(reason) => return Err(reason),
            };
            if if self.tells { self.is_done } else { heard == Some(None) } {
                return Ok(());
            }
            if let Some(trouble) = heard {
                stands(self.app, self.printer, trouble.map(Trouble::as_str));
            }
            match heard {
                Some(Some(_)) => until = monotonic_now() + PRINT_MAX,
                Some(None) | None if monotonic_now() > until => return Err(SILENT),
                Some(None) | None => {}
            }
            if !self.tells {
                tokio::time::sleep(ANSWER_MAX).await;
            }
        }
    }
}

/// How it stands with a printer, from now on.
fn stands(app: &App, printer: &Printer, reason: Option<Reason>) {
    if !printer.stands(reason, app.clock.now()) {
        return;
    }
    let name = &printer.name;
    match reason {
        None => tracing::info!(printer.name = %name, "printer {name} prints again"),
        Some(reason) => tracing::warn!(printer.name = %name, reason, "printer {name} prints nothing: {reason}"),
    }
}

fn bytes(job: &JobRow, columns: u8) -> Vec<u8> {
    if job.kind == PrintKind::Drawer {
        return KICK.to_vec();
    }
    // What a later program wrote, and this one cannot read, is better as an empty page than as none for ever.
    let document: Document = serde_json::from_str(&job.document).unwrap_or_default();
    document.bytes(columns, Marks { copy: job.copy, duplicate: job.unsure > 0 })
}

/// Takes up what was left in the middle, if anything was.
async fn recover(app: &App, printer: &Arc<Printer>) -> Result<(), AppError> {
    let (recovering, of) = (app.clone(), printer.clone());
    app.writer.run("prints_left", move |tx| prints::recover(&recovering, tx, &of)).await
}

async fn advance(
    app: &App,
    printer: &Arc<Printer>,
    done: Option<i64>,
    and_next: bool,
) -> Result<Option<JobRow>, AppError> {
    let (taking, of) = (app.clone(), printer.clone());
    let next = app.writer.run("print", move |tx| prints::advance(&taking, tx, (&of, done), and_next)).await?;
    if done.is_some() {
        metrics::counter!("node_prints_total").increment(1);
    }
    Ok(next)
}

/// Prints all that waits for a printer; asks only how it is if nothing does and somebody wants to know.
async fn visit(app: &App, printer: &Arc<Printer>, (is_probe, stop): (bool, &CancellationToken)) -> Result<(), Ended> {
    let (looking, of) = (app.clone(), printer.clone());
    let waits = app.readers.read_async(move |tx| prints::look(&looking, tx, &of)).await?;
    if !waits && !is_probe {
        return Ok(());
    }
    let mut talk = Talk::open(app, printer).await.map_err(Ended::Printer)?;
    let mut done = None;
    loop {
        if let Err(reason) = talk.ready().await {
            if done.is_some() {
                advance(app, printer, done, false).await?;
            }
            return Err(Ended::Printer(reason));
        }
        stands(app, printer, None);
        let Some(job) = advance(app, printer, done.take(), !stop.is_cancelled()).await? else { return Ok(()) };
        if let Err(reason) = talk.print(&bytes(&job, printer.columns)).await {
            let (writing, number) = (app.clone(), job.number);
            app.writer.run("print_unsure", move |tx| prints::unsure(&writing, tx, number)).await?;
            return Err(Ended::Printer(reason));
        }
        done = Some(job.number);
    }
}

/// Looks after a printer until the box stops.
pub(crate) async fn run(app: App, printer: Arc<Printer>, stop: CancellationToken) {
    let mut commits = app.writer.commits();
    let (mut failures, mut is_probe, mut is_left) = (0, true, true);
    loop {
        let visited = async {
            if std::mem::take(&mut is_left) {
                recover(&app, &printer).await?;
            }
            visit(&app, &printer, (is_probe, &stop)).await
        };
        let grace = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        let ended = tokio::select! {
            ended = visited => ended,
            () = grace => return,
        };
        match ended {
            Ok(()) => failures = 0,
            Err(Ended::Printer(reason)) => {
                stands(&app, &printer, Some(reason));
                failures += 1;
            }
            Err(Ended::Box(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "what is printed cannot be written down: {error}"
                );
                (failures, is_left) = (failures + 1, true);
            }
        }
        is_probe = failures > 0;
        let (wait, follows) = match failures {
            0 => (PROBE_EVERY, true),
            failures => (jittered_delay(failures - 1, RETRY_MAX, &*app.entropy), false),
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = printer.wanted.notified() => is_probe = true,
            () = tokio::time::sleep(wait) => is_probe = true,
            changed = commits.changed(), if follows => if changed.is_err() { return },
        }
        if !is_probe {
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }
}
