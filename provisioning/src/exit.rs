//! How the program ends: a number for scripts, an error for people.

use std::fmt;

/// The exit codes. They are stable, and listed in `provision --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is done and well.
    Done,
    /// Something failed that no other code names.
    Failed,
    /// Called wrongly.
    Usage,
    /// Some rows were set aside; the rest is in.
    RowsSetAside,
    /// A server could not be started or reached, or refused.
    ServerFailed,
    /// What was compared does not agree.
    Disagreement,
    /// The folder of the files cannot be written, or has too little room.
    FolderUnusable,
    /// The machine is not fit to sell on.
    NotFit,
    /// The bundle, or its code, is not taken.
    BundleRefused,
    /// The shop sells, and head office does not know its box.
    NotEnrolled,
    /// What belongs to the shop could not be installed or started.
    NotInstalled,
    /// Interrupted by a person before the end.
    Interrupted,
}

/// The table of exit codes, as `--help` shows it.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    all is done and well
  1    failed: a file that cannot be read or written, or anything not named below
  2    called wrongly
  3    import, store create --from-csv: some rows were set aside, the rest is in; menu publish --from-csv: nothing is
  4    a server could not be started or reached, or refused
  5    what was compared does not agree, or was not acknowledged in time
  6    demo: its folder is read-only, not this user's to write, or on a disk with too little room
  7    up, preflight: this machine is not fit to sell on; each FAIL says what to do
  8    up: the bundle, or its code, is not taken
  9    up: head office refuses to know the box, whose shop sells; or no bundle is fetched from it by a code
  10   up: what belongs to the shop could not be installed or started
  130  interrupted before the end";

/// Those that head office's commands have.
pub const OFFICE_EXIT_CODES: &str = "\
Exit codes:
  0    all is done and well
  1    failed: a file that cannot be read or written, or anything not named below
  2    called wrongly, or nobody was there to be asked
  3    store create --from-csv: some shops were set aside, the rest is planned; menu publish --from-csv: nothing was published
  4    the hub could not be reached, or refused
  130  the question was not answered with yes: nothing was done";

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::RowsSetAside => 3,
            Self::ServerFailed => 4,
            Self::Disagreement => 5,
            Self::FolderUnusable => 6,
            Self::NotFit => 7,
            Self::BundleRefused => 8,
            Self::NotEnrolled => 9,
            Self::NotInstalled => 10,
            Self::Interrupted => 130,
        }
    }

    /// This, or the other if this one is well.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::Done { other } else { self }
    }
}

/// An error, and how the program ends on it.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What went wrong, with its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// An error that ends the program so.
    #[must_use]
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// A mistake of the caller.
    #[must_use]
    pub fn usage(text: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{text}"))
    }
}

impl fmt::Display for Failure {
    /// The error and its causes, one below the other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        self.error.chain().skip(1).try_for_each(|cause| write!(f, "\n  because: {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_help() {
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::RowsSetAside,
            Exit::ServerFailed,
            Exit::Disagreement,
            Exit::FolderUnusable,
            Exit::NotFit,
            Exit::BundleRefused,
            Exit::NotEnrolled,
            Exit::NotInstalled,
            Exit::Interrupted,
        ];
        for exit in all {
            assert!(EXIT_CODES.contains(&format!("\n  {} ", exit.code())), "{exit:?}");
        }
    }

    #[test]
    fn a_failure_tells_its_causes_once_each() {
        let error = anyhow::anyhow!("the disk is full").context("could not write a.csv");
        assert_eq!(Failure::new(Exit::Failed, error).to_string(), "could not write a.csv\n  because: the disk is full");
    }
}
