//! Routes about tips.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use percolate_common::domain::tickets::tips::{AdjustTip, TipCard, WhichCard};
use percolate_common::ids::{StaffId, TicketId};
use percolate_common::money::Minor;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::extract::{PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::error::refused;
use super::reads::{parse_day, read};
use super::sale_body::SaleBody;
use super::terminals::terminal_name;
use super::write_key::{WriteKey, request_key};
use super::writes::{answered, not_yours};
use crate::app::App;
use crate::app::error::AppError;
use crate::app::staff::Shown;
use crate::app::tips::{self, TipAnswer, TipsAnswer};

/// People that tips are shared out among.
const PEOPLE_MAX: usize = 200;

/// A card of a ticket.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CardWord {
    /// Taken at a card terminal that is not ours.
    CardExternal,
    /// Taken at the shop's card terminal.
    Card,
}

/// Which card of a ticket.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum CardBody {
    /// Its position among the tenders of the sale, from 0.
    At(u32),
    /// The first of its kind.
    First(CardWord),
}

/// A tip that was written on a slip.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TipRequest {
    /// Name of the till.
    terminal: String,
    /// The card that it was put on.
    tender: CardBody,
    /// The whole tip of the ticket from now on, in minor units.
    tip_minor: i64,
}

/// Write down what a guest has put on a card's slip after the sale, or correct it. What is said last holds.
#[utoipa::path(post, path = "/v1/tickets/{id}/tip", tag = "tickets", request_body = TipRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each tip; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Written down", body = TipAnswer),
        (status = 200, description = "Was written down before under this key", body = TipAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn adjust_tip(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<TipRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let ticket: TicketId = id.parse().map_err(|_not_an_id| AppError::NotFound("ticket"))?;
    let TipRequest { terminal, tender, tip_minor } = body.value;
    let terminal = terminal_name(&terminal, "/terminal")?;
    if actor.kind == ActorKind::Terminal && actor.name != terminal.to_string() {
        return Err(not_yours(&actor));
    }
    let card = match tender {
        CardBody::At(at) => WhichCard::At(at),
        CardBody::First(CardWord::CardExternal) => WhichCard::First(TipCard::External),
        CardBody::First(CardWord::Card) => WhichCard::First(TipCard::Driver),
    };
    let ask = AdjustTip { card, tip: Minor::new(tip_minor) };
    let writing = app.clone();
    let adjust = move |tx: &percolate_runtime::sqlite::WriteTx<'_>| {
        tips::adjust(&writing, tx, (&terminal, ticket, &ask), &key, &shown)
    };
    Ok(answered(app.writer.run("adjust_tip", adjust).await?, StatusCode::CREATED))
}

/// How tips are shared out.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TipsQuery {
    /// Points or hours of people by their numbers, as `7:3,9:5`; one point for whoever sold that day if nothing is said.
    #[param(example = "7:3,9:5")]
    points: Option<String>,
}

fn points(text: &str) -> Result<Vec<(StaffId, u32)>, Problem> {
    let unclear = || {
        let text = format!("points are written as 7:3,9:5, each person once, up to {PEOPLE_MAX} people");
        refused("?points", "tip_points_unclear", &text)
    };
    let mut people: Vec<(StaffId, u32)> = Vec::new();
    for part in text.split(',') {
        let (person, points) = part.trim().split_once(':').ok_or_else(unclear)?;
        let person: StaffId = person.parse().map_err(|_no_number| unclear())?;
        let points: u32 = points.parse().map_err(|_no_number| unclear())?;
        if people.iter().any(|(known, _)| *known == person) || people.len() >= PEOPLE_MAX {
            return Err(unclear());
        }
        people.push((person, points));
    }
    Ok(people)
}

/// The tips of a business day by whoever sold, and how they are shared out.
#[utoipa::path(get, path = "/v1/business-days/{day}/tips", tag = "business days",
    params(("day" = String, Path, description = "YYYY-MM-DD"), TipsQuery),
    responses(
        (status = 200, description = "The tips", body = TipsAnswer),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn day_tips(
    State(app): State<App>,
    _actor: Actor,
    PathParams(day): PathParams<String>,
    QueryParams(query): QueryParams<TipsQuery>,
) -> Result<Json<TipsAnswer>, Problem> {
    let day = parse_day(&day, "")?;
    let points = query.points.as_deref().map(points).transpose()?.unwrap_or_default();
    Ok(Json(read(&app, move |app, tx| tips::day(app, tx, day, &points)).await?))
}
