//! Why a shop is not brought up: a word for programs, a sentence for people, and what to do.

use std::io::ErrorKind;
use std::path::PathBuf;

use percolate_common::identity::bundle::BundleError;
use percolate_common::identity::chain_key::Fingerprint;
use percolate_runtime::files::FileError;
use percolate_runtime::seal::SealError;

use super::fetch::FetchError;
use crate::client::ClientError;
use crate::exit::Exit;
use crate::preflight::Check;

/// Why a shop is not brought up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The bundle cannot be read from where it is.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The bundle is not fetched from head office.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The bundle's seal does not hold.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The bundle's content is nothing that this program reads.
    #[error("the bundle was sealed with something that this program cannot read")]
    Content(#[from] BundleError),
    /// The bundle is another shop's than was asked for.
    #[error("the bundle is of shop {found}, {name}, and not of shop {wanted}")]
    BundleOtherStore {
        /// Which was asked for.
        wanted: u32,
        /// Whose it is.
        found: u32,
        /// What that is called.
        name: String,
    },
    /// The box is another shop's.
    #[error("this box is shop {installed}, {name}, and the bundle is of shop {found}")]
    BoxOtherStore {
        /// Whose box it is.
        installed: u32,
        /// What that is called.
        name: String,
        /// Whose the bundle is.
        found: u32,
    },
    /// The box has a later bundle.
    #[error("this is bundle {found} of the shop, and the box has bundle {installed}")]
    BundleOlder {
        /// The bundle's number.
        found: u64,
        /// The number of the one that is installed.
        installed: u64,
    },
    /// The machine is not fit for it.
    #[error("this machine is not ready to sell: {failed}")]
    Preflight {
        /// What failed.
        failed: String,
        /// All that was found.
        checks: Vec<Check>,
    },
    /// Somebody else is at it.
    #[error("provision is at work here already (process {pid})")]
    Running {
        /// Its process, or "unknown".
        pid: String,
    },
    /// The box is another chain's.
    #[error("this box is of chain {installed}, and chain {told} was named")]
    BoxOtherChain {
        /// Whose box it is.
        installed: Fingerprint,
        /// Which was named.
        told: Fingerprint,
    },
    /// The folders belong to another installation.
    #[error("{mark} says that these belong together with {found}, and not with {wanted}")]
    OtherFolders {
        /// Where it stands.
        mark: PathBuf,
        /// The folder that it names.
        found: PathBuf,
        /// The folder that was named here.
        wanted: PathBuf,
    },
    /// A file of the box is not what provision has written.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key of the box cannot be used.
    #[error("{path}, by which this box is known, cannot be used: {reason}")]
    Key {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another program is at work in the data folder.
    #[error("process {pid} holds {path}, and is no server of this shop")]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The process.
        pid: u32,
    },
    /// There is no room for a shop.
    #[error("{free_mb} MB of the disk are free: with less than 64 a shop's server sells nothing")]
    DiskFull {
        /// What is free, in mebibytes.
        free_mb: u64,
    },
    /// A file cannot be written.
    #[error("what belongs to the shop cannot be written")]
    Install(#[from] FileError),
    /// A folder cannot be made.
    #[error("{path} cannot be made")]
    Folder {
        /// Which one.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The server cannot be started.
    #[error("the shop's server cannot be started: {0}")]
    Service(String),
    /// The server does not become ready.
    #[error("the shop's server is not ready: {reason}; its log is {log}")]
    NotReady {
        /// What it says.
        reason: String,
        /// Where its log is.
        log: String,
    },
    /// The server refuses what a till asks.
    #[error("the shop's server did not sell")]
    Trial(#[from] ClientError),
    /// The acceptance cannot be signed.
    #[error("the acceptance cannot be signed: {0}")]
    Acceptance(String),
}

impl UpError {
    /// The word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "bundle_unreadable",
            Self::Fetch(error) => error.code(),
            Self::Seal(SealError::NotABundle) => "bundle_none",
            Self::Seal(SealError::Version(_)) => "bundle_newer",
            Self::Seal(SealError::Truncated { .. }) => "bundle_truncated",
            Self::Seal(SealError::Tampered) => "bundle_tampered",
            Self::Seal(SealError::OtherChain { .. }) => "bundle_other_chain",
            Self::Seal(SealError::TooLarge { .. } | SealError::ContentTooLarge | SealError::Unpack(_))
            | Self::Content(_) => "bundle_invalid",
            Self::BundleOtherStore { .. } => "bundle_other_store",
            Self::BoxOtherStore { .. } => "box_other_store",
            Self::BundleOlder { .. } => "bundle_older",
            Self::Preflight { .. } => "preflight_failed",
            Self::Running { .. } => "up_running",
            Self::BoxOtherChain { .. } => "box_other_chain",
            Self::OtherFolders { .. } => "box_other_folders",
            Self::Damaged { .. } => "box_damaged",
            Self::Key { .. } => "key_damaged",
            Self::Occupied { .. } => "data_in_use",
            Self::DiskFull { .. } => "disk_full",
            Self::Install(error) if is_full(error) => "disk_full",
            Self::Install(_) | Self::Folder { .. } => "install_failed",
            Self::Service(_) => "service_failed",
            Self::NotReady { .. } => "not_ready",
            Self::Trial(_) => "trial_failed",
            Self::Acceptance(_) => "acceptance_failed",
        }
    }

    /// What to do.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.fix(),
            Self::Unreadable { .. } => "Put the stick in again, and name the file on it.",
            Self::Seal(SealError::NotABundle) => "Name the file that ends in .percolate.",
            Self::Seal(SealError::Version(_)) => "Install the newer program, and try again.",
            Self::Seal(SealError::Truncated { .. }) => {
                "Copy the file again, and take the stick out only when that has ended."
            }
            Self::Seal(SealError::Tampered) => {
                "Copy the file again. If that does not help, ask head office for another."
            }
            Self::Seal(SealError::OtherChain { .. }) => {
                "Compare it with the sheet. If it is another, this is not your chain's bundle: call head office."
            }
            Self::Seal(SealError::TooLarge { .. } | SealError::ContentTooLarge | SealError::Unpack(_))
            | Self::Content(_) => "Ask head office for another bundle.",
            Self::BundleOtherStore { .. } => "Take the stick of this shop.",
            Self::BoxOtherStore { .. } => "Take the stick of this box's shop, or another box for that one.",
            Self::BundleOlder { .. } => "Take the stick with the later bundle.",
            Self::Preflight { .. } => "Do what stands beside each FAIL, and run this again.",
            Self::Running { .. } => "Wait for it to end.",
            Self::BoxOtherChain { .. } => {
                "Compare it with the sheet. If that is right, this is another chain's box: take another one, or call head office."
            }
            Self::OtherFolders { .. } => {
                "Name the folders that belong together with --config and --data. If they were moved, remove that file."
            }
            Self::Damaged { .. } => "Move that file away, and run this again: it is written anew from the bundle.",
            Self::Key { .. } => {
                "Give it back to its owner with mode 600. If it is lost, move it away, and ask head office for a bundle made with \
                 --replace."
            }
            Self::Occupied { .. } => "Stop that process, or name another folder with --data.",
            Self::DiskFull { .. } => "Free some space, and run this again.",
            Self::Install(error) if is_full(error) => "Free some space, and run this again.",
            Self::Install(_) | Self::Folder { .. } => {
                "Run this as root, or name folders of yours with --config and --data."
            }
            Self::Trial(ClientError::Refused { .. }) => {
                "Head office's plan of the shop does not go with its menu: ask for another bundle."
            }
            Self::Service(_) | Self::NotReady { .. } | Self::Trial(_) => "Look into its log, and run this again.",
            Self::Acceptance(_) => "Run this again.",
        }
    }

    /// How the program ends on it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Fetch(error) => error.exit(),
            Self::Preflight { .. } => Exit::NotFit,
            Self::Unreadable { .. }
            | Self::Seal(_)
            | Self::Content(_)
            | Self::BundleOtherStore { .. }
            | Self::BoxOtherStore { .. }
            | Self::BoxOtherChain { .. }
            | Self::BundleOlder { .. } => Exit::BundleRefused,
            Self::Trial(_) | Self::NotReady { .. } => Exit::ServerFailed,
            Self::Running { .. }
            | Self::OtherFolders { .. }
            | Self::Damaged { .. }
            | Self::Key { .. }
            | Self::Occupied { .. }
            | Self::DiskFull { .. }
            | Self::Install(_)
            | Self::Folder { .. }
            | Self::Service(_)
            | Self::Acceptance(_) => Exit::NotInstalled,
        }
    }
}

fn is_full(error: &FileError) -> bool {
    matches!(error, FileError::Write { source, .. } if source.kind() == ErrorKind::StorageFull)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_called_so() {
        let of = |kind: ErrorKind| {
            UpError::Install(FileError::Write { path: PathBuf::from("x"), source: std::io::Error::from(kind) })
        };
        assert_eq!(
            (of(ErrorKind::StorageFull).code(), of(ErrorKind::PermissionDenied).code()),
            ("disk_full", "install_failed")
        );
        assert_eq!(of(ErrorKind::StorageFull).exit(), Exit::NotInstalled);
        assert_ne!(of(ErrorKind::StorageFull).fix(), of(ErrorKind::PermissionDenied).fix());
    }
}
