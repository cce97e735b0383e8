//! Bad input: a code for programs, a sentence for people, and nothing written.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::harness::{Answer, Client, Hub, Node, NodeSpec};

use system_tests::books::{any_item, text, ticket};

/// What a refusal must be: a 4xx problem with this code and a sentence.
fn refused_with(answer: &Answer, code: &str) -> Result<()> {
    ensure!((400..500).contains(&answer.status), "{code}: {} {}", answer.status, answer.text);
    ensure!(answer.content_type == "application/problem+json", "{code}: {}", answer.content_type);
    ensure!(answer.code() == code, "{code}: {}", answer.text);
    let detail = text(&answer.json()?, "/detail")?;
    ensure!(detail.len() > 15 && detail.contains(' '), "{code}: a sentence is expected, not {detail:?}");
    Ok(())
}

async fn raw(client: &Client, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer> {
    client.send(Method::POST, "/v1/tickets", headers, body).await
}

fn changed(base: &Value, pointer: &str, value: Value) -> Result<Value> {
    let mut body = base.clone();
    *body.pointer_mut(pointer).with_context(|| pointer.to_owned())? = value;
    Ok(body)
}

#[tokio::test]
async fn bad_tickets_are_refused_and_nothing_is_written() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let hub = Hub::start(scratch.path()).await?;
    let node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    node.ready().await?;
    let good = ticket("T1", any_item(&node).await?, 1);
    node.client.post("/v1/tickets", "used", &good).await?;
    let before = node.all_acked().await?;
    let cases = [
        ("unknown_item", changed(&good, "/lines/0/item", json!(99_999))?),
        ("quantity_out_of_range", changed(&good, "/lines/0/quantity", json!(-1))?),
        ("quantity_out_of_range", changed(&good, "/lines/0/quantity", json!(0))?),
        ("quantity_out_of_range", changed(&good, "/lines/0/quantity", json!(1_000_000))?),
        ("line_count", changed(&good, "/lines", json!([]))?),
        ("wrong_currency", changed(&good, "/currency", json!("EUR"))?),
        ("tender_underpaid", changed(&good, "/tenders/0/amount_minor", json!(1))?),
        ("tender_underpaid", changed(&good, "/tenders", json!([]))?),
        ("tender_card_overpaid", changed(&good, "/tenders/0/kind", json!("card_external"))?),
        ("tender_amount_out_of_range", changed(&good, "/tenders/0/amount_minor", json!(-5))?),
        ("terminal_name_invalid", changed(&good, "/terminal", json!("till one"))?),
        (
            "card_number_refused",
            changed(
                &good,
                "/tenders/0",
                json!({"kind": "card_external", "amount_minor": 1, "reference": "4111 1111 1111 1111"}),
            )?,
        ),
    ];
    for (at, (code, body)) in cases.iter().enumerate() {
        refused_with(&node.client.try_post("/v1/tickets", &format!("bad-{at}"), body).await?, code)?;
    }
    refused_with(
        &node.client.try_post("/v1/tickets", "used", &changed(&good, "/lines/0/quantity", json!(2))?).await?,
        "idempotency_key_reused",
    )?;
    let json_type = ("content-type", "application/json");
    let key = ("idempotency-key", "raw");
    refused_with(&raw(&node.client, &[json_type, key], b"{\"terminal\":".to_vec()).await?, "malformed_json")?;
    refused_with(&raw(&node.client, &[json_type, key], vec![b' '; 300 * 1024]).await?, "body_too_large")?;
    refused_with(&raw(&node.client, &[json_type], good.to_string().into_bytes()).await?, "idempotency_key_missing")?;
    refused_with(
        &raw(&node.client, &[("content-type", "text/plain"), key], good.to_string().into_bytes()).await?,
        "unsupported_media_type",
    )?;
    let unknown_field = changed(&good, "/lines/0", json!({"item": 101, "quantity": 1, "price": 1}))?;
    refused_with(&node.client.try_post("/v1/tickets", "raw", &unknown_field).await?, "invalid_body")?;
    for not_a_number in [json!(1.5), json!("two"), json!(null), json!(1e30)] {
        let body = changed(&good, "/lines/0/quantity", not_a_number)?;
        let answer = node.client.try_post("/v1/tickets", "raw", &body).await?;
        ensure!((400..500).contains(&answer.status), "{body}: {} {}", answer.status, answer.text);
    }
    let after = node.all_acked().await?;
    assert_eq!(after.get("streams"), before.get("streams"), "nothing was written");
    Ok(())
}

#[tokio::test]
async fn bad_questions_to_the_hub_are_refused() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let hub = Hub::start(scratch.path()).await?;
    for path in [
        "by=colour",
        "by=day&from=yesterday",
        "by=day&from=2026-02-01&to=2026-01-01",
        "by=day&store=x",
        "by=day&format=xml",
    ] {
        let answer = hub.client.try_get(&format!("/v1/reporting/sales?{path}")).await?;
        ensure!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
        ensure!(!answer.code().is_empty(), "{path}: {}", answer.text);
    }
    let nowhere = hub.client.try_get("/v1/nowhere").await?;
    assert_eq!((nowhere.status, nowhere.content_type.as_str()), (404, "application/problem+json"));
    Ok(())
}
