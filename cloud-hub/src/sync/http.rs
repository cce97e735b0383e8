//! How complete the hub is: what it holds of every journal, who is connected, what could not be read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Incarnation, JournalId};
use percolate_common::wire::event;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::QueryParams;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::storage::StorageError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::{JournalsAudited, statement};
use super::store::{DeadLetter, DownPosition, dead_letter_list, down_position_list};
use crate::kernel::http::{Refused, ServiceRouter};
use crate::kernel::journal::{Entry, Journal, NodeState, StreamState, node_list, parked_list, stream_list};
use crate::kernel::problem::storage_problem;

/// Rows of one page if nothing is said.
const PAGE_ROWS: u32 = 100;

/// Rows of one page at most.
const PAGE_ROWS_MAX: u32 = 1_000;

/// The routes of the synchronisation.
#[must_use]
pub fn router(journal: Journal) -> ServiceRouter {
    OpenApiRouter::new()
        .routes(routes!(streams))
        .routes(routes!(nodes))
        .routes(routes!(parked))
        .routes(routes!(dead_letters))
        .routes(routes!(audit))
        .with_state(Arc::new(journal))
}

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Rows at most: 1 to 1000, 100 if nothing is said.
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// How much of a list without pages is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Latest {
    /// Rows at most: 1 to 1000, 100 if nothing is said.
    limit: Option<u32>,
}

fn limited(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(PAGE_ROWS);
    if (1..=PAGE_ROWS_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_query",
        format!("Ask for 1 to {PAGE_ROWS_MAX} rows: limit={limit} is outside."),
    )
    .with_error("?limit", "out_of_range", format!("1 to {PAGE_ROWS_MAX}")))
}

impl Page {
    fn limit(&self) -> Result<u32, Problem> {
        limited(self.limit)
    }

    /// Of rows that are in the order of their keys, those after the key that was asked for; and the next key.
    fn cut<T>(&self, rows: Vec<T>, key: impl Fn(&T) -> String) -> Result<(Vec<T>, Option<String>), Problem> {
        let limit = usize::try_from(self.limit()?).unwrap_or(usize::MAX);
        let skip = match &self.after {
            Some(after) => match rows.iter().position(|row| key(row) == *after) {
                Some(at) => at + 1,
                None => return Err(unknown_cursor()),
            },
            None => 0,
        };
        let more = rows.len() > skip.saturating_add(limit);
        let page: Vec<T> = rows.into_iter().skip(skip).take(limit).collect();
        let next = page.last().filter(|_| more).map(key);
        Ok((page, next))
    }
}

fn unknown_cursor() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_query",
        "The cursor in after is not one that this list gave. Begin without it.",
    )
    .with_error("?after", "unknown_cursor", "Use the next of the page before.")
}

/// How far the hub holds every journal.
#[derive(Debug, Serialize, ToSchema)]
struct Streams {
    /// By author, incarnation and stream.
    rows: Vec<StreamRow>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// How far the hub holds one journal.
#[derive(Debug, Serialize, ToSchema)]
struct StreamRow {
    /// The author: `n` and the number of a node, or the name of a service.
    #[schema(example = "n11")]
    author: String,
    /// The author's number, if it is a node.
    node: Option<u32>,
    /// The author's life.
    #[schema(example = "0123456789abcdef")]
    incarnation: String,
    /// What it is about.
    #[schema(example = "sales")]
    stream: &'static str,
    /// The last entry held without a gap.
    contig: u64,
    /// The chain's hash there.
    head: String,
    /// How far the author has said that it reaches.
    announced_seq: u64,
    /// Entries that could not be read when they came.
    parked: u64,
    /// When the last event happened, by its author's clock.
    last_event_at_ms: Option<i64>,
    /// When something of it last came, by the hub's clock.
    received_at_ms: i64,
    /// Where its author has last contradicted what is held.
    forked_at_seq: Option<u64>,
}

impl From<StreamState> for StreamRow {
    fn from(state: StreamState) -> Self {
        Self {
            author: state.journal.author.to_string(),
            node: state.journal.author.as_node().map(|node| node.get()),
            incarnation: state.journal.incarnation.to_string(),
            stream: state.journal.stream.as_str(),
            contig: state.head.seq,
            head: state.head.hash.to_string(),
            announced_seq: state.announced_seq,
            parked: state.parked_events,
            last_event_at_ms: state.last_at.map(|at| at.get()),
            received_at_ms: state.received_at.get(),
            forked_at_seq: state.forked_at_seq,
        }
    }
}

/// The nodes that were ever welcomed.
#[derive(Debug, Serialize, ToSchema)]
struct Nodes {
    /// By number.
    rows: Vec<NodeRow>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// A node as it last introduced itself.
#[derive(Debug, Serialize, ToSchema)]
struct NodeRow {
    /// Its number.
    node: u32,
    /// The store that it serves.
    store: u32,
    /// Its present life.
    incarnation: String,
    /// The version of its program.
    version: String,
    /// Whether it is connected.
    online: bool,
    /// When that last changed.
    online_changed_at_ms: Option<i64>,
    /// When it was last welcomed.
    welcomed_at_ms: i64,
    /// How far its clock was ahead of the hub's then, in milliseconds.
    skew_ms: i64,
    /// When its stock totals were last compared with those of the hub, which both had for the same journals.
    stock_compared_at_ms: Option<i64>,
    /// Whether they were others then: a defect, or somebody's hand.
    stock_differs: bool,
    /// How far it has read the hub's journals.
    down: Vec<DownRow>,
}

/// How far a node has read a journal of the hub.
#[derive(Debug, Serialize, ToSchema)]
struct DownRow {
    /// The service that writes it.
    author: String,
    /// The service's life.
    incarnation: String,
    /// What it is about.
    stream: &'static str,
    /// The last entry that the node has acknowledged.
    acked_seq: u64,
    /// When.
    acked_at_ms: i64,
}

impl NodeRow {
    fn new(state: NodeState, positions: &[DownPosition]) -> Self {
        let down = positions.iter().filter(|position| position.node == state.node).map(|position| DownRow {
            author: position.journal.author.to_string(),
            incarnation: position.journal.incarnation.to_string(),
            stream: position.journal.stream.as_str(),
            acked_seq: position.seq,
            acked_at_ms: position.acked_at.get(),
        });
        Self {
            node: state.node.get(),
            store: state.store.get(),
            incarnation: state.incarnation.to_string(),
            version: state.version,
            online: state.online,
            online_changed_at_ms: state.online_changed_at.map(|at| at.get()),
            welcomed_at_ms: state.welcomed_at.get(),
            skew_ms: state.skew_ms,
            stock_compared_at_ms: state.stock_compared_at.map(|at| at.get()),
            stock_differs: state.stock_differs,
            down: down.collect(),
        }
    }
}

/// Events that this program cannot read. They are held, acknowledged and passed over.
#[derive(Debug, Serialize, ToSchema)]
struct Parked {
    /// By journal and sequence number.
    rows: Vec<ParkedRow>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// An event that this program cannot read.
#[derive(Debug, Serialize, ToSchema)]
struct ParkedRow {
    /// Who wrote it.
    author: String,
    /// In which life.
    incarnation: String,
    /// About what.
    stream: &'static str,
    /// Where in the journal.
    seq: u64,
    /// How large it is.
    bytes: usize,
    /// Why it cannot be read.
    reason: String,
}

impl ParkedRow {
    fn new(journal: &JournalId, entry: &Entry) -> Self {
        let reason = match event::decode(&entry.bytes) {
            Err(error) => error.to_string(),
            Ok(_) => "it came before this version of the program, which can read it".to_owned(),
        };
        Self {
            author: journal.author.to_string(),
            incarnation: journal.incarnation.to_string(),
            stream: journal.stream.as_str(),
            seq: entry.seq,
            bytes: entry.bytes.len(),
            reason,
        }
    }
}

/// Frames that could not be read at all. They were not acknowledged.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetters {
    /// The latest first; only so many are kept.
    rows: Vec<DeadLetterRow>,
}

/// A frame that could not be read.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetterRow {
    /// BLAKE3 of topic and frame.
    fingerprint: String,
    /// Where it came.
    topic: String,
    /// Why it cannot be read.
    reason: String,
    /// How large it is.
    bytes: u64,
    /// How often it came.
    times: u64,
    /// When it came first.
    first_at_ms: i64,
    /// When it came last.
    last_at_ms: i64,
}

impl From<DeadLetter> for DeadLetterRow {
    fn from(letter: DeadLetter) -> Self {
        Self {
            fingerprint: letter.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
            topic: letter.topic,
            reason: letter.reason,
            bytes: letter.bytes,
            times: letter.times,
            first_at_ms: letter.first_at.get(),
            last_at_ms: letter.last_at.get(),
        }
    }
}

/// Lists how far the hub holds every journal.
#[utoipa::path(get, path = "/v1/sync/streams", tag = "sync", params(Page), security(("token" = [])),
    responses((status = 200, description = "How far each journal is held", body = Streams), Refused))]
async fn streams(
    _actor: Actor,
    State(journal): State<Arc<Journal>>,
    QueryParams(page): QueryParams<Page>,
) -> Result<Json<Streams>, Problem> {
    let states = journal.db().read_async(stream_list).await.map_err(|error| storage_problem(&error))?;
    let (states, next) = page.cut(states, |state| state.journal.to_string())?;
    Ok(Json(Streams { rows: states.into_iter().map(StreamRow::from).collect(), next }))
}

/// Lists the nodes, whether they are connected, and how far they have read.
#[utoipa::path(get, path = "/v1/sync/nodes", tag = "sync", params(Page), security(("token" = [])),
    responses((status = 200, description = "The nodes", body = Nodes), Refused))]
async fn nodes(
    _actor: Actor,
    State(journal): State<Arc<Journal>>,
    QueryParams(page): QueryParams<Page>,
) -> Result<Json<Nodes>, Problem> {
    let read = journal.db().read_async(|tx| Ok::<_, StorageError>((node_list(tx)?, down_position_list(tx)?))).await;
    let (states, positions) = read.map_err(|error| storage_problem(&error))?;
    let (states, next) = page.cut(states, |state| state.node.to_string())?;
    Ok(Json(Nodes { rows: states.into_iter().map(|state| NodeRow::new(state, &positions)).collect(), next }))
}

/// Lists the events that this program cannot read.
#[utoipa::path(get, path = "/v1/sync/parked", tag = "sync", params(Page), security(("token" = [])),
    responses((status = 200, description = "Such events", body = Parked), Refused))]
async fn parked(
    _actor: Actor,
    State(journal): State<Arc<Journal>>,
    QueryParams(page): QueryParams<Page>,
) -> Result<Json<Parked>, Problem> {
    let limit = page.limit()?;
    let after = page.after.as_deref().map(|after| cursor(after).ok_or_else(unknown_cursor)).transpose()?;
    // One more than is shown tells whether there is a next page.
    let read = journal.db().read_async(move |tx| parked_list(tx, after, limit.saturating_add(1))).await;
    let mut entries = read.map_err(|error| storage_problem(&error))?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > shown;
    entries.truncate(shown);
    let next = entries.last().filter(|_| more).map(|(journal, entry)| cursor_text(journal, entry.seq));
    Ok(Json(Parked { rows: entries.iter().map(|(journal, entry)| ParkedRow::new(journal, entry)).collect(), next }))
}

/// Lists the frames that could not be read at all.
#[utoipa::path(get, path = "/v1/sync/dead-letters", tag = "sync", params(Latest), security(("token" = [])),
    responses((status = 200, description = "Such frames", body = DeadLetters), Refused))]
async fn dead_letters(
    _actor: Actor,
    State(journal): State<Arc<Journal>>,
    QueryParams(latest): QueryParams<Latest>,
) -> Result<Json<DeadLetters>, Problem> {
    let limit = limited(latest.limit)?;
    let read = journal.db().read_async(move |tx| dead_letter_list(tx, limit)).await;
    let letters = read.map_err(|error| storage_problem(&error))?;
    Ok(Json(DeadLetters { rows: letters.into_iter().map(DeadLetterRow::from).collect() }))
}

/// Whose journals are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Whose {
    /// Node number.
    node: u32,
}

/// Reads a node's journals anew, from the first entry, and states what they come to.
#[utoipa::path(get, path = "/v1/sync/audit", tag = "sync", params(Whose), security(("token" = [])),
    responses((status = 200, description = "The statement", body = JournalsAudited), Refused))]
async fn audit(
    _actor: Actor,
    State(journal): State<Arc<Journal>>,
    QueryParams(whose): QueryParams<Whose>,
) -> Result<Json<JournalsAudited>, Problem> {
    let node = NodeId::new(whose.node);
    let read = journal.db().read_async(move |tx| statement(tx, node)).await;
    match read.map_err(|error| storage_problem(&error))? {
        Some(answer) => Ok(Json(answer)),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_node",
            format!("Node {node} has never been heard of. GET /v1/sync/nodes lists the nodes."),
        )),
    }
}

fn cursor_text(journal: &JournalId, seq: u64) -> String {
    format!("{}/{}/{}/{seq}", journal.author.number(), journal.incarnation, journal.stream)
}

/// Reads what [`cursor_text`] writes.
fn cursor(text: &str) -> Option<(JournalId, u64)> {
    let mut parts = text.split('/');
    let (author, incarnation, stream, seq) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let author = AuthorId::from_number(author.parse().ok()?);
    let incarnation: Incarnation = incarnation.parse().ok()?;
    let journal = JournalId { author, incarnation, stream: stream.parse().ok()? };
    Some((journal, seq.parse().ok()?)).filter(|_| parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use percolate_common::journal::{Service, StreamKind};

    use super::*;

    #[test]
    fn a_cursor_names_any_journal_and_nonsense_names_none() {
        for author in [AuthorId::node(NodeId::new(11)), AuthorId::service(Service::Catalog)] {
            let journal = JournalId { author, incarnation: Incarnation::new(7), stream: StreamKind::Sales };
            assert_eq!(cursor(&cursor_text(&journal, 9)), Some((journal, 9)));
        }
        for nonsense in ["", "n11", "11/7/sales", "11/7/money/1", "11/7/sales/x", "11/7/sales/1/2"] {
            assert_eq!(cursor(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn pages_are_cut_after_their_cursor() {
        let page = |limit, after: Option<&str>| Page { limit, after: after.map(str::to_owned) };
        let rows = || vec!["a", "b", "c"];
        let cut = |page: Page| page.cut(rows(), |row| (*row).to_owned()).ok();
        assert_eq!(cut(page(Some(2), None)), Some((vec!["a", "b"], Some("b".to_owned()))));
        assert_eq!(cut(page(Some(2), Some("b"))), Some((vec!["c"], None)));
        assert_eq!(cut(page(None, None)), Some((vec!["a", "b", "c"], None)));
        assert_eq!(cut(page(None, Some("z"))), None);
        assert_eq!(cut(page(Some(0), None)), None);
        assert_eq!(cut(page(Some(1_001), None)), None);
    }
}
