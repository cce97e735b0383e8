//! How refusals and failures look to a caller.

use axum::http::StatusCode;
use percolate_common::domain::stock::MovementRejection;
use percolate_common::domain::tickets::decide::TicketRejection;
use percolate_common::domain::tickets::pricing::PricingRejection;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::sqlite::StorageError;

use crate::app::error::AppError;

/// When to try again, in seconds, after something that passes by itself.
const RETRY_AFTER_S: u32 = 1;

/// A sentence from an error's text.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// A refusal that names one part of the body.
pub(super) fn refused(pointer: impl Into<String>, code: &'static str, text: &str) -> Problem {
    let detail = sentence(text);
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail.clone()).with_error(pointer, code, detail)
}

fn pricing(rejection: &PricingRejection) -> Problem {
    let text = rejection.to_string();
    match rejection {
        PricingRejection::LineCount(_) => refused("/lines", "line_count", &text),
        PricingRejection::Quantity { line, .. } => {
            refused(format!("/lines/{line}/quantity"), "quantity_out_of_range", &text)
        }
        PricingRejection::UnknownItem { line, .. } => refused(format!("/lines/{line}/item"), "unknown_item", &text),
        PricingRejection::Overflow(_) => refused("/lines", "amount_out_of_range", &text),
    }
}

fn ticket(rejection: &TicketRejection) -> Problem {
    let text = rejection.to_string();
    let tenders = |code| refused("/tenders", code, &text);
    let of_tender = |at: &usize, field: &str, code| refused(format!("/tenders/{at}/{field}"), code, &text);
    match rejection {
        TicketRejection::Pricing(rejection) => pricing(rejection),
        TicketRejection::Currency { .. } => refused("/currency", "wrong_currency", &text),
        TicketRejection::TenderCount(_) => tenders("tender_count"),
        TicketRejection::TenderAmount { tender, .. } => of_tender(tender, "amount_minor", "tender_amount_out_of_range"),
        TicketRejection::Underpaid { .. } => tenders("tender_underpaid"),
        TicketRejection::CardOverpaid { .. } => tenders("tender_card_overpaid"),
        TicketRejection::CashNotDue { .. } => tenders("tender_cash_not_due"),
        TicketRejection::Reference { tender } => of_tender(tender, "reference", "reference_invalid"),
        TicketRejection::CardNumber { tender } => of_tender(tender, "reference", "card_number_refused"),
    }
}

fn movement(rejection: &MovementRejection) -> Problem {
    let text = rejection.to_string();
    match rejection {
        MovementRejection::LineCount(_) => refused("/lines", "line_count", &text),
        MovementRejection::UnknownStockItem { line, .. } => {
            refused(format!("/lines/{line}/stock_item"), "unknown_stock_item", &text)
        }
        MovementRejection::Quantity { line, .. } => {
            refused(format!("/lines/{line}/quantity"), "quantity_out_of_range", &text)
        }
    }
}

fn unavailable(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_retry_after(RETRY_AFTER_S)
}

fn storage(error: &StorageError) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, "the database failed: {error}");
    match error.code() {
        "disk_full" => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "disk_full",
            "The disk of this box is full, and nothing was written. Free some space; selling goes on by itself then.",
        ),
        "storage_read_only" => unavailable(
            "storage_read_only",
            "The disk of this box can only be read, and nothing was written. Check the disk, then restart the box.",
        ),
        "storage_corrupt" => unavailable(
            "storage_corrupt",
            "The database of this box is damaged, and nothing was written. Call support; do not remove any file.",
        ),
        "queue_full" | "busy" | "storage_busy" => {
            unavailable("busy", "The box has more to do than it can. Try again with the same Idempotency-Key.")
        }
        _failure => Problem::internal(),
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Storage(error) => storage(&error),
            AppError::Ticket(rejection) => ticket(&rejection),
            AppError::Pricing(rejection) => pricing(&rejection),
            AppError::Movement(rejection) => movement(&rejection),
            AppError::Field { pointer, code, detail } => refused(pointer, code, detail.trim_end_matches('.')),
            AppError::KeyReused => refused(
                "",
                "idempotency_key_reused",
                "this Idempotency-Key was used for another request: choose a new key for a new write",
            ),
            AppError::NoCatalog => unavailable(
                "catalog_not_received",
                "This store has not received a menu yet, and sells nothing until it has. Check the link to the hub.",
            ),
            AppError::DiskReserve { free } => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_reserve_reached",
                format!(
                    "Only {free} bytes are left on the disk, kept for closing the day. Free some space to sell on."
                ),
            ),
            AppError::NotFound(what) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what} in this store."))
            }
            AppError::Event(_) | AppError::OtherNode { .. } => {
                tracing::error!(error = &error as &dyn std::error::Error, "a command failed: {error}");
                Self::internal()
            }
        }
    }
}
