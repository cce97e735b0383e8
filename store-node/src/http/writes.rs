//! Routes that write: each needs an `Idempotency-Key`, and answers only after the commit.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percolate_common::domain::imports::{ImportedLine, LegacyItem};
use percolate_common::domain::pricing::price;
use percolate_common::domain::stock::{MovementLine, MovementReason};
use percolate_common::domain::tenders::card::LastFourError;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::decide::SellTicket;
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::ids::{HouseAccountId, StockItemId};
use percolate_common::money::Minor;
use percolate_common::paper::Receipts;
use percolate_common::quantity::Quantity;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cart::{CartBody, ConsumptionWord, DiscountBody, LineBody, cart, label, notes};
use super::error::refused;
use super::open_tickets::NAME_BYTES_MAX;
use super::prints::ReceiptWord;
use super::sale_body::SaleBody;
use super::write_key::{WriteKey, request_key};
use crate::app::App;
use crate::app::error::AppError;
use crate::app::imports::{Basket, ImportAnswer, import};
use crate::app::kitchen::Ordered;
use crate::app::movements::{self, MovementAnswer};
use crate::app::prints::Till;
use crate::app::staff::{self, Shown};
use crate::app::ticket_answer::{DiscountAnswer, LineAnswer, TicketAnswer, TicketTaxAnswer};
use crate::app::tickets::{Answer, sell};

/// Baskets of one import request.
const IMPORT_BASKETS_MAX: usize = 1_000;

/// A ticket to sell.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketRequest {
    /// Name of the till: 1 to 8 capital letters and digits, as in `T1`.
    terminal: String,
    /// What amounts are in, as in `USD`.
    currency: String,
    /// What is sold: 1 to 200 lines.
    lines: Vec<LineBody>,
    /// Where it is eaten; away if nothing is said.
    #[serde(default)]
    consumption: ConsumptionWord,
    /// What is taken off the whole: up to 4.
    #[serde(default)]
    discounts: Vec<DiscountBody>,
    /// Why no tax is charged, if none is: up to 80 bytes.
    exempt_reason: Option<String>,
    /// Whether the charge for service is left out.
    #[serde(default)]
    without_service_charge: bool,
    /// How it is paid: up to 8; together at least what is due.
    tenders: Vec<TenderBody>,
    /// What of it is for those who work there, in minor units.
    #[serde(default)]
    tip_minor: i64,
    /// What the order is called out by, up to 40 bytes. It stays in the shop.
    name: Option<String>,
    /// Practice: in no total, and without stock.
    #[serde(default)]
    training: bool,
    /// Whether its receipt is printed; as the shop has decided if absent. A till without a printer prints none.
    receipt: Option<ReceiptWord>,
}

/// One payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TenderBody {
    /// By what means.
    kind: TenderWord,
    /// How much, in minor units.
    amount_minor: i64,
    /// The card terminal's own reference; never digits of a card.
    reference: Option<String>,
    /// The last four digits of the card, of an external card terminal's payment.
    last_four: Option<String>,
    /// The payment that is counted, of `card`.
    payment: Option<String>,
    /// The number of the account, of `house`.
    account: Option<u32>,
}

/// A means of payment.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TenderWord {
    /// Notes and coins; may exceed what is due.
    Cash,
    /// A card terminal that is not ours.
    CardExternal,
    /// The shop's card terminal, asked by the box: see `/v1/card-payments`.
    Card,
    /// An account that the house lets somebody run up.
    House,
}

/// A till sells under its own name: nobody writes on another's receipts.
pub(super) fn not_yours(actor: &Actor) -> Problem {
    let detail = format!("This terminal was paired as {actor}, and sells under that name only.");
    Problem::new(StatusCode::FORBIDDEN, "terminal_not_yours", detail)
}

/// Tenders as a request says them.
pub(super) fn tenders(bodies: Vec<TenderBody>) -> Result<Vec<Tender>, Problem> {
    bodies.into_iter().enumerate().map(tender).collect()
}

pub(super) fn tender((at, body): (usize, TenderBody)) -> Result<Tender, Problem> {
    let TenderBody { kind, amount_minor, reference, last_four, payment, account } = body;
    let place = |field: &str| format!("/tenders/{at}/{field}");
    let digits = |text: String| {
        text.parse()
            .map_err(|error: LastFourError| refused(place("last_four"), "last_four_invalid", &error.to_string()))
    };
    let of_account = match (kind, account) {
        (TenderWord::House, None) => Some("a house account is named by its number"),
        (TenderWord::Cash | TenderWord::CardExternal | TenderWord::Card, Some(_)) => {
            Some("only a house account has a number")
        }
        (TenderWord::House, Some(_)) | (TenderWord::Cash | TenderWord::CardExternal | TenderWord::Card, None) => None,
    };
    if let Some(text) = of_account {
        return Err(refused(place("account"), "house_unknown", text));
    }
    let kind = match (kind, reference, last_four, payment) {
        (TenderWord::House, None, None, None) => {
            TenderKind::House { account: HouseAccountId::new(account.unwrap_or_default()) }
        }
        (TenderWord::Cash, None, None, None) => TenderKind::Cash,
        (TenderWord::CardExternal, reference, last_four, None) => {
            TenderKind::CardExternal { reference, last_four: last_four.map(digits).transpose()? }
        }
        (TenderWord::Card, None, None, Some(id)) => {
            let payment = id.parse().map_err(|error: percolate_common::ids::IdParseError| {
                refused(place("payment"), "payment_unknown", &error.to_string())
            })?;
            TenderKind::Card { payment, reference: None, last_four: None, stored: false }
        }
        (TenderWord::Card, _, _, None) => {
            let text = "a card that the box has asked about is named by its payment";
            return Err(refused(place("payment"), "payment_unknown", text));
        }
        (TenderWord::Cash | TenderWord::House, ..) => {
            let text = "cash and a house account have no reference";
            return Err(refused(place("reference"), "reference_invalid", text));
        }
        (TenderWord::CardExternal | TenderWord::Card, ..) => {
            let text = "a card that the box has asked about says its payment alone, and another one says none";
            return Err(refused(place("reference"), "reference_invalid", text));
        }
    };
    Ok(Tender { kind, amount: Minor::new(amount_minor) })
}

fn command(request: TicketRequest) -> Result<(Till, SellTicket, Ordered), Problem> {
    let ordered = Ordered { name: label(request.name, "/name", NAME_BYTES_MAX)?, notes: notes(&request.lines)? };
    let name =
        request.terminal.parse().map_err(|error: percolate_common::domain::tickets::receipt::ReceiptParseError| {
            refused("/terminal", "terminal_name_invalid", &error.to_string())
        })?;
    let currency = request.currency.parse().map_err(|error: percolate_common::money::CurrencyParseError| {
        refused("/currency", "wrong_currency", &error.to_string())
    })?;
    let class = if request.training { TicketClass::Training } else { TicketClass::Sale };
    let tenders = tenders(request.tenders)?;
    let tip = Minor::new(request.tip_minor);
    let cart = cart(CartBody {
        lines: request.lines,
        consumption: request.consumption,
        discounts: request.discounts,
        exempt_reason: request.exempt_reason,
        without_service_charge: request.without_service_charge,
    })?;
    let till = Till { name, receipt: request.receipt.map(Receipts::from) };
    Ok((till, SellTicket { class, currency, cart, tenders, tip }, ordered))
}

pub(super) fn answered(answer: Answer, fresh: StatusCode) -> Response {
    let status = if answer.replayed { StatusCode::OK } else { fresh };
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], answer.json).into_response();
    if answer.replayed {
        response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    }
    response
}

/// Sell a ticket. The answer comes after the sale is on the disk, and so does its receipt, which the box prints.
#[utoipa::path(post, path = "/v1/tickets", tag = "tickets", request_body = TicketRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each sale; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Sold", body = TicketAnswer),
        (status = 200, description = "Was sold before under this key", body = TicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn sell_ticket(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    key: WriteKey,
    SaleBody(body): SaleBody<TicketRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (till, command, ordered) = command(body.value)?;
    if actor.kind == ActorKind::Terminal && actor.name != till.name.to_string() {
        return Err(not_yours(&actor));
    }
    let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
    let selling = app.clone();
    let sale = move |tx: &percolate_runtime::sqlite::WriteTx<'_>| {
        sell(&selling, tx, &catalog, (&till, &command, &ordered), &key, &shown)
    };
    Ok(answered(app.writer.run("sell", sale).await?, StatusCode::CREATED))
}

/// Lines to be priced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuoteRequest {
    /// What would be sold: 1 to 200 lines.
    lines: Vec<LineBody>,
    /// Where it is eaten; away if nothing is said.
    #[serde(default)]
    consumption: ConsumptionWord,
    /// What is taken off the whole: up to 4.
    #[serde(default)]
    discounts: Vec<DiscountBody>,
    /// Why no tax is charged, if none is: up to 80 bytes.
    exempt_reason: Option<String>,
    /// Whether the charge for service is left out.
    #[serde(default)]
    without_service_charge: bool,
}

/// What lines would cost now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuoteAnswer {
    /// What amounts are in.
    currency: String,
    /// The menu that they are priced by.
    catalog_revision: u32,
    /// Before tax.
    net_minor: i64,
    /// Tax.
    tax_minor: i64,
    /// What a guest would pay.
    total_minor: i64,
    /// What each line comes to.
    lines: Vec<LineAnswer>,
    /// Tax by class.
    taxes: Vec<TicketTaxAnswer>,
    /// The discounts that were asked for, and what they come to.
    discounts: Vec<DiscountAnswer>,
    /// The charge for service, before tax.
    service_charge_minor: i64,
}

/// Price lines without selling them.
#[utoipa::path(post, path = "/v1/quotes", tag = "tickets", request_body = QuoteRequest,
    params(("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in: they stay so")),
    responses(
        (status = 200, description = "The price", body = QuoteAnswer),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn quote(
    State(app): State<App>,
    shown: Shown,
    SaleBody(body): SaleBody<QuoteRequest>,
) -> Result<Json<QuoteAnswer>, Problem> {
    staff::saw(&app, shown).await?;
    let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
    let request = body.value;
    let cart = cart(CartBody {
        lines: request.lines,
        consumption: request.consumption,
        discounts: request.discounts,
        exempt_reason: request.exempt_reason,
        without_service_charge: request.without_service_charge,
    })?;
    let stamping = app.clone();
    let at = app.readers.read_async(move |tx| Ok::<_, AppError>(stamping.stamp(tx)?.at)).await?;
    let priced = price(&catalog, &cart, &app.moment(at)).map_err(AppError::Pricing)?;
    let charge = priced.service_charge.map_or(Minor::ZERO, |charge| charge.amount);
    Ok(Json(QuoteAnswer {
        currency: catalog.revision.currency.to_string(),
        catalog_revision: catalog.revision.number,
        net_minor: priced.totals.net.get(),
        tax_minor: priced.totals.tax.get(),
        total_minor: priced.totals.total.get(),
        lines: priced.lines.iter().map(|line| LineAnswer::new(line, Some(&catalog))).collect(),
        taxes: priced.taxes.iter().map(TicketTaxAnswer::from).collect(),
        discounts: priced.discounts.iter().map(DiscountAnswer::from).collect(),
        service_charge_minor: charge.get(),
    }))
}

/// A movement of stock.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MovementRequest {
    /// Why.
    reason: ReasonWord,
    /// What: 1 to 500 lines.
    lines: Vec<MovementLineBody>,
}

/// Why stock moves.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReasonWord {
    /// A delivery came in: positive quantities.
    Received,
    /// Thrown away, spilt or spoilt: positive quantities, which leave.
    Wasted,
    /// Corrected by a person: up or down.
    Adjusted,
}

/// One line of a movement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MovementLineBody {
    /// Stock item number.
    stock_item: u32,
    /// How much, in the item's base unit (each, mg, ul).
    quantity: i64,
}

/// Book a movement of stock.
#[utoipa::path(post, path = "/v1/stock/movements", tag = "stock", request_body = MovementRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each movement; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header, description = "An approval of `correct_stock`, where one is needed")),
    responses(
        (status = 201, description = "Booked", body = MovementAnswer),
        (status = 200, description = "Was booked before under this key", body = MovementAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn move_stock(
    State(app): State<App>,
    shown: Shown,
    key: WriteKey,
    SaleBody(body): SaleBody<MovementRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let reason = match body.value.reason {
        ReasonWord::Received => MovementReason::Received,
        ReasonWord::Wasted => MovementReason::Wasted,
        ReasonWord::Adjusted => MovementReason::Adjusted,
    };
    let line = |line: MovementLineBody| MovementLine {
        stock_item: StockItemId::new(line.stock_item),
        quantity: Quantity::new(line.quantity),
    };
    let lines: Vec<_> = body.value.lines.into_iter().map(line).collect();
    let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
    let booking = app.clone();
    let book = move |tx: &percolate_runtime::sqlite::WriteTx<'_>| {
        movements::book(&booking, tx, &catalog, (reason, &lines), &key, &shown)
    };
    Ok(answered(app.writer.run("move_stock", book).await?, StatusCode::CREATED))
}

/// Past sales of another system.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportRequest {
    /// Which system or file, 1 to 64 bytes; rows are told apart within it.
    source: String,
    /// Up to 1000 baskets.
    baskets: Vec<BasketBody>,
}

/// One basket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BasketBody {
    /// YYYY-MM-DD on the shop's wall.
    local_date: String,
    /// HH:MM:SS on the shop's wall.
    local_time: String,
    /// What was sold: 1 to 200 lines.
    lines: Vec<ImportLineBody>,
}

/// One line of a basket, in the old system's words.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportLineBody {
    /// Id of the row it came from.
    row: String,
    /// Number or code of the product.
    product_id: String,
    /// Name of the product.
    name: String,
    /// Category of the product.
    category: String,
    /// How many, 1 to 100000.
    quantity: u32,
    /// Price of one, in minor units.
    unit_price_minor: i64,
}

fn import_line(body: ImportLineBody) -> ImportedLine {
    ImportedLine {
        row: body.row,
        item: LegacyItem { id: body.product_id, name: body.name, category: body.category },
        quantity: body.quantity,
        unit_price: Minor::new(body.unit_price_minor),
    }
}

/// Bring past sales in. Rows that are here already change nothing; rows that cannot be brought in are named.
#[utoipa::path(post, path = "/v1/imports/baskets", tag = "imports", request_body = ImportRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each request; the same when you try again")),
    responses(
        (status = 200, description = "What was brought in", body = ImportAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn import_baskets(
    State(app): State<App>,
    _actor: Actor,
    key: WriteKey,
    SaleBody(body): SaleBody<ImportRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let request = body.value;
    let source_is_sound = (1..=64).contains(&request.source.len()) && !request.source.chars().any(char::is_control);
    if !source_is_sound {
        return Err(refused(
            "/source",
            "source_invalid",
            "the source must have 1 to 64 bytes without control characters",
        ));
    }
    if request.baskets.is_empty() || request.baskets.len() > IMPORT_BASKETS_MAX {
        let text = format!("1 to {IMPORT_BASKETS_MAX} baskets are expected, these are {}", request.baskets.len());
        return Err(refused("/baskets", "basket_count", &text));
    }
    let basket = |body: BasketBody| Basket {
        local_date: body.local_date,
        local_time: body.local_time,
        lines: body.lines.into_iter().map(import_line).collect(),
    };
    let baskets: Vec<_> = request.baskets.into_iter().map(basket).collect();
    let importing = app.clone();
    let bring_in =
        move |tx: &percolate_runtime::sqlite::WriteTx<'_>| import(&importing, tx, &request.source, baskets, &key);
    Ok(answered(app.writer.run("import", bring_in).await?, StatusCode::OK))
}
