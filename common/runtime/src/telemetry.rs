//! Logs to stderr, metrics for Prometheus. Set up once, by the program, before anything that measures is made.

use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::util::TryInitError;

/// Upper bounds of the buckets of every `…_seconds` histogram: from a quick flush to a stuck disk.
const SECONDS_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Upper bounds of the buckets of every `…_commands` and `…_events` histogram.
const COUNT_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// How often histograms are folded when nobody asks for them; otherwise their samples would pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object a line, for a collector.
    Json,
}

/// A word that is no log format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a log format: human or json is expected")]
pub struct UnknownLogFormat {
    text: String,
}

impl FromStr for LogFormat {
    type Err = UnknownLogFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(UnknownLogFormat { text: text.to_owned() }),
        }
    }
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not one that the filter understands.
    #[error("the log level {text:?} cannot be read: info, debug or percolate_runtime=debug,info is expected")]
    Level {
        /// What was given.
        text: String,
        /// Why not.
        #[source]
        source: ParseError,
    },
    /// Logging was set up before.
    #[error("logging is set up already")]
    Logs(#[source] TryInitError),
    /// Metrics were set up before by somebody else.
    #[error("metrics could not be set up")]
    Metrics(#[source] BuildError),
}

/// What says little unless it is asked for by name: the library of the hub's broker has a line for each coming and going, and a
/// warning for each message that whoever is connected says or hears in vain, as often as they like. The hub counts them.
const QUIET: &str = "mqtt5=error";

/// Sends log lines of `level` and above to stderr.
///
/// # Errors
/// [`TelemetryError`] if the level cannot be read or logging is set up already.
pub fn init_logs(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(format!("{QUIET},{level}"))
        .map_err(|source| TelemetryError::Level { text: level.to_owned(), source })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lossy(io::stderr()));
    // On a terminal the library shows colours, unless the person has asked for none; a file gets none.
    let lines = if io::stderr().is_terminal() { lines } else { lines.with_ansi(false) };
    match format {
        LogFormat::Human => lines.finish().try_init(),
        LogFormat::Json => lines.json().finish().try_init(),
    }
    .map_err(TelemetryError::Logs)
}

/// Where log lines go. A line that cannot be written, because the disk is full or the reader has gone, is lost: the
/// library would complain on the same stream, and panic in whoever had something to say.
#[derive(Debug)]
struct Lossy<W>(W);

impl<W: io::Write> io::Write for Lossy<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).or(Ok(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().or(Ok(()))
    }
}

/// Makes the process's recorder, or gives the one that was made before. Call it before anything that measures is made.
///
/// # Errors
/// [`TelemetryError::Metrics`] if another recorder is installed.
pub fn install_metrics() -> Result<PrometheusHandle, TelemetryError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = build_recorder().map_err(TelemetryError::Metrics)?;
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Says in the metrics which program this is: `percolate_build_info{program="…",version="…"} 1`.
pub fn record_build(program: &'static str, version: &'static str) {
    gauge!("percolate_build_info", "program" => program, "version" => version).set(1.0);
}

/// Folds the histograms now and then until it is stopped: a task for the composition root.
pub async fn metrics_upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        handle.run_upkeep();
    }
}

fn build_recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_commands".to_owned()), COUNT_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_events".to_owned()), COUNT_BUCKETS)?
        .install_recorder()
}

#[cfg(test)]
mod tests {
    use metrics::histogram;

    use super::*;

    /// A disk that is full.
    struct Full;

    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_log_line_that_cannot_be_written_is_lost_and_nothing_else() {
        use io::Write as _;
        let mut log = Lossy(Full);
        log.write_all(b"the disk is full").unwrap();
        log.flush().unwrap();
        assert!(Full.write_all(b"x").is_err());
    }

    #[test]
    fn metrics_can_be_installed_twice_and_are_the_same() {
        let first = install_metrics().unwrap();
        let second = install_metrics().unwrap();
        record_build("test", "0.0.1");
        histogram!("test_wait_seconds").record(Duration::from_millis(3));
        let text = second.render();
        assert!(text.contains("percolate_build_info{program=\"test\",version=\"0.0.1\"} 1"), "{text}");
        assert!(text.contains("test_wait_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("test_wait_seconds_bucket{le=\"0.0025\"} 0"), "{text}");
        assert!(first.render().contains("percolate_build_info"));
    }

    #[test]
    fn a_log_format_is_one_of_two_words() {
        assert_eq!("human".parse(), Ok(LogFormat::Human));
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert!("Json".parse::<LogFormat>().is_err());
    }

    #[test]
    fn a_level_that_cannot_be_read_is_refused_by_name() {
        let refusal = init_logs(LogFormat::Human, "percolate=loud").unwrap_err();
        assert!(matches!(&refusal, TelemetryError::Level { text, .. } if text == "percolate=loud"));
    }
}
