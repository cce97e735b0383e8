//! Whose folder it is: one process, one store, one node, one schema; everything else is refused by name.

use percolate_common::domain::event::Event;
use percolate_common::journal::StreamKind;
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;
use store_node::config::Config;
use tokio::process::Command;

use crate::support::menu::{BEANS, ESPRESSO};
use crate::support::node::{TestNode, chain, password_file, ticket};
use crate::support::program::{Program, older_database, open_database, upgrade_database};

/// Makes a configuration another one.
type Change = fn(&mut Config);

/// Why it does not start with another configuration.
async fn refusal(node: &mut TestNode, change: Change) -> String {
    let right = node.config.clone();
    change(&mut node.config);
    let refused = node.try_open().await.expect_err("it must not start");
    node.config = right;
    chain(&refused)
}

#[tokio::test]
async fn a_second_process_on_the_folder_is_refused_and_the_first_sells_on() {
    let (node, mut hub) = TestNode::prepare_with_hub().await;
    let first = Program::start_selling(&node.config, &mut hub).await;
    let till = first.till().await;
    let (code, said) = Program::start(&node.config).ended().await;
    assert_eq!(code, Some(1), "{said}");
    let names = format!("is in use by process {}: stop it first, or choose another folder", first.pid());
    assert!(said.contains(&names) && said.contains(node.config.data.to_str().unwrap()), "{said}");
    assert_eq!(till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await, "T1-A-1");
}

/// What `store-node put-back` answers.
async fn put_back(config: &Config) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store-node"));
    let output = command.arg("put-back").arg("--data").arg(&config.data).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn who_says_that_a_disk_was_put_back_is_told_if_the_box_runs() {
    let (node, mut hub) = TestNode::prepare_with_hub().await;
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    let said = put_back(&node.config).await;
    let told = format!("Noted, but the box runs now, as process {}, and goes on as it is", program.pid());
    assert!(said.starts_with(&told) && said.contains("counts at its next start"), "{said}");
    assert_eq!(till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await, "T1-A-1");
    program.tell_to_stop();
    assert_eq!(program.ended().await.0, Some(0));
    assert!(put_back(&node.config).await.starts_with("Noted. Start the box again: it begins a new life"));
    let program = Program::start(&node.config);
    assert_eq!(program.till().await.get("/v1/node").await["life"]["reason"], "operator");
}

#[tokio::test]
async fn a_program_that_is_told_to_stop_ends_well_and_what_it_sold_is_there() {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let mut screen = till.listen().await;
    program.tell_to_stop();
    while screen.next().await.is_some() {}
    assert!(screen.ended_well, "open screens are let go");
    let (code, said) = program.ended().await;
    assert_eq!(code, Some(0), "{said}");
    node.open().await;
    assert_eq!(node.till().sold("next", &ticket("T1", &[(ESPRESSO, 1)])).await, "T1-A-2");
    node.stop().await;
}

#[tokio::test]
async fn a_folder_of_another_store_or_node_is_refused_and_left_as_it_was() {
    let mut node = TestNode::lonely().await;
    let before = node.stop().await;
    let store = refusal(&mut node, |config| config.store = Some(2)).await;
    assert!(store.contains("this database belongs to store 1, not to store 2: point --data at"), "{store}");
    let other = refusal(&mut node, |config| config.node = Some(12)).await;
    assert!(other.contains("this database belongs to node 11, not to node 12: point --data at"), "{other}");
    node.open().await;
    let after = node.stop().await;
    assert_eq!(after.entries.len(), before.entries.len());
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let mut node = TestNode::lonely().await;
    node.stop().await;
    upgrade_database(&node.database());
    let newer = refusal(&mut node, |_| {}).await;
    assert!(newer.contains("the database has schema 15, this program knows 14: use the newer program"), "{newer}");
}

#[test]
fn tickets_of_an_older_database_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let ids: Vec<[u8; 16]> = (1..=3).map(|n| [n; 16]).collect();
    let mut older = older_database(&path);
    older
        .write("sell", |tx| {
            let tx = tx.sqlite()?;
            for (id, seq) in ids.iter().zip(1_i64..) {
                tx.execute(
                    "INSERT INTO ticket (life, seq, id, day, class, lines, units, net_minor, tax_minor, total_minor)
                     VALUES (1, :seq, :id, 20000, 1, 1, 1, 300, 27, 327)",
                    named_params! {":seq": seq, ":id": id},
                )?;
            }
            Ok::<_, StorageError>(())
        })
        .unwrap();
    drop(older);
    let mut present = open_database(&path);
    let list = "SELECT id, total_minor, body_hash FROM ticket ORDER BY seq LIMIT 10";
    let kept = present.write("look", |tx| {
        tx.sqlite()?.query_list(list, [], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, i64>(1)?, row.get(2)?)))
    });
    let expected: Vec<(_, _, Option<[u8; 16]>)> = ids.iter().map(|id| (*id, 327, None)).collect();
    assert_eq!(kept.unwrap(), expected);
    let twice = present.write("again", |tx| {
        tx.sqlite()?.execute("UPDATE ticket SET id = :id WHERE seq = 2", named_params! {":id": ids[0]})
    });
    assert!(matches!(twice, Err(StorageError::Query(_))), "an id is there once: {twice:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_was() {
    let mut node = TestNode::prepare();
    std::fs::create_dir(&node.config.data).unwrap();
    let content = "not a database, but somebody's letter ".repeat(100);
    std::fs::write(node.database(), &content).unwrap();
    let damaged = refusal(&mut node, |_| {}).await;
    assert!(damaged.contains("the database file is damaged"), "{damaged}");
    assert_eq!(std::fs::read_to_string(node.database()).unwrap(), content);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_is_refused_by_name() {
    let mut node = TestNode::prepare();
    let changes: [(&str, Change); 9] = [
        ("time zone \"Mars/Olympus\" is not known", |config| config.zone = Some("Mars/Olympus".to_owned())),
        ("cut-over hour 13 is not usable", |config| config.cutover_hour = 13),
        ("reading --currency failed", |config| config.currency = Some("dollars".to_owned())),
        ("--name must have 1 to 80 bytes", |config| config.name = Some("a\nb".to_owned())),
        ("--http 0.0.0.0:0 is not a loopback address", |config| config.http = "0.0.0.0:0".parse().unwrap()),
        ("others (its mode is 644): chmod o= ", |config| {
            config.hub_password_file = Some(password_file(config.data.parent().unwrap(), 0o644));
        }),
        (
            "--hub-mqtt 192.0.2.1:1883 is not on this machine, and the password would be sent there in the clear",
            |config| {
                config.hub_mqtt = Some("127.0.0.1:1,192.0.2.1:1883".parse().unwrap());
                config.hub_password_file = Some(password_file(config.data.parent().unwrap(), 0o600));
            },
        ),
        ("reading --hub-password-file failed: could not read", |config| {
            config.hub_mqtt = Some("192.0.2.1:1883".parse().unwrap());
            config.plain_network = true;
            config.hub_password_file = Some(config.data.join("none"));
        }),
        ("reading --simulated-clock failed", |config| config.simulated_clock = Some("soon".to_owned())),
    ];
    for (names, change) in changes {
        // The clock is an argument of this test's nodes; the option is read by the program.
        let said = if names.contains("clock") {
            let mut config = node.config.clone();
            change(&mut config);
            chain(&store_node::Node::start(&config).await.unwrap_err())
        } else {
            refusal(&mut node, change).await
        };
        assert!(said.contains(names), "{said}");
    }
    node.open().await;
    node.stop().await;
}

#[tokio::test]
async fn a_store_describes_itself_at_its_first_start_and_when_it_changes() {
    let mut node = TestNode::lonely().await;
    node.restart().await;
    node.stop().await;
    node.config.name = Some("Virginia-Highland North".to_owned());
    node.open().await;
    node.restart().await;
    let books = node.stop().await;
    let names = books.stream(StreamKind::Ops).map(|entry| match &entry.recorded.event {
        Event::StoreDescribed(described) => described.name.clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(names.collect::<Vec<_>>(), ["Virginia-Highland", "Virginia-Highland North"]);
}

#[tokio::test]
async fn a_node_whose_files_are_taken_away_sells_nothing_into_the_void_and_sells_on_when_they_are_back() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let sale = ticket("T1", &[(ESPRESSO, 1)]);
    till.sell("before", &sale).await.ok();
    for file in ["node.db", "node.db-wal"] {
        let (here, away) = (node.config.data.join(file), node.config.data.join("away"));
        std::fs::rename(&here, &away).unwrap();
        let refused = till.sell("while", &sale).await;
        assert_eq!(refused.refusal(), (503, "storage_gone".to_owned()), "{file}");
        assert_eq!(till.ask("/readyz").await.status, 503, "{file}");
        std::fs::rename(&away, &here).unwrap();
    }
    till.sell("after", &sale).await.ok();
    assert_eq!(node.stop().await.stream(StreamKind::Sales).count(), 3, "a series and two sales");
}

#[tokio::test]
async fn a_copy_in_the_place_of_a_running_nodes_files_takes_nothing() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let sale = ticket("T1", &[(ESPRESSO, 1)]);
    till.sell("before", &sale).await.ok();
    for file in ["node.db", "node.db-wal"] {
        let (here, away, copy) =
            (node.config.data.join(file), node.config.data.join("away"), node.config.data.join("copy"));
        std::fs::copy(&here, &copy).unwrap();
        std::fs::rename(&here, &away).unwrap();
        std::fs::rename(&copy, &here).unwrap();
        let gone = (503, "storage_gone".to_owned());
        assert_eq!(till.sell("while", &sale).await.refusal(), gone, "{file}");
        assert_eq!(till.move_stock("moved", "received", &[(BEANS, 1_000)]).await.refusal(), gone, "{file}");
        std::fs::rename(&away, &here).unwrap();
    }
    till.sell("after", &sale).await.ok();
    assert_eq!(node.stop().await.stream(StreamKind::Sales).count(), 3, "a series and two sales");
}
