//! The arguments of `provision audit`.

use std::path::PathBuf;

use clap::Args;

use crate::import::options::NodeOption;

/// Prove that nothing is lost, doubled or changed: in one store, or in the whole chain.
///
/// The shop's server and the head office's each read their journals anew, from the first entry. Then it is compared:
/// entries 1 to n without a gap, each the one that its hash was made from; the same heads on both sides, signed by the
/// shop's own key; stock and the sums of every day equal to what the journals come to, in the shop and in the reports;
/// receipts without a gap and none given twice. Nothing is changed. Exit code 0 only if all of it is proven.
#[derive(Debug, Clone, Args)]
pub struct AuditOptions {
    /// The head office's server, the hub, and the file that holds its token: http://127.0.0.1:8081,hub-data/token
    #[arg(long, value_name = "URL[,TOKENFILE]")]
    pub hub: Option<NodeOption>,
    /// A store node, and the file that holds its token; a store that the head office knows and nobody names is a finding
    #[arg(long = "node", value_name = "URL[,TOKENFILE]")]
    pub nodes: Vec<NodeOption>,
    /// Only this store, by its number
    #[arg(long, value_name = "N")]
    pub store: Option<u32>,
    /// Instead of --hub and --node: a folder with the data folders of running servers, hub, store-01, store-02 ..., as
    /// `provision demo --data` makes it
    #[arg(long, value_name = "DIR", conflicts_with_all = ["hub", "nodes"])]
    pub folders: Option<PathBuf>,
}
