//! The hub without threads: the same code, driven by hand; its frames, its projections, its deaths.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cloud_hub::catalog::app::MenuLoaded;
use cloud_hub::catalog::menu::Menu;
use cloud_hub::hub_error::HubError;
use cloud_hub::inline::{Hub, Options};
use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::NodeId;
use percolate_common::journal::{JournalId, SigningKey};
use percolate_common::sync::outbound::RESEND_AFTER;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{Ack, FromHub, FromNode, Hello, Position, SignedHead, Verdict, Welcome};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::{LinkEvent, Outlet, PublishError};
use percolate_runtime::writer::{CommitHook, CommitPoint, Go};
use tempfile::TempDir;

use crate::support::copies::{sales_of_life, sell};
use crate::support::events::{NOON_MS, Written};
use crate::support::hub::StandingClock;
use crate::support::process::place;

const MENU: &str = include_str!("../../../provisioning/demo/menu.json");

const NODE: NodeId = NodeId::new(11);

/// Keeps what the hub says, if there is a link.
#[derive(Default)]
struct Frames {
    said: Mutex<Vec<(String, Bytes)>>,
    is_full: AtomicBool,
}

impl Frames {
    fn keep(&self, topic: &str, frame: Bytes) {
        self.said.lock().unwrap().push((topic.to_owned(), frame));
    }
}

impl Outlet for Frames {
    fn offer(&self, topic: &str, payload: Bytes, _retain: bool) -> Result<(), PublishError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(PublishError::Full);
        }
        self.keep(topic, payload);
        Ok(())
    }
}

/// Counts the commits of each database, and lets the hub die at one.
#[derive(Default)]
struct Fate {
    passed: Mutex<Vec<(&'static str, CommitPoint)>>,
    /// Which database, at which point, after how many times more.
    death: Mutex<Option<(&'static str, CommitPoint, u32)>>,
}

impl CommitHook for Fate {
    fn at(&self, database: &'static str, point: CommitPoint) -> Go {
        self.passed.lock().unwrap().push((database, point));
        let mut death = self.death.lock().unwrap();
        match &mut *death {
            Some((of, at, 0)) if (*of, *at) == (database, point) => return Go::Die,
            Some((of, at, left)) if (*of, *at) == (database, point) => *left -= 1,
            _ => {}
        }
        Go::On
    }
}

/// A hub on a folder, and the node that talks to it.
struct Bench {
    hub: Hub,
    frames: Arc<Frames>,
    fate: Arc<Fate>,
    now: Duration,
    boot: u64,
    session: u64,
}

impl Bench {
    fn open(folder: &Path, seed: u64) -> Self {
        let (frames, fate) = (Arc::new(Frames::default()), Arc::new(Fate::default()));
        let options = Options {
            data_dir: folder.to_owned(),
            clock: Arc::new(StandingClock),
            entropy: Arc::new(SeededEntropy::new(seed)),
            outlet: frames.clone(),
            hook: fate.clone(),
        };
        let now = Duration::from_secs(1);
        let hub = Hub::open(options, now).unwrap();
        Self { hub, frames, fate, now, boot: 0, session: 0 }
    }

    /// What was said since this was last asked.
    fn said(&self) -> Vec<(Topic, Bytes)> {
        let said = std::mem::take(&mut *self.frames.said.lock().unwrap());
        said.into_iter().map(|(topic, frame)| (topic.parse().unwrap(), frame)).collect()
    }

    /// What was said in the session; the batches that came; other frames are nudges.
    fn heard(&self) -> (Vec<FromHub>, Vec<Batch>) {
        let (mut session, mut batches) = (Vec::new(), Vec::new());
        for (topic, frame) in self.said() {
            match topic {
                Topic::DownSession(NODE) => session.push(FromHub::decode(&frame).unwrap()),
                Topic::Down(NODE) => batches.push(Batch::decode(&frame).unwrap()),
                Topic::AllDown(_) => {}
                other => panic!("nothing should come to {other}"),
            }
        }
        (session, batches)
    }

    fn hear(&mut self, events: Vec<LinkEvent>) -> Result<(), HubError> {
        self.hub.hear(events, self.now)
    }

    /// Greets on a disk that holds these sales and has read so far.
    fn greet(&mut self, sales: &Written, positions: Vec<Position>) -> (Welcome, Vec<FromHub>) {
        self.boot += 1;
        let key = SigningKey::from_random(&[12; 32]).unwrap();
        let hello = Hello {
            wire_min: 1,
            wire_max: 1,
            incarnation: sales.id.incarnation.get(),
            store: 1,
            machine: [1; 16].into(),
            boot: self.boot,
            now_ms: NOON_MS,
            public_key: (*key.public_key().as_bytes()).into(),
            heads: vec![SignedHead::sign(&key, &sales.id, &sales.head())],
            positions,
            version: "0.1.0".to_owned(),
            marks: None,
            number: None,
        };
        self.hear(vec![LinkEvent::Up, said_by_node(&FromNode::Hello(hello))]).unwrap();
        let said = std::mem::take(&mut *self.frames.said.lock().unwrap());
        let (own, others): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|(topic, _)| *topic == Topic::DownSession(NODE).to_string());
        *self.frames.said.lock().unwrap() = others;
        let mut own = own.iter().map(|(_, frame)| FromHub::decode(frame).unwrap());
        let Some(FromHub::Welcome(welcome)) = own.next() else { panic!("no welcome") };
        assert_eq!(welcome.verdict, Verdict::Welcome);
        self.session = welcome.session;
        (welcome, own.collect())
    }

    fn commits_of(&self, database: &str) -> usize {
        let passed = self.fate.passed.lock().unwrap();
        passed.iter().filter(|(of, point)| *of == database && *point == CommitPoint::AfterCommit).count()
    }
}

fn message(topic: Topic, frame: Vec<u8>) -> LinkEvent {
    LinkEvent::Message { topic: topic.to_string(), payload: frame.into() }
}

fn said_by_node(said: &FromNode) -> LinkEvent {
    message(Topic::UpSession(NODE), said.encode().unwrap())
}

fn sent(batch: &Batch) -> LinkEvent {
    message(Topic::Up(NODE, batch.journal.stream), batch.encode().unwrap())
}

fn acknowledged(position: Position, session: u64) -> LinkEvent {
    said_by_node(&FromNode::Ack(Ack { position, session, reader_ms: NOON_MS, parked: None }))
}

fn sales(count: u64) -> Written {
    let mut sales = sales_of_life(1);
    sell(&mut sales, 1..=count);
    sales
}

fn held(welcome: &Welcome, journal: &JournalId) -> u64 {
    welcome.positions.iter().find(|said| said.journal().as_ref() == Some(journal)).map_or(0, Position::seq)
}

fn menu() -> Menu {
    Menu::parse(MENU).unwrap()
}

#[test]
fn a_greeting_is_welcomed_batches_are_committed_as_one_group_and_acknowledged_once() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(folder.path(), 1);
    let sales = sales(30);
    let (welcome, _) = bench.greet(&sales, Vec::new());
    assert_eq!(held(&welcome, &sales.id), 0);

    let before = bench.commits_of("journal");
    let batches = [(1, 10), (11, 20), (21, 30)].map(|(lo, hi)| sent(&sales.batch(lo, hi, bench.session)));
    bench.hear(batches.to_vec()).unwrap();
    assert_eq!(bench.commits_of("journal"), before + 1);
    let (said, _) = bench.heard();
    let [FromHub::Ack(ack)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((ack.position.clone(), ack.session), (place(&sales, 30), bench.session));

    let empty = bench.hub.digest().unwrap();
    bench.hub.project().unwrap();
    let folded = bench.hub.digest().unwrap();
    assert_ne!(folded, empty);
    bench.hub.rebuild().unwrap();
    assert_eq!(bench.hub.digest().unwrap(), folded);
}

#[test]
fn what_a_hub_holds_that_died_at_a_commit_is_what_was_committed_and_it_answered_nothing() {
    for (point, kept) in [(CommitPoint::BeforeCommit, 2), (CommitPoint::AfterCommit, 5)] {
        let folder = TempDir::new().unwrap();
        let sales = sales(5);
        let mut bench = Bench::open(folder.path(), 1);
        bench.greet(&sales, Vec::new());
        bench.hear(vec![sent(&sales.batch(1, 2, bench.session))]).unwrap();
        assert_eq!(bench.heard().0.len(), 1);

        *bench.fate.death.lock().unwrap() = Some(("journal", point, 0));
        let died = bench.hear(vec![sent(&sales.batch(3, 5, bench.session))]);
        assert!(matches!(died, Err(HubError::Ingest(_))), "{died:?}");
        assert!(bench.said().is_empty());
        assert!(bench.hear(vec![sent(&sales.batch(3, 5, bench.session))]).is_err(), "the dead do nothing more");

        drop(bench);
        let mut bench = Bench::open(folder.path(), 2);
        let (welcome, _) = bench.greet(&sales, Vec::new());
        assert_eq!(held(&welcome, &sales.id), kept, "{point:?}");
    }
}

#[test]
fn a_projection_that_died_is_whole_after_the_next_start() {
    let folder = TempDir::new().unwrap();
    let sales = sales(5);
    let mut bench = Bench::open(folder.path(), 1);
    bench.greet(&sales, Vec::new());
    bench.hear(vec![sent(&sales.batch(1, 5, bench.session))]).unwrap();
    let empty = bench.hub.digest().unwrap();
    *bench.fate.death.lock().unwrap() = Some(("reporting", CommitPoint::BeforeCommit, 0));
    assert!(bench.hub.project().is_err());

    drop(bench);
    let bench = Bench::open(folder.path(), 2);
    assert_eq!(bench.hub.digest().unwrap(), empty);
    bench.hub.project().unwrap();
    assert_ne!(bench.hub.digest().unwrap(), empty);
}

#[test]
fn a_menu_is_nudged_sent_when_it_is_due_and_sent_again_until_it_is_acknowledged() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(folder.path(), 1);
    assert_eq!((bench.hub.revision(), bench.hub.next_due()), (None, None));
    let loaded = bench.hub.load_menu(menu(), bench.now).unwrap();
    assert!(matches!(loaded, MenuLoaded::Published { revision: 1, .. }), "{loaded:?}");
    assert_eq!(bench.hub.revision(), Some(1));
    assert!(matches!(bench.said().as_slice(), [(Topic::AllDown(_), _)]));

    let sales = sales(0);
    bench.frames.is_full.store(true, Ordering::Relaxed);
    bench.hub.nudge(bench.now).unwrap();
    assert!(bench.said().is_empty());
    bench.frames.is_full.store(false, Ordering::Relaxed);
    bench.greet(&sales, Vec::new());
    let (_, first) = bench.heard();
    assert!(!first.is_empty());
    assert_eq!(bench.hub.next_due(), Some(bench.now + RESEND_AFTER));

    bench.now += RESEND_AFTER;
    bench.hub.wake(bench.now).unwrap();
    let (_, again) = bench.heard();
    assert_eq!(again, first);
    let last = again.last().unwrap();
    let head = again.iter().flat_map(|batch| &batch.events).fold(last.journal.genesis(), |head, e| head.after(e));
    assert_eq!(head.seq, last.last_seq);
    let position = Position::new(&last.journal, head.seq, head.hash.short());
    bench.hear(vec![acknowledged(position, bench.session)]).unwrap();
    assert_eq!(bench.hub.next_due(), None);
    assert!(bench.said().is_empty());
}

#[test]
fn answers_that_the_outlet_does_not_take_are_due_soon() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(folder.path(), 1);
    let sales = sales(1);
    bench.greet(&sales, Vec::new());
    bench.frames.is_full.store(true, Ordering::Relaxed);
    bench.hear(vec![sent(&sales.batch(1, 1, bench.session))]).unwrap();
    bench.frames.is_full.store(false, Ordering::Relaxed);
    bench.now = bench.hub.next_due().unwrap();
    assert!(bench.said().is_empty());
    bench.hub.wake(bench.now).unwrap();
    assert!(matches!(bench.heard().0.as_slice(), [FromHub::Ack(_)]));
    assert_eq!(bench.hub.next_due(), None);
}

#[test]
fn what_is_given_back_to_a_hub_that_lost_it_is_followed_at_once() {
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let sales = sales(0);
    let mut lost = Bench::open(first.path(), 1);
    lost.hub.load_menu(menu(), lost.now).unwrap();
    lost.greet(&sales, Vec::new());
    let (_, batches) = lost.heard();
    let journal = batches[0].journal;
    let head = batches.iter().flat_map(|batch| &batch.events).fold(journal.genesis(), |head, e| head.after(e));

    let mut bench = Bench::open(second.path(), 2);
    bench.hub.load_menu(menu(), bench.now).unwrap();
    assert_eq!(bench.hub.revision(), Some(1));
    let (_, asked) = bench.greet(&sales, vec![Position::new(&journal, head.seq, head.hash.short())]);
    assert!(matches!(asked.as_slice(), [FromHub::Resend(_)]), "{asked:?}");
    bench.said();
    let session = bench.session;
    bench.hear(batches.iter().map(|batch| sent(&Batch { session, ..batch.clone() })).collect()).unwrap();
    assert_eq!(bench.hub.revision(), Some(2), "its own menu is for sale again");
    let said = bench.said();
    assert!(said.iter().any(|(topic, _)| matches!(topic, Topic::AllDown(_))), "{said:?}");
}

#[test]
fn the_same_seed_says_the_same() {
    let run = || {
        let folder = TempDir::new().unwrap();
        let mut bench = Bench::open(folder.path(), 7);
        bench.hub.load_menu(menu(), bench.now).unwrap();
        let sales = sales(20);
        let mut all = Vec::new();
        bench.greet(&sales, Vec::new());
        all.push(bench.session.to_string());
        bench.hear(vec![sent(&sales.batch(1, 20, bench.session)), sent(&sales.batch(1, 20, bench.session))]).unwrap();
        bench.now += RESEND_AFTER;
        bench.hub.wake(bench.now).unwrap();
        bench.hub.project().unwrap();
        all.extend(bench.hub.digest().unwrap().into_iter().map(|(_, digest)| digest));
        all.extend(bench.said().into_iter().map(|(topic, frame)| format!("{topic} {frame:?}")));
        all
    };
    assert_eq!(run(), run());
}
