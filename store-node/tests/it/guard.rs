//! A disk that is put back while nobody can be asked: the guard file knows, or a person says so.

use serde_json::Value;
use store_node::say_put_back;

use crate::support::menu::ESPRESSO;
use crate::support::node::{TestNode, Till, ticket};
use crate::support::program::{copy_database, put_database_back};

async fn sell(till: &Till, key: &str) -> String {
    till.sold(key, &ticket("T1", &[(ESPRESSO, 1)])).await
}

async fn life(node: &TestNode) -> (Value, Value) {
    let shown = node.till().get("/v1/node").await;
    (shown["life"]["reason"].clone(), shown["incarnation"].clone())
}

/// A shop with a guard file that sold twice, was copied, and sold once more; it does not run, and the hub is away.
async fn copied() -> (TestNode, tempfile::TempDir) {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    let other_disk = tempfile::TempDir::new().unwrap();
    node.config.guard = Some(other_disk.path().join("guard.json"));
    node.open_selling(&mut hub).await;
    sell(&node.till(), "sale-1").await;
    sell(&node.till(), "sale-2").await;
    node.stop().await;
    copy_database(&node.database(), other_disk.path());
    drop(hub);
    node.open().await;
    assert_eq!(life(&node).await.0, "new", "the note is what the database knows");
    assert_eq!(sell(&node.till(), "sale-3").await, "T1-A-3");
    node.stop().await;
    (node, other_disk)
}

#[tokio::test]
async fn a_copy_that_is_put_back_begins_a_life_before_it_sells_without_asking_anybody() {
    let (mut node, other_disk) = copied().await;
    put_database_back(&node.database(), other_disk.path());
    node.open().await;
    let (reason, incarnation) = life(&node).await;
    assert_eq!(reason, "restored");
    let receipt = sell(&node.till(), "sale-4").await;
    assert!(receipt.starts_with("T1-B") && receipt.ends_with("-1"), "{receipt}");
    node.restart().await;
    assert_eq!(life(&node).await, ("restored".into(), incarnation), "once");
    node.stop().await;
}

#[tokio::test]
async fn without_a_note_the_copy_goes_on_until_the_hub_sees_it_and_a_note_that_is_none_harms_nobody() {
    let (mut node, other_disk) = copied().await;
    put_database_back(&node.database(), other_disk.path());
    std::fs::write(other_disk.path().join("guard.json"), b"{\"node\":").unwrap();
    node.open().await;
    assert_eq!(life(&node).await.0, "new");
    assert_eq!(sell(&node.till(), "sale-4").await, "T1-A-3", "the number is given again: only the hub could know");
    node.stop().await;
    let note: Value = serde_json::from_slice(&std::fs::read(other_disk.path().join("guard.json")).unwrap()).unwrap();
    assert_eq!(note["written"]["sales"], 4, "the note is a note again");
}

#[tokio::test]
async fn a_guard_file_that_cannot_be_written_is_told_with_its_path_its_cause_and_what_to_do() {
    let (mut node, other_disk) = copied().await;
    let folder = other_disk.path().join("nodir");
    let path = folder.join("guard.json").display().to_string();
    node.config.guard = Some(folder.join("guard.json"));
    node.open().await;
    let guard = node.till().get("/v1/node").await["guard"].clone();
    assert_eq!((&guard["state"], &guard["path"]), (&"failing".into(), &path.clone().into()));
    let told = format!(
        "could not write {path}: No such file or directory (os error 2). Make the folder, or choose another file with \
         --guard; the box sells on unguarded."
    );
    assert_eq!(guard["detail"], told);
    sell(&node.till(), "sale-4").await;
    std::fs::create_dir(&folder).unwrap();
    node.restart().await;
    assert_eq!(node.till().get("/v1/node").await["guard"]["state"], "kept");
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_guard_file_is_not_opened_and_a_link_stays_one() {
    let (mut node, other_disk) = copied().await;
    let at = |name: &str| other_disk.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    std::fs::write(at("large"), vec![b' '; 5_000]).unwrap();
    std::os::unix::fs::symlink(at("missing"), at("astray")).unwrap();
    for name in ["pipe", "large", "astray", ""] {
        node.config.guard = Some(at(name));
        node.open().await;
        let guard = node.till().get("/v1/node").await["guard"].clone();
        assert_eq!(guard["state"], "failing", "{name}: {guard}");
        assert!(guard["detail"].as_str().unwrap().contains("is no guard file"), "{guard}");
        node.stop().await;
    }
    assert!(at("astray").is_symlink() && std::fs::read(at("large")).unwrap().len() == 5_000);

    std::os::unix::fs::symlink(at("guard.json"), at("link")).unwrap();
    node.config.guard = Some(at("link"));
    node.open().await;
    sell(&node.till(), "sale-4").await;
    node.stop().await;
    assert!(at("link").is_symlink());
    let note: Value = serde_json::from_slice(&std::fs::read(at("guard.json")).unwrap()).unwrap();
    assert_eq!(note["written"]["sales"], 5, "the series and four tickets, on the other disk");
}

#[tokio::test]
async fn the_guard_file_of_another_node_is_left_as_it_is() {
    let (mut node, other_disk) = copied().await;
    let path = other_disk.path().join("guard.json");
    // Also if another version of the program wrote it.
    let theirs = r#"{"node":4711,"incarnation":"0000000000000007","written":{"sales":9},"since":1}"#;
    std::fs::write(&path, theirs).unwrap();
    node.open().await;
    let guard = node.till().get("/v1/node").await["guard"].clone();
    assert_eq!(guard["state"], "of_another_node");
    let detail = guard["detail"].as_str().unwrap();
    let told =
        format!("{} is the guard file of node 4711, and this is node {}", path.display(), node.config.node.unwrap());
    assert!(detail.starts_with(&told) && detail.contains("left as it is"), "{detail}");
    sell(&node.till(), "sale-4").await;
    node.stop().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs);
    node.config.guard = None;
    node.open().await;
    assert_eq!(node.till().get("/v1/node").await["guard"], Value::Null);
    node.stop().await;
}

#[tokio::test]
async fn a_person_says_that_the_database_was_put_back_and_it_begins_a_life_once() {
    let (mut node, other_disk) = copied().await;
    put_database_back(&node.database(), other_disk.path());
    std::fs::remove_file(other_disk.path().join("guard.json")).unwrap();
    let refused = say_put_back(other_disk.path().join("nowhere").as_path()).unwrap_err();
    assert!(refused.to_string().contains("nothing was put back there"), "{refused}");
    assert_eq!(say_put_back(&node.config.data).unwrap(), None, "it does not run");
    node.open().await;
    let (reason, incarnation) = life(&node).await;
    assert_eq!(reason, "operator");
    node.restart().await;
    assert_eq!(life(&node).await, ("operator".into(), incarnation), "once");
    node.stop().await;
}
