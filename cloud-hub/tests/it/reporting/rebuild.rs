//! The reports can be thrown away: folded anew they are the same to the byte.

use std::path::Path;
use std::process::{Command, Output};

use cloud_hub::reporting;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks::blocking;

use super::sums::taken_and_folded;
use crate::support::ground::{Ground, lose, opened};
use crate::support::hub::TestHub;
use crate::support::trade::Trade;

async fn cloud_hub(command: &'static str, data: &Path) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cloud-hub"));
    program.args([command, "reporting", "--data"]).arg(data);
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

/// The commands know files only.
#[cfg(test)]
mod of_files {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_commands_rebuild_and_digest_do_so_while_no_hub_runs() {
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
        let differing: Vec<_> =
            found.iter().zip(as_printed(&before)).filter(|(a, b)| *a != b).map(|(a, _)| &a.0).collect();
        assert_eq!(differing, ["rollup", "all"], "a figure that was changed is seen");

        let rebuilt = cloud_hub("rebuild", folder.path()).await;
        assert!(rebuilt.status.success(), "{rebuilt:?}");
        assert_eq!(printed(folder.path()).await, as_printed(&before));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rebuild_and_digest_are_refused_while_a_hub_runs_or_without_a_folder() {
        let mut hub = TestHub::start().await;
        for command in ["digest", "rebuild"] {
            let refused = cloud_hub(command, hub.data_dir()).await;
            assert!(!refused.status.success(), "{command}: {refused:?}");
            let missing = hub.data_dir().join("nothing");
            let refused = cloud_hub(command, &missing).await;
            let told = String::from_utf8(refused.stderr).unwrap();
            assert!(!refused.status.success() && told.contains("there is no data folder"), "{command}: {told}");
            assert!(!missing.exists(), "{command} makes no folder");
        }
        hub.stop().await;
    }
}
