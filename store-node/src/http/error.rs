//! How refusals and failures look to a caller.

use axum::http::StatusCode;
use percolate_common::domain::cash::decide::DrawerRejection;
use percolate_common::domain::pricing::PricingRejection;
use percolate_common::domain::pricing::cart::DiscountPlace;
use percolate_common::domain::staff::approvals::ApprovalRejection;
use percolate_common::domain::stock::MovementRejection;
use percolate_common::domain::tenders::card::PaymentRejection;
use percolate_common::domain::tenders::house::HouseRejection;
use percolate_common::domain::terminals::PairingRejection;
use percolate_common::domain::tickets::decide::TicketRejection;
use percolate_common::domain::tickets::open::decide::OpenRejection;
use percolate_common::domain::tickets::tips::TipRejection;
use percolate_common::wire::WireError;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::storage::StorageError;

use super::prints;
use super::refunds::{owed_refusal, refusal};
use crate::app::error::AppError;
use crate::app::staff::StaffRefusal;

/// When to try again, in seconds, where somebody must free some space first.
const RESERVE_RETRY_S: u32 = 30;

/// When to try again, in seconds, where many sign in at once.
const SIGN_INS_RETRY_S: u32 = 2;

/// When to try again, in seconds, where a menu is on its way.
const CATALOG_RETRY_S: u32 = 1;

/// A sentence from an error's text.
pub(super) fn sentence(text: &str) -> String {
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
        PricingRejection::NotSoldHere { line, .. } => {
            refused(format!("/lines/{line}/item"), "item_not_sold_here", &text)
        }
        PricingRejection::NotNow { line, .. } => refused(format!("/lines/{line}/item"), "item_not_now", &text),
        PricingRejection::UnknownExtra { line, .. } => refused(format!("/lines/{line}/extras"), "unknown_extra", &text),
        PricingRejection::ExtraList { line } => refused(format!("/lines/{line}/extras"), "extras_malformed", &text),
        PricingRejection::ExtraCount { line, .. } => refused(format!("/lines/{line}/extras"), "extra_count", &text),
        PricingRejection::Price { line } => refused(format!("/lines/{line}/price_minor"), "price_out_of_range", &text),
        PricingRejection::UnknownCombo { line, .. } => refused(format!("/lines/{line}/combo"), "unknown_combo", &text),
        PricingRejection::ComboIncomplete { line, .. } => {
            refused(format!("/lines/{line}/combo"), "combo_incomplete", &text)
        }
        PricingRejection::DiscountCount { line } => refused(discounts(*line), "discount_count", &text),
        PricingRejection::UnknownDiscount { place, .. } => refused(discount(*place), "unknown_discount", &text),
        PricingRejection::DiscountRange { place } => refused(discount(*place), "discount_out_of_range", &text),
        PricingRejection::Reason { place } => {
            refused(place.map_or_else(|| "/exempt_reason".to_owned(), discount), "reason_needed", &text)
        }
        PricingRejection::Overflow(_) => refused("/lines", "amount_out_of_range", &text),
    }
}

/// Where the discounts of a line or of the whole ticket stand.
fn discounts(line: Option<usize>) -> String {
    line.map_or_else(|| "/discounts".to_owned(), |line| format!("/lines/{line}/discounts"))
}

fn discount(place: DiscountPlace) -> String {
    format!("{}/{}", discounts(place.line), place.at)
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
        TicketRejection::Tip(_) => refused("/tip_minor", "tip_out_of_range", &text),
        TicketRejection::Underpaid { .. } => tenders("tender_underpaid"),
        TicketRejection::CardOverpaid { .. } => tenders("tender_card_overpaid"),
        TicketRejection::CashNotDue { .. } => tenders("tender_cash_not_due"),
        TicketRejection::Reference { tender } => of_tender(tender, "reference", "reference_invalid"),
        TicketRejection::Payment { tender, why } => of_tender(tender, "payment", rejection_code(why)),
        TicketRejection::House { tender, why: HouseRejection::Unknown(_) } => {
            of_tender(tender, "account", "house_unknown")
        }
        TicketRejection::House { tender, why: HouseRejection::Ticket { .. } | HouseRejection::Day { .. } } => {
            of_tender(tender, "account", "house_limit")
        }
        TicketRejection::CardNumber { tender } => of_tender(tender, "reference", "card_number_refused"),
    }
}

const fn rejection_code(rejection: &PaymentRejection) -> &'static str {
    match rejection {
        PaymentRejection::Unknown(_) => "payment_unknown",
        PaymentRejection::NotApproved { .. } => "payment_not_approved",
        PaymentRejection::Used { .. } | PaymentRejection::Twice(_) => "payment_used",
        PaymentRejection::Amount { .. } => "payment_amount_differs",
        PaymentRejection::CashLeft { .. } => "payment_exceeds_cash",
        PaymentRejection::Training(_) => "payment_not_for_this",
    }
}

fn tip(rejection: &TipRejection) -> Problem {
    let text = rejection.to_string();
    match rejection {
        TipRejection::Practice => Problem::new(StatusCode::CONFLICT, "tip_practice", sentence(&text)),
        TipRejection::Refunded => Problem::new(StatusCode::CONFLICT, "tip_refunded", sentence(&text)),
        TipRejection::Closed => Problem::new(StatusCode::CONFLICT, "tip_closed", sentence(&text)),
        TipRejection::Card => refused("/tender", "tip_no_card", &text),
        TipRejection::Amount { .. } => refused("/tip_minor", "tip_out_of_range", &text),
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

fn drawer(rejection: &DrawerRejection) -> Problem {
    let text = rejection.to_string();
    match rejection {
        DrawerRejection::Open { .. } => Problem::new(StatusCode::CONFLICT, "drawer_open", sentence(&text)),
        DrawerRejection::Closed(_) => Problem::new(StatusCode::CONFLICT, "drawer_closed", sentence(&text)),
        DrawerRejection::Amount { .. } => refused("", "cash_amount_out_of_range", &text),
        DrawerRejection::Count => refused("", "count_unclear", &text),
    }
}

fn open_ticket(rejection: &OpenRejection) -> Problem {
    let text = rejection.to_string();
    match rejection {
        OpenRejection::Paid(_) => Problem::new(StatusCode::CONFLICT, "ticket_paid", sentence(&text)),
        OpenRejection::Abandoned => Problem::new(StatusCode::CONFLICT, "ticket_abandoned", sentence(&text)),
        OpenRejection::Changed { .. } => Problem::new(StatusCode::CONFLICT, "ticket_changed", sentence(&text)),
        OpenRejection::PaidMore { .. } => Problem::new(StatusCode::CONFLICT, "ticket_paid_more", sentence(&text)),
        OpenRejection::PaymentsTaken(_) => Problem::new(StatusCode::CONFLICT, "ticket_partly_paid", sentence(&text)),
        OpenRejection::Mixed => Problem::new(StatusCode::CONFLICT, "ticket_practice_mixed", sentence(&text)),
        OpenRejection::SameTicket => refused("/to", "ticket_same", &text),
        OpenRejection::UnknownLine(_) => refused("/lines", "unknown_line", &text),
        OpenRejection::Nothing | OpenRejection::LineCount => refused("/lines", "line_count", &text),
        OpenRejection::Part { .. } => refused("/part_minor", "part_out_of_range", &text),
        OpenRejection::PaymentCount => refused("", "payment_count", &text),
        OpenRejection::Ticket(rejection) => ticket(rejection),
    }
}

fn storage(error: &StorageError) -> Problem {
    tracing::error!(
        error.code = error.code(),
        error = error as &dyn std::error::Error,
        "a request met a storage failure"
    );
    Problem::from(error)
}

fn event(error: &WireError) -> Problem {
    match error {
        WireError::TooLarge { bytes, limit, .. } => {
            let text = format!("this makes an entry of {bytes} bytes, and a journal takes {limit}: divide it");
            refused("", "entry_too_large", &text)
        }
        WireError::Malformed { .. } | WireError::Version(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "a fact cannot be written: {error}");
            Problem::internal()
        }
    }
}

/// Why a code pairs nobody.
pub(super) fn pairing(rejection: PairingRejection) -> Problem {
    let detail = sentence(&rejection.to_string());
    match rejection {
        PairingRejection::Unknown => Problem::new(StatusCode::NOT_FOUND, "pairing_unknown", detail),
        PairingRejection::TriedTooOften => Problem::new(StatusCode::GONE, "pairing_tried_too_often", detail),
        PairingRejection::Expired => Problem::new(StatusCode::GONE, "pairing_expired", detail),
        PairingRejection::Used => Problem::new(StatusCode::CONFLICT, "pairing_used", detail),
    }
}

/// Why somebody is not signed in, or may not.
fn staff(refusal: &StaffRefusal) -> Problem {
    let detail = sentence(&refusal.to_string());
    match refusal {
        StaffRefusal::Wrong => Problem::new(StatusCode::UNAUTHORIZED, "sign_in_wrong", detail),
        StaffRefusal::Locked { left_ms } => {
            let wait_s = u32::try_from(left_ms.saturating_add(999) / 1_000).unwrap_or(u32::MAX);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "sign_in_locked", detail).with_retry_after(wait_s)
        }
        StaffRefusal::Busy => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "sign_ins_busy", detail).with_retry_after(SIGN_INS_RETRY_S)
        }
        StaffRefusal::Needed => Problem::new(StatusCode::UNAUTHORIZED, "sign_in_needed", detail),
        StaffRefusal::Ended => Problem::new(StatusCode::UNAUTHORIZED, "sign_in_ended", detail),
        StaffRefusal::ApprovalNeeded { .. } => Problem::new(StatusCode::FORBIDDEN, "approval_needed", detail),
        StaffRefusal::Approval(ApprovalRejection::Used | ApprovalRejection::Ended) => {
            Problem::new(StatusCode::FORBIDDEN, "approval_ended", detail)
        }
        StaffRefusal::Approval(ApprovalRejection::OtherAct | ApprovalRejection::OtherTerminal) => {
            Problem::new(StatusCode::FORBIDDEN, "approval_not_for_this", detail)
        }
        StaffRefusal::MayNotApprove => Problem::new(StatusCode::FORBIDDEN, "may_not_approve", detail),
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Staff(refusal) => staff(&refusal),
            AppError::Storage(error) => storage(&error),
            AppError::Ticket(rejection) => ticket(&rejection),
            AppError::Refund(rejection) => refusal(&rejection),
            AppError::Owed(refusal) => owed_refusal(&refusal),
            AppError::RefundUnknown => refused(
                "",
                "refund_unknown",
                "how this ticket was paid is not known here: another system knows it, or head office has not sent it back yet",
            ),
            AppError::Tip(rejection) => tip(&rejection),
            AppError::Pricing(rejection) => pricing(&rejection),
            AppError::Movement(rejection) => movement(&rejection),
            AppError::Drawer(rejection) => drawer(&rejection),
            AppError::OpenTicket(rejection) => open_ticket(&rejection),
            AppError::Print(refusal) => prints::refusal(&refusal),
            AppError::Payment(rejection) => {
                Self::new(StatusCode::CONFLICT, rejection_code(&rejection), sentence(&rejection.to_string()))
            }
            AppError::NoCardTerminal => Self::new(
                StatusCode::CONFLICT,
                "card_terminal_missing",
                "This shop has no card terminal that the box could ask. Take the card at a terminal of its own, and say card_external.",
            ),
            AppError::Field { pointer, code, detail } => refused(pointer, code, detail.trim_end_matches('.')),
            AppError::KeyReused => refused(
                "",
                "idempotency_key_reused",
                "this Idempotency-Key was used for another request: choose a new key for a new write",
            ),
            AppError::NoCatalog => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "catalog_not_received",
                "This store has not received a menu yet, and sells nothing until it has. Check the link to the hub.",
            )
            .with_retry_after(CATALOG_RETRY_S),
            AppError::PairingsFull => Self::new(
                StatusCode::CONFLICT,
                "pairings_full",
                "So many pairing codes were given out within the hour that there is none left. Wait some minutes.",
            ),
            AppError::FilesGone { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "storage_gone",
                "The files of the box's database were moved, removed or replaced while it ran. Nothing more is sold, for it would \
                 be lost: put the data folder back, or restart the box on a sound one.",
            ),
            AppError::DiskReserve { free } => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_reserve_reached",
                format!(
                    "Only {free} bytes are left on the disk, kept for closing the day. Free some space to sell on."
                ),
            )
            .with_retry_after(RESERVE_RETRY_S),
            AppError::NotFound(what) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what} in this store."))
            }
            AppError::Event(error) => event(&error),
            AppError::OtherNode { .. } | AppError::Pin(_) | AppError::Panicked(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a command failed: {error}");
                Self::internal()
            }
        }
    }
}
