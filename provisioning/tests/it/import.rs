//! `provision import` as a process.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mock::{Behaviour, MockNode};

const HEADER: &str = "transaction_id,transaction_date,transaction_time,transaction_qty,store_id,store_location,\
    product_id,unit_price,product_category,product_type,product_detail";

/// Three stores and a folder for the file.
struct Chain {
    folder: TempDir,
    nodes: Vec<MockNode>,
}

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) stderr: String,
}

impl Chain {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for store in 1..=3 {
            let node = MockNode::start(store, Behaviour::default()).await;
            fs::write(folder.path().join(format!("token-{store}")), node.token()).unwrap();
            nodes.push(node);
        }
        Self { folder, nodes }
    }

    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join("sales.csv");
        fs::write(&path, content).unwrap();
        path
    }

    fn arguments(&self, file: &Path) -> Vec<String> {
        let mut words = vec!["import".to_owned(), file.display().to_string(), "--source".into(), "past".into()];
        for (node, (theirs, ours)) in self.nodes.iter().zip([(3, 1), (5, 2), (8, 3)]) {
            let token = self.folder.path().join(format!("token-{ours}"));
            words.extend(["--node".into(), format!("{},{}", node.url(), token.display())]);
            words.extend(["--map".into(), format!("{theirs}={ours}")]);
        }
        words
    }

    async fn import(&self, file: &Path, more: &[&str]) -> Outcome {
        let mut words = self.arguments(file);
        words.extend(more.iter().map(|word| (*word).to_owned()));
        run(words).await
    }
}

pub(crate) async fn run(words: Vec<String>) -> Outcome {
    let output = tokio::task::spawn_blocking(move || provision().arg("--json").args(words).output().unwrap()).await;
    let Output { status, stdout, stderr } = output.unwrap();
    let json = serde_json::from_slice(&stdout).unwrap_or(Value::Null);
    Outcome { code: status.code().unwrap(), json, stderr: String::from_utf8(stderr).unwrap() }
}

fn provision() -> Command {
    Command::new(env!("CARGO_BIN_EXE_provision"))
}

fn row(id: u32, shop: u32, time: &str, quantity: i64, price: &str) -> String {
    format!("{id},2023-01-01,{time},{quantity},{shop},Here,32,{price},Coffee,Gourmet,Ethiopia Rg\n")
}

/// A few thousand rows of three shops, about two lines a ticket.
fn many_rows() -> Vec<String> {
    (0..7_000_u32)
        .map(|id| {
            let second = id / 2;
            let time = format!("{:02}:{:02}:{:02}", 6 + second / 3_600, second / 60 % 60, second % 60);
            row(id, [3, 5, 8][(second % 3) as usize], &time, 1 + i64::from(id % 3), "3.05")
        })
        .collect()
}

fn with_header(rows: &[String]) -> String {
    format!("{HEADER}\n{}", rows.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_brought_in_once_whatever_its_order_and_however_often() {
    let chain = Chain::start().await;
    let rows = many_rows();
    let first = chain.import(&chain.file(with_header(&rows)), &["--wait"]).await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    let totals = json!({"tickets": 3_500, "lines": 7_000, "units": 13_999, "net_minor": 13_999 * 305});
    assert_eq!(first.json["totals"], totals);
    let sums: Vec<_> = chain.nodes.iter().map(MockNode::sums).collect();
    assert_eq!(sums.iter().map(|sums| sums.0).sum::<usize>(), 3_500);
    assert_eq!(sums.iter().map(|sums| sums.3).sum::<i64>(), 13_999 * 305);
    let mut shuffled = rows;
    shuffled.reverse();
    shuffled.extend_from_within(..500);
    let again = chain.import(&chain.file(with_header(&shuffled)), &[]).await;
    assert_eq!((again.code, &again.json["totals"]), (0, &totals));
    assert_eq!(again.json["rows_duplicate"], 500);
    assert!(again.json["stores"].as_array().unwrap().iter().all(|store| store["tickets_created"] == 0));
    let before: i64 = again.json["stores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|store| store["lines_there_before"].as_i64().unwrap())
        .sum();
    assert_eq!(before, 7_000);
    assert_eq!(chain.nodes.iter().map(MockNode::sums).collect::<Vec<_>>(), sums);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_cut_off_goes_on_where_it_ended() {
    let chain = Chain::start().await;
    let file = chain.file(with_header(&many_rows()));
    chain.nodes[1].set(Behaviour { full_after: Some(1), ..Behaviour::default() });
    let cut = chain.import(&file, &["--wait"]).await;
    assert_eq!(cut.code, 4, "{}", cut.stderr);
    let store = &cut.json["stores"][1];
    assert!(store["error"].as_str().unwrap().contains("507 disk_full: Free space on the box."), "{store}");
    assert!(store["lines_unsent"].as_i64().unwrap() > 0 && store["lines"].as_i64().unwrap() > 0, "{store}");
    assert!(cut.json["stores"][0]["error"].is_null());
    chain.nodes[1].set(Behaviour::default());
    let whole = chain.import(&file, &["--wait"]).await;
    assert_eq!((whole.code, &whole.json["totals"]["lines"]), (0, &json!(7_000)), "{}", whole.stderr);
    assert_eq!(whole.json["stores"][1]["lines_there_before"], store["lines"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_stores_and_lost_answers_are_asked_again_under_the_same_key() {
    let chain = Chain::start().await;
    chain.nodes[0].set(Behaviour { busy: 1, ..Behaviour::default() });
    chain.nodes[2].set(Behaviour { break_off: 1, unacked: 3, ..Behaviour::default() });
    let outcome = chain.import(&chain.file(with_header(&many_rows())), &["--wait"]).await;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let created: i64 =
        outcome.json["stores"].as_array().unwrap().iter().map(|store| store["tickets_created"].as_i64().unwrap()).sum();
    assert_eq!(created, 3_500, "a lost answer is counted as this import's");
    let requests = |at: usize| chain.nodes[at].books(|books| books.imports);
    assert_eq!((requests(0), requests(2)), (requests(1) + 1, requests(1) + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_set_aside_and_come_in_once_they_are_corrected() {
    let chain = Chain::start().await;
    let rows = [
        row(1, 5, "07:00:00", 1, "3.00"),
        row(2, 5, "07:00:00", -1, "3.00"),
        row(3, 77, "07:00:00", 1, "3.00"),
        row(4, 3, "07:00:00", 1, "3.00"),
        row(4, 3, "07:00:00", 2, "3.00"),
    ];
    let file = chain.file(with_header(&rows));
    let outcome = chain.import(&file, &[]).await;
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    let codes = json!({"conflicting_rows": 2, "quantity_out_of_range": 1, "store_not_mapped": 1});
    assert_eq!((&outcome.json["rows_set_aside_by_code"], &outcome.json["rows_read"]), (&codes, &json!(5)));
    let quarantine = PathBuf::from(outcome.json["quarantine_file"].as_str().unwrap());
    let text = fs::read_to_string(&quarantine).unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
    let corrected = text.replace(",-1,", ",1,").replace(",77,Here", ",8,Here").replace("00,2,3", "00,1,3");
    fs::write(&quarantine, corrected).unwrap();
    let again = chain.import(&quarantine, &[]).await;
    assert_eq!(again.code, 0, "{} {}", again.stderr, again.json);
    assert_eq!(chain.nodes[1].sums(), (1, 2, 2, 600), "the corrected line joins its ticket");
    assert_eq!((chain.nodes[0].sums().1, chain.nodes[2].sums().1), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_store_knows_with_other_content_is_set_aside() {
    let chain = Chain::start().await;
    let first = chain.import(&chain.file(with_header(&[row(1, 5, "07:00:00", 1, "3.00")])), &[]).await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    let rows = [row(1, 5, "07:00:00", 1, "9.00"), row(2, 5, "07:00:00", 1, "0.50")];
    let outcome = chain.import(&chain.file(with_header(&rows)), &[]).await;
    assert_eq!((outcome.code, &outcome.json["rows_set_aside_by_code"]), (3, &json!({"conflicting_row": 1})));
    let text = fs::read_to_string(outcome.json["quarantine_file"].as_str().unwrap()).unwrap();
    assert!(text.lines().nth(1).unwrap().starts_with("2,transaction_id,conflicting_row,"), "{text}");
    assert_eq!(chain.nodes[1].sums(), (1, 2, 2, 350), "what was there stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_is_one_row_in_words_too() {
    let chain = Chain::start().await;
    let outcome = chain.import(&chain.file(with_header(&[row(1, 5, "07:00:00", 1, "3.00")])), &[]).await;
    assert!(outcome.stderr.starts_with("1 row read, 1 ticket to import\n"), "{}", outcome.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_loses_lines_is_noticed() {
    let chain = Chain::start().await;
    chain.nodes[1].set(Behaviour { loses_a_line: true, ..Behaviour::default() });
    let outcome = chain.import(&chain.file(with_header(&[row(1, 5, "07:00:00", 1, "3.00")])), &[]).await;
    assert_eq!(outcome.code, 5, "{}", outcome.json);
    assert!(outcome.json["stores"][1]["error"].as_str().unwrap().contains("accounts for 0"), "{}", outcome.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_read_are_named_and_nothing_is_sent() {
    let chain = Chain::start().await;
    let folder = chain.folder.path();
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("empty.csv", Vec::new(), "is empty"),
        ("header.csv", HEADER.into(), "a header and no rows"),
        ("other.csv", b"a,b\n1,2\n".to_vec(), "the header lacks transaction_id, transaction_date"),
        ("book.xlsx", b"PK\x03\x04rest".to_vec(), "a spreadsheet"),
        ("cut.csv.gz", vec![0x1F, 0x8B, 8, 0, 0], "ends too early"),
    ];
    for (name, content, expected) in cases {
        let file = folder.join(name);
        fs::write(&file, content).unwrap();
        let outcome = chain.import(&file, &[]).await;
        assert_eq!(outcome.code, 1, "{name}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(expected), "{name}: {}", outcome.stderr);
        assert_eq!(outcome.json["exit_code"], 1);
    }
    let outcome = chain.import(folder, &[]).await;
    assert!(outcome.code == 1 && outcome.stderr.contains("is a folder"), "{}", outcome.stderr);
    let outcome = chain.import(&folder.join("none.csv"), &[]).await;
    assert!(outcome.code == 1 && outcome.stderr.contains("there is no file"), "{}", outcome.stderr);
    assert_eq!(chain.nodes.iter().map(|node| node.books(|books| books.imports)).sum::<u32>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_set_aside_are_shown_and_the_rest_is_in() {
    let chain = Chain::start().await;
    // Nobody can write below a file, whoever they are; a folder without permission would not stop root.
    let folder = chain.folder.path().join("locked");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("sales.csv");
    fs::write(&file, with_header(&[row(1, 5, "07:00:00", 1, "3.00"), row(2, 5, "07:00:00", 0, "3.00")])).unwrap();
    fs::create_dir(folder.join("sales.csv.quarantine.csv")).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let outcome = chain.import(&file, &[]).await;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("3,transaction_qty,quantity_out_of_range,"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("could not write"), "{}", outcome.stderr);
    assert_eq!(chain.nodes[1].sums().1, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_of_the_caller_are_named_before_anything_is_sent() {
    let chain = Chain::start().await;
    let file = chain.file(with_header(&[row(1, 5, "07:00:00", 1, "3.00")]));
    let cases: [(&[&str], &str); 4] = [
        (&["--map", "9=7"], "no --node is of store 7; those named are of store 1, 2, 3"),
        (&["--map", "3=9"], "contradict each other"),
        (&["--map", "x"], "FILE_STORE=STORE is expected"),
        (&["--node", "https://127.0.0.1:1"], "http://127.0.0.1:8080 is expected"),
    ];
    for (more, expected) in cases {
        let outcome = chain.import(&file, more).await;
        assert!(outcome.code == 2 && outcome.stderr.contains(expected), "{more:?}: {}", outcome.stderr);
    }
    let twin = format!("{},{}", chain.nodes[0].url(), chain.folder.path().join("token-1").display());
    let outcome = chain.import(&file, &["--node", &twin]).await;
    assert!(outcome.code == 2 && outcome.stderr.contains("both nodes of store 1"), "{}", outcome.stderr);
    assert_eq!(chain.nodes[1].books(|books| books.imports), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_by_name_and_a_missing_one_is_a_file_error() {
    let chain = Chain::start().await;
    let file = chain.file(with_header(&[row(1, 5, "07:00:00", 1, "3.00")]));
    fs::write(chain.folder.path().join("token-2"), "stolen").unwrap();
    let outcome = chain.import(&file, &[]).await;
    assert!(outcome.code == 4 && outcome.stderr.contains("401 token_required"), "{}", outcome.stderr);
    fs::remove_file(chain.folder.path().join("token-2")).unwrap();
    let outcome = chain.import(&file, &[]).await;
    assert!(outcome.code == 1 && outcome.stderr.contains("could not read the token"), "{}", outcome.stderr);
}
