//! A witness of what projections say in the log when they fail, by journal; and, where a test wants it, a panic in the very
//! task that says it: the service's own, with nothing put into the program for it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, Once};

use percolate_common::journal::JournalId;
use percolate_runtime::storage::StorageError;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Where the runner of projections speaks.
const RUNNER: &str = "cloud_hub::kernel::projection::runner";

/// What was said of each journal that somebody watches.
static SEEN: Mutex<BTreeMap<String, Seen>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
struct Seen {
    failures: Vec<&'static str>,
    is_panicking: bool,
}

/// Whoever watches a journal.
pub(super) struct Witness {
    journal: String,
}

impl Witness {
    pub(super) fn of(journal: &JournalId) -> Self {
        static LISTEN: Once = Once::new();
        LISTEN.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
        let journal = journal.to_string();
        SEEN.lock().unwrap().insert(journal.clone(), Seen::default());
        Self { journal }
    }

    /// The codes of the failures to fold the journal, in order.
    pub(super) fn failures(&self) -> Vec<&'static str> {
        SEEN.lock().unwrap()[&self.journal].failures.clone()
    }

    /// From now on whoever tells of such a failure panics.
    pub(super) fn panic_at_failures(&self, is_panicking: bool) {
        SEEN.lock().unwrap().get_mut(&self.journal).unwrap().is_panicking = is_panicking;
    }
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == RUNNER && *metadata.level() == Level::ERROR
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        let is_panicking = {
            let mut seen = SEEN.lock().unwrap();
            let Some(seen) = seen.get_mut(&said.journal) else { return };
            seen.failures.push(said.code);
            seen.is_panicking
        };
        assert!(!is_panicking, "as planned");
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[derive(Debug, Default)]
struct Said {
    journal: String,
    code: &'static str,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "journal" {
            self.journal = format!("{value:?}");
        }
    }

    fn record_error(&mut self, _field: &Field, error: &(dyn Error + 'static)) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(storage) = error.downcast_ref::<StorageError>() {
                self.code = storage.code();
            }
            cause = error.source();
        }
    }
}
