//! The reports can be thrown away: folded anew they are the same to the byte.

use std::path::Path;
use std::process::{Command, Output};

use cloud_hub::kernel::engine::{password_path, role};
use cloud_hub::reporting;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks::blocking;

use super::sums::taken_and_folded;
use crate::support::ground::{Ground, connection_at, is_server, lose, opened};
use crate::support::hub::TestHub;
use crate::support::trade::Trade;

/// Runs a command on the databases of a folder of a [`Ground`], wherever they are.
async fn cloud_hub(command: &'static str, data: &Path) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cloud-hub"));
    program.args([command, "reporting"]);
    if is_server() {
        let secrets = data.join("passwords");
        std::fs::create_dir_all(&secrets).unwrap();
        // The tests' server asks for none.
        std::fs::write(password_path(&secrets, &role(reporting::SCHEMA.name)), "nothing").unwrap();
        program.args(["--profile", "large", "--postgres", &connection_at(data), "--secrets"]).arg(secrets);
    } else {
        program.arg("--data").arg(data);
    }
    blocking(move || program.output()).await.unwrap().unwrap()
}

/// What `digest` prints.
async fn printed(data: &Path) -> Vec<(String, String)> {
    let output = cloud_hub("digest", data).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split_once("  ").unwrap()).map(|(hash, table)| (table.into(), hash.into())).collect()
}

fn digest(data: &Path) -> Vec<(String, String)> {
    let digest = opened(data, reporting::digest).unwrap();
    digest.into_iter().map(|(table, hash)| (table.to_owned(), hash)).collect()
}

/// A folder with a journal and with reports that have grown in many steps.
async fn grown() -> Ground {
    taken_and_folded(&mut Trade::new(7, 200)).await.leave().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_report_is_the_same_to_the_byte() {
    let folder = grown().await;
    let before = digest(folder.path());
    let tables: Vec<_> = before.iter().map(|(table, _)| table.as_str()).collect();
    assert_eq!(
        tables,
        [
            "ticket",
            "refund",
            "ticket_tip",
            "money_between",
            "import_line",
            "rollup",
            "name",
            "store",
            "source_mark",
            "stock_fold",
            "stock_alias",
            "closing",
            "closing_part",
            "closing_range",
            "sales_sum",
            "sales_sum_at",
            "ticket_flag",
            "ticket_unmatched",
            "menu_said",
            "clock_doubt",
            "all"
        ]
    );
    reporting::rebuild(folder.path(), &folder.engine()).await.unwrap();
    assert_eq!(digest(folder.path()), before);

    // The database may be lost as a whole.
    lose(folder.path(), "reporting");
    assert_ne!(digest(folder.path()), before, "an empty one is another");
    reporting::rebuild(folder.path(), &folder.engine()).await.unwrap();
    assert_eq!(digest(folder.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_rebuild_and_digest_do_so_while_nobody_folds() {
    let desk = taken_and_folded(&mut Trade::new(8, 80)).await;
    let before = desk.digest().await;
    let broken: Result<usize, StorageError> = desk
        .db
        .write("break", |tx| tx.execute("UPDATE rollup SET net_minor = net_minor + 1 WHERE kind = 1", &[]))
        .await;
    assert!(broken.unwrap() > 0);
    let folder = desk.leave().await;
    let as_printed = |digest: &[(&str, String)]| {
        digest.iter().map(|(table, hash)| ((*table).to_owned(), hash.clone())).collect::<Vec<_>>()
    };
    let found = printed(folder.path()).await;
    let differing: Vec<_> = found.iter().zip(as_printed(&before)).filter(|(a, b)| *a != b).map(|(a, _)| &a.0).collect();
    assert_eq!(differing, ["rollup", "all"], "a figure that was changed is seen");

    // Once more on a server: whoever has it done gives the duty back.
    for _again in 0..2 {
        let rebuilt = cloud_hub("rebuild", folder.path()).await;
        assert!(rebuilt.status.success(), "{rebuilt:?}");
        assert_eq!(printed(folder.path()).await, as_printed(&before));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_rebuilt_while_a_hub_folds() {
    let mut hub = TestHub::start().await;
    let refused = cloud_hub("rebuild", hub.data_dir()).await;
    let told = String::from_utf8(refused.stderr).unwrap();
    let why = if is_server() { "stop all that do reporting first" } else { "the data folder cannot be used" };
    assert!(!refused.status.success() && told.contains(why), "{told}");
    // Who only looks is in nobody's way on a server.
    let looked = cloud_hub("digest", hub.data_dir()).await;
    assert_eq!(looked.status.success(), is_server(), "{looked:?}");
    hub.stop().await;
    let rebuilt = cloud_hub("rebuild", hub.data_dir()).await;
    assert!(rebuilt.status.success(), "{rebuilt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_do_not_go_together_are_refused_and_nothing_is_made() {
    let folder = Ground::of_files();
    let missing = folder.path().join("nothing");
    let at = missing.to_string_lossy();
    for command in ["digest", "rebuild"] {
        for (words, why) in [
            (&["--data", &*at][..], "there is no data folder"),
            (&[], "--data"),
            (&["--data", &at, "--secrets", &at], "--secrets"),
            (&["--profile", "large", "--secrets", &at], "--postgres"),
            (&["--profile", "large", "--postgres", "host=/nowhere"], "--secrets"),
            (&["--profile", "large", "--postgres", "host=db.example", "--secrets", &at], "--plain-network"),
        ] {
            let mut program = Command::new(env!("CARGO_BIN_EXE_cloud-hub"));
            program.args([command, "reporting"]).args(words);
            let refused = blocking(move || program.output()).await.unwrap().unwrap();
            let told = String::from_utf8(refused.stderr).unwrap();
            assert!(!refused.status.success() && told.contains(why), "{command} {words:?}: {told}");
            assert!(!missing.exists(), "{command} makes no folder");
        }
    }
}
