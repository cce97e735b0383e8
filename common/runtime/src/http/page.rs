//! Pages: HTML of ours that may run its own scripts and styles and load nothing from elsewhere.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use percolate_common::entropy::Entropy;

/// Where a page's text has this, the answer has the nonce of its policy: `<script nonce="{{nonce}}">`.
pub const NONCE_PLACEHOLDER: &str = "{{nonce}}";

/// An answer with the page. Its `<script>` and `<style>` elements need `nonce="{{nonce}}"`; `style="…"` attributes and
/// `on…="…"` handlers do not run, and it talks to no other server than its own.
#[must_use]
pub fn html_page(template: &str, entropy: &dyn Entropy) -> Response {
    let nonce = format!("{:016x}{:016x}", entropy.next_u64(), entropy.next_u64());
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    let mut response = Html(template.replace(NONCE_PLACEHOLDER, &nonce)).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use percolate_common::entropy::SeededEntropy;

    use super::*;

    #[tokio::test]
    async fn each_answer_has_a_nonce_of_its_own_in_policy_and_page() {
        let entropy = SeededEntropy::new(1);
        let mut pages = Vec::new();
        for _ in 0..2 {
            let response = html_page("<script nonce=\"{{nonce}}\">1</script>", &entropy);
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
            let body = String::from_utf8(to_bytes(response.into_body(), 1_000).await.unwrap().to_vec()).unwrap();
            let nonce = body.split('"').nth(1).unwrap().to_owned();
            assert_eq!(nonce.len(), 32);
            assert!(policy.contains(&format!("script-src 'self' 'nonce-{nonce}'")), "{policy}");
            pages.push(body);
        }
        assert_ne!(pages[0], pages[1]);
    }
}
