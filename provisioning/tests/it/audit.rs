//! `provision audit` as a process, called in ways that prove nothing.

use std::fs;

use tempfile::TempDir;

use crate::import::{Outcome, run};
use crate::mock::{Behaviour, MockNode};

/// Two servers that ask for a token, and files that have theirs.
struct Servers {
    folder: TempDir,
    nodes: Vec<MockNode>,
}

impl Servers {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for store in 1..=2 {
            let node = MockNode::start(store, Behaviour::default()).await;
            fs::write(folder.path().join(format!("token-{store}")), node.token()).unwrap();
            nodes.push(node);
        }
        Self { folder, nodes }
    }

    fn token_file(&self, store: usize) -> String {
        self.folder.path().join(format!("token-{store}")).display().to_string()
    }

    /// The node of a store, with its token.
    fn named(&self, store: usize) -> String {
        format!("{},{}", self.nodes[store - 1].url(), self.token_file(store))
    }
}

async fn audit(words: &[&str]) -> Outcome {
    run(std::iter::once(&"audit").chain(words).map(|word| (*word).to_owned()).collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_to_ask_is_said_in_each_way_that_there_is() {
    let only_hub = ["--hub", "http://127.0.0.1:1"];
    for words in [&[][..], &only_hub, &["--node", "http://127.0.0.1:1"]] {
        let outcome = audit(words).await;
        let told = ["--hub URL,TOKENFILE", "--node URL,TOKENFILE", "--folders DIR"];
        let all = told.iter().all(|option| outcome.stderr.contains(option));
        assert!(outcome.code == 2 && all, "{words:?}: {}", outcome.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_missing_or_wrong_is_told_with_the_option_that_names_it() {
    let servers = Servers::start().await;
    let url = servers.nodes[0].url();
    let hub = servers.named(2);
    let advice = format!("name the file \"token\" in the server's data folder, as in --node {url},DATA/token");
    let missing = audit(&["--hub", &hub, "--node", &url]).await;
    let told = format!("no token was shown: {advice}");
    assert!(missing.code == 4 && missing.stderr.contains(&told), "{}", missing.stderr);
    let wrong = audit(&["--hub", &hub, "--node", &format!("{url},{}", servers.token_file(2))]).await;
    let told = format!("the token in {} is not that server's: {advice}", servers.token_file(2));
    assert!(wrong.code == 4 && wrong.stderr.contains(&told), "{}", wrong.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_not_named_cannot_be_picked() {
    let servers = Servers::start().await;
    let (one, other) = (servers.named(1), servers.named(2));
    let outcome = audit(&["--hub", &one, "--node", &one, "--node", &other, "--store", "4"]).await;
    let told = "store 4 is not among those that were named: of store 1, 2";
    assert!(outcome.code == 2 && outcome.stderr.contains(told), "{}", outcome.stderr);
}
