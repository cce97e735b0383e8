//! The database of a node that does not run, and the node as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use percolate_runtime::database::{Database, DatabaseOptions};
use percolate_runtime::migrate::Migration;
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;
use serde_json::Value;
use store_node::config::Config;
use tokio::process::{Child, Command};

use super::hub::TestHub;
use super::menu::MenuJournal;
use super::node::Till;
use super::{eventually, in_time};

/// The schema of the program under test.
const MIGRATIONS: &[Migration] = &[
    Migration::new(1, "node", include_str!("../../../migrations/0001_node.sql")),
    Migration::new(2, "lives", include_str!("../../../migrations/0002_lives.sql")),
    Migration::new(3, "returned_movements", include_str!("../../../migrations/0003_returned_movements.sql")),
    Migration::new(4, "one_row_a_sale", include_str!("../../../migrations/0004_one_row_a_sale.sql")),
    Migration::new(5, "terminals", include_str!("../../../migrations/0005_terminals.sql")),
    Migration::new(6, "staff", include_str!("../../../migrations/0006_staff.sql")),
    Migration::new(7, "cash", include_str!("../../../migrations/0007_cash.sql")),
    Migration::new(8, "open_tickets", include_str!("../../../migrations/0008_open_tickets.sql")),
    Migration::new(9, "refunds", include_str!("../../../migrations/0009_refunds.sql")),
    Migration::new(10, "tenders", include_str!("../../../migrations/0010_tenders.sql")),
    Migration::new(11, "tips_and_house_accounts", include_str!("../../../migrations/0011_tips_and_house_accounts.sql")),
    Migration::new(12, "kitchen", include_str!("../../../migrations/0012_kitchen.sql")),
    Migration::new(13, "prints", include_str!("../../../migrations/0013_prints.sql")),
    Migration::new(14, "card_refunds", include_str!("../../../migrations/0014_card_refunds.sql")),
];

/// The schema of the program before it.
const OLDER_MIGRATIONS: &[Migration] = &[MIGRATIONS[0], MIGRATIONS[1], MIGRATIONS[2]];

/// What a later program might bring.
const NEWER_MIGRATIONS: &[Migration] = &[
    MIGRATIONS[0],
    MIGRATIONS[1],
    MIGRATIONS[2],
    MIGRATIONS[3],
    MIGRATIONS[4],
    MIGRATIONS[5],
    MIGRATIONS[6],
    MIGRATIONS[7],
    MIGRATIONS[8],
    MIGRATIONS[9],
    MIGRATIONS[10],
    MIGRATIONS[11],
    MIGRATIONS[12],
    MIGRATIONS[13],
    Migration::new(15, "later", "CREATE TABLE later (number INTEGER NOT NULL) STRICT"),
];

/// Opens a node's database as a later program does, and leaves it so.
pub(crate) fn upgrade_database(path: &Path) {
    DatabaseOptions::new(path, NEWER_MIGRATIONS).open().unwrap();
}

/// Opens a node's database as the node does.
pub(crate) fn open_database(path: &Path) -> Database {
    DatabaseOptions::new(path, MIGRATIONS).open().unwrap()
}

/// Makes a node's database as an earlier program did.
pub(crate) fn older_database(path: &Path) -> Database {
    DatabaseOptions::new(path, OLDER_MIGRATIONS).open().unwrap()
}

/// Gives a node a menu as if it had received it.
pub(crate) fn put_menu(path: &Path, menu: &MenuJournal) {
    let (author, incarnation) = (menu.id.author.number(), menu.id.incarnation.get().cast_signed());
    let put = |tx: &percolate_runtime::storage::WriteTx<'_>| {
        let tx = tx.sqlite()?;
        for (event, head) in menu.events.iter().zip(&menu.heads[1..]) {
            tx.execute(
                "INSERT INTO down_journal (author, incarnation, stream, seq, event, hash)
                 VALUES (:author, :incarnation, 16, :seq, :event, :hash)",
                named_params! {
                    ":author": author, ":incarnation": incarnation, ":seq": head.seq.cast_signed(), ":event": event,
                    ":hash": head.hash.as_bytes(),
                },
            )?;
        }
        let head = menu.head();
        tx.execute(
            "INSERT INTO down_head (author, incarnation, stream, seq, hash, place)
             VALUES (:author, :incarnation, 16, :seq, :hash, 0)",
            named_params! {
                ":author": author, ":incarnation": incarnation, ":seq": head.seq.cast_signed(),
                ":hash": head.hash.as_bytes(),
            },
        )?;
        Ok::<_, StorageError>(())
    };
    open_database(path).write("put_menu", put).unwrap();
}

/// Copies the database of a node that does not run.
pub(crate) fn copy_database(database: &Path, to: &Path) {
    for suffix in ["db", "db-wal"] {
        let file = database.with_extension(suffix);
        if file.exists() {
            std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// Puts the copy back.
pub(crate) fn put_database_back(database: &Path, from: &Path) {
    for suffix in ["db", "db-wal", "db-shm"] {
        let file = database.with_extension(suffix);
        if file.exists() {
            std::fs::remove_file(&file).unwrap();
        }
        let kept = from.join(file.file_name().unwrap());
        if kept.exists() {
            std::fs::copy(kept, &file).unwrap();
        }
    }
}

/// The node as a process of its own. It does not outlive its owner.
pub(crate) struct Program {
    child: Child,
    data: PathBuf,
}

impl Program {
    pub(crate) fn start(config: &Config) -> Self {
        let mut words = vec![
            ("--data", config.data.display().to_string()),
            ("--http", config.http.to_string()),
            ("--disk-reserve-bytes", config.disk_reserve_bytes.to_string()),
        ];
        let cards = &config.cards;
        words.extend(cards.card_terminal.iter().map(|it| ("--card-terminal", format!("simulated:{}", it.0.display()))));
        words.extend(cards.card_forward.iter().map(|it| {
            let numbers = [it.ticket, it.count.map(u64::cast_signed), it.total, it.age_ms.map(|ms| ms / 1_000)];
            ("--card-forward", numbers.map(|number| number.unwrap().to_string()).join(","))
        }));
        words.extend(
            config.prints.printers.iter().map(|it| ("--printer", format!("{}={},{}", it.name, it.address, it.columns))),
        );
        match &config.site {
            Some(site) => words.push(("--site", site.display().to_string())),
            None => words.extend([
                ("--store", config.store.unwrap().to_string()),
                ("--node", config.node.unwrap().to_string()),
                ("--name", config.name.clone().unwrap()),
                ("--zone", config.zone.clone().unwrap()),
                ("--currency", config.currency.clone().unwrap()),
                ("--hub-mqtt", config.hub_mqtt.as_ref().unwrap().to_string()),
            ]),
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_store-node"));
        command.arg("serve");
        for (option, value) in words {
            command.args([option, &value]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        Self { child: command.spawn().unwrap(), data: config.data.clone() }
    }

    /// Starts one that sells from the menu of its hub.
    pub(crate) async fn start_selling(config: &Config, hub: &mut TestHub) -> Self {
        let program = Self::start(config);
        hub.greet().await;
        hub.serve_menu(&MenuJournal::published()).await;
        program
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the program runs")
    }

    /// A till of the shop, once the program listens.
    pub(crate) async fn till(&self) -> Till {
        let pid = self.pid();
        let address = eventually("the address of the program", || async {
            let text = std::fs::read(self.data.join("endpoints.json")).ok()?;
            let endpoints: Value = serde_json::from_slice(&text).ok()?;
            (endpoints["pid"] == pid).then(|| endpoints["http"].as_str().unwrap().parse().unwrap())
        });
        Till::new(address.await, &self.data)
    }

    /// Tells it to stop, as an operator does.
    pub(crate) fn tell_to_stop(&self) {
        let told = std::process::Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// Ends it as a loss of power does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until it has ended, and gives its exit code and what it had to say.
    pub(crate) async fn ended(self) -> (Option<i32>, String) {
        let output = in_time("the end of the program", self.child.wait_with_output()).await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// The value of a metric of this series, by its whole name with labels.
pub(crate) async fn metric(till: &Till, series: &str) -> u64 {
    let text = till.ask_openly("/metrics").await.text;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}
