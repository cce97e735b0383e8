//! How the programs of this package are called, what they say, and how they end.

use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use anyhow::{Error, Result};

/// Exit code for arguments that are not understood.
const USAGE: u8 = 2;

/// Prints a line.
///
/// # Errors
/// If nobody reads any more; [`end`] knows what that means.
pub fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Prints a line for who looks on, beside the output; nobody has to.
pub fn note(line: &str) {
    let mut out = io::stderr().lock();
    let _unseen = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Whether it is asked what the program does.
#[must_use]
pub fn asks_for_help(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| matches!(argument.as_str(), "--help" | "-h" | "help"))
}

/// Tells what is wrong with the arguments, and how they should be.
#[must_use]
pub fn misused(error: &Error, help: &str) -> ExitCode {
    note(&format!("error: {error:#}\n\n{help}"));
    ExitCode::from(USAGE)
}

/// Ends a program. A reader that has gone away, as `head` does, wants no more, and that is no failure.
#[must_use]
pub fn end(outcome: Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        if is_closed_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        note(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

fn is_closed_pipe(error: &Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_has_gone_away_is_no_failure() {
        let failed = |kind: ErrorKind| end(Err(io::Error::from(kind).into()));
        assert_eq!(format!("{:?}", failed(ErrorKind::BrokenPipe)), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(format!("{:?}", failed(ErrorKind::NotFound)), format!("{:?}", ExitCode::FAILURE));
    }
}
