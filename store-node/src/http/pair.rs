//! The page on which a terminal is paired, and the root's certificate for it.

use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use percolate_runtime::http::page::html_page;
use percolate_runtime::http::problem::Problem;

use crate::app::App;
use crate::app::error::AppError;

const PAGE: &str = include_str!("../../web/pair.html");

/// A text as it stands in HTML. Braces, too: a name fills in no place of the page.
pub(super) fn escaped(text: &str) -> String {
    let of = |c: char| match c {
        '&' | '<' | '>' | '"' | '\'' | '{' | '}' => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(of).collect()
}

/// The page on which a terminal is paired: it takes the root's certificate, and then a code.
#[utoipa::path(get, path = "/pair", tag = "open", security(()), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html"),
))]
pub(super) async fn page(State(app): State<App>) -> Response {
    let fingerprint = app.present.lan().map(|lan| lan.root_sha256.clone()).unwrap_or_default();
    let page = PAGE
        .replace("{{shop}}", &escaped(&app.identity.described.name))
        .replace("{{root_sha256}}", &escaped(&fingerprint));
    html_page(&page, &*app.entropy)
}

/// The chain's root certificate, which a terminal takes into its store of certificates.
#[utoipa::path(get, path = "/root.pem", tag = "open", security(()), responses(
    (status = 200, description = "The certificate, PEM", body = String, content_type = "application/x-x509-ca-cert"),
    (status = "4XX", description = "The box is of no chain", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn root(State(app): State<App>) -> Result<Response, Problem> {
    let lan = app.present.lan().ok_or(AppError::NotFound("certificate"))?;
    let headers = [
        (CONTENT_TYPE, "application/x-x509-ca-cert"),
        (CONTENT_DISPOSITION, "attachment; filename=\"percolate-root.pem\""),
    ];
    Ok((headers, lan.root.clone()).into_response())
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_name_is_text_and_nothing_else() {
        assert_eq!(escaped("Ann & Joe's <i>{{nonce}}"), "Ann &#38; Joe&#39;s &#60;i&#62;&#123;&#123;nonce&#125;&#125;");
    }
}
