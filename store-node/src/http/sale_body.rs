//! The body of whatever is asked here: a JSON body in which no text may be a card's number. No route takes another one.

use axum::extract::{FromRequest, Request};
use percolate_common::domain::tenders::scan::card_number_at;
use percolate_runtime::http::extract::JsonBody;
use percolate_runtime::http::problem::Problem;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::refused;

/// As [`JsonBody`], but looked through before anything reads it, so that no refusal repeats what must not be here.
#[derive(Debug)]
pub(super) struct SaleBody<T>(pub(super) JsonBody<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for SaleBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let unread = JsonBody::<IgnoredAny>::from_request(request, state).await?;
        match card_number_at(&mut serde_json::Deserializer::from_slice(&unread.bytes)) {
            Ok(None) => JsonBody::read(unread.bytes).map(Self),
            Ok(Some(pointer)) => {
                let text = "this looks like a card number, which must never be sent here";
                Err(refused(pointer, "card_number_refused", text))
            }
            // Not said which: it may be a card's.
            Err(_number) => {
                Err(refused("", "invalid_body", "a number is not whole, or too large, or the body is too deep"))
            }
        }
    }
}
