//! A box that its bundle made: it sells at once, and what is wrong with its files is said by name.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use clap::Parser as _;
use percolate_common::identity::site_file::{MENU_FILE, plan_of};
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Incarnation, JournalId, StreamKind};
use percolate_runtime::read_pool::ReadPool;
use serde_json::json;
use store_node::config::{Cli, Command};

use crate::support::chain::TestChain;
use crate::support::hub::position;
use crate::support::installed::{Shop, alone, bundle, install, link_is, said, stands};
use crate::support::menu::{ESPRESSO, MenuJournal};
use crate::support::node::{TestNode, chain, ticket};

const NOWHERE: &str = "https://127.0.0.1:1";

#[tokio::test]
async fn a_box_sells_from_its_bundle_without_any_line() {
    let mut node = alone(&TestChain::new(1));
    node.open().await;
    let till = node.till();
    assert_eq!(till.sold("first", &ticket("T1", &[(ESPRESSO, 1)])).await, "T1-A-1");
    let shown = till.get("/v1/node").await;
    assert_eq!((&shown["link"], &shown["catalog_revision"]), (&json!("not_enrolled"), &json!(1)));
    assert_eq!(shown["store"]["name"], "Virginia-Highland");
    // It says which description it has read, for whoever has written a later one.
    let described = fs::read(node.config.site.as_ref().unwrap()).unwrap();
    assert_eq!(shown["plan"], json!(plan_of(&described)));
    let identity = stands(&node, "enrolling", Some("hub_unreachable")).await;
    assert_eq!(identity["not_after_ms"], json!(null));
    assert!(identity["detail"].as_str().unwrap().contains("The box sells"), "{identity}");
    assert_eq!(till.ask_openly("/readyz").await.status, 200);
    // The menu is read again at each start: repeats change nothing.
    node.restart().await;
    assert_eq!(node.till().sold("second", &ticket("T1", &[(ESPRESSO, 1)])).await, "T1-A-2");
    node.stop().await;
}

#[tokio::test]
async fn a_hub_that_appears_later_gets_all_and_has_no_menu_to_send() {
    let mut shop = Shop::prepare().await;
    shop.node.config.hub_https = vec![NOWHERE.parse().unwrap()];
    shop.node.open().await;
    shop.node.till().sold("alone", &ticket("T1", &[(ESPRESSO, 2)])).await;
    stands(&shop.node, "enrolling", Some("hub_unreachable")).await;
    shop.node.stop().await;
    shop.node.config.hub_https = Vec::new();
    shop.node.open().await;
    let hello = shop.hub.greet().await;
    let menu = MenuJournal::published();
    assert_eq!(hello.positions, [position(&menu.id, &menu.head())], "the same bytes made the same journal");
    let last = shop.node.till().last_seq("sales").await;
    shop.hub.take_until(StreamKind::Sales, last).await;
    link_is(&shop.node, "up").await;
    stands(&shop.node, "enrolled", None).await;
    shop.close().await;
}

#[tokio::test]
async fn a_later_bundle_brings_what_the_box_lacks_and_a_wrong_frame_is_passed_over() {
    let chain = TestChain::new(1);
    let mut node = alone(&chain);
    node.open().await;
    node.stop().await;
    let mut menu = MenuJournal::published();
    let before = menu.head().seq;
    menu.price_espresso(350);
    menu.publish(2, 3);
    let frame = |lo, hi| menu.batch(lo, hi, 0).encode().unwrap().into();
    let mut later = bundle(&chain, NOWHERE, "127.0.0.1:1");
    let of_a_node = {
        let id = JournalId {
            author: AuthorId::node(NodeId::new(12)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let mut journal = MenuJournal { id, events: Vec::new(), heads: vec![id.genesis()] };
        journal.publish(1, 0);
        journal.batch(1, 1, 0)
    };
    later.journals =
        vec![vec![0xff].into(), of_a_node.encode().unwrap().into(), frame(1, before), frame(before + 1, before + 2)];
    install(&mut node, &later);
    node.open().await;
    assert_eq!(node.till().get("/v1/node").await["catalog_revision"], 2);
    node.stop().await;
    assert_eq!(journals_from_above(&node), 1, "a bundle brings no node's journal");
}

/// How many journals of others the box holds.
fn journals_from_above(node: &TestNode) -> usize {
    let pool = ReadPool::open(&node.database().as_path().into(), 1).unwrap();
    let rows = pool.read(|tx| tx.sqlite()?.query_list("SELECT author FROM down_head LIMIT 10", [], |row| row.get(0)));
    let authors: Vec<i64> = rows.unwrap();
    authors.len()
}

/// The file with the menu of a box that is installed.
fn menu_file(node: &TestNode) -> PathBuf {
    node.config.site.as_ref().unwrap().with_file_name(MENU_FILE)
}

#[tokio::test]
async fn a_menu_that_is_not_the_bundles_is_left_and_the_box_starts() {
    let mut node = alone(&TestChain::new(1));
    let file = menu_file(&node);
    let whole = fs::read(&file).unwrap();
    let mut changed = whole.clone();
    changed[20] ^= 1;
    for content in [Some(changed), Some(whole[..40].to_vec()), None] {
        match &content {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        node.open().await;
        assert_eq!(node.till().get("/v1/node").await["catalog_revision"], json!(null), "{content:?}");
        node.stop().await;
    }
    fs::write(&file, whole).unwrap();
    node.open().await;
    assert_eq!(node.till().get("/v1/node").await["catalog_revision"], 1);
    node.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_file_is_said_by_name() {
    let mut node = alone(&TestChain::new(1));
    let path = node.config.site.clone().unwrap();
    let right = fs::read_to_string(&path).unwrap();
    for (what, from, to) in [
        ("reading the file of --site failed", "\"store\":1", "\"store\":\"one\""),
        ("time zone \"Mars/Olympus\" is not known", "America/New_York", "Mars/Olympus"),
        ("reading the currency in the file of --site failed", "\"USD\"", "\"dollars\""),
        ("the name in the file of --site must have 1 to 80 bytes", "\"Virginia-Highland\"", "\" \""),
        ("reading the hub's addresses in the file of --site failed", "https://127.0.0.1:1", "http://127.0.0.1:1"),
        ("reading the broker's addresses in the file of --site failed", "[\"127.0.0.1:1\"]", "[]"),
        ("reading the chain's root failed", "BEGIN CERTIFICATE", "BEGIN NOTHING"),
    ] {
        assert!(right.contains(from), "{from}");
        fs::write(&path, right.replace(from, to)).unwrap();
        let refused = chain(&node.try_open().await.expect_err("it must not start"));
        assert!(refused.contains(what), "{refused}");
    }
    fs::write(&path, &right).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = chain(&node.try_open().await.expect_err("it must not start"));
    assert!(refused.contains("can be read by others"), "{refused}");
    fs::remove_file(&path).unwrap();
    let refused = chain(&node.try_open().await.expect_err("it must not start"));
    assert!(refused.contains("reading the file of --site failed"), "{refused}");
}

#[tokio::test]
async fn a_box_without_a_bundle_speaks_of_no_certificate() {
    let mut node = TestNode::lonely().await;
    assert_eq!(said(&node).await, json!(null));
    assert_eq!(node.till().get("/v1/node").await["link"], "down");
    node.stop().await;
}

/// What the command line makes of these words after `serve --data D`.
fn parsed(words: &str) -> Result<Command, String> {
    let all = "store-node serve --data D".split(' ').chain(words.split_whitespace());
    Cli::try_parse_from(all).map(|cli| cli.command).map_err(|error| error.to_string())
}

#[test]
fn a_shop_is_told_by_its_file_or_by_words_and_never_by_both() {
    let words = "--store 1 --node 11 --name X --zone UTC --currency USD";
    assert!(parsed(words).is_ok());
    let Ok(Command::Serve(config)) = parsed("--site F --hub-https https://a:1,https://b:2") else {
        panic!("it serves")
    };
    assert_eq!((config.hub_https.len(), config.hub_mqtt, config.store), (2, None, None));
    for (words, said) in [
        ("", "required"),
        ("--store 1 --node 11 --name X --zone UTC", "--currency"),
        ("--site F --store 1", "cannot be used with"),
        ("--site F --cutover-hour 3", "cannot be used with"),
        ("--site F --hub-password-file P", "cannot be used with"),
        (&format!("{words} --hub-https https://a:1"), "cannot be used with"),
        ("--site F --hub-https http://a:1", "names no server"),
    ] {
        let refused = parsed(words).unwrap_err();
        assert!(refused.contains(said), "{words}: {refused}");
    }
}
